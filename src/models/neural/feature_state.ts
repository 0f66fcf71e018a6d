import { InvalidValueError } from "../../base/errors.ts";
import { AR_NUMBERS } from "./autoregression.ts";

/**
 * What the features remember of a series: plain data, bounded for ever.
 *
 * Levels (mean, fast mean, minimum, the history) are kept relative to an origin near the series'
 * mean, so that no digit is lost to a large offset.
 */
export type FeatureState = {
  /** Slots between the newest sample and the one before; 1 at the first. */
  elapsed: number;
  /** The newest value, in units of the series. */
  last: number;
  /** Running numbers, by the indices below. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** Whole slots, newest at `HEAD`: (value − origin) / scale. See `history.ts`. */
  readonly history: Float32Array<ArrayBuffer>;
};

/** Length of the first season in slots, 0 = none. */
export const SEASON = 0;
/** Length of the second season in slots, 0 = none. */
export const SEASON_2 = 1;
/** Seasons of the first length that profiles average. */
export const KEPT = 2;
/** Seasons of the second length that profiles average. */
export const KEPT_2 = 3;
/** Length of the stretches whose means make the seasonal trend, 0 = no room for two. */
export const STRETCH = 4;
/** Time constant of the running means, in slots. */
export const MEMORY = 5;
/** What the running means keep over one slot. */
export const KEEP = 6;
/** What the fast means keep over one slot. */
export const KEEP_FAST = 7;
/** Log of the first season, as the network sees it. */
export const LOG_SEASON = 8;
/** Log of the second season, as the network sees it. */
export const LOG_SEASON_2 = 9;
/** What zero stands for in levels and history. */
export const ORIGIN = 10;
/** Unit of the history, 0 before the second sample. */
export const SCALE = 11;
/** The newest whole slot. */
export const NEWEST = 12;
/** Place of the newest whole slot in the history. */
export const HEAD = 13;
/** Slots of the history that are known. */
export const KNOWN = 14;
/** Slot time of the newest sample. */
export const TIME = 15;
/** Samples before the newest. */
export const COUNT = 16;
/** Sum of the weights of the mean; 0 = no sample yet. */
export const WEIGHT = 17;
/** Running mean, less the origin. */
export const MEAN = 18;
/** Running variance. */
export const VARIANCE = 19;
/** Sum of the weights of the fast mean. */
export const WEIGHT_FAST = 20;
/** Fast mean, less the origin. */
export const FAST = 21;
/** Running minimum, less the origin. */
export const MINIMUM = 22;
/** Sum of the weights of first differences. */
export const WEIGHT_STEP = 23;
/** Mean absolute first difference. */
export const STEP = 24;
/** Sum of the weights of seasonal differences. */
export const WEIGHT_SEASON = 25;
/** Mean absolute difference over the first season. */
export const DIFFERENCE = 26;
/** Mean absolute residual to the seasonal profile. */
export const RESIDUAL = 27;
/** Sum of the weights of differences over the second season. */
export const WEIGHT_SEASON_2 = 28;
/** Mean absolute difference over the second season. */
export const DIFFERENCE_2 = 29;
/** Sum of the weights of the profile's error. */
export const WEIGHT_ERROR = 30;
/** Fast mean of the residual to the seasonal profile. */
export const ERROR = 31;
/** Weighted sum of changes; over RUN it is the drift. */
export const RISE = 32;
/** Weighted sum of the slots that the changes took. */
export const RUN = 33;
/** Sum of the history's newest stretch less that of the one before, over the scale. */
export const STRETCHES = 34;

/** Mean absolute residual to the profile of the second season. */
export const RESIDUAL_2 = 35;
/** Sum of the weights of the error of the second season's profile. */
export const WEIGHT_ERROR_2 = 36;
/** Fast mean of the residual to the profile of the second season. */
export const ERROR_2 = 37;
/** Sum of changes as RISE is, forgetting within four slots. */
export const RISE_FAST = 38;
/** Sum of the slots that they took. */
export const RUN_FAST = 39;
/** Sum of changes as RISE is, forgetting within twelve slots. */
export const RISE_SLOW = 40;
/** Sum of the slots that they took. */
export const RUN_SLOW = 41;
/** The autoregression of first differences. */
export const AR_STEPS = 42;
/** The autoregression of residuals to the seasonal profile; to the mean without a season. */
export const AR_RESIDUALS = AR_STEPS + AR_NUMBERS;

