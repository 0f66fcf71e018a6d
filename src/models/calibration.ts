import {
  ROOT_OF_SHAPE,
  shapeAt,
  type ShapeQuantile,
  shapeQuantile,
  TAIL_PRIOR,
  tailOf,
} from "./error_shape.ts";
import { spreadFactor } from "./disagreement.ts";
import { powerAt, powerTable } from "./power_table.ts";
import { recentAdd, type RecentErrors, recentFactor } from "./recent_errors.ts";
import { noSortedErrors, type SortedErrors, sortedErrors } from "./sorted_errors.ts";

/**
 * Error quantiles learned from a forecaster's own past errors.
 *
 *   quantile(l, τ) = point(l) + q(τ)·s(l)·c(l)
 *
 * s(l) is the size of the errors at lead l (smoothed over neighbouring leads and shrunk to a √l
 * law), taken from the mean of √|error|, which one burst of large errors moves little;
 * c(l) is what sets this forecast apart: phase of the season, disagreement of the members against
 * the usual, level of the forecast; q(τ) are the pooled quantiles of the standardised errors,
 * centred on their median, mixed with a prior shape and widened where few were seen.
 *
 * Errors are in normalised units. All constants: docs/models_that_serve.md.
 */
export type CalibrationState = {
  /** Sum and count of √|error / condition|, by lead.                                     [lead] */
  leadSum: Float64Array;
  leadCount: Float64Array;
  /** Scale of the √l law that leads are shrunk to. */
  priorBase: number;
  /** Sum and count of |error|, by slot of the season; empty without a profile.          [season] */
  phaseSum: Float64Array;
  phaseCount: Float64Array;
  /** Usual disagreement of the members, and what it tells of the errors' variance.       [lead] */
  usualSpread: Float64Array;
  spreadShare: Float64Array;
  /** Mean |value| of the series, for the level's share; 0 turns it off. */
  meanSize: number;
  /** Standardised errors; the newest overwrite the oldest. */
  ring: Float32Array;
  /** Errors ever put into the ring. */
  ringCount: number;
  /** Errors offered since one was last put into the ring. */
  ringSkipped: number;
  /** Slots between the first and the last origin that contributed. */
  spanSlots: number;
  /** Size of the newest errors beside the usual. */
  recent: RecentErrors;
};

/** Standardised errors kept for the pooled quantiles. */
export const ERROR_RING_MAX = 1024;

const LEAD_PSEUDO_COUNT = 3;
const PHASE_PSEUDO_SEASONS = 2;

const LEVEL_POWER = 0.3;
const LEVEL_FLOOR = 0.1;
const SHAPE_PSEUDO_BLOCKS = 100;
const WIDENING = 0.15;
const RING_ERRORS_MIN = 5;
/** Live errors put into the ring: one of this many. */
const RING_STRIDE = 8;
/** Growth beyond the horizon is √lead where there are fewer leads to tell, and within a range. */
const GROWTH_LEADS_MIN = 7;
const GROWTH_RANGE = [0.1, 0.75] as const;
/** Memory of the live means, in errors of one lead or phase. */
const LEAD_MEMORY = 150;
const PHASE_MEMORY = 60;
/** A live error counts for this many times the usual one at most. */
const LIVE_ERROR_MAX = 4;

/** Levels of which most are in the table: up to four times the mean. */
const LEVEL_TABLE = powerTable(LEVEL_POWER, LEVEL_FLOOR, 4);

/** √ of the least scale. */
const LEAD_ROOT_MIN = Math.sqrt(1e-9);
const LIVE_ROOT_MAX = Math.sqrt(LIVE_ERROR_MAX);

/** √ of the growth that the √l law gives each of the first leads.                         [lead] */
const GROWTH_ROOTS = Float64Array.from({ length: 128 }, (_, lead) => (lead + 1) ** 0.25);

function growth(lead: number): number {
  return Math.sqrt(lead + 1);
}

function growthRoot(lead: number): number {
  return lead < GROWTH_ROOTS.length ? GROWTH_ROOTS[lead]! : Math.sqrt(growth(lead));
}

/** a mod m for whole numbers; `%` on numbers this size calls a function of the C library. */
export function modulo(a: number, m: number): number {
  const r = a - m * Math.floor(a / m);
  // The quotient of a number just below a multiple of m may have been rounded up.
  return r < 0 ? r + m : r;
}

/**
 * The √l law's scale, normalised: b of b·√(lead + 1).
 *
 * @param leadCount   errors seen                                                          [lead]
 * @param errorSum    of all |errors|, each under its condition
 * @param naiveScale  the prior scale, which counts as some errors a lead
 */
export function priorBaseOf(leadCount: Float64Array, errorSum: number, naiveScale: number): number {
  const sum = LEAD_PSEUDO_COUNT * naiveScale + errorSum;
  let weight = 0;
  let growthSum = 0;
  for (let l = 0; l < leadCount.length; l++) {
    weight += leadCount[l]! * growth(l);
    growthSum += growth(l);
  }
  weight += LEAD_PSEUDO_COUNT * growthSum / leadCount.length;
  return sum / weight;
}

