import { packedDiagonal, rlsStep } from "./packed_rls.ts";
import type { Season } from "./season.ts";
import { isKnownAt, type SlotGrid } from "./slot_grid.ts";

/**
 * Autoregression on first differences, learned by recursive least squares and iterated.
 *
 *   d(n) = (y(n) − y(n − 1)) / scale,   d(n) = Σ_i w_i d(n − lag_i) + w_0
 *
 * The prior mean of all weights is 0 (a random walk); longer lags are held tighter.
 */
export type ArState = {
  /** Increasing. */
  lags: Int32Array;
  /** One per lag, then the intercept. */
  weights: Float64Array;
  /** Packed lower triangle. */
  cov: Float64Array;
  /** Typical size of a difference. */
  scale: number;
};

const INTERCEPT_VARIANCE = 0.02;
/** Forecast differences beyond this many scales are cut. */
const DIFFERENCE_MAX = 12;
/** Iterates beyond this are stopped: the weights are not a stable system. */
const ITERATE_MAX = 1e6;

const LONG_SERIES = 900;
const LONG_LAGS = [28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256];

/** Most lags of any series: 24 near ones and the sparse ones. */
export const AR_LAGS_MAX = 24 + LONG_LAGS.length;

/** The lags that a series of this length and these seasons supports. */
export function arLags(length: number, seasons: readonly Season[]): Int32Array {
  const shortLags = length > 200 ? 8 : Math.max(1, Math.min(4, Math.floor(length / 12)));
  const lags = new Set<number>();
  const season = seasons[0]?.slots ?? 1;
  const nearLags = season === 1 && length > LONG_SERIES ? 24 : shortLags;
  for (let lag = 1; lag <= nearLags; lag++) lags.add(lag);
  if (season === 1 && length > LONG_SERIES) LONG_LAGS.forEach((lag) => lags.add(lag));
  if (season > 1) {
    if (length >= 3 * season) [season - 1, season, season + 1].forEach((lag) => lags.add(lag));
    if (length >= 6 * season) lags.add(2 * season);
    const second = seasons[1]?.slots;
    if (second !== undefined && length >= 2.2 * second && season < 96) {
      [second - 1, second, second + 1].forEach((lag) => lags.add(lag));
    }
  }
  const limit = Math.max(2, (length - 1) >> 1);
  const usable = [...lags].filter((lag) => lag > 0 && lag < limit).sort((a, b) => a - b);
  return Int32Array.from(usable.length > 0 ? usable : [1]);
}

/** Before the first sample. */
export function arStart(lags: Int32Array, scale: number): ArState {
  const diagonal = new Float64Array(lags.length + 1);
  for (let i = 0; i < lags.length; i++) diagonal[i] = lags[i]! ** -0.25;
  diagonal[lags.length] = INTERCEPT_VARIANCE;
  return { lags, weights: new Float64Array(diagonal.length), cov: packedDiagonal(diagonal), scale };
}

/** Learns from the newest slot of the grid, when it and the one before were seen. */
export function arObserve(state: ArState, grid: SlotGrid): void {
  const { values, length } = grid;
  const { lags, weights, scale } = state;
  const last = length - 1;
  const longest = lags[lags.length - 1]!;
  if (last - longest - 1 < 0 || !isKnownAt(grid, last) || !isKnownAt(grid, last - 1)) return;
  const x = new Float64Array(weights.length);
  let error = (values[last]! - values[last - 1]!) / scale;
  for (let i = 0; i < lags.length; i++) {
    const at = last - lags[i]!;
    x[i] = (values[at]! - values[at - 1]!) / scale;
    error -= weights[i]! * x[i]!;
  }
  x[lags.length] = 1;
  error -= weights[lags.length]!;
  const gain = new Float64Array(weights.length);
  rlsStep(state.cov, x, gain, 1, Infinity);
  for (let i = 0; i < weights.length; i++) weights[i] = weights[i]! + gain[i]! * error;
}

/** Iterated forecasts at leads 1, 2, …                                                    [lead] */
export function arForecastInto(state: ArState, grid: SlotGrid, out: Float64Array): void {
  const { values, length } = grid;
  const { lags, weights, scale } = state;
  const longest = lags[lags.length - 1]!;
  const differences = new Float64Array(longest + out.length);
  for (let i = 0; i < longest; i++) {
    const at = length - longest + i;
    differences[i] = at >= 1 ? (values[at]! - values[at - 1]!) / scale : 0;
  }
  let level = values[length - 1]!;
  for (let l = 0; l < out.length; l++) {
    let difference = weights[lags.length]!;
    for (let i = 0; i < lags.length; i++) {
      difference += weights[i]! * differences[longest + l - lags[i]!]!;
    }
    difference = Math.min(ITERATE_MAX, Math.max(-ITERATE_MAX, difference));
    differences[longest + l] = difference;
    level += scale * Math.min(DIFFERENCE_MAX, Math.max(-DIFFERENCE_MAX, difference));
    out[l] = level;
  }
}
