import { type AdaptiveState, WATCHED_LEVELS, widthFactor } from "./adaptive_coverage.ts";
import { analogForecastInto, analogShapeOf } from "./analog.ts";
import { arForecastInto } from "./ar_differences.ts";
import { conditionsInto, growthExponent, leadScale, standardQuantiles } from "./calibration.ts";
import {
  cut,
  denormalised,
  type EnsembleRun,
  type EnsembleState,
  fromTrack,
  liveStride,
  newestSlot,
  PENDING_MAX,
  type PendingForecast,
  RANGE_CUT,
  referenceAt,
} from "./ensemble.ts";
import { trackBaseInto, trackReadoutAdd } from "./filter_track.ts";
import { memberWeightsInto } from "./losses.ts";
import { isTransformed } from "./members.ts";
import { meanInto, seasonalNaiveInto } from "./naive.ts";
/** Members on the log or root are cut nearer to what was seen: they run away faster. */
const RANGE_CUT_TRANSFORMED = 0.4;

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
 * added; beyond the horizon it decays to the reference's forecast and the scale goes on growing as
 * it did.
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
  const exponent = growthExponent(calibration);
  const slot = newestSlot(state);
  const last = state.grid.values[state.grid.length - 1]!;
  const point = Float64Array.from(now.point);
  for (let t = 0; t < us.length; t++) {
    const lead = Math.max(0, us[t]! - slot);
    const z = pointAt(run, point, last, slot, lead);
    const scale = scaleAt(scales, exponent, lead);
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

function scaleAt(scales: Float64Array, exponent: number, lead: number): number {
  const horizon = scales.length;
  if (lead >= horizon) return scales[horizon - 1]! * (lead / horizon) ** exponent;
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
