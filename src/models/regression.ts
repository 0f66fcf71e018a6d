import { fittedStretch, type Stretch } from "./components.ts";
import { delayOf, NEAR_LAGS } from "./delays.ts";
import type { ForecasterModel } from "./forecaster.ts";
import type { ForecasterState } from "./forecaster_state.ts";
import { normalQuantile } from "./normal.ts";
import { plainWork } from "./packed_cov.ts";
import { type Fit, fitOf, standardised, unitOf, whitened } from "./regression_fit.ts";

/**
 * What other series say of a channel: a linear Bayesian regression under the structural model.
 *
 *   y_t = x_tᵀβ + structural_t,   β ~ N(0, τ²)
 *
 * The structural filter is run over y and over each regressor with the same gains; its innovations
 * are free of what level and seasons say already, and the regression of one on the others is
 * generalised least squares (Harvey 1989, section 7.3), done recursively. A share of the effect is
 * used that grows with what it has gained where it was not learned from yet: the larger of
 *
 *   one step:    1 − (mean |error with| / mean |error without|)^40
 *   many steps:  1 − (standard error / mean)² of the gains of past forecasts, window by window
 *
 * and 0 where there is no gain. Of a regressor whose future is not known nothing is gained beyond
 * what its own past tells.
 */
export interface Regressors {
  /** NaN counts as the usual value.                                     [regressor][past time] */
  readonly past: readonly Float64Array[];
  /** [regressor][future time] */
  readonly future: readonly Float64Array[];
  /** Leads for which a regressor is known at an origin; Infinity = all.            [regressor] */
  readonly knownLeads: readonly number[];
}

/** Covariates and other regressors, at whatever delays the covariates count. */
export interface DelayedRegressors {
  /** How many covariates there are; 0 = no delay is sought. */
  readonly covariates: number;
  /**
   * The columns of each covariate at `lagsOf()` its delay, one covariate after the other, then
   * others.
   */
  regressorsAt(delays: Uint8Array): Regressors;
}

/** What a regression takes out of the past and adds to the future. */
export interface Effect {
  /** In the values' units.                                                         [past time] */
  readonly past: Float64Array;
  /** In the values' units, and its standard deviation.                           [future time] */
  readonly future: Float64Array;
  readonly deviation: Float64Array;
  /** Share of the regression that has paid off, 0 to 1. */
  readonly share: number;
}

const LEADS_MAX = 48;

/** What regressors say of a channel: plain data, a part of a stream's state where it is kept. */
export type Learned = {
  /** Of the regressors' own values.                                                [regressor] */
  means: Float64Array;
  deviations: Float64Array;
  /** In the channel's units, a deviation of the regressor; the share is in them.   [regressor] */
  weights: Float64Array;
  /** Packed covariance of the weights.                                  [regressor, regressor] */
  cov: Float64Array;
  /** Share of the regression that has paid off, 0 to 1. */
  share: number;
};

/** A fit, and what it was made from. */
interface Fitted {
  readonly fit: Fit;
  readonly units: readonly { readonly mean: number; readonly deviation: number }[];
  readonly white: ReturnType<typeof whitened>;
}

function fitted(
  stretch: Stretch,
  { past, knownLeads }: Pick<Regressors, "past" | "knownLeads">,
  leads: number,
): Fitted {
  const units = past.map(unitOf);
  const columns = past.map((own, k) => {
    const { mean, deviation } = units[k]!;
    return own.map((value) => standardised(value, mean, deviation));
  });
  const white = whitened(stretch, columns, leads);
  return { fit: fitOf(white, knownLeads), units, white };
}

/** Delays at which the covariates say what their newest values do not; 0 = none.  [covariate] */
function delaysIn(
  { fit: { weights }, white: { innovations, samples } }: Fitted,
  covariates: number,
  numberOf: (row: number) => number,
): Uint8Array<ArrayBuffer> {
  const [errors, ...columns] = innovations as [number[], ...number[][]];
  const places = samples.map((row) => numberOf(row) - numberOf(0));
  const length = (places.at(-1) ?? -1) + 1;
  const rest = new Float64Array(length);
  places.forEach((place, i) => {
    let expected = 0;
    for (let k = 0; k < weights.length; k++) expected += weights[k]! * columns[k]![i]!;
    rest[place] = errors[i]! - expected;
  });
  return Uint8Array.from({ length: covariates }, (_, k) => {
    const own = new Float64Array(length);
    const column = columns[(NEAR_LAGS + 1) * k]!;
    places.forEach((place, i) => own[place] = column[i]!);
    return delayOf(rest, own);
  });
}

/**
 * Learns what regressors say of a channel. Where a covariate's innovations tell of a delay and the
 * regression with it errs less where it was not learned from, the delay is kept.
 *
 * @param state   the channel's state at the end of the past
 * @param values  NaN is a missing value                                            [past time]
 * @param leads   of the past forecasts that the share is judged by
 * @returns null where nothing can be learned yet
 */
export function learnRegression(
  state: ForecasterState,
  timesS: Float64Array,
  values: Float64Array,
  { covariates, regressorsAt, numbers }: {
    readonly covariates: number;
    regressorsAt(delays: Uint8Array): Pick<Regressors, "past" | "knownLeads">;
    /** Numbers of the samples, where some are missing between them.            [past time] */
    readonly numbers?: Uint32Array;
  },
  leads: number,
): { readonly learned: Learned; readonly delays: Uint8Array } | null {
  const { ensemble } = state;
  const stretch = ensemble === null ? null : fittedStretch(ensemble, timesS, values);
  let delays = new Uint8Array(covariates);
  const near = regressorsAt(delays);
  if (ensemble === null || stretch === null || near.past.length === 0) return null;
  const judgedLeads = Math.max(1, Math.min(leads, LEADS_MAX, Math.floor(timesS.length / 10)));
  let chosen = fitted(stretch, near, judgedLeads);
  const found = delaysIn(chosen, covariates, (row) => numbers?.[row] ?? row);
  if (found.some((delay) => delay > 0)) {
    const far = fitted(stretch, regressorsAt(found), judgedLeads);
    if (far.fit.ratio < chosen.fit.ratio) [chosen, delays] = [far, found];
  }
  const learned = learnedOf(chosen, ensemble.scale);
  return learned === null ? null : { learned, delays };
}

