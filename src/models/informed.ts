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

/** Samples whose regressors are laid out at a time. */
const BATCH = 256;

/** Share of what is carried that a sample leaves. */
const CARRIED_KEPT = Math.exp(-1 / 64);

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
  /** What {@linkcode informedAbsorb} tells less than the effect, so that it does not jump. */
  carried: number;
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
    carried: 0,
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
  const newest = Float32Array.from(state.newest);
  const effectNow = () => state.learned === null ? 0 : effectOfRow(state.learned, newest);
  const before = effectNow();
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
  state.carried += effectNow() - before;
  model.refit(base);
}

/** Regressors of samples and their effect under the weights that are known.   [row], [sample] */
function regressorsOf(
  { newest, learned }: Pick<InformedState, "newest" | "learned">,
  covariates: readonly Float64Array[],
  from: number,
  count: number,
): { rows: Float32Array; effects: Float64Array } {
  const width = newest.length;
  const moving = newest.slice();
  const rows = new Float32Array(count * width);
  const effects = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    moveOn(moving, (k) => covariates[k]![from + i]!);
    rows.set(moving, i * width);
    if (learned === null) continue;
    effects[i] = effectOfRow(learned, rows.subarray(i * width, (i + 1) * width));
  }
  return { rows, effects };
}

/**
 * What covariates say of samples of the past under the weights that are known.        [length]
 *
 * @param covariates  of those samples; before the first the usual value is taken
 *                                                                         [covariate][length]
 */
export function informedPast(
  { newest, learned }: InformedState,
  covariates: readonly Float64Array[],
  count: number,
): Float64Array {
  const unknown = newest.map(() => NaN);
  return regressorsOf({ newest: unknown, learned }, covariates, 0, count).effects;
}

/** What the covariates explained of each sample; where the effect is learned anew it fades over. */
function explain(state: InformedState, effects: Float64Array, out: Float64Array): void {
  for (let i = 0; i < out.length; i++) {
    out[i] = effects[i]! - state.carried;
    state.carried *= CARRIED_KEPT;
  }
}

/**
 * Advances the state over samples in time order.
 *
 * @param covariates  NaN is a missing value: the usual one is taken          [covariate][length]
 * @returns what the covariates explain of each sample                                 [length]
 */
export function informedAbsorb(
  model: ForecasterModel,
  state: InformedState,
  timesS: Float64Array,
  values: Float64Array,
  covariates: readonly Float64Array[],
  oneStep?: OneStep,
): Float64Array {
  const { base } = state;
  const width = state.newest.length;
  const explained = new Float64Array(timesS.length);
  let from = 0;
  while (from < timesS.length) {
    const laid = Math.min(BATCH, timesS.length - from);
    const { rows, effects } = regressorsOf(state, covariates, from, laid);
    const left = effects.map((effect, i) => values[from + i]! - effect);
    const told = oneStep === undefined ? undefined : {
      expected: oneStep.expected.subarray(from, from + laid),
      scale: oneStep.scale.subarray(from, from + laid),
    };
    const times = timesS.subarray(from, from + laid);
    const { count, isFitDue } = model.absorbUntilFit(
      base,
      times,
      left,
      told,
      (i) => pushRow(state, rows.subarray(i * width, (i + 1) * width)),
    );
    for (let i = 0; i < count; i++) {
      moveOn(state.newest, (k) => covariates[k]![from + i]!);
      if (told !== undefined) told.expected[i] = told.expected[i]! + effects[i]!;
    }
    explain(state, effects, explained.subarray(from, from + count));
    // The model is not fitted before the effect is learned anew.
    if (isFitDue) learnAnew(model, state);
    from += count;
  }
  return explained;
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
