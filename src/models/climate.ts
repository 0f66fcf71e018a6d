/**
 * The fan of values that mostly rest: demand that is none on most days, rain, counts of what is
 * rare. Such errors have no one size, so that a point with a width around it tells too little of
 * what comes seldom; where the newest values as they lie foretell the next ones better, the fan
 * follows them:
 *
 *   Q(τ) = (1 − w)·Q_fan(τ) + w·Q_newest(τ)
 *   w = 1 / (1 + e^{3/(1+N)}·(L_newest / L_fan)^p),   p = 40·N / (N + 2)
 *
 * by lead bucket. Q_newest are the quantiles of the newest values that came as many slots after one
 * like the newest, which rested or did not: machines stay on for a while, and wet days come
 * together. L is the quantile loss of either at the origins of a replay, N the horizons that these
 * span. A series rests where {@linkcode RESTING_SHARE} of its values are its smallest.
 */
import { isKnownAt, type SlotGrid } from "./slot_grid.ts";

/** What the newest values count for in a fan; of a series that rests. */
export type Climate = {
  /** w.                                                                                [bucket] */
  weights: Float64Array;
};

/** Share of the values that are the smallest, from which on a series rests. */
export const RESTING_SHARE = 0.25;

/** Newest values that are looked at: what was before is forgotten. */
export const CLIMATE_VALUES_MAX = 512;

/** Values after slots like the newest one that are enough to leave out the others. */
const ALIKE_MIN = 16;

/** Size of the tail beyond the largest value, beside the mean of those that do not rest. */
const TAIL_SHARE = 0.5;

/** Samples' worth of what is not known of how often something comes. */
const UNSURE_SAMPLES = 2;

/**
 * Share of the variance of values to come that they have in common because it is not known how
 * often something comes: 1 / (n + 1) for what the mean of n independent values is not sure of, and
 * twice that for the sizes beside (docs/evidence/paths.md).
 */
export function unsureShare(samples: number): number {
  return UNSURE_SAMPLES / (samples + 1);
}

/** Whether a series rests: its smallest value comes again and again, others between. */
export function rests(values: Float64Array): boolean {
  let least = Infinity;
  for (let i = 0; i < values.length; i++) least = Math.min(least, values[i]!);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] === least) count++;
  return count >= RESTING_SHARE * values.length && count < values.length;
}

/**
 * The newest values that came `lead` slots after a slot like the one at the origin, which rested or
 * did not, in order of size; all the newest where these are few.                          [value]
 *
 * @param slot   the origin
 * @param least  the smallest value so far, in the units of the grid
 */
export function newestSorted(
  grid: SlotGrid,
  slot: number,
  lead: number,
  least: number,
): Float64Array {
  const { values } = grid;
  const last = Math.min(grid.length - 1, slot - grid.first);
  const rest = Math.fround(least);
  const isAtRest = values[last]! <= rest;
  const alike: number[] = [];
  const newest: number[] = [];
  for (let at = last; at >= 0 && newest.length < CLIMATE_VALUES_MAX; at--) {
    if (!isKnownAt(grid, at)) continue;
    newest.push(values[at]!);
    if (at >= lead && values[at - lead]! <= rest === isAtRest) alike.push(values[at]!);
  }
  return Float64Array.from(alike.length >= ALIKE_MIN ? alike : newest).sort();
}

/** Mean distance from the smallest value of those above it. */
function meanAbove(sorted: Float64Array): number {
  const least = sorted[0]!;
  let sum = 0;
  let count = 0;
  for (let i = sorted.length - 1; i >= 0 && sorted[i]! > least; i--) {
    sum += sorted[i]! - least;
    count++;
  }
  return count > 0 ? sum / count : 0;
}

/**
 * Quantiles of values of which the next is one more, an exponential tail beyond the largest.
 *
 * @param sorted  at least one
 * @returns                                                                          [quantile]
 */
export function climateQuantiles(sorted: Float64Array, quantiles: Float64Array): Float64Array {
  const last = sorted.length - 1;
  const tail = TAIL_SHARE * meanAbove(sorted);
  return quantiles.map((quantile) => {
    const position = quantile * (sorted.length + 1) - 1;
    if (position <= 0) return sorted[0]!;
    if (position >= last) {
      return sorted[last]! - tail * Math.log((1 - quantile) * (sorted.length + 1));
    }
    const low = Math.floor(position);
    return sorted[low]! + (position - low) * (sorted[low + 1]! - sorted[low]!);
  });
}

/** The lead that stands for those of a bucket. */
export function leadOf(from: number, to: number): number {
  return Math.round(Math.sqrt((from + 1) * to));
}

/**
 * Quantiles of the newest values by lead bucket, from the newest slot.
 *
 * @param least  the smallest value so far, in the units of the grid
 * @returns                                                                  [bucket][quantile]
 */
export function newestQuantiles(
  grid: SlotGrid,
  least: number,
  buckets: readonly (readonly [number, number])[],
  quantiles: Float64Array,
): Float64Array[] {
  const slot = grid.first + grid.length - 1;
  return buckets.map(([from, to]) =>
    climateQuantiles(newestSorted(grid, slot, leadOf(from, to), least), quantiles)
  );
}