/** How many slots of the season share one value of the profile, to each side. */
function phaseHalfWidth(season: number): number {
  return Math.max(1, Math.floor(season / 24));
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}

/** Relative error size at a slot's phase of the season; 1 without a profile. */
export function phaseFactor(state: CalibrationState, slot: number): number {
  return phaseFactorOf(state, slot, sumOf(state.phaseSum), sumOf(state.phaseCount));
}

/** {@linkcode phaseFactor} from the sums over the season. */
function phaseFactorOf(
  state: CalibrationState,
  slot: number,
  total: number,
  count: number,
): number {
  const season = state.phaseSum.length;
  if (season === 0 || count === 0) return 1;
  const mean = total / count + 1e-12;
  const half = phaseHalfWidth(season);
  let sum = 0;
  let seen = 0;
  let at = modulo(slot - half, season);
  for (let k = -half; k <= half; k++) {
    sum += state.phaseSum[at]!;
    seen += state.phaseCount[at]!;
    at = at + 1 === season ? 0 : at + 1;
  }
  const perPhase = count * (2 * half + 1) / season;
  const seasons = Math.max(1, state.spanSlots / season);
  const pseudo = PHASE_PSEUDO_SEASONS * perPhase / seasons;
  return (sum + pseudo * mean) / (seen + pseudo) / mean;
}

/** What the level of a forecast, in the values' own units, tells of its error. */
export function levelFactor(state: CalibrationState, size: number): number {
  if (!(state.meanSize > 0)) return 1;
  return powerAt(LEVEL_TABLE, Math.max(size / state.meanSize, LEVEL_FLOOR));
}

/** What sets the forecast from `slot` at each lead apart from the usual: c(l).            [lead] */
export function conditionsInto(
  state: CalibrationState,
  slot: number,
  spread: Float32Array,
  size: Float32Array,
  out: Float32Array,
): void {
  const { phaseSum, phaseCount, spreadShare, usualSpread } = state;
  const total = sumOf(phaseSum);
  const count = sumOf(phaseCount);
  for (let l = 0; l < out.length; l++) {
    out[l] = levelFactor(state, size[l]!) *
      spreadFactor(spreadShare[l]!, usualSpread[l]!, spread[l]!) *
      phaseFactorOf(state, slot + 1 + l, total, count);
  }
}

/**
 * √ of the size that the errors at a lead have: their mean √|error| over that of the prior shape,
 * neighbouring leads and the √l law counted in.
 *
 * @param priorRoot  √ of the √l law's scale at lead 0
 */
function leadRoot(state: CalibrationState, lead: number, priorRoot: number): number {
  const { leadSum, leadCount } = state;
  const last = leadSum.length - 1;
  const half = Math.max(1, Math.floor((last + 1) / 16));
  const from = lead - half;
  const to = lead + half;
  let sum = 0;
  let count = 0;
  if (from >= 0 && to <= last) {
    for (let l = from; l <= to; l++) {
      sum += leadSum[l]!;
      count += leadCount[l]!;
    }
  } else {
    for (let l = from; l <= to; l++) {
      const at = Math.min(last, Math.max(0, l));
      sum += leadSum[at]!;
      count += leadCount[at]!;
    }
  }
  const pseudo = LEAD_PSEUDO_COUNT * (2 * half + 1);
  const prior = pseudo * ROOT_OF_SHAPE * priorRoot * growthRoot(lead);
  const mean = (sum + prior) / (count + pseudo);
  return Math.max(mean / ROOT_OF_SHAPE, LEAD_ROOT_MIN);
}

/** Size of the errors at a lead, their mean were they of the prior shape: s(l). */
export function leadScale(state: CalibrationState, lead: number): number {
  return leadRoot(state, lead, Math.sqrt(state.priorBase)) ** 2;
}

/** {@linkcode leadScale} of every lead.                                                   [lead] */
export function leadScalesInto(state: CalibrationState, out: Float64Array): void {
  const priorRoot = Math.sqrt(state.priorBase);
  for (let l = 0; l < out.length; l++) out[l] = leadRoot(state, l, priorRoot) ** 2;
}

/** A live forecast whose targets come one after the other. */
export type AwaitedForecast = {
  /** The slot before its first lead. */
  readonly slot: number;
  /** [lead] */
  readonly point: Float32Array;
  /** c(l); empty before it is known.                                                    [lead] */
  readonly condition: Float32Array;
};

/**
 * Learns from the values of consecutive slots, each at its lead of every forecast that awaits it,
 * under the conditions c(l). Errors are cut at {@linkcode LIVE_ERROR_MAX} usual ones, so that a
 * level shift, which all open forecasts miss, does not stay in the scale.
 *
 * @param first    the first of the slots
 * @param values   observed, normalised                                                 [slot]
 * @param count    how many there are
 * @param elapsed  slots from the one seen before to the first
 */
