/** What a measured quantity does to the process behind it: growth, counts, limits, rounding. */
import { nextUniform, type RandomState } from "../../../src/base/random.ts";
import { between, chance, logBetween, poisson } from "./draw.ts";
import { addInto, leastOf, momentsOf, standardizeInto } from "./series.ts";

const clamp = (x: number, low: number, high: number) => Math.max(low, Math.min(high, x));

/** exp(gain·z) of the standardized series, its exponent within ±5: a factor of 150. */
export function expInto(values: Float64Array, gain: number): Float64Array {
  standardizeInto(values);
  for (let i = 0; i < values.length; i++) values[i] = Math.exp(clamp(gain * values[i]!, -5, 5));
  return values;
}

/** Poisson counts whose log rate is the standardized series, times gain, around a drawn level. */
export function countsInto(random: RandomState, values: Float64Array, gain: number): Float64Array {
  const level = Math.log(logBetween(random, 0.15, 60));
  standardizeInto(values);
  for (let i = 0; i < values.length; i++) {
    values[i] = poisson(random, Math.exp(clamp(gain * values[i]! + level, -6, 7)));
  }
  return values;
}

/** Rounds to steps of `step`. */
export function roundInto(values: Float64Array, step: number): Float64Array {
  for (let i = 0; i < values.length; i++) values[i] = Math.round(values[i]! / step) * step;
  return values;
}

/** Keeps the values between two bounds. */
export function clampInto(values: Float64Array, low: number, high: number): Float64Array {
  for (let i = 0; i < values.length; i++) values[i] = clamp(values[i]!, low, high);
  return values;
}

/** Lifts the series above zero by 0.05 to 30 deviations. */
export function liftInto(random: RandomState, values: Float64Array): Float64Array {
  const lift = momentsOf(values).deviation * logBetween(random, 0.05, 30) - leastOf(values);
  for (let i = 0; i < values.length; i++) values[i]! += lift;
  return values;
}

/**
 * One transformation of a drawn process, or none: exponential (28 %), counts (8 %), present only
 * now and then (2.5 %), rectified (3.5 %), clipped (3 %); the others are lifted above zero in two
 * of five. Independently 8 % are rounded.
 */
export function measureInto(random: RandomState, values: Float64Array): Float64Array {
  const kind = nextUniform(random);
  const gain = logBetween(random, 0.1, 0.9);
  if (kind < 0.28) expInto(values, gain);
  else if (kind < 0.36) countsInto(random, values, gain);
  else if (kind < 0.385) {
    const share = between(random, 0.1, 0.9);
    expInto(values, gain);
    for (let i = 0; i < values.length; i++) if (!chance(random, share)) values[i] = 0;
  } else if (kind < 0.42) clampInto(addScalar(standardizeInto(values), 0.5), 0, Infinity);
  else if (kind < 0.45) {
    clampInto(standardizeInto(values), -between(random, 0.7, 2), between(random, 0.6, 2));
  } else if (chance(random, 0.4)) liftInto(random, values);
  if (chance(random, 0.08)) {
    const { deviation } = momentsOf(values);
    if (deviation > 0) roundInto(values, deviation * logBetween(random, 0.02, 0.5));
  }
  return values;
}

function addScalar(values: Float64Array, shift: number): Float64Array {
  for (let i = 0; i < values.length; i++) values[i]! += shift;
  return values;
}

/** Adds jumps of the level at random slots, about one in `every`. */
export function jumpInto(
  random: RandomState,
  values: Float64Array,
  every: number,
  size: number,
): Float64Array {
  let level = 0;
  for (let i = 0; i < values.length; i++) {
    if (chance(random, 1 / every)) level += size * (2 * nextUniform(random) - 1) * 1.7;
    values[i]! += level;
  }
  return values;
}

/** Adds impulses that die away as decay^slot. */
export function spikesInto(
  values: Float64Array,
  impulses: Float64Array,
  decay: number,
  gain: number,
): Float64Array {
  const trace = new Float64Array(values.length);
  let kept = 0;
  for (let i = 0; i < values.length; i++) {
    kept = decay * kept + impulses[i]!;
    trace[i] = kept;
  }
  return addInto(values, trace, gain);
}
