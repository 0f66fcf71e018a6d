import { analogShapeOf } from "./analog.ts";
import type { EnsembleState } from "./ensemble_run.ts";
import { toTrackUnits, type TrackUnits } from "./filter_track.ts";
import {
  FILTER_KINDS,
  type FilterName,
  filtersOf,
  isSigned,
  isTransformed,
  kindOf,
  type MemberName,
} from "./members.ts";
import { type Season, seasonsOf } from "./season.ts";
import { fitSlotClock, type SlotClock, slotTime } from "./slot_clock.ts";
import { GRID_SLOTS_MAX } from "./slot_grid.ts";
import { fitSeries, roughCriterion, seasonRows } from "./structural_fit.ts";
import { structuralLayout } from "./structural_layout.ts";
import { passWidth } from "./structural_pass.ts";
import { applyTransform, transformFor } from "./transform.ts";

/** Parameters fitted when `count` samples had been seen: one vector per filter, concatenated. */
export type FitRecord = { count: number; thetas: Float64Array };

/** What a refit works on. */
export type RefitInput = {
  readonly members: readonly MemberName[];
  readonly horizon: number;
  /** Declared seasons in seconds; empty = find. */
  readonly seasonsS: readonly number[];
  /** The newest samples, none missing.                                                 [length] */
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Samples ever seen: those of the buffer are the last of them. */
  readonly seen: number;
  /** Earlier fits, oldest first. */
  readonly records: readonly FitRecord[];
  /** Fits on these shares of the samples first, for a replay whose origins know no later sample. */
  readonly prefixes: readonly number[];
  /** The ensemble at work until now; null = none. */
  readonly before: EnsembleState | null;
};

/** Slots beyond window and horizon that analogs need to have a choice. */
const ANALOG_ROOM = 8;

/** Fewer samples than this are not fitted. */
export const FIT_SAMPLES_MIN = 4;

/** Mean, without overflow at large values. */
export function meanOf(values: Float64Array): number {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += (values[i]! - mean) / (i + 1);
  return mean;
}

/** Standard deviation. */
export function deviationOf(values: Float64Array): number {
  const mean = meanOf(values);
  let square = 0;
  for (const value of values) square += (value - mean) * (value - mean) / values.length;
  return Math.sqrt(square);
}

/** Location and scale from the first half, which a fit at any later time shares. */
function unitsOf(values: Float64Array): { location: number; scale: number } {
  const half = values.subarray(0, Math.max(FIT_SAMPLES_MIN, values.length >> 1));
  const location = meanOf(half);
  const whole = deviationOf(values);
  const early = deviationOf(half);
  const smallest = Math.abs(location) * 1e-12;
  if (early > Math.max(1e-3 * whole, smallest)) return { location, scale: early };
  if (whole > smallest) return { location, scale: whole };
  return { location, scale: constantScale(location) };
}

/** The scale of a constant series: any will do, as long as it is small beside the value. */
function constantScale(location: number): number {
  return Math.abs(location) * 1e-6 || 1e-6;
}

/** Whether the values of a fit were all the same. */
export function isConstantFit(
  { location, scale }: { readonly location: number; readonly scale: number },
): boolean {
  return scale === constantScale(location);
}

/** Values on whole slots, gaps filled by straight lines; for finding seasons only. */
function evenValues(us: Float64Array, values: Float64Array): Float64Array {
  const last = Math.round(us[us.length - 1]!);
  const first = Math.max(Math.round(us[0]!), last - GRID_SLOTS_MAX + 1);
  const even = new Float64Array(last - first + 1);
  let at = 0;
  for (let slot = first; slot <= last; slot++) {
    while (at + 1 < us.length && us[at + 1]! <= slot) at++;
    const next = Math.min(at + 1, us.length - 1);
    const span = us[next]! - us[at]!;
    const share = span > 0 ? Math.min(1, Math.max(0, (slot - us[at]!) / span)) : 0;
    even[slot - first] = values[at]! * (1 - share) + values[next]! * share;
  }
  return even;
}

/** Everything about the samples that fits and replay share. */
export type Setting = {
  readonly input: RefitInput;
  readonly clock: SlotClock;
  readonly us: Float64Array;
  readonly seasons: readonly Season[];
  readonly location: number;
  readonly scale: number;
  readonly members: readonly MemberName[];
  readonly filters: readonly FilterName[];
  readonly units: readonly TrackUnits[];
  readonly startLevels: readonly number[];
};

