/** The newest values of covariates: what a channel's samples are told at their lags. */
import { LAG_MAX } from "./delays.ts";
import { BUFFER_ROOM_MAX, BUFFER_SAMPLES_MAX } from "./sample_buffer.ts";

/** Samples that are kept: those of a full buffer without gaps, and what lies before the first. */
export const HISTORY_ROOM_MAX = BUFFER_ROOM_MAX + LAG_MAX;

/** Samples that are left when the oldest of a full history go. */
const HISTORY_KEPT = BUFFER_SAMPLES_MAX + LAG_MAX;

/** Values of covariates at samples in a row. */
export type CovariateWindow = {
  /** Number of the first sample. */
  first: number;
  /** Samples that are there. */
  count: number;
  covariates: number;
  /** NaN is a missing value.                                             [sample, covariate] */
  values: Float32Array;
};

/** A history before the first sample. */
export function emptyHistory(covariates: number): CovariateWindow {
  return { first: 0, count: 0, covariates, values: new Float32Array(16 * covariates) };
}

/**
 * Appends a sample; the oldest go when the history is full.
 *
 * @param columns  values by covariate                                        [covariate][length]
 * @param at       the sample among them
 */
export function pushHistory(
  history: CovariateWindow,
  columns: readonly Float64Array[],
  at: number,
): void {
  const { covariates } = history;
  if (history.count === HISTORY_ROOM_MAX) {
    const dropped = history.count - HISTORY_KEPT;
    history.values.copyWithin(0, dropped * covariates);
    history.first += dropped;
    history.count = HISTORY_KEPT;
  }
  if ((history.count + 1) * covariates > history.values.length) {
    const grown = new Float32Array(Math.min(2 * history.count, HISTORY_ROOM_MAX) * covariates);
    grown.set(history.values);
    history.values = grown;
  }
  for (let k = 0; k < covariates; k++) {
    history.values[history.count * covariates + k] = columns[k]![at]!;
  }
  history.count++;
}

/**
 * The newest samples of a history and those that follow it.
 *
 * @param history  null = nothing is known before them
 * @param columns  [covariate][from + count]
 */
export function covariateTail(
  history: CovariateWindow | null,
  columns: readonly Float64Array[],
  from: number,
  count: number,
): CovariateWindow {
  const covariates = columns.length;
  const before = Math.min(LAG_MAX, history?.count ?? 0);
  const values = new Float32Array((before + count) * covariates);
  if (history !== null) {
    const end = history.count * covariates;
    values.set(history.values.subarray(end - before * covariates, end));
  }
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < covariates; k++) {
      values[(before + i) * covariates + k] = columns[k]![from + i]!;
    }
  }
  const end = history === null ? 0 : history.first + history.count;
  return { first: end - before, count: before + count, covariates, values };
}

/**
 * Writes the covariates' values at their lags before a sample; NaN where they are not known.
 *
 * @param lags    in samples, by covariate                                        [covariate][lag]
 * @param number  of the sample, counted from the stream's first
 * @param out     covariate by covariate, lag by lag                                  [regressor]
 */
export function regressorsInto(
  { first, covariates, values }: CovariateWindow,
  lags: readonly (readonly number[])[],
  number: number,
  out: Float64Array,
): void {
  let j = 0;
  for (let k = 0; k < covariates; k++) {
    for (const lag of lags[k]!) {
      const at = number - lag - first;
      out[j++] = at < 0 ? NaN : values[at * covariates + k]!;
    }
  }
}
