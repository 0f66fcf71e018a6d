/**
 * The refit of a stream that has been served for a while: the filters take their new parameters,
 * and everything that the members have learned stays. A replay would put it to where it is already,
 * as long as clock, seasons, members and units are still those that it was learned with.
 */
import { arLags, arObserve, arStart, type ArState } from "./ar_differences.ts";
import { PHASE_SEASONS_MIN } from "./calibrate.ts";
import { rests } from "./climate.ts";
import type { EnsembleState } from "./ensemble_run.ts";
import { keptFilter, type TrackUnits } from "./filter_track.ts";
import { LONG_SERIES } from "./bank.ts";
import { filtersAfter, lossHalfOf, thetaOf } from "./replay.ts";
import { type Setting, startLevelsOf } from "./refit_setting.ts";
import { sampleSlotTime, type SlotClock, slotTime } from "./slot_clock.ts";

/** Distance in slots that two clocks may drift apart over the samples. */
const CLOCK_DRIFT_MAX = 0.25;

/** Units that are this many times larger or smaller, or this many scales away, are others. */
const SCALE_RATIO_MAX = 3;
const LOCATION_SCALES_MAX = 3;

/** Samples from which on the parts of an ensemble no longer depend on how many there are. */
function settledLength(season: number): number {
  return Math.max(LONG_SERIES + 1, PHASE_SEASONS_MIN * season);
}

/**
 * The setting of a refit in the clock and the units of an ensemble at work; null where that one was
 * laid out for another series than this has become, or on too few samples.
 */
export function carriedSetting(setting: Setting, before: EnsembleState): Setting | null {
  const { input, seasons, members, units } = setting;
  const season = seasons[0]?.slots ?? 1;
  const isSame = before.length >= settledLength(season) && before.calibration !== null &&
    before.members.length === members.length &&
    before.members.every((name, i) => name === members[i]) &&
    before.seasons.length === seasons.length &&
    before.seasons.every(({ length }, i) => length === seasons[i]!.length) &&
    before.tracks.every((track, k) => areNear(track.units, units[k]!)) &&
    areNear(before, setting) && keepsTime(before.clock, setting.clock, input.times) &&
    (members.length === 1 || rests(input.values) === (before.climate !== undefined));
  if (!isSame) return null;
  const kept = before.tracks.map((track, k) => ({ ...track.units, floor: units[k]!.floor }));
  return {
    ...setting,
    clock: before.clock,
    us: input.times.map((time) => sampleSlotTime(before.clock, time)),
    location: before.location,
    scale: before.scale,
    units: kept,
    startLevels: startLevelsOf(input.values, seasons, kept),
  };
}

type Units = Pick<TrackUnits, "location" | "scale"> & Partial<TrackUnits>;

/** Whether numbers in one of two units are of a size in the other. */
function areNear(a: Units, b: Units): boolean {
  const ratio = a.scale / b.scale;
  return a.transform === b.transform && ratio < SCALE_RATIO_MAX && ratio > 1 / SCALE_RATIO_MAX &&
    Math.abs(a.location - b.location) <= LOCATION_SCALES_MAX * a.scale;
}

/** Whether a clock still puts the samples into the slots that one fitted to them has. */
function keepsTime(before: SlotClock, fitted: SlotClock, times: Float64Array): boolean {
  if (before.stampsJitter !== fitted.stampsJitter) return false;
  const apart = (time: number) => slotTime(before, time) - slotTime(fitted, time);
  const [first, last] = [apart(times[0]!), apart(times[times.length - 1]!)];
  return [first - Math.round(first), last - first].every((slots) =>
    Math.abs(slots) < CLOCK_DRIFT_MAX
  );
}

/**
 * An ensemble at work with newly fitted filters.
 *
 * @param thetas  at the positions of {@linkcode THETA}                      [filter, THETA.size]
 */
export function carryOver(
  setting: Setting,
  before: EnsembleState,
  thetas: Float64Array,
): EnsembleState {
  const { us } = setting;
  const filters = filtersAfter(setting, thetas, us.length);
  return {
    ...before,
    length: us.length,
    lossHalf: lossHalfOf(setting),
    ar: before.ar === null ? null : carriedAr(setting, before, before.ar),
    tracks: before.tracks.map((track, k) => ({
      ...track,
      theta: thetaOf(thetas, k),
      units: { ...setting.units[k]! },
      filter: keptFilter(filters[k]!),
    })),
  };
}

/** The autoregression with the lags of the longer series, learned from the grid. */
function carriedAr(setting: Setting, { grid }: EnsembleState, ar: ArState): ArState {
  const lags = arLags(setting.us.length, setting.seasons);
  if (lags.length === ar.lags.length && lags.every((lag, i) => lag === ar.lags[i])) return ar;
  const longer = arStart(lags, ar.scale);
  const upTo = { ...grid };
  for (upTo.length = 1; upTo.length <= grid.length; upTo.length++) arObserve(longer, upTo);
  return longer;
}