const NUMBERS = AR_RESIDUALS + AR_NUMBERS;

/** Slots of history at most: 10.8 kB, so that a whole state packs into less than 12 KiB. */
export const HISTORY_SLOTS_MAX = 2700;

/** Slots beyond the longest look-back, which interpolation at its far end reads. */
const HISTORY_MARGIN = 3;

/** Seasons that the profile of the first season averages. */
export const PROFILE_SEASONS = 5;

/** Seasons that the profile of the second season averages. */
export const PROFILE_SEASONS_2 = 3;

/** The running means forget with a time constant of this many seasons, within these slots. */
const MEMORY_SEASONS = 6;
const MEMORY_SLOTS_MIN = 96;
const MEMORY_SLOTS_MAX = 512;
const MEMORY_SLOTS_WITHOUT_SEASON = 160;

/** Time constant of the fast mean, in slots. */
export const FAST_SLOTS = 5;

/** Stretches compared for a trend where there is no season, in slots. */
const STRETCH_WITHOUT_SEASON = 8;

/** A shorter season cannot be told from a first difference. */
const SEASON_SLOTS_MIN = 1.5;

/** Steps a season that the season's clock is set to, and its bounds. */
const CLOCK_STEPS = 24;
const CLOCK_MIN = 0.08;
const CLOCK_MAX = 8;

const ROOM = HISTORY_SLOTS_MAX - HISTORY_MARGIN;

/** The seasons that are used: those long enough to be one and short enough to be remembered. */
function usableSeasons(seasons: readonly [number, number]): [number, number] {
  for (const [i, length] of seasons.entries()) {
    if (!(Number.isFinite(length) && length >= 0)) {
      throw new InvalidValueError(`seasons[${i}]`, String(length), "a number of slots from 0 on");
    }
  }
  const [first, second] = seasons.map((length) =>
    length >= SEASON_SLOTS_MIN && length <= ROOM ? length : 0
  ) as [number, number];
  if (first === 0) return [second, 0];
  return [first, second === first ? 0 : second];
}

/**
 * A state that has seen nothing.
 *
 * A season of which not even one fits into {@linkcode HISTORY_SLOTS_MAX} slots is left out, and of
 * longer ones fewer are averaged than 5 and 3. A lone second season counts as the first. Where the
 * seasons of a series change, the state is made again from its newest samples.
 *
 * @param seasons  lengths of the first and the second season in slots, may be fractional; 0 = none
 * @throws {InvalidValueError} a length is negative or not finite
 */
export function featureStart(seasons: readonly [number, number]): FeatureState {
  const [first, second] = usableSeasons(seasons);
  const kept = first > 0 ? Math.min(PROFILE_SEASONS, Math.floor(ROOM / first)) : 0;
  const kept2 = second > 0 ? Math.min(PROFILE_SEASONS_2, Math.floor(ROOM / second)) : 0;
  const whole = first > 0 ? first : STRETCH_WITHOUT_SEASON;
  const stretch = 2 * whole <= ROOM ? whole : 0;
  const reach = Math.max(kept * first, kept2 * second, 2 * stretch);
  const memory = first > 0
    ? Math.min(Math.max(MEMORY_SEASONS * first, MEMORY_SLOTS_MIN), MEMORY_SLOTS_MAX)
    : MEMORY_SLOTS_WITHOUT_SEASON;
  const numbers = new Float64Array(NUMBERS);
  numbers[SEASON] = first;
  numbers[SEASON_2] = second;
  numbers[KEPT] = kept;
  numbers[KEPT_2] = kept2;
  numbers[STRETCH] = stretch;
  numbers[MEMORY] = memory;
  numbers[KEEP] = Math.exp(-1 / memory);
  numbers[KEEP_FAST] = Math.exp(-1 / FAST_SLOTS);
  numbers[LOG_SEASON] = Math.log2(first + 1) / 8;
  numbers[LOG_SEASON_2] = Math.log2(second + 1) / 10;
  return {
    elapsed: 1,
    last: 0,
    numbers,
    history: new Float32Array(Math.ceil(reach) + HISTORY_MARGIN),
  };
}

/**
 * Steps of the season's clock in a slot: 24 / season, within 0.08 and 8; 1 without a season.
 */
export function seasonClock(state: FeatureState): number {
  const season = state.numbers[SEASON]!;
  if (season === 0) return 1;
  return Math.min(Math.max(CLOCK_STEPS / season, CLOCK_MIN), CLOCK_MAX);
}
