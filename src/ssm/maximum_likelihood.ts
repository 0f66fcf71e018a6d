/**
 * Variances by maximum likelihood: a quasi-Newton search on their logarithms, so that no bound has
 * to be watched and no unit matters.
 */
import { kalmanFilter, totalLogLik } from "./kalman.ts";
import { kalmanScore } from "./kalman_score.ts";
import type { KalmanStart, KalmanSystem } from "./kalman_system.ts";

/** What is fitted, to what, from where. */
export interface VarianceProblem {
  /** Builds the model from variances, all > 0. */
  readonly systemOf: (variances: Float64Array) => KalmanSystem;
  readonly start: KalmanStart;
  /** NaN is a missing value.                                             [length, observed] */
  readonly observations: Float64Array;
  /** Leading times left out of the likelihood. */
  readonly burn: number;
  /** Number of variances. */
  readonly count: number;
}

/** A fit. */
export interface VarianceFit {
  readonly variances: Float64Array;
  readonly logLik: number;
  /** Evaluations of the likelihood that the search took. */
  readonly evaluations: number;
}

/** Iterations of one search; a handful of variances converges in tens. */
const ITERATIONS_MAX = 200;

/** A search ends when a whole iteration gains less log likelihood than this. */
const GAIN_MIN = 1e-10;

/**
 * Step in log variance of the central differences of the model's matrices; near the cube root of
 * the f64 epsilon. The matrices of a structural model are linear in their variances.
 */
const DIFFERENCE = 1e-5;

/** Log variances are kept this close to the data's own, where a variance has vanished anyway. */
const LOG_RANGE = 40;

/** Starting shares of the data's variance: a season or a slope moves far less than the noise. */
const STARTS = [[0.3, 0.03, 0.001], [0.05, 0.3, 0.01], [0.5, 0.001, 0.0001]] as const;

/**
 * Maximises the likelihood over the variances by BFGS from several starts.
 *
 * The gradient is the exact score, one pass back whatever the number of variances; the line search
 * halves (Armijo). Deterministic.
 *
 * @throws {RangeError} no start has a finite likelihood
 */
export function fitVariances(problem: VarianceProblem): VarianceFit {
  const scale = Math.log(differenceVariance(problem.observations));
  let evaluations = 0;
  const variancesOf = (theta: Float64Array) =>
    theta.map((value) => Math.exp(clampLog(value, scale)));
  const cost = (theta: Float64Array): number => {
    evaluations++;
    const variances = variancesOf(theta);
    try {
      const filtered = kalmanFilter(
        problem.systemOf(variances),
        problem.start,
        problem.observations,
      );
      const logLik = totalLogLik(filtered, problem.burn);
      return Number.isFinite(logLik) ? -logLik : Infinity;
    } catch (error) {
      // A covariance that is no longer positive definite is a point to step back from.
      if (error instanceof RangeError) return Infinity;
      throw error;
    }
  };
  const slope = (theta: Float64Array) => costSlope(problem, theta, variancesOf);
  let best: { theta: Float64Array; cost: number } | null = null;
  for (const shares of STARTS) {
    const theta = Float64Array.from(
      { length: problem.count },
      (_, i) => scale + Math.log(shares[Math.min(i, shares.length - 1)]!),
    );
    const found = descend(cost, slope, theta);
    if (best === null || found.cost < best.cost) best = found;
  }
  if (best === null || !Number.isFinite(best.cost)) {
    throw new RangeError("No start of the search has a finite likelihood");
  }
  return { variances: variancesOf(best.theta), logLik: -best.cost, evaluations };
}

function clampLog(value: number, scale: number): number {
  return Math.min(scale + LOG_RANGE, Math.max(scale - LOG_RANGE, value));
}

/** Mean squared difference of neighbours, the scale of a series that wanders. */
function differenceVariance(observations: Float64Array): number {
  let sum = 0;
  let count = 0;
  for (let i = 1; i < observations.length; i++) {
    const difference = observations[i]! - observations[i - 1]!;
    if (Number.isNaN(difference)) continue;
    sum += difference ** 2;
    count++;
  }
  return count > 0 && sum > 0 ? sum / count : 1;
}

