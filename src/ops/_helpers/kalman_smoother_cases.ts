/** Cases of `kalman_smoother`. */
import type { RandomState } from "../../base/random.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OpCase } from "../op.ts";
import { constant, fill, normal } from "./cases.ts";

/** A case of the smoother. */
export type SmootherCase = OpCase<
  Record<string, never>,
  "mean" | "factor" | "A" | "processFactor",
  "stateIntercept"
>;

type CaseSizes = readonly [batch: number, length: number, state: number, noise: number];

/** How a case differs from the plain one. */
interface Change {
  readonly quick?: boolean;
  /** Leading axes of the model. */
  readonly axes?: number;
  readonly intercept?: boolean;
  readonly mean?: (shape: readonly number[]) => Tensor;
}

/** Lower triangular matrices with a diagonal of about 1, of which no two are alike. */
function factors(random: RandomState, leading: readonly number[], size: number): Tensor {
  const noise = normal(random, [...leading, size, size], 0.2).data;
  return fill([...leading, size, size], (i) => {
    const [row, column] = [Math.floor(i / size) % size, i % size];
    return column > row ? 0 : noise[i]! + (row === column ? 1 : 0);
  });
}

/** A noise of its own for each state, as far as there are noises, and something beside it. */
function noises(random: RandomState, shape: readonly number[]): Tensor {
  const [state = 1, noise = 1] = shape.slice(-2);
  const beside = normal(random, shape, 0.2).data;
  const isOwn = (i: number) => Math.floor(i / noise) % state === i % noise;
  return fill(shape, (i) => beside[i]! + (isOwn(i) ? 0.8 : 0));
}

function caseOf(
  name: string,
  [batch, length, state, noise]: CaseSizes,
  change: Change = {},
): SmootherCase {
  const leading = [batch, length].slice(0, change.axes ?? 0);
  const shape = [batch, length, state];
  return {
    name,
    quick: change.quick ?? false,
    params: {},
    inputs: (random) => {
      const beside = normal(random, [...leading, state, state], 0.3 / Math.sqrt(state)).data;
      const isDiagonal = (i: number) => Math.floor(i / state) % state === i % state;
      return {
        mean: change.mean?.(shape) ?? normal(random, shape),
        factor: factors(random, [batch, length], state),
        A: fill(
          [...leading, state, state],
          (i) => beside[i]! + (isDiagonal(i) ? 0.8 : 0),
        ),
        processFactor: noises(random, [...leading, state, noise]),
        ...(change.intercept && { stateIntercept: normal(random, [...leading, state]) }),
      };
    },
  };
}

/** Inputs on which the laws are checked. */
export const kalmanSmootherCases: readonly SmootherCase[] = [
  caseOf("one sample", [2, 1, 2, 2]),
  caseOf("two samples", [2, 2, 2, 2]),
  caseOf("one state", [3, 40, 1, 1], { intercept: true }),
  caseOf("one chunk less one", [2, 63, 2, 2]),
  caseOf("one chunk, fewer noises than states", [2, 64, 2, 1]),
  caseOf("one chunk and one", [2, 65, 3, 3], { quick: true }),
  caseOf("several chunks, everything varies", [2, 197, 3, 3], { axes: 2, intercept: true }),
  caseOf("a model for each stream", [3, 70, 4, 4], { axes: 1, intercept: true }),
  caseOf("more noises than states", [1, 37, 2, 5]),
  caseOf("zeros", [1, 40, 2, 2], { mean: (shape) => constant(shape, 0) }),
];

/** Elementary operations of a sample of the sized cases: 4 states, 4 noises. */
const SIZED_WORK = 2 * 16 * 16;
/** Streams are what runs side by side, so they grow with the work, and the length only so far. */
const SIZED_LENGTH_MAX = 256;

/** A case of about this much work. */
export function sizedSmootherCase(work: number): SmootherCase {
  const samples = Math.max(1, Math.round(work / SIZED_WORK));
  const length = Math.min(SIZED_LENGTH_MAX, samples);
  const batch = Math.max(1, Math.round(samples / length));
  return caseOf(`${work} products`, [batch, length, 4, 4], { intercept: true, axes: 1 });
}
