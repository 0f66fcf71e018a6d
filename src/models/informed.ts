/**
 * A channel's state beside covariates: what they say is taken out of each sample as it comes, the
 * model lives on what is left, and forecasts get back what the covariates' futures say.
 *
 *   r_t = y_t − effect(z_t),      z_t = (x_t, x_{t−1}, x_{t−2}) of each covariate x
 *
 * The effect is the linear regression of `regression.ts`. Like every other parameter it is learned
 * again when the model is fitted again, from the newest 2,000 samples, and stays as it is between:
 * a sample costs a dot product beside the model, a forecast too. All that has come out, weights of
 * members, errors and live coverage, is that of forecasts that knew the covariates.
 */
import type { ForecasterModel, ForecasterState } from "./forecaster.ts";
import type { ChannelConfig, OneStep } from "./model.ts";
import {
  type Effect,
  effectOfRow,
  effectVariance,
  type Learned,
  learnRegression,
} from "./regression.ts";
import { BUFFER_ROOM_MAX, BUFFER_SAMPLES_MAX, sampleTime } from "./sample_buffer.ts";

/** A covariate counts with its own value and those of this many samples before. */
export const COVARIATE_LAGS = 2;

/** Bytes that a covariate adds to a channel's state at most. */
export const COVARIATE_BYTES_MAX = BUFFER_ROOM_MAX * (COVARIATE_LAGS + 1) * 4 + 4096;

/** A channel's state beside covariates. */
export type InformedState = {
  /** The model's state of what the covariates leave; its bounds are those of the whole. */
  base: ForecasterState;
  /** Regressors of the samples in the model's buffer, the oldest first.        [row, regressor] */
  rows: Float32Array;
  rowCount: number;
  /** The newest values of each covariate, the newest first.                    [covariate, lag] */
  newest: Float64Array;
  learned: Learned | null;
};

/** The state before the first sample. */
export function informedStart(
  model: ForecasterModel,
  config: ChannelConfig,
  covariates: number,
): InformedState {
  const width = covariates * (COVARIATE_LAGS + 1);
  return {
    base: model.initialState(config),
    rows: new Float32Array(16 * width),
    rowCount: 0,
    newest: new Float64Array(width).fill(NaN),
    learned: null,
  };
}

/** Moves the newest values on by one sample: a row of regressors.                   [regressor] */
function moveOn(newest: Float64Array, values: (covariate: number) => number): void {
  const width = COVARIATE_LAGS + 1;
  for (let k = 0; k < newest.length; k += width) {
    newest.copyWithin(k + 1, k, k + width - 1);
    newest[k] = values(k / width);
  }
}

/** Keeps the regressors of a sample; rows beyond the model's buffer go as its samples do. */
function pushRow(state: InformedState, row: Float32Array): void {
  const width = row.length;
  const kept = state.base.buffer.length - 1;
  if (state.rowCount > kept) {
    state.rows.copyWithin(0, (state.rowCount - kept) * width, state.rowCount * width);
    state.rowCount = kept;
  }
  if ((state.rowCount + 1) * width > state.rows.length) {
    const room = Math.min(2 * state.rowCount + 1, BUFFER_ROOM_MAX);
    const grown = new Float32Array(room * width);
    grown.set(state.rows);
    state.rows = grown;
  }
  state.rows.set(row, state.rowCount * width);
  state.rowCount++;
}

