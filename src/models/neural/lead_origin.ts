import { InvalidValueError } from "../../base/errors.ts";
import { ArPath, isKnown, persistence } from "./autoregression.ts";
import {
  AR_RESIDUALS,
  AR_STEPS,
  type FeatureState,
  KEPT,
  KEPT_2,
  LOG_SEASON,
  MINIMUM,
  ORIGIN,
  SEASON,
  SEASON_2,
  WEIGHT,
} from "./feature_state.ts";
import { reachesBack, reachOf, valueBack } from "./history.ts";
import { type PhasePast, phasePastInto } from "./profile.ts";
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
import { squash } from "./squash.ts";

/** The smallest scale, as a share of the spread. */
const SCALE_OF_SPREAD = 0.02;

/** One for all states: it lives within one call. */
const past: PhasePast = { exists: false, newest: 0, mean: 0 };

function halfLog(ratio: number): number {
  return 0.5 * Math.log(ratio);
}

/** The smallest of the sizes that anchors are measured by, not below a share of the spread. */
function scaleOf(numbers: Float64Array, spread: number): number {
  const smallest = Math.min(
    stepSize(numbers, spread),
    seasonalSize(numbers, spread),
    profileSize(numbers, spread),
    secondSize(numbers, spread),
  );
  return Math.max(smallest, SCALE_OF_SPREAD * spread);
}

/** What all leads of an origin share: {@linkcode leadOrigin}. */
export interface LeadOrigin {
  readonly state: FeatureState;
  /** The last value less the history's origin, which all levels here are told from. */
  readonly last: number;
  readonly spread: number;
  readonly scale: number;
  readonly drift: number;
  readonly momentum: { readonly fast: number; readonly slow: number };
  readonly trend: number;
  /** Null where there is nothing to forecast with. */
  readonly steps: ArPath | null;
  readonly residuals: ArPath | null;
  readonly first: SeasonAgo;
  readonly second: SeasonAgo;
  /** Features that are the same for all leads, from the ninth scalar on. */
  readonly scalars: Float32Array;
}

/** The past a season before the newest sample, its value and the profile's; NaN without one. */
interface SeasonAgo {
  readonly value: number;
  readonly mean: number;
}

const NO_SEASON: SeasonAgo = { value: NaN, mean: NaN };

function seasonAgo(state: FeatureState, lag: number, season: number, kept: number): SeasonAgo {
  phasePastInto(state, lag, season, kept, past);
  return { value: valueBack(state, lag), mean: past.exists ? past.mean : NaN };
}

/** Before a whole season has been seen, its past is the oldest value. */
function firstAgo(state: FeatureState): SeasonAgo {
  const { numbers } = state;
  const season = numbers[SEASON]!;
  if (season === 0) return NO_SEASON;
  return seasonAgo(state, Math.min(season, reachOf(numbers)), season, numbers[KEPT]!);
}

function secondAgo(state: FeatureState): SeasonAgo {
  const { numbers } = state;
  const season = numbers[SEASON_2]!;
  if (season === 0 || !reachesBack(numbers, season)) return NO_SEASON;
  return seasonAgo(state, season, season, numbers[KEPT_2]!);
}

function sharedScalars(numbers: Float64Array, last: number, spread: number): Float32Array {
  const scale = scaleOf(numbers, spread);
  return Float32Array.of(
    halfLog(stepSize(numbers, spread) / scale),
    halfLog(seasonalSize(numbers, spread) / scale),
    halfLog(profileSize(numbers, spread) / scale),
    halfLog(secondSize(numbers, spread) / scale),
    halfLog(spread / scale),
    numbers[LOG_SEASON]!,
    countFeature(numbers),
    0.3 * squash((last - numbers[MINIMUM]!) / scale),
    halfLog(secondProfileSize(numbers, spread) / scale),
    persistence(numbers, AR_RESIDUALS),
  );
}

/**
 * What the leads of an origin share, as the state stands: to be made again after each sample.
 *
 * @throws {InvalidValueError} there is no sample yet
 */
export function leadOrigin(state: FeatureState): LeadOrigin {
  const { numbers } = state;
  if (numbers[WEIGHT] === 0) {
    throw new InvalidValueError("state", "without samples", "a state with a sample");
  }
  const spread = spreadOf(numbers);
  const last = state.last - numbers[ORIGIN]!;
  return {
    state,
    last,
    spread,
    scale: scaleOf(numbers, spread),
    drift: driftOf(numbers),
    momentum: { fast: momentumOf(numbers, false), slow: momentumOf(numbers, true) },
    trend: trendOf(numbers),
    steps: isKnown(numbers, AR_STEPS) ? new ArPath(numbers, AR_STEPS, true) : null,
    residuals: isKnown(numbers, AR_RESIDUALS) ? new ArPath(numbers, AR_RESIDUALS, false) : null,
    first: firstAgo(state),
    second: secondAgo(state),
    scalars: sharedScalars(numbers, last, spread),
  };
}
