import {
  adaptiveObserve,
  type AdaptiveState,
  WATCHED_LEVELS,
  widthFactor,
} from "./adaptive_coverage.ts";
import { analogForecastInto, analogShapeOf } from "./analog.ts";
import { arForecastInto, arObserve, type ArState } from "./ar_differences.ts";
import {
  calibrationObserve,
  type CalibrationState,
  conditionsInto,
  leadScale,
  standardQuantiles,
} from "./calibration.ts";
import {
  type FilterTrack,
  fromTrackUnits,
  openTrack,
  toTrackUnits,
  trackBaseInto,
  trackObserve,
  trackReadoutAdd,
  type TrackRun,
  trackSlotClosed,
} from "./filter_track.ts";
import { bucketOfLead, leadBuckets, lossAge, type LossState, memberWeightsInto } from "./losses.ts";
import {
  FILTER_KINDS,
  type FilterName,
  isTransformed,
  MEMBER_KINDS,
  type MemberKind,
  type MemberName,
} from "./members.ts";
import { meanInto, meanObserve, type MeanState, seasonalNaiveInto } from "./naive.ts";
import type { Season } from "./season.ts";
import type { SlotClock } from "./slot_clock.ts";
import { GRID_SLOTS_MAX, pushSlot, type SlotGrid } from "./slot_grid.ts";
import { forecastMeanAt, innovationScale } from "./structural.ts";

/**
 * The members of a model at work on one channel between two refits: they advance with each sample
 * at constant cost, forecast from time to time, and are judged when the targets arrive.
 *
 * All of it runs in normalised units, z = (value − location) / scale, on slots of the clock.
 */
export type EnsembleState = {
  clock: SlotClock;
  seasons: Season[];
  /** Leads with statistics of their own. */
  horizon: number;
  /** Samples at the refit, which sets lags, windows and time scales. */
  length: number;
  location: number;
  scale: number;
  members: MemberName[];
  tracks: FilterTrack[];
  grid: SlotGrid;
  ar: ArState | null;
  mean: MeanState;
  losses: LossState;
  /** Memory of the losses, in slots. */
  lossHalf: number;
  calibration: CalibrationState | null;
  /** Forecasts whose targets are not all known yet, oldest first. */
  pending: PendingForecast[];
  /** Slot of the newest origin. */
  originSlot: number;
  /** Range of the values seen, normalised. */
  low: number;
  high: number;
};

/** A forecast that waits for its targets. */
export type PendingForecast = {
  slot: number;
  /** [member, lead] */
  members: Float32Array;
  /** [lead] */
  point: Float32Array;
  /** Disagreement of the members; empty once the conditions are known.                   [lead] */
  spread: Float32Array;
  /** |point| in the values' own units.                                                   [lead] */
  size: Float32Array;
  /** What sets this forecast apart; empty before the calibration is known.               [lead] */
  condition: Float32Array;
  /** Interval ends: lower and upper of each watched level; empty when not issued. [level, 2, lead] */
  bounds: Float32Array;
};

/** Most forecasts waiting for targets while a stream is live. */
export const PENDING_MAX = 10;

/** Live origins in one horizon. */
const ORIGINS_PER_HORIZON = 8;

/** Forecasts are cut this many ranges beyond what was seen. */
const RANGE_CUT = 1;
const RANGE_CUT_TRANSFORMED = 0.4;

/** An ensemble with its scratch space: what is open while samples are absorbed. */
export type EnsembleRun = {
  readonly state: EnsembleState;
  readonly tracks: readonly TrackRun[];
  readonly memberKinds: readonly MemberKind[];
  readonly memberTracks: readonly (TrackRun | null)[];
  readonly buckets: readonly (readonly [number, number])[];
  readonly bucket: Uint8Array;
  /** [member, lead] */
  readonly forecasts: Float64Array;
  /** Structural forecasts in track units.                                         [track][lead] */
  readonly bases: readonly Float64Array[];
  /** [bucket][member] */
  readonly weights: readonly Float64Array[];
};

/** Gives a state its scratch space. */
export function openEnsemble(state: EnsembleState): EnsembleRun {
  const { horizon, seasons, length } = state;
  const tracks = state.tracks.map((track) =>
    openTrack(track, FILTER_KINDS[track.kind as FilterName], seasons, horizon, length)
  );
  const memberKinds = state.members.map((name): MemberKind => MEMBER_KINDS[name]);
  const buckets = leadBuckets(horizon);
  return {
    state,
    tracks,
    memberKinds,
    memberTracks: memberKinds.map((kind) =>
      kind.form === "structural" || kind.form === "readout"
        ? tracks.find((run) => run.track.kind === kind.filter) ?? null
        : null
    ),
    buckets,
    bucket: bucketOfLead(horizon),
    forecasts: new Float64Array(memberKinds.length * horizon),
    bases: tracks.map(() => new Float64Array(horizon)),
    weights: buckets.map(() => new Float64Array(memberKinds.length)),
  };
}

