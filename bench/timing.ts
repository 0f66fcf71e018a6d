/** GPU times by timestamps, on a device whose clock is up. */
import { type Clock, systemClock } from "../src/base/clock.ts";
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

/** Runs whose fastest turns got faster by more than this share are not settled. */
const SETTLED_SHARE = 0.02;
/** Settling takes this many times the wanted milliseconds at most. */
const SETTLING_MAX = 5;

/**
 * The fastest turn of each run, milliseconds, since noise only adds. Runs take turns, so that what
 * else the machine does meets all of them. The first turn is untimed where it is short: the engine
 * compiles. It does so in the background and may be late on a busy machine, so turns go on until
 * no run has become faster for a while.
 *
 * @param turns  at least
 * @param ms     for so long at least after a run got faster, since noise comes in bursts, but not
 *   longer than five times that
 */
export function fastestInTurns(
  runs: readonly (() => void)[],
  { turns, ms }: { readonly turns: number; readonly ms: number },
  clock: Pick<Clock, "monotonicMs"> = systemClock,
): number[] {
  const best = runs.map(() => Infinity);
  const begun = clock.monotonicMs();
  let until = begun + ms;
  for (let turn = 0; turn <= turns || clock.monotonicMs() < until; turn++) {
    if (best.every((ms) => ms > PATIENCE_MS && ms < Infinity)) break;
    runs.forEach((run, i) => {
      if (best[i]! > PATIENCE_MS && best[i]! < Infinity) return;
      const start = clock.monotonicMs();
      run();
      const end = clock.monotonicMs();
      const took = end - start;
      if (turn === 0 && took <= PATIENCE_MS) return;
      if (took < best[i]! * (1 - SETTLED_SHARE)) {
        until = Math.min(begun + SETTLING_MAX * ms, end + ms);
      }
      best[i] = Math.min(best[i]!, took);
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
