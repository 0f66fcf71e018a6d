import { InvalidValueError } from "../../base/errors.ts";
import { AR_SLOTS_MAX } from "./autoregression.ts";
import {
  ERROR,
  ERROR_2,
  FAST,
  type FeatureState,
  KEPT,
  KEPT_2,
  MEAN,
  SEASON,
  SEASON_2,
  WEIGHT_SEASON,
} from "./feature_state.ts";
import { writeLeadBasis, writePhase } from "./lead_basis.ts";
import { type PhasePast, phasePastInto, seasonsIn } from "./profile.ts";
import { seasonalSize, stepSize, TINY } from "./sizes.ts";
import { ANCHORS, LEAD_FEATURES, LEAD_SCALARS, type LeadRows } from "./shapes.ts";
import { squash, within } from "./squash.ts";
import { type LeadOrigin, leadOrigin } from "./lead_origin.ts";

/** The seasonal trend is carried on for this many seasons at most. */
const TREND_SEASONS_MAX = 8;

/** What a recent change keeps from slot to slot as it is carried on. */
const DAMPING_FAST = 0.8;
const DAMPING_SLOW = 0.95;

/** Anchors lie within this many units of the last value. */
export const ANCHOR_MAX = 1e4;

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

/** The same at whole leads, which most are. */
const DAMPED_FAST = Float64Array.from(
  { length: AR_SLOTS_MAX + 1 },
  (_, lead) => damped(DAMPING_FAST, lead),
);
const DAMPED_SLOW = DAMPED_FAST.map((_, lead) => damped(DAMPING_SLOW, lead));

/** Places of the scalars that are the same for all leads. */
const SHARED_FROM = 8;

/** Candidates 4 to 8, 12, 15 and 19: of the first season. */
function firstSeason(origin: LeadOrigin, lead: number, told: number): void {
  const { state, last, residuals, first } = origin;
  const { numbers } = state;
  const season = numbers[SEASON]!;
  past.exists = false;
  if (season > 0) phasePastInto(state, phaseLag(lead, season), season, numbers[KEPT]!, past);
  const found = past.exists ? 1 : 0;
  for (let i = 4; i <= 8; i++) exists[i] = found;
  exists[12] = found;
  exists[15] = found;
  exists[19] = found === 1 && residuals !== null ? 1 : 0;
  if (!past.exists) return;
  const seasons = Math.min(seasonsIn(lead, season), TREND_SEASONS_MAX);
  const trend = origin.trend * seasons;
  const error = numbers[ERROR]!;
  candidates[4] = past.newest - last;
  candidates[5] = past.mean - last;
  candidates[6] = past.newest - first.value;
  candidates[7] = past.mean + error - last;
  candidates[8] = past.newest + trend - last;
  candidates[12] = past.mean + 0.5 * trend + error - last;
  candidates[15] = Number.isNaN(first.mean) ? 0 : past.mean - first.mean;
  if (residuals !== null) candidates[19] = past.mean + residuals.expected(told) - last;
}

/** Candidates 9 to 11, 13 and 14: of the second season. */
function secondSeason({ state, last, second }: LeadOrigin, lead: number): void {
  const { numbers } = state;
  const season = numbers[SEASON_2]!;
  past.exists = false;
  if (!Number.isNaN(second.value)) {
    phasePastInto(state, phaseLag(lead, season), season, numbers[KEPT_2]!, past);
  }
  const found = past.exists ? 1 : 0;
  for (let i = 9; i <= 11; i++) exists[i] = found;
  exists[13] = found;
  exists[14] = found;
  if (!past.exists) return;
  candidates[9] = past.newest - last;
  candidates[10] = past.mean - last;
  candidates[11] = past.newest - second.value;
  candidates[13] = past.mean + numbers[ERROR_2]! - last;
  candidates[14] = past.mean - second.mean;
}

/** The candidate forecasts of a lead, less the last value; `told` is as far as a change goes on. */
function gatherCandidates(origin: LeadOrigin, lead: number, told: number): void {
  const { state: { numbers }, last, momentum, steps, residuals } = origin;
  candidates.fill(0);
  exists.fill(1, 0, 4);
  candidates[1] = numbers[FAST]! - last;
  candidates[2] = numbers[MEAN]! - last;
  candidates[3] = origin.drift * told;
  const isTold = Number.isInteger(told) && told <= AR_SLOTS_MAX;
  candidates[16] = momentum.fast * (isTold ? DAMPED_FAST[told]! : damped(DAMPING_FAST, told));
  candidates[17] = momentum.slow * (isTold ? DAMPED_SLOW[told]! : damped(DAMPING_SLOW, told));
  exists.fill(1, 16, 18);
  exists[18] = steps !== null ? 1 : 0;
  if (steps !== null) candidates[18] = steps.expected(told);
  firstSeason(origin, lead, told);
  if (numbers[SEASON] === 0 && residuals !== null) {
    exists[19] = 1;
    candidates[19] = numbers[MEAN]! + residuals.expected(told) - last;
  }
  secondSeason(origin, lead);
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

/**
 * Writes what a lead's own columns are mixed with: anchors, which of them exist, scale and unit. It
 * is all that a lead needs whose columns are drawn between those of two others.
 *
 * @param lead  slots after the newest sample, > 0; may be fractional and beyond any season
 * @param out   row `row` of it is written, but for the features
 * @param most  changes are carried on for this many slots at most
 * @param origin  what {@linkcode leadOrigin} made of the state as it stands, for many leads at once
 * @throws {InvalidValueError} the lead is not a finite number above 0, or there is no sample yet
 */
export function takeAnchors(
  state: FeatureState,
  lead: number,
  out: LeadRows,
  row: number,
  most = Infinity,
  origin = leadOrigin(state),
): void {
  if (!(lead > 0 && Number.isFinite(lead))) {
    throw new InvalidValueError("lead", String(lead), "a finite number of slots above 0");
  }
  const unit = unitOf(state.numbers, lead, origin.spread);
  gatherCandidates(origin, lead, Math.min(lead, most));
  const { anchors, valid } = out;
  for (let i = 0; i < ANCHORS; i++) {
    const there = exists[i] === 1;
    valid[row * ANCHORS + i] = there ? 1 : 0;
    anchors[row * ANCHORS + i] = within((there ? candidates[i]! : 0) / unit, ANCHOR_MAX);
  }
  out.scale[row] = origin.scale / unit;
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
 * @param origin  what {@linkcode leadOrigin} made of the state as it stands, for many leads at once
 * @throws {InvalidValueError} the lead is not a finite number above 0, or there is no sample yet
 */
export function takeLead(
  state: FeatureState,
  lead: number,
  out: LeadRows,
  row: number,
  most = Infinity,
  origin = leadOrigin(state),
): void {
  takeAnchors(state, lead, out, row, most, origin);
  const { numbers } = state;
  const { scale } = origin;
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
  features.set(origin.scalars, at + SHARED_FROM);
  writeLeadBasis(features, at + LEAD_SCALARS, told, lead, season);
  writePhase(features, at + 4, at + LEAD_SCALARS, season > 0);
}
