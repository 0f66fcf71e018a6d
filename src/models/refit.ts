import { analogShapeOf } from "./analog.ts";
import { arLags, arStart } from "./ar_differences.ts";
import { calibrate, type PastForecast } from "./calibration.ts";
import {
  conditionForecast,
  ensembleObserve,
  type EnsembleRun,
  type EnsembleState,
  forecastFromNewest,
  liveStride,
  newestSlot,
  openEnsemble,
  PENDING_MAX,
  type PendingForecast,
} from "./ensemble.ts";
import {
  type FilterTrack,
  openTrack,
  toTrackUnits,
  trackFeatureCount,
  trackObserve,
  type TrackPlan,
  trackRawFeatures,
  trackStart,
  type TrackUnits,
} from "./filter_track.ts";
import { leadBuckets, lossStart } from "./losses.ts";
import {
  FILTER_KINDS,
  type FilterName,
  filtersOf,
  isTransformed,
  MEMBER_KINDS,
  type MemberKind,
  type MemberName,
} from "./members.ts";
import { type Season, seasonsOf } from "./season.ts";
import { fitSlotClock, type SlotClock, slotTime } from "./slot_clock.ts";
import { emptyGrid, GRID_SLOTS_MAX, pushSlot } from "./slot_grid.ts";
import { structuralLayout, type StructuralState, THETA } from "./structural.ts";
import { fitSeries, fitStructural, roughCriterion } from "./structural_fit.ts";
import { applyTransform, transformFor } from "./transform.ts";

/** Parameters fitted when `count` samples had been seen: one vector per filter, concatenated. */
export type FitRecord = { count: number; thetas: Float64Array };

/** Fits that are kept: origins of the replay use the newest one that was known to them. */
export const FIT_RECORDS_MAX = 3;

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
};

/** Longest error memory of the weights, in seasons and in shares of the series. */
const LOSS_SEASONS = 4;
const LOSS_SHARE = 1 / 4;

/** Origins of a replay over a long series, and over which it takes every sample. */
const REPLAY_ORIGINS = 72;
const REPLAY_ALL_UP_TO = 160;
const NEWEST_ORIGINS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/** Slots beyond window and horizon that analogs need to have a choice. */
const ANALOG_ROOM = 8;

/** Fewer samples than this are not fitted. */
const FIT_SAMPLES_MIN = 4;

function meanOf(values: Float64Array): number {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += (values[i]! - mean) / (i + 1);
  return mean;
}

function deviationOf(values: Float64Array): number {
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
  // A constant series: any scale will do, as long as it is small beside the value.
  return { location, scale: Math.abs(location) * 1e-6 || 1e-6 };
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
type Setting = {
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

function settingOf(input: RefitInput): Setting {
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
  const season = Math.max(1, Math.min(values.length, seasons[0]?.slots ?? 1));
  const startLevels = units.map((unit) =>
    meanOf(values.slice(0, season).map((value) => toTrackUnits(unit, value)))
  );
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
    startLevels,
  };
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
    const kind: MemberKind = MEMBER_KINDS[name];
    if (isTransformed(name) && !transformed) return false;
    switch (kind.form) {
      case "seasonal_naive":
        return kind.season === 0 || (second !== undefined && length > 2 * second);
      case "analog": {
        const { window } = analogShapeOf(kind.long, length, season, input.horizon);
        return length >= window + input.horizon + ANALOG_ROOM;
      }
      default:
        return true;
    }
  });
  return usable.length > 0 ? usable : ["seasonal_naive"];
}

/** Fits all filters on the first `count` samples. */
function fitAll(
  setting: Setting,
  series: readonly ReturnType<typeof fitSeries>[],
  count: number,
  warm: Float64Array | null,
): Float64Array {
  const thetas = new Float64Array(series.length * THETA.size);
  series.forEach((one, k) => {
    const before = warm?.slice(k * THETA.size, (k + 1) * THETA.size) ?? null;
    thetas.set(fitStructural(one, Math.min(count, setting.us.length), before), k * THETA.size);
  });
  return thetas;
}