type Cost = (theta: Float64Array) => number;

function descend(
  cost: Cost,
  gradient: (theta: Float64Array) => Float64Array,
  start: Float64Array,
): { theta: Float64Array; cost: number } {
  const n = start.length;
  let theta: Float64Array = start;
  let value = cost(theta);
  if (!Number.isFinite(value)) return { theta, cost: value };
  let slope = gradient(theta);
  let inverse = unit(n);
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    let direction = times(inverse, slope).map((d) => -d);
    if (!(dot(direction, slope) < 0)) {
      inverse = unit(n);
      direction = slope.map((d) => -d);
    }
    const next = lineSearch(cost, theta, value, direction, dot(direction, slope));
    if (next === null || value - next.cost < GAIN_MIN) {
      return next !== null && next.cost < value ? next : { theta, cost: value };
    }
    const nextSlope = gradient(next.theta);
    updateInverseInto(inverse, subtract(next.theta, theta), subtract(nextSlope, slope));
    theta = next.theta;
    value = next.cost;
    slope = nextSlope;
  }
  return { theta, cost: value };
}

/** The arrays of a model that variances may enter. */
const ARRAYS = ["A", "C", "G", "processCov", "observationCov"] as const;

/**
 * The gradient of the cost by the log variances: the score by the matrices of the model, times how
 * those move. The times before `burn` are a series of their own, whose score is taken off.
 */
function costSlope(
  problem: VarianceProblem,
  theta: Float64Array,
  variancesOf: (theta: Float64Array) => Float64Array,
): Float64Array {
  const { start, observations, burn } = problem;
  const system = problem.systemOf(variancesOf(theta));
  const scoreOf = (series: Float64Array) =>
    kalmanScore(system, kalmanFilter(system, start, series), series);
  const whole = scoreOf(observations);
  const head = burn > 0 ? scoreOf(observations.slice(0, burn * system.sizes.observed)) : undefined;
  return theta.map((_, i) => {
    const moved = (step: number) => {
      const shifted = theta.slice();
      shifted[i] = theta[i]! + step;
      return problem.systemOf(variancesOf(shifted));
    };
    const [up, down] = [moved(DIFFERENCE), moved(-DIFFERENCE)];
    let slope = 0;
    for (const name of ARRAYS) {
      for (let j = 0; j < system[name].length; j++) {
        const score = whole[name][j]! - (head?.[name][j] ?? 0);
        slope -= (score * (up[name][j]! - down[name][j]!)) / (2 * DIFFERENCE);
      }
    }
    return slope;
  });
}

function lineSearch(
  cost: Cost,
  theta: Float64Array,
  value: number,
  direction: Float64Array,
  slope: number,
): { theta: Float64Array; cost: number } | null {
  // A factor of e² in a variance is as far as one step may guess.
  const longest = direction.reduce((a, d) => Math.max(a, Math.abs(d)), 0);
  let length = Math.min(1, 2 / longest);
  for (let halving = 0; halving < 40; halving++, length /= 2) {
    const trial = theta.map((t, i) => t + length * direction[i]!);
    const trialCost = cost(trial);
    if (trialCost <= value + 1e-4 * length * slope) return { theta: trial, cost: trialCost };
  }
  return null;
}

/** The BFGS update of the inverse Hessian (Nocedal and Wright, equation 6.17). */
function updateInverseInto(inverse: Float64Array, s: Float64Array, y: Float64Array): void {
  const n = s.length;
  const sy = dot(s, y);
  if (sy <= 1e-14) return;
  const Hy = times(inverse, y);
  const factor = (1 + dot(y, Hy) / sy) / sy;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      inverse[i * n + j] = inverse[i * n + j]! + factor * s[i]! * s[j]! -
        (Hy[i]! * s[j]! + s[i]! * Hy[j]!) / sy;
    }
  }
}

function unit(n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) out[i * n + i] = 1;
  return out;
}

function times(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length;
  return vector.map((_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += matrix[i * n + j]! * vector[j]!;
    return sum;
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - b[i]!);
}
