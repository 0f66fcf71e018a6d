import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { ChannelConfig } from "../../src/models/model.ts";

/** One sample an hour. */
export const HOUR_S = 3600;

/** The quantiles that tests ask for. */
export const QUANTILES = Float64Array.from([0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975]);

/** A channel without bounds or declared seasons. */
export function channel(changes: Partial<ChannelConfig> = {}): ChannelConfig {
  const plain = { epochNs: 0n, horizon: 12, lower: null, upper: null, seed: 1, seasonsS: [] };
  return { ...plain, ...changes };
}

/** Standard normal draws. */
export function noise(length: number, seed: number): Float64Array {
  const random = seedRandom(seed);
  return Float64Array.from({ length }, () => nextNormal(random));
}

/** A day's season of 24 samples on a wandering level. */
export function seasonalWalk(length: number, seed: number): Float64Array {
  const steps = noise(length, seed);
  const errors = noise(length, seed + 1);
  let level = 50;
  return steps.map((step, i) => {
    level += 0.2 * step;
    return level + 8 * Math.sin(2 * Math.PI * i / 24) + 0.5 * errors[i]!;
  });
}

/** Even times, one an hour. */
export function hours(length: number, first = 0): Float64Array {
  return Float64Array.from({ length }, (_, i) => (first + i) * HOUR_S);
}

/** Which of some values a step leaves out, that is told how many were taken before.     [value] */
export function leftOut(
  values: ArrayLike<number>,
  step: (value: number, seen: number) => boolean,
): boolean[] {
  let seen = 0;
  return Array.from(values, (value) => {
    const isOut = step(value, seen);
    if (!isOut) seen++;
    return isOut;
  });
}
