import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, wholeBetween } from "./_helpers/draw.ts";
import { momentsOf } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** What may go wrong with a sensor. */
export const FAULTS = ["stuck", "dropout", "drift", "steps", "outliers", "clock"] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = (typeof FAULTS)[number];

/** One fault in the first `count` values, in place. */
export function faultInto(
  random: RandomState,
  values: Float64Array,
  count: number,
  fault: Fault,
): void {
  const { mean, deviation } = momentsOf(values);
  if (deviation === 0 || count < 8) return;
  switch (fault) {
    case "stuck":
      return stretches(random, count, (i, from) => values[i] = values[from]!);
    case "dropout": {
      // Zero, the lowest of the scale, or a code far off it.
      const level = [0, mean - 3 * deviation, mean + 8 * deviation][wholeBetween(random, 0, 2)]!;
      return stretches(random, count, (i) => values[i] = level);
    }
    case "drift": {
      const size = deviation * logBetween(random, 0.3, 5) * (chance(random, 0.5) ? -1 : 1);
      const from = Math.floor(nextUniform(random) * count);
      for (let i = from; i < count; i++) values[i]! += size * (i - from) / count;
      return;
    }
    case "steps":
      roundInto(values.subarray(0, count), deviation * logBetween(random, 0.1, 1));
      return;
    case "outliers": {
      const share = logBetween(random, 0.002, 0.03);
      const size = deviation * between(random, 3, 15);
      for (let i = 0; i < count; i++) {
        if (chance(random, share)) values[i]! += size * nextNormal(random);
      }
      return;
    }
    case "clock":
      return slipClock(random, values, count);
    default:
      return fault satisfies never;
  }
}

/** One to three stretches of 2 to 40 slots, each told slot by slot with its first. */
function stretches(
  random: RandomState,
  count: number,
  each: (i: number, from: number) => void,
): void {
  for (let k = wholeBetween(random, 1, 3); k > 0; k--) {
    const from = Math.floor(nextUniform(random) * count);
    const until = Math.min(count, from + Math.round(logBetween(random, 2, 40)));
    for (let i = from; i < until; i++) each(i, from);
  }
}

/** A clock that runs up to 2 % slow: the series is read at slots that fall behind. */
function slipClock(random: RandomState, values: Float64Array, count: number): void {
  const rate = 1 - between(random, 0.001, 0.02);
  const before = values.slice();
  for (let i = 0; i < count; i++) {
    const at = Math.floor(i * rate);
    const part = i * rate - at;
    values[i] = before[at]! + part * (before[Math.min(count - 1, at + 1)]! - before[at]!);
  }
}
