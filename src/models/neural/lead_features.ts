import { InvalidValueError } from "../../base/errors.ts";
import { expected, isKnown, persistence } from "./autoregression.ts";
import {
  AR_RESIDUALS,
  AR_STEPS,
  ERROR,
  ERROR_2,
  FAST,
  type FeatureState,
  KEPT,
  KEPT_2,
  LOG_SEASON,
  MEAN,
  MINIMUM,
  ORIGIN,
  SEASON,
  SEASON_2,
  WEIGHT,
  WEIGHT_SEASON,
} from "./feature_state.ts";
import { reachesBack, reachOf, valueBack } from "./history.ts";
import { writeLeadBasis, writePhase } from "./lead_basis.ts";
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
  TINY,
  trendOf,
} from "./sizes.ts";
import { ANCHORS, LEAD_FEATURES, LEAD_SCALARS, type LeadRows } from "./shapes.ts";
import { squash, within } from "./squash.ts";

/** The seasonal trend is carried on for this many seasons at most. */
const TREND_SEASONS_MAX = 8;

/** What a recent change keeps from slot to slot as it is carried on. */
const DAMPING_FAST = 0.8;
const DAMPING_SLOW = 0.95;

/** Anchors lie within this many units of the last value. */
export const ANCHOR_MAX = 1e4;

/** The smallest scale, as a share of the spread. */
const SCALE_OF_SPREAD = 0.02;

/** The unit: what the naive error grows to without a season, and the share that is always added. */
const UNIT_OF_SPREAD_MAX = 1.5;
const UNIT_OF_SPREAD = 0.05;

/** Leads below this are told as this: their logs and roots stay bounded. */
const LEAD_TOLD_MIN = 1 / 16;

/** Phases beyond these many seasons are told as these. */
const SEASONS_TOLD_MAX = 6;
const SEASONS_2_TOLD_MAX = 2;

/** One for all states: they live within one call. */
const past: PhasePast = { exists: false, newest: 0, mean: 0 };
const candidates = new Float64Array(ANCHORS);
const exists = new Uint8Array(ANCHORS);

/** Slots between the newest sample and the newest one at the phase of a lead. */
function phaseLag(lead: number, season: number): number {
  const lag = season * seasonsIn(lead, season) - lead;
  return lag < 1e-9 * season ? 0 : lag;
}

/** Slots that a change is carried on for: Σ φ^j over the slots of the lead. */
function damped(phi: number, lead: number): number {
  return phi * (1 - phi ** lead) / (1 - phi);
}

/** Candidates 4 to 8, 12, 15 and 19: of the first season. */
function firstSeason(state: FeatureState, lead: number, last: number, told: number): void {
  const { numbers } = state;
  const season = numbers[SEASON]!;
  past.exists = false;
  if (season > 0) phasePastInto(state, phaseLag(lead, season), season, numbers[KEPT]!, past);
  const found = past.exists ? 1 : 0;
  for (let i = 4; i <= 8; i++) exists[i] = found;
  exists[12] = found;
  exists[15] = found;
  exists[19] = found === 1 && isKnown(numbers, AR_RESIDUALS) ? 1 : 0;
  if (!past.exists) return;
  // Before a whole season has been seen, the level error is that at the oldest value.
  const ago = Math.min(season, reachOf(numbers));
  const seasonAgo = valueBack(state, ago);
  const seasons = Math.min(seasonsIn(lead, season), TREND_SEASONS_MAX);
  const trend = trendOf(numbers) * seasons;
  const error = numbers[ERROR]!;
  candidates[4] = past.newest - last;
  candidates[5] = past.mean - last;
  candidates[6] = past.newest - seasonAgo;
  candidates[7] = past.mean + error - last;
  candidates[8] = past.newest + trend - last;
  candidates[12] = past.mean + 0.5 * trend + error - last;
  candidates[19] = past.mean + expected(numbers, AR_RESIDUALS, told, false) - last;
  const mean = past.mean;
  phasePastInto(state, ago, season, numbers[KEPT]!, past);
  candidates[15] = mean - past.mean;
}

/** Candidates 9 to 11, 13 and 14: of the second season. */
function secondSeason(state: FeatureState, lead: number, last: number): void {
  const { numbers } = state;
  const season = numbers[SEASON_2]!;
  past.exists = false;
  if (season > 0 && reachesBack(numbers, season)) {
    phasePastInto(state, phaseLag(lead, season), season, numbers[KEPT_2]!, past);
  }
  const found = past.exists ? 1 : 0;
  for (let i = 9; i <= 11; i++) exists[i] = found;
  exists[13] = found;
  exists[14] = found;
  if (!past.exists) return;
  candidates[9] = past.newest - last;
  candidates[10] = past.mean - last;
  candidates[11] = past.newest - valueBack(state, season);
  candidates[13] = past.mean + numbers[ERROR_2]! - last;
  const mean = past.mean;
  phasePastInto(state, season, season, numbers[KEPT_2]!, past);
  candidates[14] = mean - past.mean;
}

