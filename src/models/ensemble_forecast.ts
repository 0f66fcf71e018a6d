import { invariant } from "../base/invariant.ts";
import { type AdaptiveState, WATCHED_LEVELS, widthFactor } from "./adaptive_coverage.ts";
import { analogForecastInto, analogShapeOf } from "./analog.ts";
import { arForecastInto } from "./ar_differences.ts";
import { growthBeyond, pointsBeyond } from "./beyond_horizon.ts";
import {
  conditionsInto,
  growthExponent,
  leadScalesInto,
  recencyFactor,
  standardQuantiles,
} from "./calibration.ts";
import { RANGE_CUT, RANGE_CUT_TRANSFORMED, referenceAt } from "./ensemble.ts";
import {
  denormalised,
  type EnsembleRun,
  type EnsembleState,
  fromNeural,
  fromTrack,
  liveStride,
  newestSlot,
  PENDING_MAX,
  type PendingForecast,
} from "./ensemble_run.ts";
import { newestQuantiles } from "./climate.ts";
import { combineInto, type Outlook, weighMembers } from "./combine.ts";
import { shapeQuantile } from "./error_shape.ts";
import { trackBaseInto, trackReadoutAdd } from "./track_steps.ts";
import { keepMembers, type MemberSteps } from "./member_steps.ts";
import { shownName } from "./members.ts";
import { meanInto, seasonalNaiveInto } from "./naive.ts";
import { LEVELS } from "./neural/shapes.ts";
import { fanOffset } from "./neural_fan.ts";
import {
  correctOutlook,
  MEDIAN,
  neuralCatchUp,
  neuralForecast,
  neuralMedianAt,
  type NeuralRun,
} from "./neural_track.ts";
import { ADAPT_INPUTS, LESSON_NUMBERS } from "./neural_adapt.ts";
import { leadGroups } from "./readout.ts";
import { isConstantFit } from "./refit_setting.ts";

/**
 * All members' forecasts from the newest slot, normalised and cut to the plausible range.
 *
 * @param isLive  whether statistics alone are made from them: the networks are asked roughly then
 */
function forecastMembers(run: EnsembleRun, isLive: boolean): void {
  const { state, forecasts, bases } = run;
  const slot = newestSlot(state);
  for (let k = 0; k < bases.length; k++) trackBaseInto(run.tracks[k]!, slot, bases[k]!);
  for (let i = 0; i < run.memberKinds.length; i++) {
    const out = forecasts[i]!;
    forecastMemberInto(run, i, out, isLive);
    const share = run.transformed[i] === 1 ? RANGE_CUT_TRANSFORMED : RANGE_CUT;
    const room = share * (state.high - state.low);
    cutInto(run, out, state.low - room, state.high + room);
  }
}

/** Cuts a forecast; leads where it failed get the seasonal naive one. */
function cutInto(run: EnsembleRun, out: Float64Array, low: number, high: number): void {
  const { state: { grid, seasons }, naive } = run;
  let hasNaive = false;
  for (let l = 0; l < out.length; l++) {
    let value = out[l]!;
    if (Number.isNaN(value)) {
      if (!hasNaive) seasonalNaiveInto(grid, seasons[0]?.slots ?? 1, naive);
      hasNaive = true;
      value = naive[l]!;
    }
    out[l] = Math.min(high, Math.max(low, value));
  }
}

/** One member's forecast, normalised.                                                     [lead] */
function forecastMemberInto(
  run: EnsembleRun,
  member: number,
  out: Float64Array,
  isLive: boolean,
): void {
  const { state } = run;
  const { horizon, grid, seasons, length } = state;
  const slot = newestSlot(state);
  const kind = run.memberKinds[member]!;
  const season = seasons[0]?.slots ?? 1;
  switch (kind.form) {
    case "seasonal_naive":
      seasonalNaiveInto(grid, seasons[kind.season]?.slots ?? 1, out);
      break;
    case "mean":
      meanInto(state.mean, out);
      break;
    case "ar_differences":
      arForecastInto(state.ar!, grid, out);
      break;
    case "analog":
      analogForecastInto(grid, analogShapeOf(length, season, horizon), season, out);
      break;
    case "structural":
    case "readout": {
      const track = run.memberTracks[member]!;
      out.set(run.bases[run.tracks.indexOf(track)]!);
      if (kind.form === "readout") trackReadoutAdd(track, kind.full, out);
      if (track.track.units.transform !== "none") {
        for (let l = 0; l < horizon; l++) out[l] = fromTrack(run, track, out[l]!);
      }
      break;
    }
    case "neural":
      neuralMedianInto(run, run.memberNeural[member]!, slot, out, isLive);
      break;
    default:
      kind satisfies never;
  }
}

