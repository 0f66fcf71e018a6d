/**
 * The exact gradient of the log likelihood of a linear-Gaussian model, from one filter pass and
 * one pass back.
 *
 * Fisher's identity: the gradient of log p(y) is the expectation, given y, of that of log p(x, y),
 * so that smoothed moments give it. With r, N of the smoother, u = F⁻¹·v − Kᵀ·r,
 * D = F⁻¹ + Kᵀ·N·K, L = A − K·C and the smoothed mean x̂:
 *
 *   d observationCov = ½(u·uᵀ − D)      d processCov = ½Gᵀ(r·rᵀ − N)G      d start.cov likewise
 *   d observationIntercept = u          d stateIntercept = r               d y = −u
 *   d A = r·x̂ᵀ − N·L·P                  d C = u·x̂ᵀ − (F⁻¹·C − Kᵀ·N·L)·P
 *   d G = (r·rᵀ − N)·G·processCov
 *
 * Koopman and Shephard, "Exact score for time series models in state space form" (Biometrika 79,
 * 1992); Durbin and Koopman (2nd ed.), section 7.3.3. While the start is diffuse, r, N and 1/F are
 * expanded in 1/κ and the terms that remain for κ → ∞ are kept. A covariance's gradient is
 * symmetric: a change dQ of it changes the likelihood by Σ dQ·gradient over all elements.
 */
import { addScaled, congruence, multiply, transpose } from "./dense.ts";
import { covAt, type KalmanFiltered, meanAt } from "./kalman.ts";
import { type BackwardVisit, type KalmanSmoothed, stateInto } from "./kalman_smoother.ts";
import { walkBack, zeroBackward } from "./kalman_smoother.ts";
import type { KalmanSystem } from "./kalman_system.ts";

/** The gradient of the log likelihood, in the shapes of what it is taken by. */
export interface KalmanScore {
  readonly A: Float64Array;
  readonly C: Float64Array;
  readonly G: Float64Array;
  readonly processCov: Float64Array;
  readonly observationCov: Float64Array;
  /**                                                    [time, state], time as that of A */
  readonly stateIntercept: Float64Array;
  /**                                                 [time, observed], time as that of C */
  readonly observationIntercept: Float64Array;
  readonly startMean: Float64Array;
  readonly startCov: Float64Array;
  /** 0 where missing.                                                   [length, observed] */
  readonly observations: Float64Array;
}

/**
 * The score of the times from `burn` on is not a sum over times, since earlier observations move
 * later predictions; it is of the whole series.
 *
 * @param filtered     what {@linkcode kalmanFilter} found with the same system and observations
 * @param observations NaN is a missing value                             [length, observed]
 */
export function kalmanScore(
  system: KalmanSystem,
  filtered: KalmanFiltered,
  observations: Float64Array,
): KalmanScore {
  const { state, observed } = system.sizes;
  const { length } = filtered;
  const like = (array: Float64Array | undefined, of: Float64Array, from: number, to: number) =>
    new Float64Array(array?.length ?? (of.length / from) * to);
  const score: KalmanScore = {
    A: new Float64Array(system.A.length),
    C: new Float64Array(system.C.length),
    G: new Float64Array(system.G.length),
    processCov: new Float64Array(system.processCov.length),
    observationCov: new Float64Array(system.observationCov.length),
    stateIntercept: like(system.stateIntercept, system.A, state * state, state),
    observationIntercept: like(
      system.observationIntercept,
      system.C,
      observed * state,
      observed,
    ),
    startMean: new Float64Array(state),
    startCov: new Float64Array(state * state),
    observations: new Float64Array(length * observed),
  };
  const smoothed = {
    mean: new Float64Array(length * state),
    cov: new Float64Array(length * state * state),
  };
  const first = walkBack(
    { system, filtered, observations },
    length,
    zeroBackward(state),
    (visit) => {
      stateInto(smoothed, visit.t, filtered, visit.before);
      stepInto(score, visit, system, filtered, smoothed);
      observationInto(score, visit, system, filtered, smoothed);
    },
  );
  score.startMean.set(first.r0);
  score.startCov.set(spread(first.r0, first.N0).map((value) => value / 2));
  return score;
}

type SmoothedStates = Pick<KalmanSmoothed, "mean" | "cov">;

/** r·rᵀ − N. */
function spread(r: Float64Array, N: Float64Array): Float64Array {
  return addScaled(multiply(r, r, r.length, 1, r.length), N, -1);
}

