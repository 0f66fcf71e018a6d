/**
 * The Kalman filter: exact recursive inference in a linear-Gaussian state-space model, with
 * missing observations, time-varying matrices, and exact diffuse starts.
 *
 * Durbin and Koopman, "Time Series Analysis by State Space Methods" (2nd ed.), sections 4.3
 * (filter), 4.10 (missing values) and 5.2 (exact diffuse start). Sequential, f64. While the start
 * is diffuse an observation may see all, some or none of what is infinite (`diffuse_inverse.ts`).
 */
import { ShapeError } from "../base/errors.ts";
import { addScaled, congruence, invertCov, maxAbs, multiply, transpose } from "./dense.ts";
import { symmetrizeInto } from "./dense.ts";
import { DIFFUSE_TOLERANCE, type DiffuseInverse, expandInverse } from "./diffuse_inverse.ts";
import {
  checkSystem,
  type KalmanSizes,
  type KalmanSlice,
  type KalmanStart,
} from "./kalman_system.ts";
import { type KalmanSystem, type ObservedRows, observedRows, sliceAt } from "./kalman_system.ts";
import { stepCov } from "./kalman_system.ts";

/** All that a filter pass found: "predicted" before the sample of that time, "filtered" after. */
export interface KalmanFiltered {
  readonly length: number;
  readonly sizes: KalmanSizes;
  /**                                                                    [length + 1, state] */
  readonly predictedMean: Float64Array;
  /** Finite part while the start is diffuse.                     [length + 1, state, state] */
  readonly predictedCov: Float64Array;
  /** Infinite part; all zero from `diffuseLength` on.            [length + 1, state, state] */
  readonly predictedDiffuseCov: Float64Array;
  /**                                                                        [length, state] */
  readonly filteredMean: Float64Array;
  /**                                                                 [length, state, state] */
  readonly filteredCov: Float64Array;
  /** Mean of the observation before it was seen.                         [length, observed] */
  readonly forecast: Float64Array;
  /** Observation minus forecast, NaN where missing.                      [length, observed] */
  readonly innovation: Float64Array;
  /** Covariance of the forecast error (finite part while diffuse). [length, observed, observed] */
  readonly innovationCov: Float64Array;
  /** One-step-ahead gain A·P·Cᵀ·F⁻¹, zero columns where missing.  [length, state, observed] */
  readonly gain: Float64Array;
  /** Log likelihood of each observation, 0 where all is missing.                   [length] */
  readonly logLik: Float64Array;
  /** Normalised innovation squared vᵀ·F⁻¹·v, NaN where missing or diffuse.         [length] */
  readonly nis: Float64Array;
  /** Number of leading times at which the predicted state still had an infinite part. */
  readonly diffuseLength: number;
}

const LOG_2PI = Math.log(2 * Math.PI);

/**
 * Filters a series.
 *
 * A fully missing observation changes nothing but time; of a partly missing one the observed rows
 * are used. While the start is diffuse an observation contributes −½·(k·log 2π + log|F∞|), which
 * is its log likelihood without the term in log κ; where F∞ is singular, also what its rows that
 * see nothing infinite contribute.
 *
 * @param observations NaN is a missing value                             [length, observed]
 * @throws {ShapeError} an array of the system has another length
 * @throws {RangeError} an innovation covariance is not positive definite; while diffuse, that of
 *         the rows that see nothing infinite
 */
export function kalmanFilter(
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
): KalmanFiltered {
  const { out, diffuseLength } = beginFilter(system, start, observations);
  for (let t = diffuseLength; t < out.length; t++) {
    filterStepInto(out, t, sliceAt(system, t), observations, 0);
  }
  return { ...out, diffuseLength };
}

/**
 * Checks the arguments of {@linkcode kalmanFilter} and filters as long as the predicted state has
 * an infinite part: the head that no other form of the filter can do without.
 *
 * @returns the outputs, filled below `diffuseLength` and with the prediction at it
 */
export function beginFilter(
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
): { out: KalmanOutputs; diffuseLength: number } {
  const { sizes } = system;
  const { state, observed } = sizes;
  const length = observations.length / observed;
  if (!Number.isInteger(length)) throw new ShapeError("observations.observed", observed, length);
  checkSystem(system, length);
  if (start.mean.length !== state) throw new ShapeError("start.mean", state, start.mean.length);
  if (start.cov.length !== state ** 2) {
    throw new ShapeError("start.cov", state ** 2, start.cov.length);
  }
  const out = emptyFiltered(length, sizes);
  out.predictedMean.set(start.mean);
  out.predictedCov.set(start.cov);
  if (start.diffuseCov) out.predictedDiffuseCov.set(start.diffuseCov);
  const diffuseScale = maxAbs(start.diffuseCov ?? new Float64Array(0));
  // An infinite part that is gone stays gone: a step only moves and shrinks it.
  let t = 0;
  while (t < length && maxAbs(covAt(out.predictedDiffuseCov, t, state)) > 0) {
    filterStepInto(out, t, sliceAt(system, t), observations, diffuseScale);
    t++;
  }
  return { out, diffuseLength: t };
}