/** A network's medians, normalised; its quantiles stay in the run. */
function neuralMedianInto(
  run: EnsembleRun,
  neural: NeuralRun,
  slot: number,
  out: Float64Array,
  isLive: boolean,
): void {
  const { quantiles, medians, units, inputs } = neural.outlook;
  if (run.past === null) {
    // The samples up to here are those of a live forecast, whoever asks for others in between.
    if (isLive) neuralCatchUp(neural);
    neuralForecast(neural, slot, isLive);
  } else {
    const past = run.past.outlooks[run.neural.indexOf(neural)]!.get(run.past.count);
    invariant(past, "a replay asks for the origins that it announced");
    quantiles.set(past.quantiles);
    medians.set(past.medians);
    units.set(past.units);
    inputs.set(past.inputs);
    correctOutlook(neural);
  }
  for (let l = 0; l < out.length; l++) {
    out[l] = fromNeural(run, neural, quantiles[l * LEVELS.length + MEDIAN]!);
  }
}

/**
 * What the networks' corrections will learn from when the targets of the newest forecast are known:
 * for some of the leads the median without correction, the unit, what it counts and the inputs.
 *
 * @returns  normalised; nothing without networks        [network, lead, LESSON_NUMBERS]
 */
function lessonsOf(run: EnsembleRun): { lessons?: Float32Array } {
  if (run.neural.length === 0) return {};
  const { lessonLeads, neural, state } = run;
  const lessons = new Float32Array(neural.length * lessonLeads.length * LESSON_NUMBERS);
  // Forecasts that overlap err together, and so do the leads of one.
  const apart = newestSlot(state) - (state.pending.at(-1)?.slot ?? -Infinity);
  const inGroup = lessonLeads.length / leadGroups(state.horizon).length;
  const weight = Math.min(1, apart / state.horizon) / Math.max(1, inGroup);
  let at = 0;
  for (const one of neural) {
    const { medians, units, inputs } = one.outlook;
    for (const lead of lessonLeads) {
      lessons[at] = fromNeural(run, one, medians[lead]!);
      lessons[at + 1] = units[lead]! * one.track.scale / state.scale;
      lessons[at + 2] = weight;
      for (let i = 0; i < ADAPT_INPUTS; i++) lessons[at + 3 + i] = inputs[lead * ADAPT_INPUTS + i]!;
      at += LESSON_NUMBERS;
    }
  }
  return { lessons };
}

/** Members, weighted mean and disagreement from the newest slot. */
function outlookInto(run: EnsembleRun, kept: MemberSteps, out: Outlook, isLive: boolean): void {
  forecastMembers(run, isLive);
  weighMembers(run);
  combineInto(run, out);
  keepMembers(run.forecasts, run.state.horizon, kept);
}

/** Room for the members' forecasts. */
function noMembers({ forecasts, state: { horizon } }: EnsembleRun): MemberSteps {
  return { members: new Uint16Array(forecasts.length * horizon), lowest: 0, step: 0 };
}

/** A forecast from the newest slot that nobody has seen yet. */
export function forecastFromNewest(run: EnsembleRun): PendingForecast {
  const { horizon } = run.state;
  const pending = {
    slot: newestSlot(run.state),
    ...noMembers(run),
    point: new Float32Array(horizon),
    spread: new Float32Array(horizon),
    size: new Float32Array(horizon),
    condition: new Float32Array(0),
    bounds: new Float32Array(0),
  };
  outlookInto(run, pending, pending, false);
  return { ...pending, ...lessonsOf(run) };
}

/** Gives a forecast the conditions that the calibration sees in it, and drops what they need. */
export function conditionForecast(state: EnsembleState, pending: PendingForecast): void {
  if (state.calibration === null) return;
  pending.condition = new Float32Array(state.horizon);
  const { slot, spread, size, condition } = pending;
  conditionsInto(state.calibration, slot, spread, size, condition);
  pending.spread = new Float32Array(0);
  pending.size = new Float32Array(0);
}

/** Quantiles of the two watched intervals. */
const WATCHED_QUANTILES = Float64Array.from(
  WATCHED_LEVELS.flatMap((level) => [0.5 - level / 2, 0.5 + level / 2]),
);

const WATCHED_SHAPES = Array.from(WATCHED_QUANTILES, shapeQuantile);

const NONE = new Float32Array(0);

/** A live forecast to be filled: the arrays of a judged one where it had the same. */
function livePending(run: EnsembleRun): PendingForecast {
  const { spare, state: { horizon } } = run;
  run.spare = null;
  const boundsLength = WATCHED_QUANTILES.length * horizon;
  if (spare !== null && spare.bounds.length === boundsLength) return spare;
  return {
    slot: NaN,
    ...noMembers(run),
    point: new Float32Array(horizon),
    spread: NONE,
    size: NONE,
    condition: new Float32Array(horizon),
    bounds: new Float32Array(boundsLength),
  };
}

