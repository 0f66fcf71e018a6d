/**
 * The textbook answer to every Kalman question on a short series: the joint Gaussian of all states
 * and observations, written down whole and conditioned at once. What is infinite of a start is a
 * regressor without a prior: generalised least squares, the limit of large variances itself.
 */
import { choleskySemidefinite, identity, multiply, solve, transpose } from "../../src/ssm/dense.ts";
import {
  type KalmanStart,
  type KalmanSystem,
  sliceAt,
  stepCov,
} from "../../src/ssm/kalman_system.ts";

export interface JointAnswer {
  /** Given every observation.                                              [length, state] */
  readonly mean: Float64Array;
  /** Diagonal blocks.                                                [length, state, state] */
  readonly cov: Float64Array;
  readonly logLik: number;
}

/**
 * Conditions the joint Gaussian of a system on what was observed (NaN is missing). With what is
 * known of x, y given the regressors b, cov S of y, X = dE[y]/db and M = dE[x]/db,
 *
 *   b = (Xᵀ·S⁻¹·X)⁻¹·Xᵀ·S⁻¹·(y − ŷ),    log p = −½·(k·log 2π + log|S| + log|Xᵀ·S⁻¹·X| + …)
 *
 * The log likelihood lacks the term in log κ of the infinite variance, as that of the filter does.
 */
export function jointAnswer(
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
): JointAnswer {
  const { state, observed } = system.sizes;
  const length = observations.length / observed;
  const size = length * state;
  const { mean, cov } = jointStates(system, start, length);
  const rows: { time: number; row: number; value: number }[] = [];
  observations.forEach((value, i) => {
    const [time, row] = [Math.floor(i / observed), i % observed];
    if (!Number.isNaN(value)) rows.push({ time, row, value });
  });
  const k = rows.length;
  const H = new Float64Array(k * size);
  const residual = new Float64Array(k);
  const noise = new Float64Array(k * k);
  rows.forEach(({ time, row, value }, i) => {
    const slice = sliceAt(system, time);
    let expected = slice.observationIntercept[row]!;
    for (let n = 0; n < state; n++) {
      H[i * size + time * state + n] = slice.C[row * state + n]!;
      expected += slice.C[row * state + n]! * mean[time * state + n]!;
    }
    residual[i] = value - expected;
    rows.forEach((other, j) => {
      if (other.time === time) {
        noise[i * k + j] = slice.observationCov[row * observed + other.row]!;
      }
    });
  });
  const covHt = multiply(cov, transpose(H, k, size), size, size, k);
  const S = multiply(H, covHt, k, size, k).map((value, i) => value + noise[i]!);
  const factor = regressors(start, state);
  const d = factor.length / state;
  const M = statesOf(system, factor, d, length);
  const X = multiply(H, M, k, size, d);
  const Xt = transpose(X, k, d);
  const info = multiply(Xt, solve(S, X, k, d), d, k, d);
  const b = d === 0 ? factor : solve(info, multiply(Xt, solve(S, residual, k, 1), d, k, 1), d, 1);
  const known = multiply(X, b, k, d, 1);
  const left = residual.map((value, i) => value - known[i]!);
  const weighted = solve(S, left, k, 1);
  const shift = multiply(covHt, weighted, size, k, 1);
  const regressed = multiply(M, b, size, d, 1);
  const reduced = multiply(covHt, solve(S, transpose(covHt, size, k), k, size), size, k, size);
  const pulled = multiply(covHt, solve(S, X, k, d), size, k, d);
  const open = M.map((value, i) => value - pulled[i]!);
  const infoInverse = d === 0 ? factor : solve(info, identity(d), d, d);
  const spread = multiply(
    multiply(open, infoInverse, size, d, d),
    transpose(open, size, d),
    size,
    d,
    size,
  );
  const blocks = new Float64Array(length * state * state);
  for (let t = 0; t < length; t++) {
    for (let i = 0; i < state; i++) {
      for (let j = 0; j < state; j++) {
        const at = (t * state + i) * size + t * state + j;
        blocks[(t * state + i) * state + j] = cov[at]! - reduced[at]! + spread[at]!;
      }
    }
  }
  let quadratic = 0;
  left.forEach((value, i) => quadratic += value * weighted[i]!);
  return {
    mean: mean.map((value, i) => value + shift[i]! + regressed[i]!),
    cov: blocks,
    logLik: -(k * Math.log(2 * Math.PI) + logDet(S, k) + logDet(info, d) + quadratic) / 2,
  };
}

/** A factor of the infinite part of a start, without its zero columns.     [state, regressors] */
function regressors(start: KalmanStart, state: number): Float64Array {
  const { diffuseCov } = start;
  if (diffuseCov === undefined) return new Float64Array(0);
  const root = choleskySemidefinite(diffuseCov, state);
  const columns = Array.from({ length: state }, (_, i) => i)
    .filter((i) => root[i * state + i]! > 0);
  return Float64Array.from(
    Array.from({ length: state }, (_, i) => columns.map((j) => root[i * state + j]!)).flat(),
  );
}

/** How all states depend on the regressors of the first.         [length, state, regressors] */
function statesOf(system: KalmanSystem, factor: Float64Array, d: number, length: number) {
  const { state } = system.sizes;
  const out = new Float64Array(length * state * d);
  let at = factor;
  for (let t = 0; t < length; t++) {
    out.set(at, t * state * d);
    at = multiply(sliceAt(system, t).A, at, state, state, d);
  }
  return out;
}

