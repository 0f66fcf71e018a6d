/** Series that stop being what they were: breaks at which the past no longer tells what comes. */
import { nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, pick } from "./_helpers/draw.ts";
import { momentsOf } from "./_helpers/series.ts";

/** What a break may change. */
export const BREAKS = ["level", "slope", "spread", "noise"] as const;
export type BreakKind = typeof BREAKS[number];

/** Samples of the running mean from which the noise is told. */
const NOISE_SPAN = 8;

/** Least slots of a series that breaks. */
const COUNT_MIN = 24;

/** The share of the break that holds at each slot: it comes at once or slowly, and may end. */
function shareOf(random: RandomState, count: number): (i: number) => number {
  const from = count * between(random, 0.1, 0.97);
  const width = chance(random, 0.5) ? 1 : logBetween(random, 1, 0.1 * count);
  const until = chance(random, 0.4) ? from + logBetween(random, 5, count) : Infinity;
  const step = (d: number) => Math.max(0, Math.min(1, d / width));
  return (i) => step(i - from) - step(i - until);
}

/**
 * From some slot on, for a while or for good, another level (by 0.1 to 2 deviations), a slope, a
 * wider or narrower swing about the mean, or another size of the noise (by factors of 0.3 to 4).
 */
export function breakInto(
  random: RandomState,
  values: Float64Array,
  count: number,
  kind: BreakKind = pick(random, BREAKS),
): void {
  if (count < COUNT_MIN) return;
  const { mean, deviation } = momentsOf(values.subarray(0, count));
  const share = shareOf(random, count);
  const sign = chance(random, 0.5) ? 1 : -1;
  const shift = sign * deviation * logBetween(random, 0.1, 2);
  const slope = sign * deviation * logBetween(random, 0.0005, 0.02);
  const gain = Math.exp((2 * nextUniform(random) - 1) * Math.log(kind === "noise" ? 4 : 2.5));
  let kept = values[0]!;
  let slid = 0;
  for (let i = 0; i < count; i++) {
    const x = values[i]!;
    if (Number.isNaN(x)) continue;
    const held = share(i);
    kept = Number.isNaN(kept) ? x : kept + (x - kept) / NOISE_SPAN;
    slid += slope * held;
    if (kind === "level") values[i] = x + shift * held;
    else if (kind === "slope") values[i] = x + slid;
    else if (kind === "spread") values[i] = x + (gain - 1) * held * (x - mean);
    else values[i] = x + (gain - 1) * held * (x - kept);
  }
}