/** Adds a slice's gradient at its time, or to the one slice that all times share. */
function addInto(target: Float64Array, slice: Float64Array, time: number): void {
  const at = target.length === slice.length ? 0 : time * slice.length;
  for (let i = 0; i < slice.length; i++) target[at + i]! += slice[i]!;
}

function stepInto(
  score: KalmanScore,
  { t, slice, step, after }: BackwardVisit,
  { sizes: { state, noise } }: KalmanSystem,
  filtered: KalmanFiltered,
  smoothed: SmoothedStates,
): void {
  const square = (a: Float64Array, b: Float64Array) => multiply(a, b, state, state, state);
  const moved = spread(after.r0, after.N0);
  const Gt = transpose(slice.G, state, noise);
  addInto(score.stateIntercept, after.r0, t);
  addInto(score.processCov, congruence(Gt, moved, noise, state).map((value) => value / 2), t);
  const GQ = multiply(slice.G, slice.processCov, state, noise, noise);
  addInto(score.G, multiply(moved, GQ, state, state, noise), t);
  let pulled = square(square(after.N0, step.L0), covAt(filtered.predictedCov, t, state));
  if (t < filtered.diffuseLength) {
    let diffuse = square(after.N1, step.L0);
    if (step.L1) diffuse = addScaled(diffuse, square(after.N0, step.L1));
    pulled = addScaled(pulled, square(diffuse, covAt(filtered.predictedDiffuseCov, t, state)));
  }
  const mean = meanAt(smoothed.mean, t, state);
  addInto(score.A, addScaled(multiply(after.r0, mean, state, 1, state), pulled, -1), t);
}

function observationInto(
  score: KalmanScore,
  visit: BackwardVisit,
  { sizes: { state, observed } }: KalmanSystem,
  filtered: KalmanFiltered,
  smoothed: SmoothedStates,
): void {
  const { t, step, after } = visit;
  const { index } = step.rows;
  const k = index.length;
  const intercept = new Float64Array(observed);
  const noise = new Float64Array(observed * observed);
  const matrix = new Float64Array(observed * state);
  const K0t = transpose(step.K0, state, k);
  const weighted = step.F0 ? multiply(step.F0, step.innovation, k, k, 1) : new Float64Array(k);
  const u = addScaled(weighted, multiply(K0t, after.r0, k, state, 1), -1);
  const KNK = congruence(K0t, after.N0, k, state);
  const D = step.F0 ? addScaled(step.F0, KNK) : KNK;
  const seen = seenBy(visit, filtered, state);
  const mean = meanAt(smoothed.mean, t, state);
  index.forEach((row, i) => {
    intercept[row] = u[i]!;
    score.observations[t * observed + row] = -u[i]!;
    for (let n = 0; n < state; n++) {
      matrix[row * state + n] = u[i]! * mean[n]! - seen[i * state + n]!;
    }
    index.forEach((column, j) => {
      noise[row * observed + column] = (u[i]! * u[j]! - D[i * k + j]!) / 2;
    });
  });
  addInto(score.observationIntercept, intercept, t);
  addInto(score.observationCov, noise, t);
  addInto(score.C, matrix, t);
}

/** (F⁻¹·C − Kᵀ·N·L)·P, of the observed rows: its terms in κ⁰ while the start is diffuse. */
function seenBy(
  { t, step, after }: BackwardVisit,
  filtered: KalmanFiltered,
  state: number,
): Float64Array {
  const { F0, F1, K0, K1, L0, L1 } = step;
  const { N0, N1 } = after;
  const { C } = step.rows;
  const k = step.rows.index.length;
  const chain = (gain: Float64Array, N: Float64Array, L: Float64Array) => {
    const inner = multiply(N, L, state, state, state);
    return multiply(transpose(gain, state, k), inner, k, state, state);
  };
  const weigh = (F: Float64Array) => multiply(F, C, k, k, state);
  const times = (left: Float64Array, cov: Float64Array) =>
    multiply(left, covAt(cov, t, state), k, state, state);
  const none = new Float64Array(k * state);
  const finite = addScaled(F0 ? weigh(F0) : none, chain(K0, N0, L0), -1);
  const sum = times(finite, filtered.predictedCov);
  if (t >= filtered.diffuseLength) return sum;
  let diffuse = addScaled(F1 ? weigh(F1) : none, chain(K0, N1, L0), -1);
  if (L1) diffuse = addScaled(diffuse, chain(K0, N0, L1), -1);
  if (K1) diffuse = addScaled(diffuse, chain(K1, N0, L0), -1);
  return addScaled(sum, times(diffuse, filtered.predictedDiffuseCov));
}