/** The newest whole slot. */
export function newestSlot(state: EnsembleState): number {
  return state.grid.first + state.grid.length - 1;
}

/** A value in normalised units. */
export function normalised(state: EnsembleState, value: number): number {
  return (value - state.location) / state.scale;
}

function denormalised(state: EnsembleState, z: number): number {
  return state.location + state.scale * z;
}

/** A track's forecast in normalised units. */
function fromTrack(run: EnsembleRun, track: TrackRun, value: number): number {
  const { units } = track.track;
  if (units.transform === "none") return value;
  return normalised(run.state, fromTrackUnits(units, value));
}

/** The member that fills gaps and extends beyond the horizon: a filter, else the first member. */
function referenceAt(run: EnsembleRun, u: number): number {
  const { state } = run;
  const track = run.tracks[0];
  if (track !== undefined) {
    return fromTrack(run, track, forecastMeanAt(track.model, track.track.filter, u));
  }
  if (run.memberKinds[0]?.form === "mean") {
    return state.mean.count > 0 ? state.mean.sum / state.mean.count : 0;
  }
  const { grid } = state;
  const season = state.seasons[0]?.slots ?? 1;
  const usable = grid.length > season ? season : 1;
  const lead = Math.max(1, Math.round(u) - newestSlot(state));
  return grid.values[grid.length - usable + (lead - 1) % usable]!;
}

/** What was expected of a sample, before it was seen. */
export type Expectation = { mean: number; deviation: number };

/** One-step expectation at slot time `u`, in the values' units; the newest scale. */
export function expectation(run: EnsembleRun, u: number): Expectation {
  const { state } = run;
  const track = run.tracks[0];
  const mean = denormalised(state, referenceAt(run, u));
  if (track === undefined) {
    const known = state.calibration;
    return { mean, deviation: known === null ? NaN : state.scale * 1.2533 * leadScale(known, 0) };
  }
  const deviation = innovationScale(track.track.filter) * track.track.deviation;
  const { units } = track.track;
  if (units.transform === "none") return { mean, deviation: state.scale * deviation };
  const upper = fromTrackUnits(units, toTrackUnits(units, mean) + deviation);
  return { mean, deviation: upper - mean };
}

function fillGap(run: EnsembleRun, slot: number): void {
  const { grid } = run.state;
  const start = Math.max(newestSlot(run.state) + 1, slot - GRID_SLOTS_MAX);
  if (start > newestSlot(run.state) + 1) {
    // A gap longer than the grid: nothing before it can be looked back on.
    const value = grid.values[grid.length - 1]!;
    grid.length = 0;
    grid.first = start - 1;
    pushSlot(grid, value, false);
  }
  const values = new Float64Array(slot - start);
  for (let i = 0; i < values.length; i++) {
    values[i] = cut(run, referenceAt(run, start + i), RANGE_CUT);
  }
  for (const value of values) pushSlot(grid, value, false);
}

function cut(run: EnsembleRun, z: number, share: number): number {
  const { low, high } = run.state;
  const room = share * (high - low);
  return Math.min(high + room, Math.max(low - room, z));
}

/**
 * Advances all members over one sample.
 *
 * @param u         slot time, later than the one before
 * @param adaptive  where live coverage is kept; null in a replay
 * @returns         whether the sample opened a new slot
 */
export function ensembleObserve(
  run: EnsembleRun,
  u: number,
  value: number,
  adaptive: AdaptiveState | null,
): boolean {
  const { state } = run;
  const slot = Math.round(u);
  const before = newestSlot(state);
  const empty = state.grid.length === 0;
  const isNew = empty || slot > before;
  if (!empty && slot > before + 1) fillGap(run, slot);
  const z = normalised(state, value);
  for (const track of run.tracks) {
    const { units } = track.track;
    trackObserve(track, u, units.transform === "none" ? z : toTrackUnits(units, value));
  }
  state.low = Math.min(state.low, z);
  state.high = Math.max(state.high, z);
  meanObserve(state.mean, z);
  if (!isNew) return false;
  if (empty) state.grid.first = slot;
  // The value at the slot's centre: the filter knows how the signal moves from here to there.
  const onSlot = run.tracks[0] !== undefined && u !== slot
    ? z + referenceAt(run, slot) - referenceAt(run, u)
    : z;
  pushSlot(state.grid, onSlot, true);
  if (state.ar !== null) arObserve(state.ar, state.grid);
  for (const track of run.tracks) trackSlotClosed(track, state.grid, state);
  settle(run, slot, onSlot, empty ? 1 : slot - before, adaptive);
  return true;
}