/** Learns the effect anew, and puts it in place of the old one in the model's samples. */
function learnAnew(model: ForecasterModel, state: InformedState): void {
  const { base, rows, rowCount } = state;
  const { values } = base.buffer;
  const width = state.newest.length;
  const rowOf = (i: number) => rows.subarray(i * width, (i + 1) * width);
  for (let i = 0; i < rowCount && state.learned !== null; i++) {
    values[i] = values[i]! + effectOfRow(state.learned, rowOf(i));
  }
  const from = Math.max(0, rowCount - BUFFER_SAMPLES_MAX);
  const count = rowCount - from;
  const past = Array.from(
    { length: width },
    (_, k) => Float64Array.from({ length: count }, (_, i) => rows[(from + i) * width + k]!),
  );
  const times = Float64Array.from({ length: count }, (_, i) => sampleTime(base.buffer, from + i));
  state.learned = learnRegression(
    base,
    times,
    values.slice(from, rowCount),
    { past, knownLeads: past.map(() => Infinity) },
    base.config.horizon,
  );
  for (let i = 0; i < rowCount && state.learned !== null; i++) {
    values[i] = values[i]! - effectOfRow(state.learned, rowOf(i));
  }
  model.refit(base);
}

/**
 * Advances the state over samples in time order.
 *
 * @param covariates  NaN is a missing value: the usual one is taken          [covariate][length]
 */
export function informedAbsorb(
  model: ForecasterModel,
  state: InformedState,
  timesS: Float64Array,
  values: Float64Array,
  covariates: readonly Float64Array[],
  oneStep?: OneStep,
): void {
  const { base } = state;
  const value = new Float64Array(1);
  const row = new Float32Array(state.newest.length);
  for (let i = 0; i < timesS.length; i++) {
    moveOn(state.newest, (k) => covariates[k]![i]!);
    row.set(state.newest);
    const effect = state.learned === null ? 0 : effectOfRow(state.learned, row);
    value[0] = values[i]! - effect;
    const seen = base.seen;
    const due = base.nextRefit;
    // The model must not fit before the effect is learned anew.
    base.nextRefit = Infinity;
    const told = oneStep === undefined
      ? undefined
      : { expected: oneStep.expected.subarray(i, i + 1), scale: oneStep.scale.subarray(i, i + 1) };
    model.absorb(base, timesS.subarray(i, i + 1), value, told);
    if (told !== undefined) told.expected[0] = told.expected[0]! + effect;
    // Where nothing moved before it has fitted all the same.
    if (base.nextRefit === Infinity) base.nextRefit = due;
    if (base.seen === seen) continue;
    pushRow(state, row);
    if (base.seen >= base.nextRefit) learnAnew(model, state);
  }
}

/** Futures of a covariate: values, and what is not known of them (standard deviations).   [time] */
export interface CovariateFuture {
  readonly values: Float64Array;
  readonly deviations: Float64Array | null;
}

/**
 * What the covariates say of future times, one sample after the other.
 *
 * @param futures  of each covariate
 * @param isNext   whether the times follow the newest sample one by one; else values before them
 *   are taken to be like those at them
 */
export function informedEffect(
  { learned, newest }: InformedState,
  futures: readonly CovariateFuture[],
  count: number,
  isNext: boolean,
): Effect {
  const future = new Float64Array(count);
  const deviation = new Float64Array(count);
  const past = new Float64Array(0);
  if (learned === null) return { past, future, deviation, share: 0 };
  const row = newest.slice();
  const width = COVARIATE_LAGS + 1;
  for (let t = 0; t < count; t++) {
    moveOn(row, (k) => futures[k]!.values[t]!);
    if (!isNext) { for (let k = 0; k < row.length; k++) row[k] = row[k - k % width]!; }
    let variance = effectVariance(learned, row);
    futures.forEach(({ deviations }, k) => {
      if (deviations === null) return;
      // What is unknown of a covariate is much the same at neighbouring times: weights add up.
      let weight = 0;
      for (let lag = 0; lag < width; lag++) {
        const at = k * width + lag;
        if (learned.deviations[at]! > 0) weight += learned.weights[at]! / learned.deviations[at]!;
      }
      variance += (weight * deviations[t]!) ** 2;
    });
    future[t] = effectOfRow(learned, row);
    deviation[t] = Math.sqrt(variance);
  }
  const isFinite = [future, deviation].every((column) => column.every(Number.isFinite));
  if (!isFinite) return { past, future: future.fill(0), deviation: deviation.fill(0), share: 0 };
  return { past, future, deviation, share: learned.share };
}
