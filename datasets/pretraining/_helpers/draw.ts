/** Draws from the distributions that the generators share. */
import { nextNormal, nextUniform, type RandomState } from "../../../src/base/random.ts";

/** Uniform between two bounds. */
export function between(random: RandomState, low: number, high: number): number {
  return low + (high - low) * nextUniform(random);
}

/** Uniform in the logarithm, between two positive bounds. */
export function logBetween(random: RandomState, low: number, high: number): number {
  return low * Math.exp(nextUniform(random) * Math.log(high / low));
}

/** True with this probability. */
export function chance(random: RandomState, probability: number): boolean {
  return nextUniform(random) < probability;
}

/** A whole number from low to high, both included. */
export function wholeBetween(random: RandomState, low: number, high: number): number {
  return low + Math.floor(nextUniform(random) * (high - low + 1));
}

/** One of a list, each as likely. */
export function pick<T>(random: RandomState, list: readonly T[]): T {
  return list[Math.floor(nextUniform(random) * list.length)]!;
}

/** An index, drawn in proportion to the weights. */
export function pickIndex(random: RandomState, weights: readonly number[]): number {
  let total = 0;
  for (const weight of weights) total += weight;
  let left = nextUniform(random) * total;
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!;
    if (left < 0) return i;
  }
  return weights.length - 1;
}

/** Exponential with mean 1. */
export function exponential(random: RandomState): number {
  return -Math.log(1 - nextUniform(random));
}

/** Standard normals, both values of each pair of Box and Muller's. */
export function normals(random: RandomState, length: number): Float64Array {
  const out = new Float64Array(length);
  for (let i = 0; i < length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - nextUniform(random)));
    const angle = 2 * Math.PI * nextUniform(random);
    out[i] = radius * Math.cos(angle);
    if (i + 1 < length) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/**
 * Gamma with this shape and scale 1 (Marsaglia and Tsang 2000; below shape 1 by Stuart's power of
 * a uniform).
 */
export function gamma(random: RandomState, shape: number): number {
  if (shape < 1) {
    return gamma(random, shape + 1) * Math.pow(1 - nextUniform(random), 1 / shape);
  }
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = nextNormal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - nextUniform(random)) < x * x / 2 + d - d * v + d * Math.log(v)) {
      return d * v;
    }
  }
}

/** Above this rate a Poisson count is drawn as a rounded normal: the difference is under 2 %. */
const POISSON_DIRECT_MAX = 30;

/** A Poisson count (Knuth's product of uniforms for small rates). */
export function poisson(random: RandomState, rate: number): number {
  if (rate > POISSON_DIRECT_MAX) {
    return Math.max(0, Math.round(rate + Math.sqrt(rate) * nextNormal(random)));
  }
  const floor = Math.exp(-rate);
  let count = -1;
  for (let product = 1; product > floor || count < 0;) {
    product *= 1 - nextUniform(random);
    count++;
    if (product <= floor) break;
  }
  return count;
}

/**
 * Noise of variance near 1 with tails from Student's t of 3 degrees of freedom to the normal, the
 * tail drawn anew for each call. A t value is a normal over the root of a gamma; here the gamma of
 * whole and half shapes is a sum of squares of normals, which keeps the loop straight.
 */
export function tailedNoise(random: RandomState, length: number): Float64Array {
  const out = normals(random, length);
  const tail = pick(random, [3, 4, 6, 0, 0]);
  if (tail === 0) return out;
  const gain = Math.sqrt((tail - 2) / tail);
  for (let i = 0; i < length; i++) {
    out[i]! *= gain / Math.sqrt(gamma(random, tail / 2) * 2 / tail + 1e-3);
  }
  return out;
}
