/** GPU times by timestamps, on a device whose clock is up. */
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