/** Issues a live forecast from the newest slot when it is time for one. */
export function issueWhenDue(run: EnsembleRun, adaptive: AdaptiveState): void {
  const { state, spread, size } = run;
  const { horizon, calibration } = state;
  const slot = newestSlot(state);
  if (calibration === null || slot - state.originSlot < liveStride(horizon)) return;
  state.originSlot = slot;
  const pending = livePending(run);
  const { point, condition, bounds } = pending;
  pending.slot = slot;
  outlookInto(run, pending, { point, spread, size }, true);
  conditionsInto(calibration, slot, spread, size, condition);
  if (run.neural.length > 0) Object.assign(pending, lessonsOf(run));
  const hasFan = run.neural.length > 0;
  const scales = run.apart;
  leadScalesInto(calibration, scales);
  const recency = recencyFactor(calibration, slot);
  const { sortedErrors } = run;
  const shape = standardQuantiles(calibration, WATCHED_QUANTILES, sortedErrors, WATCHED_SHAPES);
  const newest = newestOf(run, WATCHED_QUANTILES);
  for (let bucket = 0; bucket < run.buckets.length; bucket++) {
    const [from, to] = run.buckets[bucket]!;
    for (let k = 0; k < WATCHED_QUANTILES.length; k++) {
      const quantile = WATCHED_QUANTILES[k]!;
      const live = recency * widthFactor(adaptive, bucket, quantile);
      const factor = shape[k]! * live;
      const rest = 1 - fanShare(run, bucket);
      const resting = state.climate?.weights[bucket] ?? 0;
      const at = k * horizon;
      for (let l = from; l < to; l++) {
        const width = scales[l]! * condition[l]!;
        const fan = hasFan ? live * fanAt(run, l, quantile) : 0;
        const bound = point[l]! + factor * width * rest + fan;
        bounds[at + l] = rested(resting, bound, newest?.[bucket]?.[k]);
      }
    }
  }
  state.pending.push(pending);
  if (state.pending.length > PENDING_MAX) run.spare = state.pending.shift()!;
}

/**
 * A constant series' errors are what is added so that no size is 0: below this nothing was ever
 * missed, and the last value is the answer.
 */
const STILL_SCALE = 1e-7;

/**
 * Quantiles at slot times after the newest sample, in the values' units.
 *
 * Between slots the point is interpolated and the reference's own movement within the slot is
 * added; beyond the horizon it decays to what the members expect there that know any lead, and the
 * scale goes on growing as it did.
 *
 * @returns row-major, increasing along each row                                 [time, quantile]
 */
export function ensembleQuantiles(
  run: EnsembleRun,
  us: Float64Array,
  quantiles: Float64Array,
  adaptive: AdaptiveState,
): Float64Array {
  const { state } = run;
  const { horizon, calibration } = state;
  const now = forecastFromNewest(run);
  conditionForecast(state, now);
  const out = new Float64Array(us.length * quantiles.length);
  if (calibration === null) return out.fill(NaN);
  const shape = standardQuantiles(calibration, quantiles, run.sortedErrors);
  const scales = new Float64Array(horizon);
  leadScalesInto(calibration, scales);
  for (let l = 0; l < horizon; l++) scales[l] = scales[l]! * now.condition[l]!;
  const exponent = growthExponent(calibration);
  const slot = newestSlot(state);
  const recency = recencyFactor(calibration, slot);
  const last = state.grid.values[state.grid.length - 1]!;
  const point = Float64Array.from(now.point);
  const beyond = pointsBeyond(run, point, slot, us);
  const newest = newestOf(run, quantiles);
  const growth = growthBeyond(run, us, { scale: scales[horizon - 1]!, exponent });
  for (let t = 0; t < us.length; t++) {
    const lead = Math.max(0, us[t]! - slot);
    const z = lead > horizon ? beyond[t]! : pointWithin(run, point, last, slot, lead);
    const grown = lead > horizon ? growth(lead) : 1;
    const scale = grown * scaleAt(scales, lead);
    const bucket = run.bucket[Math.min(horizon, Math.max(1, Math.ceil(lead))) - 1]!;
    const rest = 1 - fanShare(run, bucket);
    const resting = state.climate?.weights[bucket] ?? 0;
    if (scale < STILL_SCALE && isConstantFit(state)) {
      out.fill(denormalised(state, last), t * quantiles.length, (t + 1) * quantiles.length);
      continue;
    }
    for (let q = 0; q < quantiles.length; q++) {
      const live = recency * widthFactor(adaptive, bucket, quantiles[q]!);
      const fan = live * grown * fanBetween(run, lead, quantiles[q]!);
      const width = shape[q]! * live * scale * rest + fan;
      const value = rested(resting, z + width, newest?.[bucket]?.[q]);
      out[t * quantiles.length + q] = denormalised(state, value);
    }
  }
  return out;
}

