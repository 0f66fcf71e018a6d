/**
 * Structural time series as linear-Gaussian models, in discrete time: level, slope and
 * trigonometric seasons with unknown variances.
 *
 * Harvey, "Forecasting, Structural Time Series Models and the Kalman Filter" (1989), chapter 2; the
 * state order and parameter order of statsmodels' UnobservedComponents. This is the textbook form
 * on an even grid; the model that serves lives in continuous time (`src/models`).
 */
import { InvalidValueError } from "../base/errors.ts";
import type { KalmanSystem } from "./kalman_system.ts";

/** What the trend is made of. */
interface TrendParts {
  readonly irregular: boolean;
  readonly levelNoise: boolean;
  readonly slope: boolean;
  readonly slopeNoise: boolean;
}

function parts(irregular: boolean, levelNoise: boolean, slope: boolean, slopeNoise: boolean) {
  return { irregular, levelNoise, slope, slopeNoise };
}

/** Trends by their usual abbreviations (local level, local linear trend, random walk, ...). */
const TRENDS: Readonly<Record<string, TrendParts>> = {
  dconstant: parts(true, false, false, false),
  llevel: parts(true, true, false, false),
  rwalk: parts(false, true, false, false),
  dtrend: parts(true, false, true, false),
  lldtrend: parts(true, true, true, false),
  rwdrift: parts(false, true, true, false),
  lltrend: parts(true, true, true, true),
  strend: parts(true, false, true, true),
  rtrend: parts(false, false, true, true),
};

/** A season as a sum of rotations. */
export interface HarmonicSeason {
  /** Samples a cycle. */
  readonly period: number;
  /** Number of rotations, at 1, 2, ... cycles a period. */
  readonly harmonics: number;
}

/** Which components a structural model has. */
export interface StructuralSpec {
  /** An abbreviation such as `llevel` or `lltrend`. */
  readonly trend: string;
  readonly seasons: readonly HarmonicSeason[];
}

/** Number of variances of a structural model: irregular, level, slope, then one a season. */
export function varianceCount(spec: StructuralSpec): number {
  const trend = trendParts(spec);
  return [trend.irregular, trend.levelNoise, trend.slopeNoise].filter(Boolean).length +
    spec.seasons.length;
}

/** Whether an abbreviation names a trend. */
export function isTrend(name: string): boolean {
  return Object.hasOwn(TRENDS, name);
}

function trendParts(spec: StructuralSpec): TrendParts {
  const trend = Object.hasOwn(TRENDS, spec.trend) ? TRENDS[spec.trend] : undefined;
  if (trend === undefined) {
    throw new InvalidValueError("trend", spec.trend, `one of ${Object.keys(TRENDS).join(", ")}`);
  }
  return trend;
}

/**
 * The matrices of a structural model.
 *
 *   level[t+1] = level[t] + slope[t] + n,   slope[t+1] = slope[t] + n
 *   each harmonic j turns by 2πj/period:    [[cos, sin], [−sin, cos]], one variance for all
 *
 * @param variances irregular, level, slope where the trend has them, then one for each season
 * @throws {InvalidValueError} an unknown trend, or a number of variances other than
 *         {@linkcode varianceCount}
 */
export function structuralSystem(spec: StructuralSpec, variances: Float64Array): KalmanSystem {
  const trend = trendParts(spec);
  if (variances.length !== varianceCount(spec)) {
    throw new InvalidValueError("variances", variances.length, `${varianceCount(spec)} of them`);
  }
  let next = 0;
  const irregular = trend.irregular ? variances[next++]! : 0;
  const noises: { state: number; variance: number }[] = [];
  if (trend.levelNoise) noises.push({ state: 0, variance: variances[next++]! });
  if (trend.slopeNoise) noises.push({ state: 1, variance: variances[next++]! });
  const trendSize = trend.slope ? 2 : 1;
  let state = trendSize;
  for (const season of spec.seasons) state += 2 * season.harmonics;
  const A = new Float64Array(state * state);
  const C = new Float64Array(state);
  C[0] = 1;
  for (let i = 0; i < trendSize; i++) A[i * state + i] = 1;
  if (trend.slope) A[1] = 1;
  let at = trendSize;
  for (const season of spec.seasons) {
    const variance = variances[next++]!;
    for (let j = 1; j <= season.harmonics; j++, at += 2) {
      const angle = (2 * Math.PI * j) / season.period;
      A[at * state + at] = A[(at + 1) * state + at + 1] = Math.cos(angle);
      A[at * state + at + 1] = Math.sin(angle);
      A[(at + 1) * state + at] = -Math.sin(angle);
      C[at] = 1;
      noises.push({ state: at, variance }, { state: at + 1, variance });
    }
  }
  const noise = noises.length;
  const G = new Float64Array(state * noise);
  const processCov = new Float64Array(noise * noise);
  noises.forEach((entry, i) => {
    G[entry.state * noise + i] = 1;
    processCov[i * noise + i] = entry.variance;
  });
  const sizes = { state, observed: 1, noise };
  return { sizes, A, C, G, processCov, observationCov: new Float64Array([irregular]) };
}
