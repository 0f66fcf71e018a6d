/**
 * Streams that stand still and then move: a sensor that was stuck, rain after a dry season.
 *
 * Values that were all the same say nothing of the errors to come: what is fitted to them has
 * intervals without width. The first value that differs is therefore fitted to at once, and of what
 * was constant before it only as much is kept as a stream's first fit would see.
 */
import type { EnsembleState } from "./ensemble_run.ts";
import { isConstantFit } from "./refit_setting.ts";
import { dropOldestSamples, type SampleBuffer } from "./sample_buffer.ts";

/** Constant values that are kept before those that move. */
export const STILL_SAMPLES_KEPT = 7;

/**
 * A value this share of itself away from what was constant moves; rounding does not reach it, and
 * of 2,000 values one such suffices for a fit to see that they differ.
 */
const MOVED_SHARE = 1e-9;

/** Whether a value is the first to move after a fit to constant values. */
export function isWaking(state: EnsembleState, value: number): boolean {
  if (!isConstantFit(state)) return false;
  const { location } = state;
  return Math.abs(value - location) > MOVED_SHARE * Math.abs(location);
}

/**
 * Drops constant values from a buffer that begins with more of them than came after.
 *
 * @returns whether some were dropped
 */
export function dropStandstill(buffer: SampleBuffer): boolean {
  const { values, length } = buffer;
  let still = 0;
  while (still < length && values[still] === values[0]) still++;
  const moving = length - still;
  if (moving === 0 || still <= Math.max(moving, STILL_SAMPLES_KEPT)) return false;
  dropOldestSamples(buffer, still - STILL_SAMPLES_KEPT);
  return true;
}