/** Quantiles of the newest values; none of a series that does not rest.    [bucket][quantile] */
function newestOf(
  { state: { climate, grid, low }, buckets }: EnsembleRun,
  quantiles: Float64Array,
): Float64Array[] | undefined {
  return climate && newestQuantiles(grid, low, buckets, quantiles);
}

/** A quantile of the fan beside that of the newest values, as much as these count for. */
function rested(weight: number, quantile: number, newest: number | undefined): number {
  return newest === undefined ? quantile : (1 - weight) * quantile + weight * newest;
}

/** Share of the fan that is the networks' own: their weights. */
function fanShare(run: EnsembleRun, bucket: number): number {
  let share = 0;
  for (let i = 0; i < run.memberNeural.length; i++) {
    if (run.memberNeural[i] !== null) share += run.weights[bucket]![i]!;
  }
  return share;
}

/** The networks' part of a quantile's distance from the point at a lead, normalised. */
function fanAt(run: EnsembleRun, lead: number, quantile: number): number {
  let sum = 0;
  for (let i = 0; i < run.memberNeural.length; i++) {
    const neural = run.memberNeural[i]!;
    if (neural === null) continue;
    const bucket = run.bucket[lead]!;
    const offset = fanOffset(neural.track, neural.outlook.quantiles, lead, bucket, quantile);
    sum += run.weights[bucket]![i]! * offset * neural.track.scale / run.state.scale;
  }
  return sum;
}

/** Quantile functions are averaged (Vincentisation); beyond the horizon stands the last one. */
function fanBetween(run: EnsembleRun, lead: number, quantile: number): number {
  if (run.neural.length === 0) return 0;
  const { horizon } = run.state;
  if (lead >= horizon) return fanAt(run, horizon - 1, quantile);
  const low = Math.max(1, Math.floor(lead));
  const share = Math.max(0, lead - low);
  const before = fanAt(run, low - 1, quantile);
  return share === 0 ? before : before * (1 - share) + fanAt(run, low, quantile) * share;
}

/** Value at a fractional position of (last, point[0], point[1], …). */
function interpolated(values: Float64Array, first: number, lead: number): number {
  const low = Math.floor(lead);
  const share = lead - low;
  const before = low === 0 ? first : values[low - 1]!;
  return share === 0 ? before : before * (1 - share) + values[low]! * share;
}

function pointWithin(
  run: EnsembleRun,
  point: Float64Array,
  last: number,
  slot: number,
  lead: number,
): number {
  const low = Math.floor(lead);
  const share = lead - low;
  const z = interpolated(point, last, lead) + neuralWithin(run, slot, low, share);
  if (share === 0 || run.tracks.length === 0) return z;
  const straight = (1 - share) * referenceAt(run, slot + low) +
    share * referenceAt(run, slot + low + 1);
  return z + referenceAt(run, slot + lead) - straight;
}

/** How far the networks' own forecasts between two slots lie from the straight line, weighed. */
function neuralWithin(run: EnsembleRun, slot: number, low: number, share: number): number {
  if (share === 0) return 0;
  let sum = 0;
  for (let i = 0; i < run.memberNeural.length; i++) {
    const neural = run.memberNeural[i]!;
    if (neural === null) continue;
    const from = low === 0 ? neural.track.features.last : medianOf(neural, low - 1);
    const straight = from * (1 - share) + medianOf(neural, low) * share;
    const own = neuralMedianAt(neural, slot + low + share);
    const weight = run.weights[run.bucket[low]!]![i]!;
    sum += weight * (own - straight) * neural.track.scale / run.state.scale;
  }
  return sum;
}

function medianOf(neural: NeuralRun, lead: number): number {
  return neural.outlook.quantiles[lead * LEVELS.length + MEDIAN]!;
}

function scaleAt(scales: Float64Array, lead: number): number {
  const horizon = scales.length;
  if (lead >= horizon) return scales[horizon - 1]!;
  return interpolated(scales, scales[0]!, Math.max(1, lead));
}

/** Mean weight of each member over the lead buckets. */
export function memberShares(run: EnsembleRun): Record<string, number> {
  weighMembers(run);
  const shares: Record<string, number> = {};
  run.state.members.forEach((name, i) => {
    let sum = 0;
    for (const weights of run.weights) sum += weights[i]!;
    shares[shownName(name)] = sum / run.weights.length;
  });
  return shares;
}
