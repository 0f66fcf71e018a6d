import { cut, RANGE_CUT, RANGE_CUT_TRANSFORMED, referenceAt } from "./ensemble.ts";
import { type EnsembleRun, fromNeural, fromTrack, newestSlot } from "./ensemble_run.ts";
import { forecastMeanAt } from "./structural_forecast.ts";
import { neuralMediansAt } from "./neural_track.ts";
import { pastMoves } from "./past_moves.ts";

/**
 * What the members expect at slot times beyond the horizon, normalised:
 *
 *   m(u) = Σ w_i m_i(u) / Σ w_i
 *
 * over the members that can be asked of any lead: repeated seasons, means, filters (a readout is
 * its filter there) and networks. The weights are those of the last leads that are judged, so what
 * has been right farthest ahead is believed beyond, too. Where no such member has a weight, the
 * reference stands alone.
 *
 * @param us       slot times after the horizon's last
 * @param weights  of the last bucket of leads                                          [member]
 * @returns        [us]
 */
export function expectedBeyond(
  run: EnsembleRun,
  us: Float64Array,
  weights: Float64Array,
): Float64Array {
  const out = new Float64Array(us.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    if (!(weights[i]! > 0)) continue;
    const own = memberBeyond(run, i, us);
    if (own === null) continue;
    total += weights[i]!;
    const share = run.transformed[i] === 1 ? RANGE_CUT_TRANSFORMED : RANGE_CUT;
    for (let t = 0; t < us.length; t++) {
      out[t] = out[t]! + weights[i]! * cut(run, own[t]!, share);
    }
  }
  if (total === 0) return us.map((u) => cut(run, referenceAt(run, u), RANGE_CUT));
  return out.map((sum) => sum / total);
}

/** One member at any slot times; null for one that knows only the leads of its horizon. */
function memberBeyond(run: EnsembleRun, member: number, us: Float64Array): Float64Array | null {
  const { state } = run;
  const kind = run.memberKinds[member]!;
  switch (kind.form) {
    case "seasonal_naive":
      return seasonsBeyond(run, state.seasons[kind.season]?.slots ?? 1, us);
    case "mean":
      return us.map(() => state.mean.count > 0 ? state.mean.sum / state.mean.count : 0);
    case "structural":
    case "readout": {
      const track = run.memberTracks[member];
      if (track == null) return null;
      const { filter } = track.track;
      return us.map((u) =>
        fromTrack(run, track, forecastMeanAt(track.model, filter, u, track.phases))
      );
    }
    case "neural": {
      const neural = run.memberNeural[member];
      if (neural == null) return null;
      return neuralMediansAt(neural, us).map((value) => fromNeural(run, neural, value));
    }
    case "ar_differences":
    case "analog":
      return null;
    default:
      return kind satisfies never;
  }
}

/** The last season again and again; the last value where less than a season has been seen. */
function seasonsBeyond({ state }: EnsembleRun, season: number, us: Float64Array): Float64Array {
  const { grid } = state;
  const usable = grid.length > season ? season : 1;
  const slot = newestSlot(state);
  return us.map((u) => {
    const lead = Math.max(1, Math.round(u) - slot);
    return grid.values[grid.length - usable + (lead - 1) % usable]!;
  });
}

/**
 * Points beyond the horizon: how far the last one lies from what the members expect there that know
 * any lead, fading over a horizon.
 *
 * @returns  numbers only where a slot time lies beyond                                       [us]
 */
export function pointsBeyond(
  run: EnsembleRun,
  point: Float64Array,
  slot: number,
  us: Float64Array,
): Float64Array {
  const { horizon } = run.state;
  const out = new Float64Array(us.length).fill(NaN);
  const far = us.filter((u) => u - slot > horizon);
  if (far.length === 0) return out;
  const weights = run.weights[run.weights.length - 1]!;
  const expected = expectedBeyond(run, Float64Array.of(slot + horizon, ...far), weights);
  const offset = point[horizon - 1]! - expected[0]!;
  let next = 1;
  for (let t = 0; t < us.length; t++) {
    const lead = us[t]! - slot;
    if (!(lead > horizon)) continue;
    const fade = Math.exp(-(lead - horizon) / horizon);
    out[t] = cut(run, expected[next]! + offset * fade, RANGE_CUT);
    next++;
  }
  return out;
}

/**
 * How many times as wide as at the horizon a lead beyond it is: as the errors grew with the lead up
 * to there, or as much as the values moved more over such a lag in the past, where that is more.
 *
 * @param us        slot times that are asked for
 * @param scale     of the errors at the horizon, normalised
 * @param exponent  power of the lead that the errors grow with
 * @returns         the factor of a lead, in slots
 */
export function growthBeyond(
  { state }: EnsembleRun,
  us: Float64Array,
  { scale, exponent }: { readonly scale: number; readonly exponent: number },
): (lead: number) => number {
  const { horizon, grid } = state;
  const power = (ratio: number) => Math.max(1, ratio) ** exponent;
  const wanted = us.reduce((most, u) => Math.max(most, u - newestSlot(state)), 0);
  if (!(wanted > horizon) || !(scale > 0)) return (lead) => power(lead / horizon);
  const seasons = state.seasons.map(({ slots }) => slots);
  const past = pastMoves(grid.values, grid.length, { seasons, horizon, wanted });
  return (lead) => {
    const moved = Math.sqrt(1 + past.moveOf(lead) / (scale * scale));
    return Math.max(power(lead / horizon), moved * power(lead / past.farthest));
  };
}
