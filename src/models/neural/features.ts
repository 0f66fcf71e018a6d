import { InvalidValueError } from "../../base/errors.ts";
import {
  breakRow,
  follow,
  newestOf,
  persistence,
  solve,
  STEP_MAX,
  STEP_MIN,
} from "./autoregression.ts";
import {
  AR_RESIDUALS,
  AR_STEPS,
  COUNT,
  DIFFERENCE,
  DIFFERENCE_2,
  ERROR,
  ERROR_2,
  FAST,
  FAST_SLOTS,
  type FeatureState,
  KEEP,
  KEEP_FAST,
  KEPT,
  KEPT_2,
  LOG_SEASON,
  LOG_SEASON_2,
  MEAN,
  MEMORY,
  MINIMUM,
  ORIGIN,
  RESIDUAL,
  RESIDUAL_2,
  RISE,
  RISE_FAST,
  RISE_SLOW,
  RUN,
  RUN_FAST,
  RUN_SLOW,
  SEASON,
  SEASON_2,
  STEP,
  TIME,
  VARIANCE,
  WEIGHT,
  WEIGHT_ERROR,
  WEIGHT_ERROR_2,
  WEIGHT_FAST,
  WEIGHT_SEASON,
  WEIGHT_SEASON_2,
  WEIGHT_STEP,
} from "./feature_state.ts";
import { fillHistory, followSeries, startHistory } from "./history.ts";
import { type PhasePast, phasePastInto, seasonsIn } from "./profile.ts";
import {
  countFeature,
  driftOf,
  momentumOf,
  profileSize,
  seasonalSize,
  secondProfileSize,
  secondSize,
  spreadOf,
  stepSize,
  trendOf,
} from "./sizes.ts";
import { squash, within } from "./squash.ts";

export { featureStart, type FeatureState, seasonClock } from "./feature_state.ts";
export { takeAnchors, takeLead } from "./lead_features.ts";
export { leadOrigin } from "./lead_origin.ts";

/** Values beyond this count as this: their squares are still numbers. */
export const VALUE_MAX = 1e140;

/** Logs of size ratios and of elapsed slots lie within these. */
const RATIO_LOG_MIN = -6;
const RATIO_LOG_MAX = 3;
const ELAPSED_MIN = 0.02;
const ELAPSED_MAX = 1000;

/** The level's feature lies within ±5 before its factor of 0.4. */
const LEVEL_MAX = 5;

/** Drift is told for this many slots. */
const DRIFT_SLOTS = 24;

/** Time constants of the recent changes, in slots; the slower one is told for as many slots. */
const MOMENTUM_FAST_SLOTS = 4;
const MOMENTUM_SLOW_SLOTS = 12;

/** Differences of one sample: over a season and to its profile, of both seasons. */
interface Differences {
  season: number;
  profile: number;
  second: number;
  secondProfile: number;
  hasSeason: boolean;
  hasSecond: boolean;
}

/** One for all states: they live from their writing to their reading within one sample. */
const differences: Differences = {
  season: 0,
  profile: 0,
  second: 0,
  secondProfile: 0,
  hasSeason: false,
  hasSecond: false,
};
const past: PhasePast = { exists: false, newest: 0, mean: 0 };

/**
 * Compares a sample, before it is part of the past itself, with the past at its phases. After a gap
 * longer than a season that is as many seasons back as lie before the gap.
 *
 * @param x  the value less the origin
 */
function compareSeasons(state: FeatureState, elapsed: number, x: number): void {
  const { numbers } = state;
  const season = numbers[SEASON]!;
  const second = numbers[SEASON_2]!;
  past.exists = false;
  if (season > 0) {
    const lag = Math.max(0, seasonsIn(elapsed, season) * season - elapsed);
    phasePastInto(state, lag, season, numbers[KEPT]!, past);
  }
  differences.hasSeason = past.exists;
  differences.season = past.exists ? x - past.newest : 0;
  differences.profile = past.exists ? x - past.mean : 0;
  past.exists = false;
  if (second > 0) {
    const lag = Math.max(0, seasonsIn(elapsed, second) * second - elapsed);
    phasePastInto(state, lag, second, numbers[KEPT_2]!, past);
  }
  differences.hasSecond = past.exists;
  differences.second = past.exists ? x - past.newest : 0;
  differences.secondProfile = past.exists ? x - past.mean : 0;
}

