/**
 * Some samples of each length: the places at which something is read off a sequence.
 *
 *   out[b, j, :] = x[b, at[b, j], :]
 *
 *   gradX[b, k, :] = Σ gradOut[b, j, :] over the j whose at[b, j] is k        gradAt = 0
 *
 * x is [batch, length, feature], at [batch, pick], out [batch, pick, feature]. Places are whole
 * numbers stored as floats; a fraction goes to the nearest sample, and what is out of range to the
 * first or last. A sample may be picked more than once.
 *
 * On a GPU the gradient is gathered: every sample looks through the picks of its row in order, so
 * there are no atomics and the bits are the same each time. That suits picks in the tens.
 *
 * Tolerance: a copy; the gradient adds up to all picks of a row in f32, 5e-6.
 */
import { LimitError, ShapeError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { IDS_MAX, nearestId } from "../tensor/ids.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups, vectorOf } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Named, type OpCase, type Pass } from "./op.ts";

/** `pickSamples` takes no parameters. */
export type PickSamplesParams = Record<string, never>;

type Input = "x" | "at";
type Shapes = Named<Input, never, Shape>;

function outputShapes({ x, at }: Shapes): { out: Shape } {
  expectRank("x", 3, x);
  const [batch, length, feature] = x as [number, number, number];
  expectRank("at", 2, at);
  expectShape("at", ["batch", "pick"], [batch, at[1]!], at);
  if (length < 1) throw new ShapeError("x.length", 1, length);
  if (length > IDS_MAX) throw new LimitError("IDS_MAX", IDS_MAX, length, "samples of x");
  return { out: [batch, at[1]!, feature] };
}

/** A pass over `rows` rows of features, an invocation for VECTOR of them. */
function pass(
  entry: string,
  bindings: readonly string[],
  { x, at }: Shapes,
  rows: number,
  limits: GpuLimits,
): Pass {
  const [, length, feature] = x as [number, number, number];
  const vector = vectorOf(feature);
  const width = feature / vector;
  return {
    entry,
    constants: { GROUP: POINTWISE_GROUP, VECTOR: vector },
    dims: { count: rows * width, width: Math.max(1, width), length, pick: at[1]! },
    bindings,
    workgroups: spreadGroups(groupsFor(rows * width, POINTWISE_GROUP), limits),
  };
}

const backward: Backward<PickSamplesParams, Input, never, "out"> = {
  needs: ["at"],
  cpu({ at, gradOut }, { gradX, gradAt }, shapes) {
    const [, length, feature] = shapes.x as [number, number, number];
    const pick = shapes.at[1]!;
    const sums = new Float64Array(sizeOf(shapes.x));
    for (let i = 0; i < at!.length; i++) {
      const row = Math.floor(i / pick) * length + nearestId(at![i]!, length);
      for (let d = 0; d < feature; d++) sums[row * feature + d]! += gradOut![i * feature + d]!;
    }
    gradX!.set(sums);
    gradAt!.fill(0);
  },
  launch(shapes, _params, limits) {
    const picks = sizeOf(shapes.at);
    const clear = pass("clear_places", ["gradAt"], shapes, 0, limits);
    return {
      scratch: {},
      passes: [
        {
          ...clear,
          dims: { ...clear.dims, count: picks },
          workgroups: spreadGroups(groupsFor(picks, POINTWISE_GROUP), limits),
        },
        pass(
          "gather_gradients",
          ["at", "gradOut", "gradX"],
          shapes,
          shapes.x[0]! * shapes.x[1]!,
          limits,
        ),
      ],
    };
  },
  tolerance: 5e-6,
};

/** Places in which some samples stand twice, the first and the last among them. */
function places(batch: number, pick: number, length: number): Tensor {
  return fill([batch, pick], (i) => i % 4 === 3 ? length - 1 : (i * 7) % length);
}

type Case = OpCase<PickSamplesParams, Input, never>;

function picked(
  name: string,
  [batch, length, feature, pick]: readonly [number, number, number, number],
  quick = false,
): Case {
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      x: normal(random, [batch, length, feature]),
      at: places(batch, pick, length),
    }),
  };
}

const cases: readonly Case[] = [
  picked("one of one", [1, 1, 1, 1]),
  picked("some of each row, in fours", [3, 11, 8, 5], true),
  picked("odd sizes, several workgroups", [2, 37, 13, 6]),
  picked("more picks than samples", [2, 3, 2, 9]),
  {
    name: "fractions and out of range",
    params: {},
    inputs: (random) => ({
      x: normal(random, [1, 4, 3]),
      at: fill([1, 6], (i) => [-5, 0.4, 1.6, 2, 9, 1e30][i]!),
    }),
  },
  {
    name: "denormals",
    params: {},
    inputs: (random) => ({ x: denormal(random, [2, 5, 2]), at: places(2, 3, 5) }),
  },
];

/** Some samples of each length; equation and shapes at the head of this file. */
export const pickSamples = defineOp<PickSamplesParams, Input, never, "out">({
  name: "pick_samples",
  inputs: ["x", "at"],
  optional: [],
  outputs: ["out"],
  outputShapes,
  cpu({ x, at }, { out }, shapes) {
    const [, length, feature] = shapes.x as [number, number, number];
    const pick = shapes.at[1]!;
    for (let i = 0; i < at.length; i++) {
      const row = Math.floor(i / pick) * length + nearestId(at[i]!, length);
      out.set(x.subarray(row * feature, (row + 1) * feature), i * feature);
    }
  },
  launch: (shapes, _params, limits) => ({
    scratch: {},
    passes: [pass("pick", ["x", "at", "out"], shapes, sizeOf(shapes.at), limits)],
  }),
  work: (shapes) => sizeOf(shapes.at) * shapes.x[2]!,
  sized: (work) => {
    const rows = Math.max(1, Math.round(work / 64 / 4));
    return picked(`${work} elements`, [rows, 64, 16, 16]);
  },
  cases,
  tolerance: 0,
  backward,
});
