import type { PackedKernels } from "../device/mod.ts";
import { PLAIN_PACKED } from "./packed_cov.ts";
import { packedDiagonal, rlsStep } from "./packed_rls.ts";

/**
 * A Bayesian linear readout of a bank, all leads with one covariance.
 *
 *   e(t, l) = z(t + l) − base(t, l),   ê(t, l) = W[:, l]ᵀ x(t)
 *
 * `base` is the structural filter's forecast, so the prior mean W = 0 is that forecast. All leads
 * have the same regressors, so an origin has one gain, known before any target is; leads are
 * learned by groups, each when its last lead is known. Errors beyond {@linkcode CLIP_ERRORS}
 * running scales are clipped.
 */
export type ReadoutState = {
  /** [feature, lead] */
  weights: Float32Array;
  /** Packed covariance.                                             [feature·(feature + 1) / 2] */
  cov: Float64Array;
  /** Running sum of |error| by lead.                                                     [lead] */
  errorSum: Float64Array;
  /** Weight of the running sums, by group.                                              [group] */
  errorWeight: Float64Array;
};

/** What sets one readout apart from another. */
export type ReadoutKind = {
  /** Strength of the prior W = 0. */
  readonly ridge: number;
  readonly forgetting: number;
};

const PRIOR_VARIANCE = 0.05;
const CLIP_ERRORS = 3;
const CLIP_WARM_UP = 20;
const ERROR_FORGETTING = 0.99;
const ERROR_SCALE = 1.25;
const WIND_UP_MAX = 4;

/** Lead groups [from, to) of a horizon: 1..h/8, ..h/3, ..h. */
export function leadGroups(horizon: number): [number, number][] {
  if (horizon < 6) return [[0, horizon]];
  const near = Math.max(1, Math.floor(horizon / 8));
  const middle = Math.max(2, Math.floor(horizon / 3));
  return [[0, near], [near, middle], [middle, horizon]];
}

/** A readout that has learned nothing: it adds 0. */
export function readoutStart(
  kind: ReadoutKind,
  features: number,
  horizon: number,
): ReadoutState {
  return {
    weights: new Float32Array(features * horizon),
    cov: packedDiagonal(new Float64Array(features).fill(PRIOR_VARIANCE / kind.ridge)),
    errorSum: new Float64Array(horizon),
    errorWeight: new Float64Array(leadGroups(horizon).length),
  };
}

/**
 * Takes an origin into the covariance and writes its gain, which every lead's error will count by.
 *
 * @param features  as they stand at the origin                                      [feature]
 * @param gain                                                                       [feature]
 * @param kernels   those that can reach the covariance, `features` and `gain`
 */
export function readoutGain(
  kind: ReadoutKind,
  state: ReadoutState,
  features: Float64Array,
  gain: Float64Array,
  kernels: PackedKernels = PLAIN_PACKED,
): void {
  const diagonalMax = WIND_UP_MAX * PRIOR_VARIANCE / kind.ridge;
  rlsStep(state.cov, features, gain, kind.forgetting, diagonalMax, kernels);
}

/**
 * Learns one lead group from one origin.
 *
 * @param features  as they stood at the origin                                      [feature]
 * @param gain      of the origin                                                    [feature]
 * @param errors    target minus base by lead; NaN where the target is missing; overwritten [lead]
 */
export function readoutLearn(
  state: ReadoutState,
  group: number,
  [from, to]: readonly [number, number],
  features: Float64Array,
  gain: Float64Array,
  errors: Float64Array,
): void {
  const size = features.length;
  const horizon = errors.length;
  const { weights, errorSum } = state;
  for (let i = 0; i < size; i++) {
    const x = features[i]!;
    const row = i * horizon;
    for (let l = from; l < to; l++) errors[l] = errors[l]! - x * weights[row + l]!;
  }
  const weight = ERROR_FORGETTING * state.errorWeight[group]! + 1;
  state.errorWeight[group] = weight;
  for (let l = from; l < to; l++) {
    const error = errors[l]!;
    if (Number.isNaN(error)) {
      errors[l] = 0;
      continue;
    }
    const limit = CLIP_ERRORS * ERROR_SCALE * errorSum[l]! / weight;
    const size = Math.abs(error);
    const clipped = weight > CLIP_WARM_UP && size > limit ? limit : size;
    errors[l] = size > 0 ? error * clipped / size : 0;
    errorSum[l] = ERROR_FORGETTING * errorSum[l]! + clipped;
  }
  for (let i = 0; i < size; i++) {
    const g = gain[i]!;
    const row = i * horizon;
    for (let l = from; l < to; l++) weights[row + l] = weights[row + l]! + g * errors[l]!;
  }
}

/** Adds the readout's correction to base forecasts, in place.                             [lead] */
export function readoutAdd(
  state: ReadoutState,
  features: Float64Array,
  forecast: Float64Array,
): void {
  const horizon = forecast.length;
  for (let i = 0; i < features.length; i++) {
    const x = features[i]!;
    const row = i * horizon;
    for (let l = 0; l < horizon; l++) {
      forecast[l] = forecast[l]! + x * state.weights[row + l]!;
    }
  }
}
