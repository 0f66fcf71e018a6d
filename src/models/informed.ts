/**
 * A channel's state beside covariates: what they say is taken out of each sample as it comes, the
 * model lives on what is left, and forecasts get back what the covariates' futures say.
 *
 *   r_t = y_t − effect(z_t),      z_t = (x_{t−l}) for each lag l of each covariate x
 *
 * The lags are 0, 1, 2 and those about the covariate's delay, where it has one (`delays.ts`). The
 * effect is the linear regression of `regression.ts`. Like every other parameter it is learned
 * again when the model is fitted again, from the newest 2,000 samples, and stays as it is between:
 * a sample costs a dot product beside the model, a forecast too. All that has come out, weights of
 * members, errors and live coverage, is that of forecasts that knew the covariates.
 */
import {
  covariateTail,
  type CovariateWindow,
  emptyHistory,
  HISTORY_ROOM_MAX,
  pushHistory,
  regressorsInto,
} from "./covariate_history.ts";
import { lagsOf } from "./delays.ts";
import type { ForecasterModel } from "./forecaster.ts";
import type { ForecasterState } from "./forecaster_state.ts";
import type { ChannelConfig, OneStep } from "./model.ts";
import {
  type Effect,
  effectOfRow,
  effectVariance,
  type Learned,
  learnRegression,
} from "./regression.ts";
import { BUFFER_ROOM_MAX, BUFFER_SAMPLES_MAX, sampleTime } from "./sample_buffer.ts";

/** Version of states beside covariates: another one is another state for the same samples. */
export const INFORMED_VERSION = 2;

/** Bytes that a covariate adds to a channel's state at most. */
export const COVARIATE_BYTES_MAX = 4 * HISTORY_ROOM_MAX + 8 * BUFFER_ROOM_MAX + 4096;

/** Samples whose effects are computed at a time. */
const BATCH = 256;

/** Share of what is carried that a sample leaves. */
const CARRIED_KEPT = Math.exp(-1 / 64);

/** A channel's state beside covariates. */
export type InformedState = {
  /** The model's state of what the covariates leave; its bounds are those of the whole. */
  base: ForecasterState;
  /** The newest values of the covariates, of samples without a value of the channel, too. */
  history: CovariateWindow;
  /** Of the samples in the model's buffer, the oldest first: numbers, what was taken out.  [row] */
  numbers: Uint32Array;
  taken: Float32Array;
  rowCount: number;
  /** In samples; 0 = none.                                                       [covariate] */
  delays: Uint8Array;
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
  return {
    base: model.initialState(config),
    history: emptyHistory(covariates),
    numbers: new Uint32Array(16),
    taken: new Float32Array(16),
    rowCount: 0,
    delays: new Uint8Array(covariates),
    learned: null,
    carried: 0,
  };
}

/** Keeps what was taken out of a sample; rows beyond the model's buffer go as its samples do. */
function pushRow(state: InformedState, number: number, effect: number): void {
  const kept = state.base.buffer.length - 1;
  if (state.rowCount > kept) {
    state.numbers.copyWithin(0, state.rowCount - kept, state.rowCount);
    state.taken.copyWithin(0, state.rowCount - kept, state.rowCount);
    state.rowCount = kept;
  }
  if (state.rowCount === state.taken.length) {
    const room = Math.min(2 * state.rowCount, BUFFER_ROOM_MAX);
    const [numbers, taken] = [new Uint32Array(room), new Float32Array(room)];
    numbers.set(state.numbers);
    taken.set(state.taken);
    Object.assign(state, { numbers, taken });
  }
  state.numbers[state.rowCount] = number;
  state.taken[state.rowCount] = effect;
  state.rowCount++;
}

/** Lags of all regressors.                                                  [covariate][lag] */
function lagsIn({ delays }: Pick<InformedState, "delays">): readonly (readonly number[])[] {
  return Array.from(delays, lagsOf);
}

/** The effect at one sample of a window, as it is kept: in f32. */
function effectAt(
  { learned, delays }: Pick<InformedState, "learned" | "delays">,
  window: CovariateWindow,
): (number: number) => number {
  if (learned === null) return () => 0;
  const lags = lagsIn({ delays });
  const row = new Float64Array(learned.weights.length);
  return (number) => {
    regressorsInto(window, lags, number, row);
    return Math.fround(effectOfRow(learned, row));
  };
}

/** Rows from here on have their covariates in the history. */
function firstKnownRow({ numbers, rowCount, history }: InformedState): number {
  let row = 0;
  while (row < rowCount && numbers[row]! < history.first) row++;
  return row;
}

/** What the samples of some rows are learned from at some delays.           [regressor][row] */
function regressorsOfRows({ history, numbers, rowCount }: InformedState, from: number) {
  return (delays: Uint8Array) => {
    const lags = lagsIn({ delays });
    const width = lags.reduce((sum, own) => sum + own.length, 0);
    const past = Array.from({ length: width }, () => new Float64Array(rowCount - from));
    const row = new Float64Array(width);
    for (let i = from; i < rowCount; i++) {
      regressorsInto(history, lags, numbers[i]!, row);
      for (let k = 0; k < width; k++) past[k]![i - from] = row[k]!;
    }
    return { past, knownLeads: past.map(() => Infinity) };
  };
}

/** What is taken out has changed much where it did by this share of the spread of what is left. */
const CHANGE_MIN = 0.5;

/** Standard deviation of `count` values from a row on. */
function deviationOf(valueAt: (row: number) => number, from: number, count: number): number {
  let [mean, squares] = [0, 0];
  for (let i = 0; i < count; i++) {
    const off = valueAt(from + i) - mean;
    mean += off / (i + 1);
    squares += off * (valueAt(from + i) - mean);
  }
  return Math.sqrt(squares / Math.max(1, count));
}