/** Running sizes of the seasonal differences. */
function rememberSeasons(numbers: Float64Array, keep: number, keepFast: number): void {
  if (differences.hasSeason) {
    const weight = numbers[WEIGHT_SEASON]! * keep + 1;
    numbers[WEIGHT_SEASON] = weight;
    numbers[DIFFERENCE] = numbers[DIFFERENCE]! +
      (Math.abs(differences.season) - numbers[DIFFERENCE]!) / weight;
    numbers[RESIDUAL] = numbers[RESIDUAL]! +
      (Math.abs(differences.profile) - numbers[RESIDUAL]!) / weight;
    const fast = numbers[WEIGHT_ERROR]! * keepFast + 1;
    numbers[WEIGHT_ERROR] = fast;
    numbers[ERROR] = numbers[ERROR]! + (differences.profile - numbers[ERROR]!) / fast;
  }
  if (differences.hasSecond) {
    const weight = numbers[WEIGHT_SEASON_2]! * keep + 1;
    numbers[WEIGHT_SEASON_2] = weight;
    numbers[DIFFERENCE_2] = numbers[DIFFERENCE_2]! +
      (Math.abs(differences.second) - numbers[DIFFERENCE_2]!) / weight;
    numbers[RESIDUAL_2] = numbers[RESIDUAL_2]! +
      (Math.abs(differences.secondProfile) - numbers[RESIDUAL_2]!) / weight;
    const fast = numbers[WEIGHT_ERROR_2]! * keepFast + 1;
    numbers[WEIGHT_ERROR_2] = fast;
    numbers[ERROR_2] = numbers[ERROR_2]! + (differences.secondProfile - numbers[ERROR_2]!) / fast;
  }
}

/** Running mean and variance, fast mean and minimum. */
function rememberLevel(numbers: Float64Array, keep: number, keepFast: number, x: number): void {
  const weight = numbers[WEIGHT]! * keep + 1;
  const gain = 1 / weight;
  const surprise = x - numbers[MEAN]!;
  numbers[WEIGHT] = weight;
  numbers[MEAN] = numbers[MEAN]! + gain * surprise;
  numbers[VARIANCE] = (1 - gain) * (numbers[VARIANCE]! + gain * surprise * surprise);
  const fast = numbers[WEIGHT_FAST]! * keepFast + 1;
  numbers[WEIGHT_FAST] = fast;
  numbers[FAST] = numbers[FAST]! + (x - numbers[FAST]!) / fast;
  numbers[MINIMUM] = Math.min(numbers[MINIMUM]!, x);
}

/** Running size of the first difference, and the sums behind the drift and the momenta. */
function rememberStep(
  numbers: Float64Array,
  keep: number,
  change: number,
  step: number,
  elapsed: number,
): void {
  const weight = numbers[WEIGHT_STEP]! * keep + 1;
  numbers[WEIGHT_STEP] = weight;
  numbers[STEP] = numbers[STEP]! + (Math.abs(step) - numbers[STEP]!) / weight;
  numbers[RISE] = numbers[RISE]! * keep + change;
  numbers[RUN] = numbers[RUN]! * keep + elapsed;
  const fast = Math.exp(-elapsed / MOMENTUM_FAST_SLOTS);
  numbers[RISE_FAST] = numbers[RISE_FAST]! * fast + change;
  numbers[RUN_FAST] = numbers[RUN_FAST]! * fast + elapsed;
  const slow = Math.exp(-elapsed / MOMENTUM_SLOW_SLOTS);
  numbers[RISE_SLOW] = numbers[RISE_SLOW]! * slow + change;
  numbers[RUN_SLOW] = numbers[RUN_SLOW]! * slow + elapsed;
}

/** The autoregressions of differences and of residuals. */
function rememberRows(
  numbers: Float64Array,
  change: number,
  elapsed: number,
  x: number,
): void {
  const spread = spreadOf(numbers);
  const keep = numbers[KEEP]!;
  // On the line over a gap every slot brings the same change.
  const slope = elapsed < STEP_MAX ? change : change / elapsed;
  if (elapsed > STEP_MIN) follow(numbers, AR_STEPS, elapsed, keep, slope, slope);
  solve(numbers, AR_STEPS, spread);
  if (numbers[SEASON]! > 0 && !differences.hasSeason) {
    breakRow(numbers, AR_RESIDUALS);
    return;
  }
  const residual = numbers[SEASON]! > 0 ? differences.profile : x - numbers[MEAN]!;
  const was = newestOf(numbers, AR_RESIDUALS);
  const before = residual + (was - residual) / Math.max(elapsed, 1);
  follow(numbers, AR_RESIDUALS, elapsed, keep, residual, before);
  solve(numbers, AR_RESIDUALS, spread);
}

function ratioLog(size: number, spread: number): number {
  const log = Math.log(size / spread);
  return 0.5 * Math.min(Math.max(log, RATIO_LOG_MIN), RATIO_LOG_MAX);
}

