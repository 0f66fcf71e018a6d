/**
 * What a system's output skips past it, and the activation of both: the end of an S5 layer.
 *
 *   y = a + weight∘u            g = act(y)
 *
 *   gradA = gradY + gradG·act'(y)     gradU = weight∘gradA     gradWeight = Σ u∘gradA over the rows
 *
 * a, u, y and g are [.., feature], weight is [feature]. In one pass over memory each way: apart,
 * the product, the sum and the activation move twice as much.
 *
 * On a GPU's way back an invocation goes through a run of rows, so that the weight's gradient costs
 * no reading of its own.
 *
 * Tolerance: that of the activations, 5e-6.
 */
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import { type Activation, activationCode, activationOf, slopeOf } from "./_helpers/activation.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups, vectorOf } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { SIMD_ROWS, singlePass, sumColumns } from "./_helpers/simd.ts";
import { type Backward, defineOp, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode skip}. */
export interface SkipParams {
  readonly activation: Activation;
}

type Input = "a" | "u" | "weight";
type Output = "y" | "g";
type Shapes = Named<Input, never, Shape>;

function outputShapes({ a, u, weight }: Shapes, params: SkipParams): { y: Shape; g: Shape } {
  activationCode(params.activation);
  const feature = lastAxis("a", a);
  expectShape("u", a.map((_, i) => `${i}`), a, u);
  expectShape("weight", ["feature"], [feature], weight);
  return { y: a, g: a };
}

/** What both directions share: an Element is `vector` features. */
function geometryOf({ a }: Shapes, { activation }: SkipParams) {
  const feature = lastAxis("a", a);
  const vector = vectorOf(feature);
  return {
    constants: { KIND: activationCode(activation), GROUP: POINTWISE_GROUP, VECTOR: vector },
    width: Math.max(1, feature / vector),
    rows: rowsOf(a),
    feature,
  };
}

/** Rows of a run on the way back: enough runs to fill a GPU of a hundred thousand invocations. */
const RUN_MAX = 64;
const RUN_MIN = 4;
const INVOCATIONS_ENOUGH = 65_536;

function runOf(rows: number, width: number): number {
  const run = Math.floor(rows * width / INVOCATIONS_ENOUGH);
  return Math.max(RUN_MIN, Math.min(RUN_MAX, run));
}

const backward: Backward<SkipParams, Input, never, Output> = {
  needs: ["y", "u", "weight"],
  cpu({ y, u, weight, gradY, gradG }, { gradA, gradU, gradWeight }, _shapes, params) {
    const slope = slopeOf(params.activation);
    const feature = weight!.length;
    const sums = new Float64Array(feature);
    for (let i = 0; i < y!.length; i++) {
      const gradient = gradY![i]! + gradG![i]! * slope(y![i]!);
      const d = i % feature;
      gradA![i] = gradient;
      gradU![i] = gradient * weight![d]!;
      sums[d]! += gradient * u![i]!;
    }
    gradWeight!.set(sums);
  },
  launch(shapes, params, limits) {
    const { constants, width, rows, feature } = geometryOf(shapes, params);
    const run = runOf(rows, width);
    const runs = groupsFor(rows, run);
    const count = runs * width;
    return joinPlans(
      {
        scratch: { sums: runs * feature },
        passes: [{
          entry: "skip_backward",
          constants: { ...constants, BACK: 1 },
          dims: { count, width, rows, run },
          bindings: ["u", "weight", "y", "gradY", "gradG", "gradA", "gradU", "sums"],
          workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
        }],
      },
      columnSums({ target: "gradWeight", left: "sums", rows: runs, columns: feature }),
    );
  },
  simd(shapes, { activation }): SimdPlan {
    const columns = lastAxis("a", shapes.a);
    const all = rowsOf(shapes.a);
    const tasks = Math.ceil(all / SIMD_ROWS);
    const tensors = ["u", "weight", "y", "gradY", "gradG", "gradA", "gradU", "shares"];
    const args = [...tensors, all, SIMD_ROWS, columns, activationCode(activation)];
    return {
      scratch: { shares: tasks * columns },
      passes: [
        { entry: "skip_backward", args, tasks },
        sumColumns({ target: "gradWeight", left: "shares", rows: tasks, columns }),
      ],
      coreMs: 6e-6 * sizeOf(shapes.a),
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<SkipParams, Input, never>;

function rows(name: string, shape: Shape, activation: Activation, quick = false): Case {
  return {
    name,
    quick,
    params: { activation },
    inputs: (random) => ({
      a: normal(random, shape),
      u: normal(random, shape),
      weight: normal(random, [shape[shape.length - 1]!]),
    }),
  };
}

const cases: readonly Case[] = [
  rows("one row of one", [1, 1], "gelu_tanh"),
  rows("several axes, in fours", [3, 5, 8], "gelu_tanh", true),
  rows("odd sizes, several runs", [37, 13], "silu"),
  rows("several workgroups, in pairs", [5, 29, 6], "gelu"),
  rows("no activation", [9, 4], "identity"),
  {
    name: "denormals",
    params: { activation: "identity" },
    inputs: (random) => ({
      a: denormal(random, [3, 4]),
      u: denormal(random, [3, 4]),
      weight: normal(random, [4]),
    }),
  },
];

/** Skip and activation; equations and shapes at the head of this file. */
export const skip = defineOp<SkipParams, Input, never, Output>({
  name: "skip",
  inputs: ["a", "u", "weight"],
  optional: [],
  outputs: ["y", "g"],
  outputShapes,
  cpu({ a, u, weight }, { y, g }, _shapes, params) {
    const act = activationOf(params.activation);
    const feature = weight.length;
    for (let i = 0; i < a.length; i++) {
      const value = a[i]! + weight[i % feature]! * u[i]!;
      y[i] = value;
      g[i] = act(value);
    }
  },
  launch(shapes, params, limits: GpuLimits) {
    const { constants, width, rows } = geometryOf(shapes, params);
    const count = rows * width;
    return {
      scratch: {},
      passes: [{
        entry: "skip",
        constants: { ...constants, BACK: 0 },
        dims: { count, width, rows, run: 0 },
        bindings: ["a", "u", "weight", "y", "g"],
        workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
      }],
    };
  },
  /** About 4 ns an element, as the activation alone. */
  simd(shapes, { activation }): SimdPlan {
    const width = lastAxis("a", shapes.a);
    const args = ["a", "u", "weight", "y", "g", width, activationCode(activation)];
    return singlePass({ entry: "skip", args, tasks: rowsOf(shapes.a) }, 4e-6 * sizeOf(shapes.a));
  },
  work: (shapes) => sizeOf(shapes.a),
  sized: (work) => rows(`${work} elements`, [Math.max(1, Math.round(work / 16)), 16], "gelu_tanh"),
  cases,
  tolerance: 5e-6,
  backward,
});