/**
 * Learns the effect anew, and puts it in place of the old one in the model's samples.
 *
 * @returns whether what is left of the samples is another series than before
 */
function learnAnew(model: ForecasterModel, state: InformedState): boolean {
  const { base, history, numbers, taken, rowCount } = state;
  const { values } = base.buffer;
  const newest = history.first + history.count - 1;
  const before = effectAt(state, history)(newest);
  // What is older keeps what was taken out of it: its covariates are not known any more.
  const known = firstKnownRow(state);
  for (let i = known; i < rowCount; i++) values[i] = values[i]! + taken[i]!;
  const from = Math.max(known, rowCount - BUFFER_SAMPLES_MAX);
  const found = learnRegression(
    base,
    Float64Array.from({ length: rowCount - from }, (_, i) => sampleTime(base.buffer, from + i)),
    values.slice(from, rowCount),
    {
      covariates: state.delays.length,
      regressorsAt: regressorsOfRows(state, from),
      numbers: numbers.subarray(from, rowCount),
    },
    base.config.horizon,
  );
  state.learned = found?.learned ?? null;
  state.delays = found?.delays ?? new Uint8Array(state.delays.length);
  const effect = effectAt(state, history);
  const earlier = taken.slice(known, rowCount);
  for (let i = known; i < rowCount; i++) {
    taken[i] = effect(numbers[i]!);
    values[i] = values[i]! - taken[i]!;
  }
  const count = rowCount - known;
  const changed = deviationOf((i) => taken[i]! - earlier[i - known]!, known, count);
  const left = deviationOf((i) => values[i]!, known, count);
  state.carried += effect(newest) - before;
  model.refit(base);
  return changed > CHANGE_MIN * left;
}

/**
 * What covariates say of samples of the past under the weights that are known.        [length]
 *
 * @param covariates  of those samples; before the first the usual value is taken
 *                                                                         [covariate][length]
 */
export function informedPast(
  state: InformedState,
  covariates: readonly Float64Array[],
  count: number,
): Float64Array {
  const effect = effectAt(state, covariateTail(null, covariates, 0, count));
  return Float64Array.from({ length: count }, (_, i) => effect(i));
}

/** What the covariates explained of each sample; where the effect is learned anew it fades over. */
function explain(state: InformedState, effects: Float64Array, out: Float64Array): void {
  for (let i = 0; i < out.length; i++) {
    out[i] = effects[i]! - state.carried;
    state.carried *= CARRIED_KEPT;
  }
}

/** What covariates explain of samples. */
export interface Explained {
  /** Of each sample.                                                                  [length] */
  readonly effects: Float64Array;
  /** Samples before which the effect became another: what they leave is another series then. */
  readonly changes: readonly number[];
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
): Explained {
  const { base, history } = state;
  const explained = new Float64Array(timesS.length);
  const changes: number[] = [];
  let from = 0;
  while (from < timesS.length) {
    const laid = Math.min(BATCH, timesS.length - from);
    const start = history.first + history.count;
    const window = covariateTail(history, covariates, from, laid);
    const effect = effectAt(state, window);
    const effects = Float64Array.from({ length: laid }, (_, i) => effect(start + i));
    const left = effects.map((own, i) => values[from + i]! - own);
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
      (i) => pushRow(state, start + i, effects[i]!),
    );
    for (let i = 0; i < count; i++) {
      pushHistory(history, covariates, from + i);
      if (told !== undefined) told.expected[i] = told.expected[i]! + effects[i]!;
    }
    explain(state, effects, explained.subarray(from, from + count));
    // The model is not fitted before the effect is learned anew.
    const isChanged = isFitDue && learnAnew(model, state);
    from += count;
    if (isChanged) changes.push(from);
  }
  return { effects: explained, changes };
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
  { learned, history, delays }: InformedState,
  futures: readonly CovariateFuture[],
  count: number,
  isNext: boolean,
): Effect {
  const future = new Float64Array(count);
  const deviation = new Float64Array(count);
  const past = new Float64Array(0);
  if (learned === null) return { past, future, deviation, share: 0 };
  const lags = lagsIn({ delays });
  const row = new Float64Array(learned.weights.length);
  const ahead = covariateTail(history, futures.map(({ values }) => values), 0, count);
  const start = history.first + history.count;
  for (let t = 0; t < count; t++) {
    if (isNext) regressorsInto(ahead, lags, start + t, row);
    else row.set(lags.flatMap((own, k) => own.map(() => futures[k]!.values[t]!)));
    future[t] = effectOfRow(learned, row);
    const unknown = unknownVariance(learned, lags, futures, t, isNext);
    deviation[t] = Math.sqrt(effectVariance(learned, row) + unknown);
  }
  const isFinite = [future, deviation].every((column) => column.every(Number.isFinite));
  if (!isFinite) return { past, future: future.fill(0), deviation: deviation.fill(0), share: 0 };
  return { past, future, deviation, share: learned.share };
}

/** Variance of the effect at a future time, from what is not known of the covariates. */
function unknownVariance(
  learned: Learned,
  lags: readonly (readonly number[])[],
  futures: readonly CovariateFuture[],
  t: number,
  isNext: boolean,
): number {
  let [variance, at] = [0, 0];
  futures.forEach(({ deviations }, k) => {
    // What is unknown of a covariate is much the same at neighbouring times: weights add up. A
    // value that came already is known.
    let sum = 0;
    for (const lag of lags[k]!) {
      const size = learned.deviations[at]!;
      const then = isNext ? t - lag : t;
      if (size > 0 && then >= 0 && deviations !== null) {
        sum += learned.weights[at]! / size * deviations[then]!;
      }
      at++;
    }
    variance += sum ** 2;
  });
  return variance;
}