/** Judges the pending forecasts by the slot that has just been seen. */
function settle(
  run: EnsembleRun,
  slot: number,
  z: number,
  elapsed: number,
  adaptive: AdaptiveState | null,
): void {
  const { state } = run;
  const { horizon, losses, members } = state;
  lossAge(losses, elapsed, state.lossHalf);
  for (const pending of state.pending) {
    const lead = slot - pending.slot - 1;
    if (lead < 0 || lead >= horizon) continue;
    const bucket = run.bucket[lead]!;
    const weight = Math.exp(-(lead + 1) / state.lossHalf);
    const at = bucket * members.length;
    for (let i = 0; i < members.length; i++) {
      const error = Math.abs(pending.members[i * horizon + lead]! - z);
      losses.errors[at + i] = losses.errors[at + i]! + weight * error;
    }
    losses.weight[bucket] = losses.weight[bucket]! + weight;
    if (state.calibration === null || pending.condition.length === 0) continue;
    const error = z - pending.point[lead]!;
    calibrationObserve(state.calibration, lead, slot, error, pending.condition[lead]!);
    if (adaptive !== null && pending.bounds.length > 0) judge(run, adaptive, pending, lead, z);
  }
  if (state.calibration !== null) {
    state.calibration.spanSlots += elapsed;
    state.pending = state.pending.filter((pending) => slot - pending.slot < horizon);
  }
}

function judge(
  run: EnsembleRun,
  adaptive: AdaptiveState,
  pending: PendingForecast,
  lead: number,
  z: number,
): void {
  const { horizon } = run.state;
  const bucket = run.bucket[lead]!;
  const [from, to] = run.buckets[bucket]!;
  // Each bucket sees about one origin's worth of errors for every stride of slots.
  const share = Math.min(1, liveStride(horizon) / (to - from));
  for (let k = 0; k < WATCHED_LEVELS.length; k++) {
    const lower = pending.bounds[2 * k * horizon + lead]!;
    const upper = pending.bounds[(2 * k + 1) * horizon + lead]!;
    adaptiveObserve(adaptive, k, bucket, z >= lower && z <= upper, share);
  }
}

/** Slots between live origins. */
export function liveStride(horizon: number): number {
  return Math.max(1, Math.ceil(horizon / ORIGINS_PER_HORIZON));
}

/** All members' forecasts from the newest slot, normalised and cut to the plausible range. */
function forecastMembers(run: EnsembleRun): void {
  const { state, forecasts, bases } = run;
  const { horizon, grid, seasons, length } = state;
  const slot = newestSlot(state);
  run.tracks.forEach((track, k) => trackBaseInto(track, slot, bases[k]!));
  const naive = new Float64Array(horizon);
  seasonalNaiveInto(grid, seasons[0]?.slots ?? 1, naive);
  run.memberKinds.forEach((kind, i) => {
    const out = forecasts.subarray(i * horizon, (i + 1) * horizon);
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
      case "analog": {
        const shape = analogShapeOf(kind.long, length, season, horizon);
        analogForecastInto(grid, shape, season, out);
        break;
      }
      case "structural":
      case "readout": {
        const track = run.memberTracks[i]!;
        out.set(bases[run.tracks.indexOf(track)]!);
        if (kind.form === "readout") trackReadoutAdd(track, kind.full, out);
        if (track.track.units.transform !== "none") {
          for (let l = 0; l < horizon; l++) out[l] = fromTrack(run, track, out[l]!);
        }
        break;
      }
      default:
        kind satisfies never;
    }
    const share = isTransformed(state.members[i]!) ? RANGE_CUT_TRANSFORMED : RANGE_CUT;
    for (let l = 0; l < horizon; l++) {
      out[l] = cut(run, Number.isNaN(out[l]!) ? naive[l]! : out[l]!, share);
    }
  });
}

/** Sets the members' weights from their past errors. */
function weighMembers(run: EnsembleRun): void {
  run.buckets.forEach(([from, to], bucket) =>
    memberWeightsInto(run.state.losses, bucket, to - from, run.weights[bucket]!)
  );
}

