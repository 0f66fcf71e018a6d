import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import {
  between,
  chance,
  exponential,
  logBetween,
  pick,
  pickIndex,
  tailedNoise,
} from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";
import { addInto, momentsOf } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** Slots a year, the weight of the kind, and how many slots such series have. */
const KINDS: readonly (readonly [number, number, number, number])[] = [
  [12, 6, 36, 260], // monthly
  [4, 4, 14, 140], // quarterly
  [1, 4, 12, 70], // yearly, or with no season at all
  [52, 2, 70, 600], // weekly
  [7, 1.2, 40, 800], // daily, with a season of the week
  [24, 0.6, 150, 800], // hourly
  [6, 0.3, 20, 100], // two-monthly
  [13, 0.3, 30, 150], // four-weekly
];

/** Coefficients of a stable recursion from partial autocorrelations (Durbin and Levinson). */
function stableCoefficients(random: RandomState, order: number): number[] {
  let phi: number[] = [];
  for (let k = 0; k < order; k++) {
    const r = between(random, -0.6, 0.95) * (k === 0 ? 1 : 0.6);
    phi = [...phi.map((p, i) => p - r * phi[k - 1 - i]!), r];
  }
  return phi;
}

/**
 * Innovations form of exponential smoothing, additive with a damped trend (Hyndman, Koehler, Ord
 * and Snyder 2008, table 2.2); in logarithms it is the multiplicative family.
 *
 *   y = l + φ·b + s + e,   l += φ·b + α·e,   b = φ·b + β·e,   s += γ·e
 */
function smoothing(random: RandomState, count: number, season: number, noise: Float64Array) {
  const out = new Float64Array(count);
  const alpha = [
    between(random, 0.8, 1),
    nextUniform(random),
    // Months are noisy about a level that hardly moves more often than quarters and years.
    season >= 6 ? logBetween(random, 0.01, 0.4) : nextUniform(random),
  ][pickIndex(random, [1, 2, 1])]!;
  const beta = chance(random, 0.4) ? alpha * logBetween(random, 0.003, 0.5) : 0;
  const gamma = chance(random, 0.5) ? (1 - alpha) * logBetween(random, 0.01, 0.4) : 0;
  const phi = chance(random, 0.5) ? 1 : between(random, 0.8, 0.995);
  const seasons = startingSeason(random, season, momentsOf(noise).deviation);
  const growth = chance(random, season >= 6 ? 0.55 : 0.75) ? logBetween(random, 0.002, 0.12) : 0;
  let slope = growth * (chance(random, 0.22) ? -1 : 1) * Math.pow(season, -0.8);
  let level = 1;
  for (let i = 0; i < count; i++) {
    const k = i % seasons.length;
    const e = noise[i]!;
    out[i] = level + phi * slope + seasons[k]! + e;
    level += phi * slope + alpha * e;
    slope = phi * slope + beta * e;
    seasons[k]! += gamma * e;
  }
  return out;
}

/** One year of seasonal effects of mean 0; a single zero where there is no season. */
function startingSeason(random: RandomState, season: number, size: number): Float64Array {
  const out = new Float64Array(season);
  if (season === 1 || chance(random, 0.2)) return out;
  const cycle = cycleOf(random, season);
  // Measured by the noise mostly: seasons that rise far above it are the exception, but for weeks,
  // which are kept where trade follows the year.
  const gain = chance(random, season === 52 ? 0.4 : 0.7)
    ? size * logBetween(random, 0.3, 10)
    : logBetween(random, 0.01, 0.4);
  for (let k = 0; k < season; k++) out[k] = gain * readCycle(cycle, (k + 0.01) / season, false);
  return out;
}

/**
 * Seasonal ARIMA by its recursion: stationary (p, q ≤ 2), then summed once or twice, and over the
 * season where it has one: y[i] = y[i − m] + w[i] − Θ·w[i − m].
 */
function arima(random: RandomState, count: number, season: number, noise: Float64Array) {
  const ar = stableCoefficients(random, pick(random, [0, 1, 1, 2]));
  const ma = stableCoefficients(random, pick(random, [0, 0, 1, 2]));
  const out = new Float64Array(count);
  const drift = chance(random, 0.5) ? 0.6 * momentsOf(noise).deviation * nextNormal(random) : 0;
  for (let i = 0; i < count; i++) {
    let y = noise[i]!;
    ar.forEach((phi, k) => y += phi * (out[i - 1 - k] ?? 0));
    ma.forEach((theta, k) => y -= theta * (noise[i - 1 - k] ?? 0));
    out[i] = y;
  }
  const sums = pick(random, [0, 1, 1, 1, 1, 2]);
  for (let pass = 0; pass < sums; pass++) {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += out[i]! * (pass === 1 ? 0.3 : 1) + (pass === 0 ? drift : 0);
      out[i] = sum;
    }
  }
  const seasons = startingSeason(random, season, momentsOf(noise).deviation);
  const theta = between(random, 0.5, 1);
  for (let i = 0; i < count; i++) {
    const k = i % season;
    out[i]! += seasons[k]!;
    if (season > 1) seasons[k]! += (1 - theta) * noise[i]!;
    out[i]! += 1;
  }
  return out;
}