/** Sum of the log likelihood from time `burn` on. */
export function totalLogLik(filtered: KalmanFiltered, burn = 0): number {
  let sum = 0;
  for (let t = burn; t < filtered.length; t++) sum += filtered.logLik[t]!;
  return sum;
}

/** What a filter pass fills, time by time. */
export type KalmanOutputs = Omit<KalmanFiltered, "diffuseLength">;

function emptyFiltered(length: number, sizes: KalmanSizes): KalmanOutputs {
  const { state, observed } = sizes;
  const array = (...shape: number[]) => new Float64Array(shape.reduce((a, b) => a * b));
  return {
    length,
    sizes,
    predictedMean: array(length + 1, state),
    predictedCov: array(length + 1, state, state),
    predictedDiffuseCov: array(length + 1, state, state),
    filteredMean: array(length, state),
    filteredCov: array(length, state, state),
    forecast: array(length, observed),
    innovation: array(length, observed),
    innovationCov: array(length, observed, observed),
    gain: array(length, state, observed),
    logLik: array(length),
    nis: array(length).fill(NaN),
  };
}

/** The square matrix of a time in a stack of them. */
export function covAt(stack: Float64Array, time: number, size: number): Float64Array {
  return stack.subarray(time * size * size, (time + 1) * size * size);
}

/** The vector of a time in a stack of them. */
export function meanAt(stack: Float64Array, time: number, size: number): Float64Array {
  return stack.subarray(time * size, (time + 1) * size);
}

/**
 * One time: from the prediction at `t` all that the outputs hold of `t`, and the prediction at
 * `t + 1`.
 *
 * @param diffuseScale largest element of the infinite start; 0 where nothing is diffuse
 */
export function filterStepInto(
  out: KalmanOutputs,
  t: number,
  slice: KalmanSlice,
  observations: Float64Array,
  diffuseScale: number,
): void {
  const { sizes } = out;
  const { state, observed } = sizes;
  const observation = meanAt(observations, t, observed);
  const mean = meanAt(out.predictedMean, t, state);
  const cov = covAt(out.predictedCov, t, state);
  const diffuseCov = covAt(out.predictedDiffuseCov, t, state);
  const forecast = addScaled(
    slice.observationIntercept,
    multiply(slice.C, mean, observed, state, 1),
  );
  out.forecast.set(forecast, t * observed);
  out.innovation.set(addScaled(observation, forecast, -1), t * observed);
  out.innovationCov.set(
    addScaled(congruence(slice.C, cov, observed, state), slice.observationCov),
    t * observed * observed,
  );
  const rows = observedRows(slice, observation, sizes);
  const innovation = Float64Array.from(rows.index, (i) => out.innovation[t * observed + i]!);
  const before = { mean, cov, diffuseCov };
  const update = rows.index.length === 0
    ? unchanged(before)
    : updateAny(before, rows, innovation, state, diffuseScale);
  out.filteredMean.set(update.mean, t * state);
  out.filteredCov.set(update.cov, t * state * state);
  out.logLik[t] = update.logLik;
  out.nis[t] = update.nis;
  storeGainInto(out, t, slice, rows, update.gain);
  predictInto(out, t, slice, update, diffuseScale);
}

/** A Gaussian with a finite and an infinite part of its covariance. */
export interface Belief {
  readonly mean: Float64Array;
  readonly cov: Float64Array;
  readonly diffuseCov: Float64Array;
}

interface Update extends Belief {
  /** Filtered gain P·Cᵀ·F⁻¹.                                                   [state, rows] */
  readonly gain: Float64Array;
  readonly logLik: number;
  readonly nis: number;
}

function unchanged(before: Belief): Update {
  return { ...before, gain: new Float64Array(0), logLik: 0, nis: NaN };
}

function updateAny(
  before: Belief,
  rows: ObservedRows,
  innovation: Float64Array,
  state: number,
  diffuseScale: number,
): Update {
  if (diffuseScale > 0) {
    const inverse = diffuseInverse(before.cov, before.diffuseCov, rows, state, diffuseScale);
    if (inverse !== null) return updateDiffuse(before, rows, innovation, inverse, state);
  }
  return updateRegular(before, rows, innovation, state);
}

/**
 * The inverse of F = κ·C·P∞·Cᵀ + C·P·Cᵀ + H for κ → ∞; null where the rows see nothing infinite.
 *
 * @param diffuseScale largest element of the infinite start
 */
export function diffuseInverse(
  cov: Float64Array,
  diffuseCov: Float64Array,
  rows: ObservedRows,
  state: number,
  diffuseScale: number,
): DiffuseInverse | null {
  const k = rows.index.length;
  const diffuseF = congruence(rows.C, diffuseCov, k, state);
  const scales = Float64Array.from(
    rows.index,
    (_, i) => maxAbs(rows.C.subarray(i * state, (i + 1) * state)) ** 2 * diffuseScale,
  );
  if (scales.every((scale, i) => diffuseF[i * k + i]! <= DIFFUSE_TOLERANCE * scale)) return null;
  const F = addScaled(congruence(rows.C, cov, k, state), rows.cov);
  return expandInverse(diffuseF, F, k, scales);
}