/** The seasons of samples, as {@linkcode settingOf} finds them. */
export function seasonsIn(
  times: Float64Array,
  values: Float64Array,
  declaredS: readonly number[],
): Season[] {
  const clock = fitSlotClock(times);
  const us = times.map((time) => slotTime(clock, time));
  return seasonsOf(evenValues(us, values), clock, declaredS);
}

/** Finds clock, seasons, units and usable members. */
export function settingOf(input: RefitInput): Setting {
  const { times, values } = input;
  const clock = fitSlotClock(times);
  const stated = times.map((time) => slotTime(clock, time));
  const seasons = seasonsOf(evenValues(stated, values), clock, input.seasonsS);
  const { location, scale } = unitsOf(values);
  clock.stampsJitter = onlyStampsJitter(stated, seasons, values, { location, scale });
  const us = clock.stampsJitter ? stated.map(Math.round) : stated;
  const smallest = values.reduce((a, b) => Math.min(a, b), Infinity);
  const transform = transformFor(smallest);
  const members = usableMembers(input, seasons, transform !== "none");
  const filters = filtersOf(members);
  const units = filters.map((name): TrackUnits => {
    if (!FILTER_KINDS[name].transformed) return { transform: "none", floor: 0, location, scale };
    const seen = values.map((value) => applyTransform(transform, value, smallest));
    return { transform, floor: smallest, ...unitsOf(seen) };
  });
  return {
    input,
    clock,
    us,
    seasons,
    location,
    scale,
    members,
    filters,
    units,
    startLevels: startLevelsOf(values, seasons, units),
  };
}

const rowsOfSettings = new WeakMap<Setting, Float64Array>();

/**
 * Rows of the season states at the samples `from` to `to`: those of every filter, as all have the
 * same seasons. Sines and cosines of a setting are computed once.             [to − from, width]
 */
export function seasonRowsOf(setting: Setting, from: number, to: number): Float64Array {
  const layout = structuralLayout(FILTER_KINDS[setting.filters[0]!], setting.seasons);
  let rows = rowsOfSettings.get(setting);
  if (rows === undefined) {
    rows = seasonRows(layout, setting.us);
    rowsOfSettings.set(setting, rows);
  }
  const width = passWidth(layout);
  return rows.subarray(from * width, to * width);
}

/** Where each filter's level starts: at the mean of the first season.                  [filter] */
export function startLevelsOf(
  values: Float64Array,
  seasons: readonly Season[],
  units: readonly TrackUnits[],
): number[] {
  const season = Math.max(1, Math.min(values.length, seasons[0]?.slots ?? 1));
  return units.map((unit) =>
    meanOf(values.slice(0, season).map((value) => toTrackUnits(unit, value)))
  );
}

/**
 * Whether values fit better as taken on whole slots than as taken when their timestamps say.
 *
 * Both happen: a sensor that samples late is late in its value too, a queue that stamps late is
 * not. The structural model's likelihood tells them apart where it matters.
 */
function onlyStampsJitter(
  us: Float64Array,
  seasons: readonly Season[],
  values: Float64Array,
  units: { location: number; scale: number },
): boolean {
  const whole = us.map(Math.round);
  let jitters = false;
  for (let i = 0; i < us.length; i++) {
    if (whole[i] !== us[i]) jitters = true;
    if (i > 0 && whole[i]! <= whole[i - 1]!) return false;
  }
  if (!jitters) return false;
  const layout = structuralLayout(FILTER_KINDS.trend, seasons);
  const normal = values.map((value) => (value - units.location) / units.scale);
  const season = Math.max(1, Math.min(values.length, seasons[0]?.slots ?? 1));
  const startLevel = meanOf(normal.subarray(0, season));
  const criterion = (times: Float64Array) =>
    roughCriterion(fitSeries(layout, times, normal, startLevel, 1));
  return criterion(whole) <= criterion(us);
}

/** Members that this series supports; never none. */
function usableMembers(
  input: RefitInput,
  seasons: readonly Season[],
  transformed: boolean,
): MemberName[] {
  const length = input.values.length;
  const season = seasons[0]?.slots ?? 1;
  const second = seasons[1]?.slots;
  const usable = input.members.filter((name) => {
    const kind = kindOf(name);
    if (transformed ? isSigned(name) : isTransformed(name)) return false;
    switch (kind.form) {
      case "seasonal_naive":
        return kind.season === 0 || (second !== undefined && length > 2 * second);
      case "analog": {
        const { window } = analogShapeOf(length, season, input.horizon);
        return length >= window + input.horizon + ANALOG_ROOM;
      }
      default:
        return true;
    }
  });
  return usable.length > 0 ? usable : ["seasonal_naive"];
}