/** Mean and covariance of all states before anything is observed. */
function jointStates(system: KalmanSystem, start: KalmanStart, length: number) {
  const { state } = system.sizes;
  const size = length * state;
  const mean = new Float64Array(size);
  const cov = new Float64Array(size * size);
  mean.set(start.mean);
  let block = start.cov;
  for (let t = 0; t < length; t++) {
    const slice = sliceAt(system, t);
    let cross = block;
    for (let later = t; later < length; later++) {
      for (let i = 0; i < state; i++) {
        for (let j = 0; j < state; j++) {
          const value = cross[i * state + j]!;
          cov[(later * state + i) * size + t * state + j] = value;
          cov[(t * state + j) * size + later * state + i] = value;
        }
      }
      cross = multiply(sliceAt(system, later).A, cross, state, state, state);
    }
    if (t + 1 === length) break;
    const next = multiply(slice.A, mean.slice(t * state, (t + 1) * state), state, state, 1);
    mean.set(next.map((value, i) => value + slice.stateIntercept[i]!), (t + 1) * state);
    const moved = multiply(slice.A, block, state, state, state);
    const noise = stepCov(slice, system.sizes);
    block = multiply(moved, transpose(slice.A, state, state), state, state, state)
      .map((value, i) => value + noise[i]!);
  }
  return { mean, cov };
}

function logDet(matrix: Float64Array, size: number): number {
  const work = matrix.slice();
  let sum = 0;
  for (let k = 0; k < size; k++) {
    const pivot = work[k * size + k]!;
    sum += Math.log(pivot);
    for (let i = k + 1; i < size; i++) {
      const factor = work[i * size + k]! / pivot;
      for (let j = k; j < size; j++) {
        work[i * size + j] = work[i * size + j]! - factor * work[k * size + j]!;
      }
    }
  }
  return sum;
}

/** A time-varying system of 2 states and 2 channels, with correlated noises. */
export function varyingSystem(length: number): KalmanSystem {
  const over = (slice: (t: number) => number[]) =>
    Float64Array.from(Array.from({ length }, (_, t) => slice(t)).flat());
  return {
    sizes: { state: 2, observed: 2, noise: 2 },
    A: over((t) => [0.9, 0.1 * Math.sin(t), -0.2, 0.8]),
    C: over((t) => [1, 0.5, Math.cos(t), 1]),
    G: Float64Array.of(1, 0, 0.3, 1),
    processCov: over((t) => [0.4 + 0.1 * (t % 3), 0.1, 0.1, 0.3]),
    observationCov: Float64Array.of(0.5, 0.2, 0.2, 0.7),
    stateIntercept: over((t) => [0.1 * t, -0.2]),
    observationIntercept: Float64Array.of(1, -2),
  };
}

/**
 * A time-varying system of 3 states and 2 channels, with correlated noises: from a diffuse start
 * the second observation sees what is infinite in one direction of two.
 */
export function wideVaryingSystem(length: number): KalmanSystem {
  const over = (slice: (t: number) => number[]) =>
    Float64Array.from(Array.from({ length }, (_, t) => slice(t)).flat());
  return {
    sizes: { state: 3, observed: 2, noise: 2 },
    A: over((t) => [0.9, 0.4 + 0.3 * Math.sin(t), 0, -0.3, 0.8, 0.5, 0.2, Math.cos(2 * t), 0.7]),
    C: over((t) => [1, 0.5, Math.sin(t), Math.cos(t), 1, -0.4]),
    G: Float64Array.of(1, 0, 0.3, 1, -0.2, 0.5),
    processCov: over((t) => [0.4 + 0.1 * (t % 3), 0.1, 0.1, 0.3]),
    observationCov: Float64Array.of(0.5, 0.2, 0.2, 0.7),
    stateIntercept: over((t) => [0.1 * t, -0.2, 0.3]),
    observationIntercept: Float64Array.of(1, -2),
  };
}

/** One channel of a system of two. */
export function firstChannel(system: KalmanSystem): KalmanSystem {
  const { state } = system.sizes;
  return {
    ...system,
    sizes: { ...system.sizes, observed: 1 },
    C: system.C.filter((_, i) => i % (2 * state) < state) as Float64Array,
    observationCov: system.observationCov.slice(0, 1),
    observationIntercept: system.observationIntercept!.slice(0, 1),
  };
}

/** Two sensors of one local linear trend, with correlated noises: they never see but one state. */
export function twinSensors(): KalmanSystem {
  return {
    sizes: { state: 2, observed: 2, noise: 2 },
    A: Float64Array.of(1, 1, 0, 1),
    C: Float64Array.of(1, 0, 1, 0),
    G: identity(2),
    processCov: Float64Array.of(0.3, 0, 0, 0.1),
    observationCov: Float64Array.of(0.5, 0.2, 0.2, 0.7),
  };
}

/** A series for it, with missing entries and one empty time. */
export function gappySeries(length: number): Float64Array {
  const series = Float64Array.from({ length: 2 * length }, (_, i) => Math.sin(3 * i) * 2 + 0.1 * i);
  series[2] =
    series[3] =
    series[7] =
    series[10] =
      NaN;
  return series;
}

/** Largest difference of two arrays; Infinity where their lengths differ. */
export function farthest(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  a.forEach((value, i) => {
    const difference = Math.abs(value - b[i]!);
    worst = difference <= worst ? worst : difference;
  });
  return worst;
}
