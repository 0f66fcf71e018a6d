import {
  COUNT,
  DIFFERENCE,
  DIFFERENCE_2,
  KNOWN,
  MEAN,
  ORIGIN,
  RESIDUAL,
  RESIDUAL_2,
  RISE,
  RISE_FAST,
  RISE_SLOW,
  RUN,
  RUN_FAST,
  RUN_SLOW,
  SCALE,
  STEP,
  STRETCH,
  STRETCHES,
  VARIANCE,
  WEIGHT_SEASON,
  WEIGHT_SEASON_2,
} from "./feature_state.ts";

/** A series that varies by less than this share of its level is flat. */
const SPREAD_OF_LEVEL = 1e-12;

/** Keeps ratios of flat series finite. */
export const TINY = 1e-140;

/** Every size has this share of the spread added, so that ratios to it stay bounded. */
const SIZE_OF_SPREAD = 1e-2;

/** More samples than this are told as this many: about what networks are trained on. */
const COUNT_MAX = 1000;

/** Standard deviation of the series, forgetting, > 0 for a flat one too. */
export function spreadOf(numbers: Float64Array): number {
  return Math.max(
    Math.sqrt(numbers[VARIANCE]!),
    SPREAD_OF_LEVEL * Math.abs(numbers[ORIGIN]! + numbers[MEAN]!),
    TINY,
  );
}

/** Typical first difference. */
export function stepSize(numbers: Float64Array, spread: number): number {
  return numbers[STEP]! + SIZE_OF_SPREAD * spread;
}

/** Typical difference over a season; of a first difference before there is one. */
export function seasonalSize(numbers: Float64Array, spread: number): number {
  const size = numbers[WEIGHT_SEASON]! > 0 ? numbers[DIFFERENCE]! : stepSize(numbers, spread);
  return size + SIZE_OF_SPREAD * spread;
}

/** Typical difference over the second season; over the first before there is one. */
export function secondSize(numbers: Float64Array, spread: number): number {
  const known = numbers[WEIGHT_SEASON_2]! > 0;
  const size = known ? numbers[DIFFERENCE_2]! : seasonalSize(numbers, spread);
  return size + SIZE_OF_SPREAD * spread;
}

/** Typical residual to the seasonal profile; first difference before there is one. */
export function profileSize(numbers: Float64Array, spread: number): number {
  const size = numbers[WEIGHT_SEASON]! > 0 ? numbers[RESIDUAL]! : stepSize(numbers, spread);
  return size + SIZE_OF_SPREAD * spread;
}

/** Typical residual to the profile of the second season; as {@linkcode secondSize} before. */
export function secondProfileSize(numbers: Float64Array, spread: number): number {
  const known = numbers[WEIGHT_SEASON_2]! > 0;
  const size = known ? numbers[RESIDUAL_2]! : secondSize(numbers, spread);
  return size + SIZE_OF_SPREAD * spread;
}

/** Change a slot. */
export function driftOf(numbers: Float64Array): number {
  const run = numbers[RUN]!;
  return run > 0 ? numbers[RISE]! / run : 0;
}

/** Change a slot of late: over some four slots, or, `slow`, over some twelve. */
export function momentumOf(numbers: Float64Array, slow: boolean): number {
  const run = numbers[slow ? RUN_SLOW : RUN_FAST]!;
  return run > 0 ? numbers[slow ? RISE_SLOW : RISE_FAST]! / run : 0;
}

/** Mean of the newest season less the mean of the one before; 0 before there are two. */
export function trendOf(numbers: Float64Array): number {
  const stretch = numbers[STRETCH]!;
  if (stretch === 0 || 2 * stretch > numbers[KNOWN]! - 1) return 0;
  return numbers[STRETCHES]! * numbers[SCALE]! / stretch;
}

/** Log of how many samples there were, as the network sees it. */
export function countFeature(numbers: Float64Array): number {
  return Math.log1p(Math.min(numbers[COUNT]!, COUNT_MAX)) / 6;
}
