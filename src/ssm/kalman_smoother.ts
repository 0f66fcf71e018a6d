/**
 * The fixed-interval smoother: the state and the disturbances given the whole series.
 *
 * Durbin and Koopman (2nd ed.), sections 4.4 and 4.5 (state and disturbance smoothing by the
 * backward recursion of r and N, which inverts no state covariance) and 5.3, 5.4 (exact diffuse
 * start, where r and N are expanded in powers of 1/κ).
 */
import { addScaled, congruence, invertCov, multiply, transpose } from "./dense.ts";
import { maxAbs, symmetrizeInto } from "./dense.ts";
import { covAt, diffuseInverse, type KalmanFiltered, meanAt } from "./kalman.ts";
import type { KalmanSizes, KalmanSlice, KalmanSystem, ObservedRows } from "./kalman_system.ts";
import { observedRows, sliceAt } from "./kalman_system.ts";

/** The state and the disturbances given all observations. */
export interface KalmanSmoothed {
  /**                                                                        [length, state] */
  readonly mean: Float64Array;
  /**                                                                 [length, state, state] */
  readonly cov: Float64Array;
  /** Process noise n[t].                                                    [length, noise] */
  readonly processNoise: Float64Array;
  /**                                                                 [length, noise, noise] */
  readonly processNoiseCov: Float64Array;
  /** Observation noise e[t].                                             [length, observed] */
  readonly observationNoise: Float64Array;
  /**                                                           [length, observed, observed] */
  readonly observationNoiseCov: Float64Array;
}

/**
 * The backward sums: r = r0 + r1/κ, N = N0 + N1/κ + N2/κ². The higher terms stay zero outside the
 * diffuse part.
 */
export interface Backward {
  readonly r0: Float64Array;
  readonly r1: Float64Array;
  readonly N0: Float64Array;
  readonly N1: Float64Array;
  readonly N2: Float64Array;
}

/** What one observation does to the backward sums. */
export interface BackwardStep {
  readonly rows: ObservedRows;
  readonly innovation: Float64Array;
  /**
   * Inverse of F, of which F1 and F2 are the terms in 1/κ and 1/κ² where diffuse; null where the
   * term is 0.
   */
  readonly F0: Float64Array | null;
  readonly F1: Float64Array | null;
  readonly F2: Float64Array | null;
  /** Gain A·M·F⁻¹ and its term in 1/κ.                                       [state, rows] */
  readonly K0: Float64Array;
  readonly K1: Float64Array | null;
  /** A − K·C and its term in 1/κ.                                           [state, state] */
  readonly L0: Float64Array;
  readonly L1: Float64Array | null;
}

/**
 * Smooths a filtered series.
 *
 * @param filtered     what {@linkcode kalmanFilter} found with the same system and observations
 * @param observations NaN is a missing value                             [length, observed]
 */
export function kalmanSmoother(
  system: KalmanSystem,
  filtered: KalmanFiltered,
  observations: Float64Array,
): KalmanSmoothed {
  const { sizes } = system;
  const { length } = filtered;
  const out = emptySmoothed(length, sizes);
  walkBack({ system, filtered, observations }, length, zeroBackward(sizes.state), (visit) => {
    processNoiseInto(out, visit, sizes);
    observationNoiseInto(out, visit, sizes);
    stateInto(out, visit.t, filtered, visit.before);
  });
  return out;
}

/** What a smoother pass fills, all 0. */
export function emptySmoothed(
  length: number,
  { state, observed, noise }: KalmanSizes,
): KalmanSmoothed {
  return {
    mean: new Float64Array(length * state),
    cov: new Float64Array(length * state * state),
    processNoise: new Float64Array(length * noise),
    processNoiseCov: new Float64Array(length * noise * noise),
    observationNoise: new Float64Array(length * observed),
    observationNoiseCov: new Float64Array(length * observed * observed),
  };
}

/** The backward sums after the last time. */
export function zeroBackward(state: number): Backward {
  return {
    r0: new Float64Array(state),
    r1: new Float64Array(state),
    N0: new Float64Array(state * state),
    N1: new Float64Array(state * state),
    N2: new Float64Array(state * state),
  };
}

/** A time on the way back, with the sums after it and before it. */
export interface BackwardVisit {
  readonly t: number;
  readonly slice: KalmanSlice;
  readonly step: BackwardStep;
  readonly after: Backward;
  readonly before: Backward;
}

