/**
 * Multiplicative gates.
 *
 *   out = y · act(z)              gradY = gradOut·act(z),  gradZ = gradOut·y·act'(z)
 *
 * With `z` given both are [.., feature]. Without it, `y` is [.., 2·feature] and its halves are
 * gated: out = first · act(second), which is GLU (arXiv 1612.08083) for the sigmoid.
 *
 * Tolerance: that of the activations, 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { type Activation, activationCode, activationOf, slopeOf } from "./_helpers/activation.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { singlePass } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode gate}. */
export interface GateParams {
  readonly activation: Activation;
}

type Shapes = Named<"y", "z", Shape>;

function outputShapes(shapes: Shapes, params: GateParams): { out: Shape } {
  activationCode(params.activation);
  const width = lastAxis("y", shapes.y);
  if (shapes.z) {
    expectShape("z", shapes.y.map((_, i) => `${i}`), shapes.y, shapes.z);
    return { out: shapes.y };
  }
  if (width % 2 !== 0) throw new InvalidValueError("y.feature", width, "an even size to halve");
  return { out: [...shapes.y.slice(0, -1), width / 2] };
}

/** The twin: y, z and out as at the head of this file. */
function cpu(
  inputs: Named<"y", "z", FloatArray>,
  outputs: { readonly out: FloatArray },
  shapes: Shapes,
  params: GateParams,
): void {
  const { y, z } = inputs;
  const { out } = outputs;
  const act = activationOf(params.activation);
  if (z) {
    for (let i = 0; i < y.length; i++) out[i] = y[i]! * act(z[i]!);
    return;
  }
  const width = lastAxis("y", shapes.y) / 2;
  for (let i = 0; i < out.length; i++) {
    const row = Math.floor(i / width);
    const at = row * width + i;
    out[i] = y[at]! * act(y[at + width]!);
  }
}

function launch(shapes: Shapes, params: GateParams, limits: GpuLimits): LaunchPlan {
  const width = lastAxis("y", shapes.y) / 2;
  const outputs = sizeOf(shapes.y) / (shapes.z ? 1 : 2);
  const vector = shapes.z ? vectorOf(outputs) : vectorOf(width);
  const count = outputs / vector;
  return {
    scratch: {},
    passes: [{
      entry: "gate",
      constants: {
        KIND: activationCode(params.activation),
        HALVES: shapes.z ? 0 : 1,
        GROUP: WIDE_GROUP,
        VECTOR: vector,
      },
      dims: { count, width: Math.max(1, Math.floor(width / vector)) },
      bindings: shapes.z ? ["y", "z", "out"] : ["y", "out"],
      workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
    }],
  };
}

/** Without z the gates are the second half of each row of y. About 4 ns an output. */
function simdPlan(entry: string, tensors: string[], shapes: Shapes, params: GateParams): SimdPlan {
  const stride = lastAxis("y", shapes.y);
  const width = shapes.z ? stride : stride / 2;
  const tasks = rowsOf(shapes.y);
  const code = activationCode(params.activation);
  const args = [...tensors, width, stride, stride - width, code];
  return singlePass({ entry, args, tasks }, 4e-6 * tasks * width);
}

const backward: Backward<GateParams, "y", "z", "out"> = {
  needs: ["y", "z"],
  cpu({ y, z, gradOut }, { gradY, gradZ }, shapes, params) {
    const act = activationOf(params.activation);
    const slope = slopeOf(params.activation);
    const width = lastAxis("y", shapes.y) / 2;
    for (let i = 0; i < gradOut!.length; i++) {
      const at = z ? i : Math.floor(i / width) * width + i;
      const gated = z ? z[i]! : y![at + width]!;
      gradY![at] = gradOut![i]! * act(gated);
      const share = gradOut![i]! * y![at]! * slope(gated);
      if (z) gradZ![i] = share;
      else gradY![at + width] = share;
    }
  },
  launch(shapes, params, limits) {
    const [pass] = launch(shapes, params, limits).passes;
    const pair = shapes.z ? ["z", "gradZ"] : [];
    return {
      scratch: {},
      passes: [{
        ...pass!,
        entry: "gate_backward",
        bindings: ["y", "gradOut", "gradY", ...pair],
      }],
    };
  },
  simd(shapes, params) {
    const [z, gradZ] = shapes.z ? ["z", "gradZ"] : ["y", "gradY"];
    return simdPlan("gate_backward", ["y", z, "gradOut", "gradY", gradZ], shapes, params);
  },
  tolerance: 5e-6,
};

type Case = OpCase<GateParams, "y", "z"> & { readonly quick?: boolean };

const cases: readonly Case[] = [
  {
    name: "pair, silu",
    quick: true,
    params: { activation: "silu" },
    inputs: (random) => ({ y: normal(random, [3, 21]), z: normal(random, [3, 21], 3) }),
  },
  {
    name: "halves, sigmoid",
    params: { activation: "sigmoid" },
    inputs: (random) => ({ y: normal(random, [3, 7, 10]) }),
  },
  {
    name: "halves, gelu, one feature",
    params: { activation: "gelu" },
    inputs: (random) => ({ y: normal(random, [65, 2]) }),
  },
  {
    name: "pair in fours, several workgroups",
    params: { activation: "silu" },
    inputs: (random) => ({ y: normal(random, [3, 100]), z: normal(random, [3, 100], 3) }),
  },
  {
    name: "halves in fours",
    params: { activation: "sigmoid" },
    inputs: (random) => ({ y: normal(random, [9, 24]) }),
  },
  {
    name: "product",
    params: { activation: "identity" },
    inputs: (random) => ({ y: normal(random, [64]), z: normal(random, [64]) }),
  },
  {
    name: "zeros and denormals",
    params: { activation: "sigmoid" },
    inputs: (random) => ({ y: denormal(random, [9]), z: constant([9], 0) }),
  },
];

/** Multiplicative gate; equations at the head of this file. */
export const gate = defineOp<GateParams, "y", "z", "out">({
  name: "gate",
  inputs: ["y"],
  optional: ["z"],
  outputs: ["out"],
  outputShapes,
  cpu,
  launch,
  simd: (shapes, params) => simdPlan("gate", ["y", shapes.z ? "z" : "y", "out"], shapes, params),
  work: (shapes) => sizeOf(shapes.y),
  sized: (work) => ({
    name: `${work} elements`,
    params: { activation: "silu" },
    inputs: (random) => {
      const shape = [Math.max(1, Math.round(work))];
      return { y: normal(random, shape), z: normal(random, shape) };
    },
  }),
  cases,
  tolerance: 5e-6,
  backward,
});