/** Members, weighted mean and disagreement from the newest slot. */
export function forecastFromNewest(run: EnsembleRun): PendingForecast {
  forecastMembers(run);
  weighMembers(run);
  const { state, forecasts } = run;
  const { horizon } = state;
  const point = new Float32Array(horizon);
  const spread = new Float32Array(horizon);
  const size = new Float32Array(horizon);
  for (let l = 0; l < horizon; l++) {
    const weights = run.weights[run.bucket[l]!]!;
    let mean = 0;
    for (let i = 0; i < weights.length; i++) mean += weights[i]! * forecasts[i * horizon + l]!;
    let apart = 0;
    for (let i = 0; i < weights.length; i++) {
      apart += weights[i]! * Math.abs(forecasts[i * horizon + l]! - mean);
    }
    point[l] = mean;
    spread[l] = apart;
    size[l] = Math.abs(denormalised(state, mean));
  }
  return {
    slot: newestSlot(state),
    members: Float32Array.from(forecasts),
    point,
    spread,
    size,
    condition: new Float32Array(0),
    bounds: new Float32Array(0),
  };
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

/** Issues a live forecast from the newest slot when it is time for one. */
export function issueWhenDue(run: EnsembleRun, adaptive: AdaptiveState): void {
  const { state } = run;
  const { horizon, calibration } = state;
  const slot = newestSlot(state);
  if (calibration === null || slot - state.originSlot < liveStride(horizon)) return;
  state.originSlot = slot;
  const pending = forecastFromNewest(run);
  conditionForecast(state, pending);
  const shape = standardQuantiles(calibration, WATCHED_QUANTILES);
  pending.bounds = new Float32Array(WATCHED_QUANTILES.length * horizon);
  for (let l = 0; l < horizon; l++) {
    const width = leadScale(calibration, l) * pending.condition[l]!;
    for (let k = 0; k < WATCHED_QUANTILES.length; k++) {
      const factor = widthFactor(adaptive, run.bucket[l]!, WATCHED_QUANTILES[k]!);
      pending.bounds[k * horizon + l] = pending.point[l]! + shape[k]! * factor * width;
    }
  }
  state.pending.push(pending);
  if (state.pending.length > PENDING_MAX) state.pending.shift();
}

/**
 * Quantiles at slot times after the newest sample, in the values' units.
 *
 * Between slots the point is interpolated and the reference's own movement within the slot is
 * added; beyond the horizon it decays to the reference's forecast and the scale grows by √lead.
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
  const shape = standardQuantiles(calibration, quantiles);
  const scales = Float64Array.from(
    { length: horizon },
    (_, l) => leadScale(calibration, l) * now.condition[l]!,
  );
  const slot = newestSlot(state);
  const last = state.grid.values[state.grid.length - 1]!;
  const point = Float64Array.from(now.point);
  for (let t = 0; t < us.length; t++) {
    const lead = Math.max(0, us[t]! - slot);
    const z = pointAt(run, point, last, slot, lead);
    const scale = scaleAt(scales, lead);
    const bucket = run.bucket[Math.min(horizon, Math.max(1, Math.ceil(lead))) - 1]!;
    for (let q = 0; q < quantiles.length; q++) {
      const width = shape[q]! * widthFactor(adaptive, bucket, quantiles[q]!) * scale;
      out[t * quantiles.length + q] = denormalised(state, z + width);
    }
  }
  return out;
}

/** Value at a fractional position of (last, point[0], point[1], …). */
function interpolated(values: Float64Array, first: number, lead: number): number {
  const low = Math.floor(lead);
  const share = lead - low;
  const before = low === 0 ? first : values[low - 1]!;
  return share === 0 ? before : before * (1 - share) + values[low]! * share;
}

function pointAt(
  run: EnsembleRun,
  point: Float64Array,
  last: number,
  slot: number,
  lead: number,
): number {
  const { horizon } = run.state;
  if (lead > horizon) {
    const offset = point[horizon - 1]! - referenceAt(run, slot + horizon);
    const fade = Math.exp(-(lead - horizon) / horizon);
    return cut(run, referenceAt(run, slot + lead) + offset * fade, RANGE_CUT);
  }
  const z = interpolated(point, last, lead);
  const low = Math.floor(lead);
  const share = lead - low;
  if (share === 0 || run.tracks.length === 0) return z;
  const straight = (1 - share) * referenceAt(run, slot + low) +
    share * referenceAt(run, slot + low + 1);
  return z + referenceAt(run, slot + lead) - straight;
}

function scaleAt(scales: Float64Array, lead: number): number {
  const horizon = scales.length;
  if (lead >= horizon) return scales[horizon - 1]! * Math.sqrt(lead / horizon);
  return interpolated(scales, scales[0]!, Math.max(1, lead));
}

/** Mean weight of each member over the lead buckets. */
export function memberShares(run: EnsembleRun): Record<string, number> {
  weighMembers(run);
  const shares: Record<string, number> = {};
  run.state.members.forEach((name, i) => {
    let sum = 0;
    for (const weights of run.weights) sum += weights[i]!;
    shares[name] = sum / run.weights.length;
  });
  return shares;
}
