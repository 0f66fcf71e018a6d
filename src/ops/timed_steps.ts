/**
 * Step sizes that come from the input, of samples with elapsed times.
 *
 *   delta[.., d] = scale[..]·softplus(raw[.., d])
 *
 *   gradRaw = gradDelta·scale·σ(raw)        gradScale[..] = Σ_d gradDelta·softplus(raw)
 *
 * The steps of Mamba (arXiv 2312.00752, algorithm 2) times the elapsed time of a sample in sampling
 * periods. raw and delta are [.., feature], scale is [..]. In one pass over memory each way.
 *
 * Tolerance: that of the activations, 5e-6.
 */
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import { activationCode, sigmoid, softplus } from "./_helpers/activation.ts";
import { constant, fill, normal, uniform } from "./_helpers/cases.ts";
import { groupsFor, ROW_GROUP, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { singlePass } from "./_helpers/simd.ts";
import { type Backward, defineOp, type Named, type OpCase } from "./op.ts";

/** `timedSteps` takes no parameters. */
export type TimedStepsParams = Record<string, never>;

type Input = "raw" | "scale";
type Shapes = Named<Input, never, Shape>;

function outputShapes({ raw, scale }: Shapes): { delta: Shape } {
  lastAxis("raw", raw);
  expectShape("scale", raw.slice(0, -1).map((_, i) => `${i}`), raw.slice(0, -1), scale);
  return { delta: raw };
}

/** What both directions share: an Element is `vector` features. */
function geometryOf({ raw }: Shapes) {
  const feature = lastAxis("raw", raw);
  const vector = vectorOf(feature);
  const width = Math.max(1, feature / vector);
  return {
    constants: { KIND: activationCode("softplus"), VECTOR: vector },
    dims: { count: rowsOf(raw) * width, width, rows: rowsOf(raw) },
  };
}

const backward: Backward<TimedStepsParams, Input, never, "delta"> = {
  needs: ["raw", "scale"],
  cpu({ raw, scale, gradDelta }, { gradRaw, gradScale }, shapes) {
    const feature = lastAxis("raw", shapes.raw);
    for (let row = 0; row < scale!.length; row++) {
      let sum = 0;
      for (let i = row * feature; i < (row + 1) * feature; i++) {
        gradRaw![i] = gradDelta![i]! * scale![row]! * sigmoid(raw![i]!);
        sum += gradDelta![i]! * softplus(raw![i]!);
      }
      gradScale![row] = sum;
    }
  },
  launch(shapes, _params, limits) {
    const { constants, dims } = geometryOf(shapes);
    return {
      scratch: {},
      passes: [{
        entry: "steps_backward",
        constants: { ...constants, GROUP: ROW_GROUP, BACK: 1 },
        dims,
        bindings: ["raw", "scale", "gradDelta", "gradRaw", "gradScale"],
        workgroups: spreadGroups(dims.rows, limits),
      }],
    };
  },
  simd: (shapes) =>
    simdPlan("timed_steps_backward", [
      ...["raw", "scale", "gradDelta", "gradRaw", "gradScale"],
    ], shapes),
  tolerance: 1e-5,
};

/** A task is a row; about 5 ns an element. */
function simdPlan(entry: string, tensors: readonly string[], { raw }: Shapes): SimdPlan {
  const args = [...tensors, lastAxis("raw", raw)];
  return singlePass({ entry, args, tasks: rowsOf(raw) }, 5e-6 * sizeOf(raw));
}

type Case = OpCase<TimedStepsParams, Input, never>;

function steps(name: string, rows: Shape, feature: number, quick = false): Case {
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      raw: normal(random, [...rows, feature], 3),
      scale: uniform(random, rows, 0.1, 5),
    }),
  };
}

const cases: readonly Case[] = [
  steps("one of one", [1], 1),
  steps("several axes, in fours", [3, 5], 8, true),
  steps("in twos", [4, 3], 6),
  steps("odd sizes", [7, 11], 13),
  steps("more features than a workgroup", [5], 300),
  {
    name: "both sides of softplus's linear part, no time at all",
    params: {},
    inputs: () => ({
      raw: fill([2, 64], (i) => i % 64 - 31.5),
      scale: fill([2], (i) => i),
    }),
  },
  {
    name: "far out",
    params: {},
    inputs: () => ({ raw: fill([1, 65], (i) => 5 * (i - 32)), scale: constant([1], 2) }),
  },
];

/** Step sizes of timed samples; equation and shapes at the head of this file. */
export const timedSteps = defineOp<TimedStepsParams, Input, never, "delta">({
  name: "timed_steps",
  inputs: ["raw", "scale"],
  optional: [],
  outputs: ["delta"],
  outputShapes,
  cpu({ raw, scale }, { delta }, shapes) {
    const feature = lastAxis("raw", shapes.raw);
    for (let i = 0; i < raw.length; i++) {
      delta[i] = scale[Math.floor(i / feature)]! * softplus(raw[i]!);
    }
  },
  launch(shapes, _params, limits: GpuLimits) {
    const { constants, dims } = geometryOf(shapes);
    return {
      scratch: {},
      passes: [{
        entry: "time_steps",
        constants: { ...constants, GROUP: WIDE_GROUP, BACK: 0 },
        dims,
        bindings: ["raw", "scale", "delta"],
        workgroups: spreadGroups(groupsFor(dims.count, WIDE_GROUP), limits),
      }],
    };
  },
  simd: (shapes) => simdPlan("timed_steps", ["raw", "scale", "delta"], shapes),
  work: (shapes) => sizeOf(shapes.raw),
  sized: (work) => steps(`${work} elements`, [Math.max(1, Math.round(work / 16))], 16),
  cases,
  tolerance: 5e-6,
  backward,
});
