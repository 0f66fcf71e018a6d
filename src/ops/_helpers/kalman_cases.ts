/** Cases of `kalman_filter`: well conditioned, since the laws compare with covariances, too. */
import type { RandomState } from "../../base/random.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OpCase } from "../op.ts";
import { constant, denormal, fill, normal } from "./cases.ts";
import { nextUniform } from "../../base/random.ts";

type Params = { readonly start: "filtered" | "predicted" };
type Input = "y" | "A" | "C" | "processFactor" | "observationFactor" | "startMean" | "startFactor";
type OptionalInput = "mask" | "stateIntercept" | "observationIntercept";
/** A case of the filter. */
export type KalmanCase = OpCase<Params, Input, OptionalInput>;

type CaseSizes = readonly [
  batch: number,
  length: number,
  state: number,
  observed: number,
  noise: number,
];

/** How a case differs from the plain one. */
interface Change {
  readonly quick?: boolean;
  readonly start?: Params["start"];
  /** Leading axes of the transition and its noise; of the observation's side. */
  readonly axes?: readonly [number, number];
  /** Share of the values that is missing. */
  readonly missing?: number;
  readonly intercepts?: boolean;
  readonly y?: (random: RandomState, shape: readonly number[]) => Tensor;
}

/** Square matrices: a diagonal, and something beside it. */
function near(
  random: RandomState,
  leading: readonly number[],
  size: number,
  diagonal: number,
  beside: number,
): Tensor {
  const noise = normal(random, [...leading, size, size], beside).data;
  return fill([...leading, size, size], (i) => {
    const [row, column] = [Math.floor(i / size) % size, i % size];
    return noise[i]! + (row === column ? diagonal : 0);
  });
}

function caseOf(
  name: string,
  [batch, length, state, observed, noise]: CaseSizes,
  change: Change = {},
): KalmanCase {
  const [moving = 0, seeing = 0] = change.axes ?? [];
  const step = [batch, length].slice(0, moving);
  const at = [batch, length].slice(0, seeing);
  const shape = [batch, length, observed];
  return {
    name,
    quick: change.quick ?? false,
    params: { start: change.start ?? "filtered" },
    inputs: (random) => ({
      y: (change.y ?? normal)(random, shape),
      A: near(random, step, state, 0.8, 0.3 / Math.sqrt(state)),
      C: normal(random, [...at, observed, state]),
      processFactor: normal(random, [...step, state, noise], 0.7),
      observationFactor: near(random, at, observed, 1.2, 0.2),
      startMean: normal(random, [batch, state]),
      startFactor: near(random, [batch], state, 1, 0.2),
      ...(change.intercepts && {
        stateIntercept: normal(random, [...step, state], 0.3),
        observationIntercept: normal(random, [...at, observed]),
      }),
      ...(change.missing !== undefined && {
        mask: fill(shape, () => nextUniform(random) < change.missing! ? 0 : 1),
      }),
    }),
  };
}

/** Inputs on which the laws are checked. */
export const kalmanFilterCases: readonly KalmanCase[] = [
  caseOf("one sample", [2, 1, 2, 1, 2]),
  caseOf("one sample, predicted", [2, 1, 2, 1, 2], { start: "predicted" }),
  caseOf("one state", [3, 40, 1, 1, 1], { intercepts: true }),
  caseOf("one chunk less one", [2, 63, 2, 1, 2]),
  caseOf("one chunk", [2, 64, 2, 1, 2], { start: "predicted" }),
  caseOf("one chunk and one, missing values", [2, 65, 3, 2, 2], { missing: 0.3, quick: true }),
  caseOf("several chunks, everything varies", [2, 197, 3, 2, 2], {
    axes: [2, 2],
    missing: 0.2,
    intercepts: true,
  }),
  caseOf("a model for each stream", [3, 70, 4, 1, 2], {
    axes: [1, 1],
    missing: 0.1,
    intercepts: true,
  }),
  caseOf("irregular steps of a fixed sensor", [2, 130, 2, 1, 2], {
    axes: [2, 0],
    start: "predicted",
  }),
  caseOf("more channels than states", [1, 37, 2, 3, 2], { axes: [0, 1], missing: 0.4 }),
  caseOf("most states of gradients", [1, 34, 4, 1, 2], { missing: 0.2 }),
  caseOf("nothing seen", [1, 40, 3, 2, 2], { missing: 1 }),
  caseOf("zeros", [1, 40, 2, 1, 2], { y: (_, shape) => constant(shape, 0) }),
  caseOf("denormals", [1, 40, 2, 1, 2], { y: denormal }),
];

/** Elementary operations of a sample of the sized cases: 4 states, 1 channel, 2 noises. */
const SIZED_WORK = 5 * 4 * 7;
/** Streams are what runs side by side, so they grow with the work, and the length only so far. */
const SIZED_LENGTH_MAX = 256;

/** A case of about this much work. */
export function sizedKalmanCase(work: number): KalmanCase {
  const samples = Math.max(1, Math.round(work / SIZED_WORK));
  const length = Math.min(SIZED_LENGTH_MAX, samples);
  const batch = Math.max(1, Math.round(samples / length));
  return caseOf(`${work} products`, [batch, length, 4, 1, 2], { missing: 0.1 });
}