/** A curve of growth: straight, exponential, logistic, or a rise and a fall. */
function growth(random: RandomState, count: number): Float64Array {
  const size = logBetween(random, 0.1, 4) * (chance(random, 0.25) ? -0.5 : 1);
  const rate = logBetween(random, 0.5, 8);
  const middle = between(random, -0.2, 1.2);
  const kind = nextUniform(random);
  return Float64Array.from({ length: count }, (_, i) => {
    const t = i / count;
    if (kind < 0.3) return size * t;
    if (kind < 0.55) return size * Math.expm1(Math.min(3, rate / 3) * t) / 3;
    if (kind < 0.85) return size / (1 + Math.exp(-rate * 2 * (t - middle)));
    return size * Math.exp(-((t - middle) ** 2) * rate);
  });
}

/** The business cycle: a damped oscillation of 3 to 10 years pushed by noise. */
function businessCycle(random: RandomState, count: number, season: number): Float64Array {
  const turns = 2 * Math.PI / (between(random, 3, 10) * season);
  const damping = Math.exp(-0.3 * turns);
  const [c, s] = [damping * Math.cos(turns), damping * Math.sin(turns)];
  const out = new Float64Array(count);
  let x = nextNormal(random);
  let y = nextNormal(random);
  const push = Math.sqrt(1 - damping * damping);
  for (let i = 0; i < count; i++) {
    const next = c * x - s * y + push * nextNormal(random);
    y = s * x + c * y + push * nextNormal(random);
    x = next;
    out[i] = x;
  }
  return out;
}

/** Strikes, reforms and mistakes: outliers of one slot, levels that shift, slopes that turn. */
function incidents(random: RandomState, y: Float64Array, size: number): void {
  if (chance(random, 0.25)) {
    for (let k = 1 + Math.floor(2 * exponential(random)); k > 0; k--) {
      y[Math.floor(nextUniform(random) * y.length)]! += size * between(random, 2, 8) *
        (chance(random, 0.6) ? -1 : 1);
    }
  }
  if (chance(random, 0.25)) {
    const from = Math.floor(nextUniform(random) * y.length);
    const shift = size * logBetween(random, 1, 12) * (chance(random, 0.5) ? -1 : 1);
    for (let i = from; i < y.length; i++) y[i]! += shift;
  }
  if (chance(random, 0.15)) {
    const from = Math.floor(nextUniform(random) * y.length);
    const slope = size * logBetween(random, 0.03, 1) * nextNormal(random);
    for (let i = from; i < y.length; i++) y[i]! += slope * (i - from);
  }
}

function countOf(random: RandomState, low: number, high: number, length: number): number {
  if (chance(random, 0.12)) return length;
  return Math.min(length, Math.round(logBetween(random, low, high)));
}

/**
 * Series as companies and offices keep them: short, with growth, a season of 12, 4, 52, 7 or none,
 * and shocks that stay.
 */
export const business: Generator = {
  name: "business",
  summary: "short economic series: exponential smoothing and seasonal ARIMA models run forward, " +
    "additive or multiplicative, with growth curves, business cycles and incidents",
  draw(random: RandomState, length: number): Draft {
    const [season, , low, high] = KINDS[pickIndex(random, KINDS.map(([, weight]) => weight))]!;
    const count = countOf(random, low, high, length);
    const size = logBetween(random, 0.003, 0.15);
    const noise = tailedNoise(random, count).map((x) => size * x);
    const y = chance(random, 0.62)
      ? smoothing(random, count, season, noise)
      : arima(random, count, season, noise);
    if (chance(random, 0.3)) addInto(y, growth(random, count));
    if (chance(random, 0.25)) {
      addInto(y, businessCycle(random, count, season), size * logBetween(random, 0.3, 4));
    }
    incidents(random, y, size);
    if (chance(random, 0.3)) {
      // Errors of measurement, which do not stay.
      for (let i = 0; i < count; i++) y[i]! += 0.7 * size * nextNormal(random);
    }
    const isMultiplicative = chance(random, 0.55);
    const values = new Float64Array(length).fill(NaN);
    for (let i = 0; i < count; i++) {
      values[i] = isMultiplicative ? Math.exp(Math.max(-12, Math.min(12, y[i]!))) : y[i]!;
    }
    if (chance(random, 0.3)) {
      roundInto(values, momentsOf(values).deviation * logBetween(random, 0.002, 0.2) || 1);
    }
    return { values, count, seasons: [season > 1 ? season : 0, 0] };
  },
};