function writeToken(state: FeatureState, step: number, out: Float32Array, at: number): void {
  const { numbers } = state;
  const spread = spreadOf(numbers);
  const steps = stepSize(numbers, spread);
  const seasonal = seasonalSize(numbers, spread);
  const second = secondSize(numbers, spread);
  const profile = profileSize(numbers, spread);
  const mean = numbers[MEAN]!;
  const x = state.last - numbers[ORIGIN]!;
  const elapsed = Math.min(Math.max(state.elapsed, ELAPSED_MIN), ELAPSED_MAX);
  out[at] = squash((x - mean) / spread);
  out[at + 1] = elapsed === 1 ? 0 : 0.5 * Math.log(elapsed);
  out[at + 2] = squash(step / steps);
  out[at + 3] = squash(differences.season / seasonal);
  out[at + 4] = squash(differences.second / second);
  out[at + 5] = squash(differences.profile / profile);
  out[at + 6] = differences.hasSeason ? 1 : 0;
  out[at + 7] = differences.hasSecond ? 1 : 0;
  out[at + 8] = ratioLog(steps, spread);
  out[at + 9] = ratioLog(seasonal, spread);
  out[at + 10] = ratioLog(second, spread);
  out[at + 11] = ratioLog(profile, spread);
  out[at + 12] = countFeature(numbers);
  out[at + 13] = numbers[LOG_SEASON]!;
  out[at + 14] = numbers[LOG_SEASON_2]!;
  out[at + 15] = 0.4 * within(squash((mean + numbers[ORIGIN]!) / spread), LEVEL_MAX);
  out[at + 16] = squash((numbers[FAST]! - mean) / spread);
  out[at + 17] = 0.5 * squash((x - numbers[MINIMUM]!) / spread);
  out[at + 18] = squash(driftOf(numbers) * DRIFT_SLOTS / spread);
  out[at + 19] = squash(trendOf(numbers) / seasonal);
  const secondProfile = secondProfileSize(numbers, spread);
  out[at + 20] = squash(differences.secondProfile / secondProfile);
  out[at + 21] = ratioLog(secondProfile, spread);
  out[at + 22] = squash(momentumOf(numbers, true) * MOMENTUM_SLOW_SLOTS / spread);
  out[at + 23] = persistence(numbers, AR_STEPS);
}

function takeFirst(state: FeatureState, u: number, value: number): void {
  const { numbers } = state;
  compareSeasons(state, 0, 0);
  numbers[ORIGIN] = value;
  numbers[TIME] = u;
  numbers[WEIGHT] = 1;
  numbers[WEIGHT_FAST] = 1;
  state.elapsed = 1;
  state.last = value;
  startHistory(state, u);
}

/**
 * Takes in a sample and writes what the backbone sees of it, all of it from this sample and earlier
 * ones (docs/neural.md lists the numbers).
 *
 * Running means forget by the slots that have passed, at most one time constant at a sample: a long
 * gap leaves what was known before it a share of 1/e, not none. A first difference over more than
 * one slot is divided by the root of the slots, as that of a random walk grows.
 *
 * @param u       slot time, not before the newest sample's; may be fractional
 * @param value   beyond ±1e140 it counts as ±1e140
 * @param tokens  written at `at … at + TOKEN_FEATURES − 1`
 * @throws {InvalidValueError} the time or the value is not finite, or the time lies before the
 *   newest sample's
 */
export function takeSample(
  state: FeatureState,
  u: number,
  value: number,
  tokens: Float32Array,
  at: number,
): void {
  const { numbers } = state;
  if (!Number.isFinite(value)) {
    throw new InvalidValueError("value", String(value), "a finite number");
  }
  const taken = within(value, VALUE_MAX);
  const first = numbers[WEIGHT] === 0;
  if (!Number.isFinite(u) || (!first && u < numbers[TIME]!)) {
    const accepted = first ? "a finite slot time" : `a slot time from ${numbers[TIME]} on`;
    throw new InvalidValueError("u", String(u), accepted);
  }
  if (first) {
    takeFirst(state, u, taken);
    writeToken(state, 0, tokens, at);
    return;
  }
  const elapsed = u - numbers[TIME]!;
  const memory = numbers[MEMORY]!;
  const keep = elapsed === 1 ? numbers[KEEP]! : Math.exp(-Math.min(elapsed / memory, 1));
  const keepFast = elapsed === 1 ? numbers[KEEP_FAST]! : Math.exp(-elapsed / FAST_SLOTS);
  const change = taken - state.last;
  const step = elapsed > 1 ? change / Math.sqrt(elapsed) : change;
  compareSeasons(state, elapsed, taken - numbers[ORIGIN]!);
  rememberSeasons(numbers, keep, keepFast);
  rememberLevel(numbers, keep, keepFast, taken - numbers[ORIGIN]!);
  rememberStep(numbers, keep, change, step, elapsed);
  rememberRows(numbers, change, elapsed, taken - numbers[ORIGIN]!);
  followSeries(state, spreadOf(numbers));
  fillHistory(state, u, taken - numbers[ORIGIN]!);
  numbers[TIME] = u;
  numbers[COUNT] = numbers[COUNT]! + 1;
  state.elapsed = elapsed;
  state.last = taken;
  writeToken(state, step, tokens, at);
}
