/**
 * Filtering and smoothing of linear-Gaussian models as scans: the elements that stand for runs of
 * samples, and the associative operators that join two runs.
 *
 * Särkkä and García-Fernández, "Temporal Parallelization of Bayesian Smoothers" (IEEE TAC 2021,
 * arXiv 1905.13002): filtering elements of section IV-A (lemmas 7 and 8), smoothing elements of
 * section IV-B (lemmas 9 and 10). f64.
 */
import { addScaled, congruence, identity, invertCov, multiply, solve } from "./dense.ts";
import { symmetrizeInto, transpose } from "./dense.ts";
import type { KalmanSizes, KalmanSlice } from "./kalman_system.ts";
import { observedRows, stepCov } from "./kalman_system.ts";
import type { Monoid } from "./monoid.ts";

/**
 * What some samples say, given the state before them:
 *
 *   p(x after | x before, y) = N(x after; A·x before + b, cov)
 *   p(y | x before) ∝ exp(ηᵀ·x before − ½·x beforeᵀ·J·x before)
 */
export interface FilterElement {
  /**                                                                          [state, state] */
  readonly A: Float64Array;
  /**                                                                                 [state] */
  readonly b: Float64Array;
  /**                                                                          [state, state] */
  readonly cov: Float64Array;
  /** Information vector η.                                                           [state] */
  readonly eta: Float64Array;
  /** Information matrix.                                                      [state, state] */
  readonly J: Float64Array;
}

/**
 * Joins two neighbouring runs. With D = (I + cov·J')⁻¹, primes on the later run:
 *
 *   A'·D·A,   A'·D·(b + cov·η') + b',   A'·D·cov·A'ᵀ + cov'
 *   Aᵀ·Dᵀ·(η' − J'·b) + η,              Aᵀ·Dᵀ·J'·A + J
 *
 * Lemma 8. I + cov·J' is regular for any two covariances, singular ones too.
 */
export function filterMonoid(stateSize: number): Monoid<FilterElement> {
  const n = stateSize;
  return {
    identity: {
      A: identity(n),
      b: new Float64Array(n),
      cov: new Float64Array(n * n),
      eta: new Float64Array(n),
      J: new Float64Array(n * n),
    },
    combine(earlier, later) {
      const M = addScaled(identity(n), multiply(earlier.cov, later.J, n, n, n));
      const Mt = transpose(M, n, n);
      const mean = addScaled(earlier.b, multiply(earlier.cov, later.eta, n, n, 1));
      const surprise = addScaled(later.eta, multiply(later.J, earlier.b, n, n, 1), -1);
      const At = transpose(earlier.A, n, n);
      const reduced = symmetrizeInto(solve(M, earlier.cov, n, n), n);
      const seen = symmetrizeInto(solve(Mt, later.J, n, n), n);
      return {
        A: multiply(later.A, solve(M, earlier.A, n, n), n, n, n),
        b: addScaled(multiply(later.A, solve(M, mean, n, 1), n, n, 1), later.b),
        cov: addScaled(congruence(later.A, reduced, n, n), later.cov),
        eta: addScaled(multiply(At, solve(Mt, surprise, n, 1), n, n, 1), earlier.eta),
        J: addScaled(congruence(At, seen, n, n), earlier.J),
      };
    },
  };
}

/**
 * The element of one sample: the step that leads to it, then its observation.
 *
 *   S = C·Q·Cᵀ + R,  K = Q·Cᵀ·S⁻¹,  v = y − d − C·c
 *   A = (I − K·C)·F,  b = c + K·v,  cov = (I − K·C)·Q,  η = (C·F)ᵀ·S⁻¹·v,  J = (C·F)ᵀ·S⁻¹·C·F
 *
 * with F, c and Q = G·processCov·Gᵀ of the step (lemma 7). Rows of y that are NaN are left out.
 *
 * @param step      the system at the sample before
 * @param at        the system at the sample itself
 * @param y                                                                        [observed]
 * @throws {RangeError} S is not positive definite: a scan needs noise in every observation, its
 *         own or that of one step
 */