/** In the values' units; null where values near the largest double have squares that are none. */
function learnedOf({ fit, units }: Fitted, scale: number): Learned | null {
  const { weights, cov, noise, share } = fit;
  const unit = share * scale;
  const learned = {
    means: Float64Array.from(units, ({ mean }) => mean),
    deviations: Float64Array.from(units, ({ deviation }) => deviation),
    weights: weights.map((weight) => unit * weight),
    cov: cov.map((value) => (unit * noise) ** 2 * value),
    share,
  };
  const parts = [learned.means, learned.deviations, learned.weights, learned.cov];
  return parts.every((part) => part.every(Number.isFinite)) ? learned : null;
}

/** Adds up what regressors at one time say, in the channel's units.                [regressor] */
export function effectOfRow(learned: Learned, row: ArrayLike<number>): number {
  const { means, deviations, weights } = learned;
  let sum = 0;
  for (let k = 0; k < weights.length; k++) {
    sum += weights[k]! * standardised(row[k]!, means[k]!, deviations[k]!);
  }
  return sum;
}

/**
 * Variance of {@linkcode effectOfRow}, from what is not known of the weights.
 *
 * @param row  values of the regressors, in their own units                           [regressor]
 */
export function effectVariance(learned: Learned, row: ArrayLike<number>): number {
  const { means, deviations, cov, weights } = learned;
  const { kernels, row: own, column: along } = plainWork(weights.length);
  for (let k = 0; k < weights.length; k++) {
    own[k] = standardised(row[k]!, means[k]!, deviations[k]!);
  }
  kernels.covTimesRow(cov, own, along, weights.length);
  let variance = 0;
  for (let k = 0; k < weights.length; k++) variance += own[k]! * along[k]!;
  return Math.max(0, variance);
}

/** Values of all regressors at one time. */
function rowAt(columns: readonly Float64Array[], t: number): number[] {
  return columns.map((column) => column[t]!);
}

/**
 * Learns what regressors say of a channel, and says it of past and future.
 *
 * @param state   the channel's state at the end of the past
 * @param values  NaN is a missing value                                            [past time]
 * @param futureCount  times of the future
 */
export function regressionEffect(
  state: ForecasterState,
  timesS: Float64Array,
  values: Float64Array,
  regressors: DelayedRegressors,
  futureCount: number,
): Effect {
  const known = learnRegression(state, timesS, values, regressors, futureCount);
  if (known === null) return noEffect(timesS.length, futureCount);
  const { learned, delays } = known;
  const { past, future } = regressors.regressorsAt(delays);
  const effect = {
    past: timesS.map((_, t) => effectOfRow(learned, rowAt(past, t))),
    future: Float64Array.from(
      { length: futureCount },
      (_, t) => effectOfRow(learned, rowAt(future, t)),
    ),
    deviation: Float64Array.from(
      { length: futureCount },
      (_, t) => Math.sqrt(effectVariance(learned, rowAt(future, t))),
    ),
    share: learned.share,
  };
  const columns = [effect.past, effect.future, effect.deviation];
  const isFinite = columns.every((column) => column.every(Number.isFinite));
  return isFinite ? effect : noEffect(timesS.length, futureCount);
}

function noEffect(pastCount: number, futureCount: number): Effect {
  return {
    past: new Float64Array(pastCount),
    future: new Float64Array(futureCount),
    deviation: new Float64Array(futureCount),
    share: 0,
  };
}

/**
 * A model of what is left of a channel without an effect, which is put back into its forecasts. Of
 * one channel and one set of future times: those of the effect.
 */
export function withEffect(model: ForecasterModel, effect: Effect): ForecasterModel {
  return {
    ...model,
    stateOfContext(config, timesS, values) {
      const rest = values.map((value, t) => value - effect.past[t]!);
      // Bounds are those of the whole: what is left may lie beyond them.
      const state = model.stateOfContext({ ...config, lower: null, upper: null }, timesS, rest);
      const { lower, upper } = config;
      return { ...state, config: { ...state.config, lower, upper } };
    },
    forecast(state, timesS, quantiles) {
      const { lower, upper } = state.config;
      const free = { ...state, config: { ...state.config, lower: null, upper: null } };
      const rows = model.forecast(free, timesS, quantiles);
      return addEffect(rows, model.forecast(free, timesS, MEDIAN), quantiles, effect).map((value) =>
        Math.min(upper ?? Infinity, Math.max(lower ?? -Infinity, value))
      );
    },
  };
}

const MEDIAN = Float64Array.of(0.5);

/** Moves quantiles by the effect, and widens them by what is not known of it. */
function addEffect(
  rows: Float64Array,
  medians: Float64Array,
  quantiles: Float64Array,
  { future, deviation }: Effect,
): Float64Array {
  const width = quantiles.length;
  return rows.map((value, at) => {
    const t = Math.floor(at / width);
    const distance = value - medians[t]!;
    const unknown = deviation[t]! * normalQuantile(quantiles[at % width]!);
    const side = distance !== 0 ? Math.sign(distance) : Math.sign(unknown);
    return medians[t]! + future[t]! + side * Math.hypot(distance, unknown);
  });
}