export function calibrationObserve(
  state: CalibrationState,
  forecasts: readonly AwaitedForecast[],
  first: number,
  values: Float64Array,
  count: number,
  elapsed: number,
): void {
  const horizon = state.leadSum.length;
  const priorRoot = Math.sqrt(state.priorBase);
  for (let i = 0; i < count; i++) {
    const slot = first + i;
    for (let k = 0; k < forecasts.length; k++) {
      const { slot: origin, point, condition } = forecasts[k]!;
      const lead = slot - origin - 1;
      if (lead < 0 || lead >= horizon || condition.length === 0) continue;
      observeError(
        state,
        lead | 0,
        slot,
        (values[i]! - point[lead]!) / condition[lead]!,
        priorRoot,
      );
    }
    state.spanSlots += i === 0 ? elapsed : 1;
  }
}

/** Learns from an error under its condition, whose target is at `slot`. */
function observeError(
  state: CalibrationState,
  lead: number,
  slot: number,
  value: number,
  priorRoot: number,
): void {
  const root = Math.sqrt(Math.abs(value));
  const usual = leadRoot(state, lead, priorRoot);
  const { leadSum, leadCount } = state;
  recentAdd(state.recent, slot, root / usual, leadSum.length);
  state.ringSkipped++;
  if (state.ringSkipped >= RING_STRIDE) {
    state.ring[state.ringCount % ERROR_RING_MAX] = value / (usual * usual);
    state.ringCount++;
    state.ringSkipped = 0;
  }
  // The √l law's scale is a mean, and so stands where most errors are 0.
  const law = priorRoot * growthRoot(lead);
  const most = LIVE_ROOT_MAX * (usual > law ? usual : law);
  const keep = leadCount[lead]! > LEAD_MEMORY ? 1 - 1 / LEAD_MEMORY : 1;
  leadSum[lead] = leadSum[lead]! * keep + (root < most ? root : most);
  leadCount[lead] = leadCount[lead]! * keep + 1;
  if (state.phaseSum.length > 0) observePhase(state, slot, Math.abs(value));
}

/** Learns the size of an error at its phase of the season. */
function observePhase(state: CalibrationState, slot: number, error: number): void {
  const size = error * phaseFactor(state, slot);
  const at = modulo(slot, state.phaseSum.length);
  const keep = state.phaseCount[at]! > PHASE_MEMORY ? 1 - 1 / PHASE_MEMORY : 1;
  state.phaseSum[at] = state.phaseSum[at]! * keep + size;
  state.phaseCount[at] = state.phaseCount[at]! * keep + 1;
}

/** Factor of all widths of a forecast from `slot`: the newest errors beside the usual. */
export function recencyFactor(state: CalibrationState, slot: number): number {
  return recentFactor(state.recent, slot, state.leadSum.length, ROOT_OF_SHAPE);
}

function sortedQuantile(sorted: Float32Array, quantile: number): number {
  const position = quantile * sorted.length - 0.5;
  const low = Math.min(sorted.length - 1, Math.max(0, Math.floor(position)));
  const high = Math.min(sorted.length - 1, low + 1);
  const share = Math.min(1, Math.max(0, position - low));
  return sorted[low]! * (1 - share) + sorted[high]! * share;
}

/**
 * Quantiles of the standardised error: q(τ), 0 at the median.                          [quantile]
 *
 * @param kept    what was sorted at the last look, which is brought up to date
 * @param shapes  {@linkcode shapeQuantile} of each, for who asks for the same again and again
 */
export function standardQuantiles(
  state: CalibrationState,
  quantiles: Float64Array,
  kept: SortedErrors = noSortedErrors(),
  shapes: readonly ShapeQuantile[] = Array.from(quantiles, shapeQuantile),
): Float64Array {
  const sorted = sortedErrors(kept, state);
  const blocks = state.spanSlots / Math.max(1, state.leadSum.length / 2);
  const isKnown = sorted.length >= RING_ERRORS_MIN;
  const share = isKnown ? blocks / (blocks + SHAPE_PSEUDO_BLOCKS) : 0;
  const tail = isKnown ? tailOf(sorted, blocks, kept.sums) : TAIL_PRIOR;
  // Both ends of the family are 0 at the median.
  const centre = share > 0 ? share * sortedQuantile(sorted, 0.5) : 0;
  const wider = 1 + WIDENING / Math.sqrt(Math.max(blocks, 1));
  const out = new Float64Array(quantiles.length);
  for (let q = 0; q < out.length; q++) {
    const seen = share > 0 ? share * sortedQuantile(sorted, quantiles[q]!) : 0;
    out[q] = (seen + (1 - share) * shapeAt(shapes[q]!, tail) - centre) * wider;
  }
  return out;
}

/**
 * How the error grows beyond the last lead: the exponent p of s ∝ lead^p over the last three
 * quarters of the leads, between nearly none (a stationary series) and a walk's with a drift.
 */
export function growthExponent(state: CalibrationState): number {
  const last = state.leadSum.length - 1;
  const early = Math.floor(last / 4);
  if (last < GROWTH_LEADS_MIN) return 0.5;
  const ratio = leadScale(state, last) / leadScale(state, early);
  const exponent = Math.log(ratio) / Math.log((last + 1) / (early + 1));
  return Math.min(GROWTH_RANGE[1], Math.max(GROWTH_RANGE[0], exponent));
}