export function filterElement(
  step: KalmanSlice,
  at: KalmanSlice,
  y: Float64Array,
  sizes: KalmanSizes,
): FilterElement {
  const { state } = sizes;
  const Q = stepCov(step, sizes);
  const rows = observedRows(at, y, sizes);
  const k = rows.index.length;
  if (k === 0) {
    return { ...filterMonoid(state).identity, A: step.A, b: step.stateIntercept, cov: Q };
  }
  const QCt = multiply(Q, rows.Ct, state, state, k);
  const S = symmetrizeInto(addScaled(multiply(rows.C, QCt, k, state, k), rows.cov), k);
  const { inverse } = invertCov(S, k);
  const gain = multiply(QCt, inverse, state, k, k);
  const expected = multiply(rows.C, step.stateIntercept, k, state, 1);
  const innovation = Float64Array.from(
    rows.index,
    (row, i) => y[row]! - at.observationIntercept[row]! - expected[i]!,
  );
  const CF = multiply(rows.C, step.A, k, state, state);
  const CFt = transpose(CF, k, state);
  const removed = multiply(gain, transpose(QCt, state, k), state, k, state);
  return {
    A: addScaled(step.A, multiply(gain, CF, state, k, state), -1),
    b: addScaled(step.stateIntercept, multiply(gain, innovation, state, k, 1)),
    cov: symmetrizeInto(addScaled(Q, removed, -1), state),
    eta: multiply(CFt, multiply(inverse, innovation, k, k, 1), state, k, 1),
    J: congruence(CFt, inverse, state, k),
  };
}

/** The element that forgets the state before it: a belief to start a scan from. */
export function beliefElement(mean: Float64Array, cov: Float64Array): FilterElement {
  const n = mean.length;
  const nothing = { A: new Float64Array(n * n), eta: new Float64Array(n) };
  return { ...nothing, b: mean, cov, J: new Float64Array(n * n) };
}

/** The state before some samples, given the state after them: N(E·x after + g, cov). */
export interface SmootherElement {
  /**                                                                          [state, state] */
  readonly E: Float64Array;
  /**                                                                                 [state] */
  readonly g: Float64Array;
  /**                                                                          [state, state] */
  readonly cov: Float64Array;
}

/** E·E', E·g' + g, E·cov'·Eᵀ + cov, primes on the later run (lemma 10). */
export function smootherMonoid(stateSize: number): Monoid<SmootherElement> {
  const n = stateSize;
  return {
    identity: { E: identity(n), g: new Float64Array(n), cov: new Float64Array(n * n) },
    combine: (earlier, later) => ({
      E: multiply(earlier.E, later.E, n, n, n),
      g: addScaled(multiply(earlier.E, later.g, n, n, 1), earlier.g),
      cov: addScaled(congruence(earlier.E, later.cov, n, n), earlier.cov),
    }),
  };
}

/**
 * The smoothing element of one step, from the belief before it (lemma 9):
 *
 *   E = P·Aᵀ·(A·P·Aᵀ + Q)⁻¹,  g = m − E·(A·m + c),  cov = P − E·A·P
 *
 * @throws {RangeError} the predicted covariance is not positive definite
 */
export function smootherElement(
  step: KalmanSlice,
  mean: Float64Array,
  cov: Float64Array,
  sizes: KalmanSizes,
): SmootherElement {
  const { state: n } = sizes;
  const predicted = addScaled(congruence(step.A, cov, n, n), stepCov(step, sizes));
  const AP = multiply(step.A, cov, n, n, n);
  const E = multiply(transpose(AP, n, n), invertCov(predicted, n).inverse, n, n, n);
  const next = addScaled(multiply(step.A, mean, n, n, 1), step.stateIntercept);
  return {
    E,
    g: addScaled(mean, multiply(E, next, n, n, 1), -1),
    cov: symmetrizeInto(addScaled(cov, multiply(E, AP, n, n, n), -1), n),
  };
}