/** The candidate forecasts of a lead, less the last value; `told` is as far as a change goes on. */
function gatherCandidates(state: FeatureState, lead: number, last: number, told: number): void {
  const { numbers } = state;
  candidates.fill(0);
  exists.fill(1, 0, 4);
  candidates[1] = numbers[FAST]! - last;
  candidates[2] = numbers[MEAN]! - last;
  candidates[3] = driftOf(numbers) * told;
  candidates[16] = momentumOf(numbers, false) * damped(DAMPING_FAST, told);
  candidates[17] = momentumOf(numbers, true) * damped(DAMPING_SLOW, told);
  exists.fill(1, 16, 18);
  exists[18] = isKnown(numbers, AR_STEPS) ? 1 : 0;
  if (exists[18] === 1) candidates[18] = expected(numbers, AR_STEPS, told, true);
  firstSeason(state, lead, last, told);
  if (numbers[SEASON] === 0 && isKnown(numbers, AR_RESIDUALS)) {
    exists[19] = 1;
    candidates[19] = numbers[MEAN]! + expected(numbers, AR_RESIDUALS, told, false) - last;
  }
  secondSeason(state, lead, last);
}

/** The seasonal-naive error expected at a lead: of a random walk where there is no season. */
function unitOf(numbers: Float64Array, lead: number, spread: number): number {
  const season = numbers[SEASON]!;
  // One seasonal difference alone says too little of their size.
  const naive = season > 0 && numbers[WEIGHT_SEASON]! > 1
    ? seasonalSize(numbers, spread) * Math.sqrt(seasonsIn(lead, season))
    : Math.min(stepSize(numbers, spread) * Math.sqrt(lead), UNIT_OF_SPREAD_MAX * spread);
  return naive + UNIT_OF_SPREAD * spread + TINY;
}

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

/**
 * Writes what a lead's own columns are mixed with: anchors, which of them exist, scale and unit. It
 * is all that a lead needs whose columns are drawn between those of two others.
 *
 * @param lead  slots after the newest sample, > 0; may be fractional and beyond any season
 * @param out   row `row` of it is written, but for the features
 * @param most  changes are carried on for this many slots at most
 * @throws {InvalidValueError} the lead is not a finite number above 0, or there is no sample yet
 */
export function takeAnchors(
  state: FeatureState,
  lead: number,
  out: LeadRows,
  row: number,
  most = Infinity,
): void {
  const { numbers } = state;
  if (!(lead > 0 && Number.isFinite(lead))) {
    throw new InvalidValueError("lead", String(lead), "a finite number of slots above 0");
  }
  if (numbers[WEIGHT] === 0) {
    throw new InvalidValueError("state", "without samples", "a state with a sample");
  }
  const spread = spreadOf(numbers);
  const unit = unitOf(numbers, lead, spread);
  gatherCandidates(state, lead, state.last - numbers[ORIGIN]!, Math.min(lead, most));
  const { anchors, valid } = out;
  for (let i = 0; i < ANCHORS; i++) {
    const there = exists[i] === 1;
    valid[row * ANCHORS + i] = there ? 1 : 0;
    anchors[row * ANCHORS + i] = within((there ? candidates[i]! : 0) / unit, ANCHOR_MAX);
  }
  out.scale[row] = scaleOf(numbers, spread) / unit;
  out.unit[row] = unit;
}

/**
 * Writes what the decoder sees of one lead (docs/neural.md lists the numbers), what
 * {@linkcode takeAnchors} writes included.
 *
 *   forecast = state.last + out.unit[row] · q
 *
 * @param lead  slots after the newest sample, > 0; may be fractional and beyond any season
 * @param out   row `row` of it is written
 * @param most  the lead is told as this at most, and changes are carried on so far; phases and
 *              what the past says of them stay those of the lead
 * @throws {InvalidValueError} the lead is not a finite number above 0, or there is no sample yet
 */
export function takeLead(
  state: FeatureState,
  lead: number,
  out: LeadRows,
  row: number,
  most = Infinity,
): void {
  takeAnchors(state, lead, out, row, most);
  const { numbers } = state;
  const spread = spreadOf(numbers);
  const scale = scaleOf(numbers, spread);
  const last = state.last - numbers[ORIGIN]!;
  const { features } = out;
  let at = row * LEAD_FEATURES;
  // The candidates are those that the anchors were made of.
  for (let i = 0; i < ANCHORS; i++) {
    const there = exists[i] === 1;
    const relative = there ? candidates[i]! : 0;
    features[at + i] = relative === 0 ? 0 : 0.5 * squash(relative / scale);
    features[at + ANCHORS + i] = there ? 1 : 0;
  }

  at += 2 * ANCHORS;
  const season = numbers[SEASON]!;
  const season2 = numbers[SEASON_2]!;
  const told = Math.max(Math.min(lead, most), LEAD_TOLD_MIN);
  const log = Math.log(told);
  features[at] = 0.4 * log;
  features[at + 1] = 1 / Math.sqrt(told);
  features[at + 2] = season > 0 ? Math.min(lead / season, SEASONS_TOLD_MAX) : 0;
  features[at + 3] = season2 > 0 ? Math.min(lead / season2, SEASONS_2_TOLD_MAX) : 0;
  features[at + 8] = halfLog(stepSize(numbers, spread) / scale);
  features[at + 9] = halfLog(seasonalSize(numbers, spread) / scale);
  features[at + 10] = halfLog(profileSize(numbers, spread) / scale);
  features[at + 11] = halfLog(secondSize(numbers, spread) / scale);
  features[at + 12] = halfLog(spread / scale);
  features[at + 13] = numbers[LOG_SEASON]!;
  features[at + 14] = countFeature(numbers);
  features[at + 15] = 0.3 * squash((last - numbers[MINIMUM]!) / scale);
  features[at + 16] = halfLog(secondProfileSize(numbers, spread) / scale);
  features[at + 17] = persistence(numbers, AR_RESIDUALS);
  writeLeadBasis(features, at + LEAD_SCALARS, told, lead, season);
  writePhase(features, at + 4, at + LEAD_SCALARS, season > 0);
}
