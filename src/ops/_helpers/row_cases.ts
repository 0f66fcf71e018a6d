/** Cases that every loss of rows is checked on. */
import type { RandomState } from "../../base/random.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OpCase } from "../op.ts";
import { fill, normal, uniform } from "./cases.ts";

/** A case of a loss of rows. */
export type RowCase<P> = OpCase<P, "predictions" | "targets", "weights">;

/** Rows with predictions and targets of about the same size. */
export function rowCase<P>(
  name: string,
  rows: Shape,
  columns: readonly number[],
  params: P,
  quick = false,
): RowCase<P> {
  return {
    name,
    quick,
    params,
    inputs: (random) => ({
      predictions: normal(random, [...rows, ...columns], 0.5),
      targets: normal(random, rows, 2),
    }),
  };
}

/** Weights uniform in [0.2, 2), every `missing`-th 0. */
export function caseWeights(random: RandomState, rows: Shape, missing = 0): Tensor {
  const weights = uniform(random, rows, 0.2, 2);
  for (let i = 0; missing > 0 && i < weights.data.length; i += missing) weights.data[i] = 0;
  return weights;
}

/** Targets of which those of weight 0 are NaN. */
export function withMissing(targets: Tensor, weights: Tensor): Tensor {
  return fill(targets.shape, (i) => weights.data[i] === 0 ? NaN : targets.data[i]!);
}

/**
 * One row, several axes, more than one workgroup's run, weights, missing targets, and no row at
 * all that counts.
 *
 * @param columns  the last axis of the predictions; none where they have the targets' shape
 */
export function rowCases<P>(columns: readonly number[], params: P): RowCase<P>[] {
  const rows = [5, 13];
  return [
    rowCase("one row", [1], columns, params),
    rowCase("several axes", [3, 5], columns, params, true),
    rowCase("a run and one", [4097], columns, params),
    {
      name: "weighted",
      params,
      inputs: (random) => ({
        predictions: normal(random, [...rows, ...columns]),
        targets: normal(random, rows),
        weights: caseWeights(random, rows),
      }),
    },
    {
      name: "missing targets",
      params,
      inputs: (random) => {
        const weights = caseWeights(random, rows, 3);
        const targets = withMissing(normal(random, rows), weights);
        return { predictions: normal(random, [...rows, ...columns]), targets, weights };
      },
    },
    {
      name: "all targets missing",
      params,
      inputs: (random) => ({
        predictions: normal(random, [3, ...columns]),
        targets: fill([3], () => NaN),
        weights: fill([3], () => 0),
      }),
    },
  ];
}
