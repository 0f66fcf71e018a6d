/** GPU times by timestamps, on a device whose clock is up. */
import { systemClock } from "../src/base/clock.ts";
import type { Launch } from "../src/device/device.ts";
import type { WebGpuDevice } from "../src/device/mod.ts";

/** Work right before a measurement: idle GPUs run at a fraction of their clock. */
export const SPIN_UP_MS = 60;
/** Work that is measured at least, within the limits on the count of repeats. */
const MEASURED_MS = 25;
const REPEATS_MIN = 7;
const REPEATS_MAX = 200;
const REPEATS_SOFTWARE = 3;

/** Times of repeats. */
export interface Timing {
  /** Median, milliseconds. */
  readonly ms: number;
  /** Fastest, milliseconds. */
  readonly leastMs: number;
  /** Between the tenths from below and above, as a share of the median. */
  readonly spread: number;
  readonly repeats: number;
}

/** The median of values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** Median, least and spread of times. */
export function timingOf(times: readonly number[]): Timing {
  const sorted = times.toSorted((a, b) => a - b);
  const tenth = Math.floor(sorted.length / 10);
  const ms = median(sorted);
  const spread = (sorted[sorted.length - 1 - tenth]! - sorted[tenth]!) / ms;
  return { ms, leastMs: sorted[0]!, spread, repeats: sorted.length };
}

/** A run this long has no second turn. */
const PATIENCE_MS = 1000;

/**
 * The fastest turn of each run, milliseconds, since noise only adds. Runs take turns, so that what
 * else the machine does meets all of them. The first turn is untimed where it is short: the engine
 * compiles.
 *
 * @param turns  at least
 * @param ms     for so long at least, since noise comes in bursts
 */
export function fastestInTurns(
  runs: readonly (() => void)[],
  { turns, ms }: { readonly turns: number; readonly ms: number },
): number[] {
  const best = runs.map(() => Infinity);
  const until = systemClock.monotonicMs() + ms;
  for (let turn = 0; turn <= turns || systemClock.monotonicMs() < until; turn++) {
    if (best.every((ms) => ms > PATIENCE_MS && ms < Infinity)) break;
    runs.forEach((run, i) => {
      if (best[i]! > PATIENCE_MS && best[i]! < Infinity) return;
      const start = systemClock.monotonicMs();
      run();
      const ms = systemClock.monotonicMs() - start;
      if (turn > 0 || ms > PATIENCE_MS) best[i] = Math.min(best[i]!, ms);
    });
  }
  return best;
}

/** Work that keeps a GPU busy for about {@linkcode SPIN_UP_MS}. */
export interface SpinUp {
  readonly launches: readonly Launch[];
  readonly repeats: number;
}

/**
 * Times launches as a whole: compiles, estimates, spins up, then repeats.
 *
 * @param spin     right before; none on a software adapter, which has no clock to raise
 * @param repeats  a fixed count instead of one by the estimate
 */
export async function timeLaunches(
  gpu: WebGpuDevice,
  launches: readonly Launch[],
  spin: SpinUp | undefined,
  repeats?: number,
): Promise<Timing> {
  if (spin === undefined) return timingOf(await gpu.time(launches, repeats ?? REPEATS_SOFTWARE));
  const [first = 1] = await gpu.time(launches, 1);
  const wanted = Math.ceil(MEASURED_MS / Math.max(first, 0.001));
  const count = repeats ?? Math.min(REPEATS_MAX, Math.max(REPEATS_MIN, wanted));
  // Asked for together, so that the Worker goes from one to the other without a pause.
  const spun = gpu.time(spin.launches, spin.repeats);
  const times = gpu.time(launches, count);
  await spun;
  return timingOf(await times);
}