function fitSeriesOf(setting: Setting): ReturnType<typeof fitSeries>[] {
  const { input, us, seasons } = setting;
  return setting.filters.map((name, k) => {
    const values = input.values.map((value) => toTrackUnits(setting.units[k]!, value));
    const layout = structuralLayout(FILTER_KINDS[name], seasons);
    return fitSeries(layout, us, values, setting.startLevels[k]!, input.horizon);
  });
}

/** The records of this refit: earlier ones that still fit, prefixes, then all samples. */
function fitRecords(setting: Setting): FitRecord[] {
  const { input, filters } = setting;
  const series = fitSeriesOf(setting);
  const size = filters.length * THETA.size;
  const length = input.values.length;
  const records = input.records.filter((record) => record.thetas.length === size).slice();
  for (const share of [...input.prefixes, 1]) {
    const rounded = length > 30 || share === 1 ? Math.round(share * length) : length * share;
    const count = Math.max(FIT_SAMPLES_MIN, Math.floor(rounded));
    const warm = records.at(-1)?.thetas ?? null;
    const thetas = fitAll(setting, series, count, warm);
    records.push({ count: input.seen - length + count, thetas });
  }
  return records.slice(-FIT_RECORDS_MAX);
}

function trackPlan(
  setting: Setting,
  k: number,
  theta: Float64Array,
  scaling: { innovationDeviation: number; deviations: Float64Array },
): TrackPlan {
  const filter = setting.filters[k]!;
  const readouts = setting.members
    .map((name): MemberKind => MEMBER_KINDS[name])
    .filter((kind) => kind.form === "readout" && kind.filter === filter);
  return {
    kind: FILTER_KINDS[filter],
    seasons: setting.seasons,
    horizon: setting.input.horizon,
    length: setting.us.length,
    theta,
    units: setting.units[k]!,
    startU: setting.us[0]! - 1,
    startLevel: setting.startLevels[k]!,
    light: readouts.some((kind) => kind.form === "readout" && !kind.full),
    full: readouts.some((kind) => kind.form === "readout" && kind.full),
    ...scaling,
  };
}

/** Runs a track over the early samples to learn the deviations of its features. */
function measureTrack(
  setting: Setting,
  k: number,
  theta: Float64Array,
): { innovationDeviation: number; deviations: Float64Array } {
  const { us, input } = setting;
  const unit = { innovationDeviation: 1, deviations: new Float64Array(0) };
  const plan = trackPlan(setting, k, theta, unit);
  const features = trackFeatureCount(plan);
  if (features === 0) return unit;
  const third = Math.max(8, Math.floor(us.length / 3));
  const innovations: number[] = [];
  const pass = (innovationDeviation: number, visit: (out: Float64Array) => void) => {
    const track = trackStart({ ...plan, innovationDeviation });
    const run = openTrack(track, plan.kind, plan.seasons, plan.horizon, plan.length);
    const grid = emptyGrid(Math.round(us[0]!));
    const raw = new Float64Array(features);
    innovations.length = 0;
    for (let i = 0; i < Math.min(us.length, 2 * third); i++) {
      const z = (input.values[i]! - setting.location) / setting.scale;
      trackObserve(run, us[i]!, toTrackUnits(plan.units, input.values[i]!));
      innovations.push(run.innovation.value);
      // Slots are counted by samples here: only the spread of the features matters.
      pushSlot(grid, z, true);
      if (i < third >> 1) continue;
      trackRawFeatures(run, grid, setting, raw);
      visit(raw);
    }
  };
  const sums = new Float64Array(features);
  const squares = new Float64Array(features);
  let visits = 0;
  pass(1, () => {});
  const innovationDeviation = deviationOf(Float64Array.from(innovations)) + 1e-9;
  pass(innovationDeviation, (raw) => {
    visits++;
    for (let i = 0; i < features; i++) {
      sums[i] = sums[i]! + raw[i]!;
      squares[i] = squares[i]! + raw[i]! * raw[i]!;
    }
  });
  const deviations = sums.map((sum, i) => {
    const mean = sum / visits;
    return Math.sqrt(Math.max(0, squares[i]! / visits - mean * mean)) + 1e-9;
  });
  return { innovationDeviation, deviations };
}

