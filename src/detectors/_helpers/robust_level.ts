import { nextUniform, type RandomState } from "../../base/random.ts";

/** Values kept for the median: a uniform sample of the past (reservoir, Vitter 1985). */
export const RESERVOIR_SIZE = 256;

/** A normal distribution's standard deviation is 1.4826 times its MAD. */
const MAD_TO_SD = 1.4826;
const QUANTILE_90 = 1.645;
/** A normal distribution's standard deviation is so many times its mean deviation. */
const MEAN_DEVIATION_TO_SD = 1.2533;
const DISTANCE_MAX = 1e6;
const SCALE_FLOOR = 1e-6;
const COUNT_MIN = 20;

/** Median and scale of a channel's whole past, from a sample of it. */
export type RobustLevelState = {
  count: number;
  /** Count at which median and scale are computed next. */
  next: number;
  readonly values: Float32Array;
  median: number;
  scale: number;
  /** Largest magnitude seen: what the floor of the scale is relative to. */
  magnitude: number;
};

/** A level that has seen nothing and keeps `size` values, 256 at most. */
export function initialRobustLevel(size = RESERVOIR_SIZE): RobustLevelState {
  return {
    count: 0,
    next: 0,
    values: new Float32Array(size),
    median: 0,
    scale: 0,
    magnitude: 0,
  };
}

/** A level as it was: what it held of the values that were replaced since, each once. */
export type LevelBefore = Omit<RobustLevelState, "values"> & {
  /** Places in the reservoir, at most 256.                                       [replaced] */
  slots: Uint8Array<ArrayBuffer>;
  /** Their values before.                                                        [replaced] */
  values: Float32Array<ArrayBuffer>;
};

/** Remembers a level: a long past has few values replaced, so that they take less than a copy. */
export function keepLevel({ values: _, ...others }: RobustLevelState): LevelBefore {
  return { ...others, slots: new Uint8Array(0), values: new Float32Array(0) };
}

/** Takes back what a level has learned since; `before` is used up. */
export function restoreLevel(state: RobustLevelState, before: LevelBefore): void {
  const { slots, values, ...others } = before;
  for (let i = 0; i < slots.length; i++) state.values[slots[i]!] = values[i]!;
  Object.assign(state, others);
  state.values.fill(0, Math.min(state.count, state.values.length));
}

/** Remembers the value of a slot, unless it is known or was not filled yet. */
function noteReplaced(before: LevelBefore, slot: number, value: number): void {
  if (slot >= before.count || before.slots.includes(slot)) return;
  before.slots = Uint8Array.of(...before.slots, slot);
  before.values = Float32Array.of(...before.values, value);
}

const sorted = new Float32Array(RESERVOIR_SIZE);

/**
 * Learns a value.
 *
 * @param before  what {@linkcode keepLevel} made and the level may be taken back to, if anything
 */
export function addToRobustLevel(
  state: RobustLevelState,
  x: number,
  random: RandomState,
  before: LevelBefore | null = null,
): void {
  const size = state.values.length;
  const kept = Math.min(state.count, size);
  state.count++;
  state.magnitude = Math.max(state.magnitude, Math.abs(x));
  if (kept < size) {
    state.values[kept] = x;
  } else if (nextUniform(random) < size / state.count) {
    const slot = Math.floor(nextUniform(random) * size);
    if (before !== null) noteReplaced(before, slot, state.values[slot]!);
    state.values[slot] = x;
  }
  if (state.count >= state.next) recompute(state);
}

function recompute(state: RobustLevelState): void {
  const count = Math.min(state.count, state.values.length);
  const work = sorted.subarray(0, count);
  work.set(state.values.subarray(0, count));
  work.sort();
  state.median = work[count >> 1]!;
  let mean = 0;
  for (let i = 0; i < count; i++) {
    work[i] = Math.abs(state.values[i]! - state.median);
    mean += work[i]! / count;
  }
  work.sort();
  // A series that is mostly constant has MAD 0; its upper deviations still have a scale.
  const mad = MAD_TO_SD * work[count >> 1]!;
  const upper = work[Math.floor(0.9 * (count - 1))]! / QUANTILE_90;
  state.scale = mad > 0 ? mad : upper > 0 ? upper : MEAN_DEVIATION_TO_SD * mean;
  const period = state.count < 64 ? 1 : state.count < 512 ? 8 : 32;
  state.next = state.count + period;
}

/** The scale with its floor; 0 only for a series that has always been 0. */
export function flooredScale(state: RobustLevelState): number {
  return state.scale + SCALE_FLOOR * state.magnitude;
}

/** True where at least half of the values kept are the same. */
export function isMostlyStill({ count, values, median }: RobustLevelState): boolean {
  const kept = Math.min(count, values.length);
  let same = 0;
  for (let i = 0; i < kept; i++) if (values[i] === median) same++;
  return 2 * same >= kept;
}

/** |x − median| / scale, at most 1e6; 0 for the first 20 values. */
export function robustDistance(state: RobustLevelState, x: number): number {
  const distance = Math.abs(x - state.median);
  if (state.count <= COUNT_MIN || distance === 0) return 0;
  return Math.min(distance / flooredScale(state), DISTANCE_MAX);
}