/** A filtered series with what it was made from. */
export interface FilteredSeries {
  readonly system: KalmanSystem;
  readonly filtered: KalmanFiltered;
  readonly observations: Float64Array;
}

/**
 * Runs the backward recursion from time `end` − 1 down to 0.
 *
 * @param sums  r and N after time `end` − 1
 * @returns     r and N before time 0
 */
export function walkBack(
  { system, filtered, observations }: FilteredSeries,
  end: number,
  sums: Backward,
  visit: (visited: BackwardVisit) => void,
): Backward {
  let after = sums;
  for (let t = end - 1; t >= 0; t--) {
    const slice = sliceAt(system, t);
    const step = stepOf(system, filtered, slice, observations, t);
    const before = backward(step, after, system.sizes.state, t < filtered.diffuseLength);
    visit({ t, slice, step, after, before });
    after = before;
  }
  return after;
}

function stepOf(
  system: KalmanSystem,
  filtered: KalmanFiltered,
  slice: KalmanSlice,
  observations: Float64Array,
  t: number,
): BackwardStep {
  const { state, observed } = system.sizes;
  const rows = observedRows(slice, meanAt(observations, t, observed), system.sizes);
  const k = rows.index.length;
  const innovation = Float64Array.from(rows.index, (i) => filtered.innovation[t * observed + i]!);
  const still = { rows, innovation, F1: null, F2: null, K1: null, L1: null };
  if (k === 0) return { ...still, F0: null, K0: new Float64Array(0), L0: slice.A };
  const covCt = multiply(covAt(filtered.predictedCov, t, state), rows.Ct, state, state, k);
  const F = symmetrizeInto(addScaled(multiply(rows.C, covCt, k, state, k), rows.cov), k);
  const K0 = new Float64Array(state * k);
  rows.index.forEach((channel, j) => {
    for (let i = 0; i < state; i++) {
      K0[i * k + j] = filtered.gain[(t * state + i) * observed + channel]!;
    }
  });
  const L0 = addScaled(slice.A, multiply(K0, rows.C, state, k, state), -1);
  if (!Number.isNaN(filtered.nis[t]!)) return { ...still, F0: invertCov(F, k).inverse, K0, L0 };
  // An observation without a normalised innovation saw something infinite.
  const diffuse = covAt(filtered.predictedDiffuseCov, t, state);
  const scale = maxAbs(covAt(filtered.predictedDiffuseCov, 0, state));
  const cov = covAt(filtered.predictedCov, t, state);
  const { F0, F1, F2 } = diffuseInverse(cov, diffuse, rows, state, scale)!;
  const diffuseCt = multiply(diffuse, rows.Ct, state, state, k);
  const M1 = addScaled(multiply(covCt, F1, state, k, k), multiply(diffuseCt, F2, state, k, k));
  const K1 = multiply(slice.A, M1, state, state, k);
  const L1 = multiply(K1, rows.C, state, k, state).map((value) => -value);
  return { rows, innovation, F0, F1, F2, K0, K1, L0, L1 };
}

/** r[t−1], N[t−1] from r[t], N[t]. */
function backward(step: BackwardStep, after: Backward, state: number, diffuse: boolean): Backward {
  const k = step.rows.index.length;
  const L0t = transpose(step.L0, state, state);
  const pull = (Lt: Float64Array, r: Float64Array) => multiply(Lt, r, state, state, 1);
  const weigh = (F: Float64Array | null) =>
    F === null ? null : multiply(step.rows.Ct, multiply(F, step.innovation, k, k, 1), state, k, 1);
  const shape = (F: Float64Array | null) =>
    F === null ? null : congruence(step.rows.Ct, F, state, k);
  const plus = (base: Float64Array, ...terms: (Float64Array | null)[]) =>
    terms.reduce<Float64Array>((sum, term) => term === null ? sum : addScaled(sum, term), base);
  const r0 = plus(pull(L0t, after.r0), weigh(step.F0));
  const N0 = plus(congruence(L0t, after.N0, state, state), shape(step.F0));
  if (!diffuse) return { ...after, r0, N0 };
  const around = (Lt: Float64Array, N: Float64Array, L: Float64Array) =>
    multiply(multiply(Lt, N, state, state, state), L, state, state, state);
  const L1t = step.L1 === null ? null : transpose(step.L1, state, state);
  const crossN = (N: Float64Array): Float64Array | null => {
    if (step.L1 === null) return null;
    const half = around(L0t, N, step.L1);
    return addScaled(half, transpose(half, state, state));
  };
  const r1 = plus(pull(L0t, after.r1), L1t && pull(L1t, after.r0), weigh(step.F1));
  const N1 = plus(around(L0t, after.N1, step.L0), crossN(after.N0), shape(step.F1));
  const N2 = plus(
    around(L0t, after.N2, step.L0),
    crossN(after.N1),
    L1t && step.L1 && around(L1t, after.N0, step.L1),
    shape(step.F2),
  );
  return { r0, r1, N0, N1, N2 };
}