function startEnsemble(setting: Setting, thetas: Float64Array): EnsembleState {
  const { us, input, seasons, members, filters } = setting;
  const length = us.length;
  const season = seasons[0]?.slots ?? 1;
  const tracks: FilterTrack[] = filters.map((_, k) => {
    const theta = thetas.slice(k * THETA.size, (k + 1) * THETA.size);
    return trackStart(trackPlan(setting, k, theta, measureTrack(setting, k, theta)));
  });
  const half = input.values.subarray(0, Math.max(FIT_SAMPLES_MIN + 1, length >> 1));
  const differences = new Float64Array(half.length - 1);
  for (let i = 0; i < differences.length; i++) {
    differences[i] = (half[i + 1]! - half[i]!) / setting.scale;
  }
  const usesAr = members.includes("ar_differences");
  return {
    clock: setting.clock,
    seasons: seasons.map((one) => ({ ...one })),
    horizon: input.horizon,
    length,
    location: setting.location,
    scale: setting.scale,
    members: [...members],
    tracks,
    grid: emptyGrid(Math.round(us[0]!)),
    ar: usesAr ? arStart(arLags(length, seasons), deviationOf(differences) + 1e-9) : null,
    mean: { sum: 0, count: 0 },
    losses: lossStart(members.length, leadBuckets(input.horizon).length),
    lossHalf: Math.max(season > 1 ? LOSS_SEASONS * season : 0, length * LOSS_SHARE),
    calibration: null,
    pending: [],
    originSlot: -Infinity,
    low: Infinity,
    high: -Infinity,
  };
}

/** After which sample counts a replay forecasts, increasing. */
function replayOrigins(length: number): Set<number> {
  const origins = new Set<number>();
  if (length <= REPLAY_ALL_UP_TO) {
    const first = Math.min(Math.max(Math.floor(0.4 * length), 4), length - 1);
    for (let count = first; count < length; count++) origins.add(count);
    return origins;
  }
  const first = length >> 1;
  for (let k = 0; k < REPLAY_ORIGINS; k++) {
    origins.add(Math.floor(first + (length - 1 - first) * k / (REPLAY_ORIGINS - 1)));
  }
  for (const before of NEWEST_ORIGINS) origins.add(length - before);
  return origins;
}

/** The filter's state after the first `count` samples under other parameters. */
function filterAfter(
  setting: Setting,
  k: number,
  theta: Float64Array,
  count: number,
): StructuralState {
  const bare = { innovationDeviation: 1, deviations: new Float64Array(0) };
  const plan = { ...trackPlan(setting, k, theta, bare), light: false, full: false };
  const track = trackStart(plan);
  const run = openTrack(track, plan.kind, plan.seasons, plan.horizon, plan.length);
  for (let i = 0; i < count; i++) {
    trackObserve(run, setting.us[i]!, toTrackUnits(plan.units, setting.input.values[i]!));
  }
  return track.filter;
}

/** Puts the parameters that were fitted at `count` samples into a running ensemble. */
function switchParameters(
  setting: Setting,
  state: EnsembleState,
  thetas: Float64Array,
  count: number,
): void {
  state.tracks.forEach((track, k) => {
    track.theta = thetas.slice(k * THETA.size, (k + 1) * THETA.size);
    track.filter = filterAfter(setting, k, track.theta, count);
  });
}

