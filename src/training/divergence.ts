/**
 * When a training has failed: its loss is no number, or far above what it was.
 */
import { InvalidValueError } from "../base/errors.ts";

/** Losses that the running median is over. */
export const MEDIAN_LOSSES_MAX = 32;
/** Losses before which only a loss that is no number counts. */
const LOSSES_MIN = 4;

/** A training was stopped because it diverged. */
export class DivergenceError extends Error {
  override readonly name = "DivergenceError";
  readonly step: number;
  readonly loss: number;
  readonly rate: number;

  constructor(step: number, loss: number, rate: number, limit: number | undefined) {
    const what = Number.isFinite(loss)
      ? `the loss is ${loss.toPrecision(4)}, above the limit of ${limit!.toPrecision(4)}`
      : `the loss or the gradient is not finite (loss ${loss})`;
    super(
      `Training diverged at step ${step}: ${what}, at a rate of ${rate.toPrecision(4)}. ` +
        "Take a lower rate, a longer warm-up or a smaller clipNorm",
    );
    this.step = step;
    this.loss = loss;
    this.rate = rate;
  }
}

/** What the watch remembers; plain data, so that it goes into a checkpoint. */
export interface DivergenceState {
  /** Mean loss of the first steps that were logged. */
  readonly first: number | null;
  /** The last losses, oldest first, at most {@linkcode MEDIAN_LOSSES_MAX}. */
  readonly losses: readonly number[];
}

/** Nothing seen yet. */
export const DIVERGENCE_START: DivergenceState = { first: null, losses: [] };

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The largest loss that counts as healthy, undefined as long as too few are known.
 *
 *   limit = max(median + (factor − 1)·|median|, first)
 *
 * A loss near 0 jumps by large factors without harm, so a loss at or below the first one is always
 * healthy; with likelihoods the median may be below 0.
 */
export function lossLimit(state: DivergenceState, factor: number): number | undefined {
  if (!(factor > 1)) throw new InvalidValueError("divergence.factor", factor, "a number above 1");
  if (state.first === null || state.losses.length < LOSSES_MIN) return undefined;
  const median = medianOf(state.losses);
  return Math.max(median + (factor - 1) * Math.abs(median), state.first);
}

/**
 * Takes a loss down.
 *
 * @param gradientNorm  of the last iteration; undefined where it is not measured
 * @throws {DivergenceError} it is not finite, or above {@linkcode lossLimit}
 */
export function watchLoss(
  state: DivergenceState,
  seen: { step: number; loss: number; rate: number; gradientNorm?: number | undefined },
  factor: number,
): DivergenceState {
  const { step, loss, rate, gradientNorm = 0 } = seen;
  const limit = lossLimit(state, factor);
  const isFinite = Number.isFinite(loss) && Number.isFinite(gradientNorm);
  if (!isFinite) throw new DivergenceError(step, NaN * loss, rate, limit);
  if (limit !== undefined && loss > limit) throw new DivergenceError(step, loss, rate, limit);
  return {
    first: state.first ?? loss,
    losses: [...state.losses, loss].slice(-MEDIAN_LOSSES_MAX),
  };
}