/** mean + P·r0 + P∞·r1;  P − P·N0·P − P∞·N1·P − (P∞·N1·P)ᵀ − P∞·N2·P∞. */
export function stateInto(
  out: Pick<KalmanSmoothed, "mean" | "cov">,
  t: number,
  filtered: KalmanFiltered,
  at: Backward,
): void {
  const { state } = filtered.sizes;
  const cov = covAt(filtered.predictedCov, t, state);
  let mean = addScaled(
    meanAt(filtered.predictedMean, t, state),
    multiply(cov, at.r0, state, state, 1),
  );
  let smoothed = addScaled(cov, congruence(cov, at.N0, state, state), -1);
  if (t < filtered.diffuseLength) {
    const diffuse = covAt(filtered.predictedDiffuseCov, t, state);
    mean = addScaled(mean, multiply(diffuse, at.r1, state, state, 1));
    const left = multiply(diffuse, at.N1, state, state, state);
    const cross = multiply(left, cov, state, state, state);
    smoothed = addScaled(addScaled(smoothed, cross, -1), transpose(cross, state, state), -1);
    smoothed = addScaled(smoothed, congruence(diffuse, at.N2, state, state), -1);
  }
  out.mean.set(mean, t * state);
  out.cov.set(symmetrizeInto(smoothed, state), t * state * state);
}

/** The process noise of a time: Q·Gᵀ·r and Q − Q·Gᵀ·N·G·Q. */
export function processNoiseInto(
  out: Pick<KalmanSmoothed, "processNoise" | "processNoiseCov">,
  { t, slice, after }: BackwardVisit,
  { state, noise }: KalmanSystem["sizes"],
): void {
  const weights = multiply(
    slice.processCov,
    transpose(slice.G, state, noise),
    noise,
    noise,
    state,
  );
  out.processNoise.set(multiply(weights, after.r0, noise, state, 1), t * noise);
  out.processNoiseCov.set(
    addScaled(slice.processCov, congruence(weights, after.N0, noise, state), -1),
    t * noise * noise,
  );
}

/**
 * H·(F⁻¹·v − Kᵀ·r) and H − H·(F⁻¹ + Kᵀ·N·K)·H over the observed rows. The noise of a missing row
 * keeps its prior, mean 0 and covariance H, as in statsmodels, also where H correlates the rows.
 */
function observationNoiseInto(
  out: KalmanSmoothed,
  { t, slice, step, after }: BackwardVisit,
  { state, observed }: KalmanSystem["sizes"],
): void {
  const { index, cov: H } = step.rows;
  const k = index.length;
  const covStart = t * observed * observed;
  out.observationNoiseCov.set(slice.observationCov, covStart);
  if (k === 0) return;
  const Kt = transpose(step.K0, state, k);
  const pulled = multiply(Kt, after.r0, k, state, 1);
  const zero = new Float64Array(k);
  const u = addScaled(step.F0 ? multiply(step.F0, step.innovation, k, k, 1) : zero, pulled, -1);
  const N = congruence(Kt, after.N0, k, state);
  const noise = multiply(H, u, k, k, 1);
  const cov = addScaled(H, congruence(H, step.F0 ? addScaled(step.F0, N) : N, k, k), -1);
  index.forEach((row, i) => {
    out.observationNoise[t * observed + row] = noise[i]!;
    index.forEach((column, j) => {
      out.observationNoiseCov[covStart + row * observed + column] = cov[i * k + j]!;
    });
  });
}