/** Runs a fresh ensemble over all samples, forecasting on the way. */
function replay(
  setting: Setting,
  records: readonly FitRecord[],
): { run: EnsembleRun; past: PendingForecast[] } {
  const { input, us } = setting;
  const before = input.seen - us.length;
  const switches = records.map(({ count, thetas }) => ({ at: count - before, thetas }));
  while (switches.length > 1 && switches[1]!.at <= 0) switches.shift();
  const state = startEnsemble(setting, switches[0]!.thetas);
  let run = openEnsemble(state);
  const origins = replayOrigins(us.length);
  const past: PendingForecast[] = [];
  for (let i = 0; i < us.length; i++) {
    const next = switches.slice(1).find(({ at }) => at === i);
    if (next !== undefined) {
      switchParameters(setting, state, next.thetas, i);
      run = openEnsemble(state);
    }
    if (origins.has(i) && newestSlot(state) !== past.at(-1)?.slot) {
      const forecast = forecastFromNewest(run);
      past.push(forecast);
      state.pending.push(forecast);
    }
    ensembleObserve(run, us[i]!, input.values[i]!, null);
  }
  if (switches.length > 1) {
    switchParameters(setting, state, switches.at(-1)!.thetas, us.length);
    run = openEnsemble(state);
  }
  return { run, past };
}

/** How the forecasts of a replay came out on the slots that followed. */
function judged(run: EnsembleRun, past: readonly PendingForecast[]): PastForecast[] {
  const { grid, horizon } = run.state;
  return past.map((forecast) => {
    const errors = new Float64Array(horizon).fill(NaN);
    for (let l = 0; l < horizon; l++) {
      const at = forecast.slot + 1 + l - grid.first;
      if (at < 0 || at >= grid.length || grid.known[at] !== 1) continue;
      errors[l] = grid.values[at]! - forecast.point[l]!;
    }
    return { ...forecast, errors };
  });
}

/** Mean |z(t) − z(t − season)|: the error of the seasonal naive forecast. */
function naiveScaleOf(state: EnsembleState): number {
  const { grid, seasons } = state;
  const season = seasons[0]?.slots ?? 1;
  const lag = grid.length > season ? season : 1;
  let sum = 0;
  let count = 0;
  for (let i = lag; i < grid.length; i++) {
    sum += Math.abs(grid.values[i]! - grid.values[i - lag]!);
    count++;
  }
  return (count > 0 ? sum / count : 1) + 1e-9;
}

/** Keeps the newest pending forecasts, a live stride apart, and gives them their conditions. */
function thinPending(state: EnsembleState): void {
  const newest = newestSlot(state);
  const stride = liveStride(state.horizon);
  const kept: PendingForecast[] = [];
  for (const pending of state.pending.toReversed()) {
    if (newest - pending.slot >= state.horizon || kept.length >= PENDING_MAX) continue;
    if (kept.length === 0 || kept.at(-1)!.slot - pending.slot >= stride) kept.push(pending);
  }
  state.pending = kept.reverse();
  for (const pending of state.pending) conditionForecast(state, pending);
}

/**
 * Finds period and seasons, fits the filters, and replays the samples so that readouts, weights and
 * calibration stand where they would had these parameters been used from the start.
 *
 * Every origin of the replay uses the newest parameters fitted on samples before it (the earliest
 * kept fit where there is none), so the errors are honest ones.
 */
export function refit(input: RefitInput): { state: EnsembleState; records: FitRecord[] } {
  const setting = settingOf(input);
  const records = fitRecords(setting);
  const { run, past } = replay(setting, records);
  const { state } = run;
  const nonNegative = input.values.every((value) => value >= 0);
  const meanSize = nonNegative ? meanOf(input.values) : 0;
  state.calibration = calibrate(
    judged(run, past),
    state.horizon,
    naiveScaleOf(state),
    input.members.some(isTransformed) ? meanSize : 0,
    state.seasons[0]?.slots ?? 1,
    setting.us.length,
  );
  thinPending(state);
  state.originSlot = state.pending.at(-1)?.slot ?? newestSlot(state) - state.horizon;
  return { state, records };
}