/** mean + K·v, P − K·F·Kᵀ with K = P·Cᵀ·F⁻¹. */
function updateRegular(
  before: Belief,
  rows: ObservedRows,
  innovation: Float64Array,
  state: number,
): Update {
  const k = rows.index.length;
  const covCt = multiply(before.cov, rows.Ct, state, state, k);
  const F = symmetrizeInto(addScaled(multiply(rows.C, covCt, k, state, k), rows.cov), k);
  const { inverse, logDet } = invertCov(F, k);
  const gain = multiply(covCt, inverse, state, k, k);
  const removed = multiply(gain, transpose(covCt, state, k), state, k, state);
  const nis = quadratic(inverse, innovation);
  return {
    mean: addScaled(before.mean, multiply(gain, innovation, state, k, 1)),
    cov: symmetrizeInto(addScaled(before.cov, removed, -1), state),
    diffuseCov: before.diffuseCov,
    gain,
    logLik: -(k * LOG_2PI + logDet + nis) / 2,
    nis,
  };
}

/**
 * The update while F∞ = C·P∞·Cᵀ is not zero, with M∞ = P∞·Cᵀ, M = P·Cᵀ, F⁻¹ = F0 + F1/κ + F2/κ²:
 *
 *   mean + K·v,   K = M∞·F1 + M·F0
 *   P  − M∞·F1·Mᵀ − M·F1·M∞ᵀ − M∞·F2·M∞ᵀ − M·F0·Mᵀ,   P∞ − M∞·F1·M∞ᵀ
 *
 * Durbin and Koopman, equations 5.7 to 5.14, where F∞ is regular and F0 = 0.
 */
function updateDiffuse(
  before: Belief,
  rows: ObservedRows,
  innovation: Float64Array,
  { F0, F1, F2, logDet }: DiffuseInverse,
  state: number,
): Update {
  const k = rows.index.length;
  const covCt = multiply(before.cov, rows.Ct, state, state, k);
  const diffuseCt = multiply(before.diffuseCov, rows.Ct, state, state, k);
  let gain: Float64Array = multiply(diffuseCt, F1, state, k, k);
  const cross = multiply(gain, transpose(covCt, state, k), state, k, state);
  const crossT = transpose(cross, state, state);
  const curved = congruence(diffuseCt, F2, state, k);
  let cov: Float64Array = addScaled(
    addScaled(addScaled(before.cov, cross, -1), crossT, -1),
    curved,
    -1,
  );
  const removed = congruence(diffuseCt, F1, state, k);
  let nis = 0;
  if (F0 !== null) {
    gain = addScaled(gain, multiply(covCt, F0, state, k, k));
    cov = addScaled(cov, congruence(covCt, F0, state, k), -1);
    nis = quadratic(F0, innovation);
  }
  return {
    mean: addScaled(before.mean, multiply(gain, innovation, state, k, 1)),
    cov: symmetrizeInto(cov, state),
    diffuseCov: symmetrizeInto(addScaled(before.diffuseCov, removed, -1), state),
    gain,
    logLik: -(k * LOG_2PI + logDet + nis) / 2,
    nis: NaN,
  };
}

function quadratic(matrix: Float64Array, vector: Float64Array): number {
  const size = vector.length;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) sum += vector[i]! * matrix[i * size + j]! * vector[j]!;
  }
  return sum;
}

function storeGainInto(
  out: KalmanOutputs,
  t: number,
  slice: KalmanSlice,
  rows: ObservedRows,
  filteredGain: Float64Array,
): void {
  const { state, observed } = out.sizes;
  const k = rows.index.length;
  const ahead = multiply(slice.A, filteredGain, state, state, k);
  rows.index.forEach((channel, j) => {
    for (let i = 0; i < state; i++) {
      out.gain[(t * state + i) * observed + channel] = ahead[i * k + j]!;
    }
  });
}

/** The prediction at `t + 1` from the belief after the observation at `t`. */
export function predictInto(
  out: KalmanOutputs,
  t: number,
  slice: KalmanSlice,
  update: Belief,
  diffuseScale: number,
): void {
  const { state } = out.sizes;
  const mean = multiply(slice.A, update.mean, state, state, 1);
  out.predictedMean.set(addScaled(mean, slice.stateIntercept), (t + 1) * state);
  out.predictedCov.set(
    addScaled(congruence(slice.A, update.cov, state, state), stepCov(slice, out.sizes)),
    (t + 1) * state * state,
  );
  if (diffuseScale === 0) return;
  const diffuse = congruence(slice.A, update.diffuseCov, state, state);
  // What rounding left of an infinite part must not live on as one.
  if (maxAbs(diffuse) > DIFFUSE_TOLERANCE * diffuseScale) {
    out.predictedDiffuseCov.set(diffuse, (t + 1) * state * state);
  }
}
