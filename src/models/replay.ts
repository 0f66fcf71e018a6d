import { arLags, arStart } from "./ar_differences.ts";
import type { PastForecast } from "./past_forecast.ts";
import { priorDependence } from "./dependence.ts";
import { ensembleObserve } from "./ensemble.ts";
import {
  type EnsembleRun,
  type EnsembleState,
  enterEnsemble,
  leaveEnsemble,
  liveStride,
  newestSlot,
  openEnsemble,
  PENDING_MAX,
  type PendingForecast,
} from "./ensemble_run.ts";
import { conditionForecast, forecastFromNewest } from "./ensemble_forecast.ts";
import {
  enterTrack,
  type FilterTrack,
  keptFilter,
  openTrack,
  toTrackUnits,
  trackFeatureCount,
  type TrackPlan,
  trackStart,
} from "./filter_track.ts";
import { bankTake, trackObserve, trackRawFeatures } from "./track_steps.ts";
import { leadBuckets, lossStart } from "./losses.ts";
import { FILTER_KINDS, kindOf, readoutsOf } from "./members.ts";
import { type NeuralPast, neuralReplay } from "./neural_replay.ts";
import { neuralStart, type NeuralTrack } from "./neural_track.ts";
import { Residents } from "./packed_cov.ts";
import { networkOfId } from "./registry.ts";
import {
  deviationOf,
  FIT_SAMPLES_MIN,
  type FitRecord,
  seasonRowsOf,
  type Setting,
} from "./refit_setting.ts";
import { emptyGrid, isKnownAt, pushSlot } from "./slot_grid.ts";
import type { StructuralState } from "./structural.ts";
import { filterThrough, fitSeries } from "./structural_fit.ts";
import { structuralLayout, THETA } from "./structural_layout.ts";

/** Longest error memory of the weights, in seasons and in shares of the series. */
const LOSS_SEASONS = 4;
const LOSS_SHARE = 1 / 4;

/** Origins of a replay over a long series, and over which it takes every sample. */
const REPLAY_ORIGINS = 72;
const REPLAY_ALL_UP_TO = 160;

/** Origins of a replay of a stream that is served: the next samples teach the same. */
const LIVE_REPLAY_ORIGINS = 36;

const REPLAY_ORIGINS_PER_HORIZON = 16;
const NEWEST_ORIGINS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

function trackPlan(
  setting: Setting,
  k: number,
  theta: Float64Array,
  scaling: { innovationDeviation: number; deviations: Float64Array },
): TrackPlan {
  const filter = setting.filters[k]!;
  return {
    kind: FILTER_KINDS[filter],
    seasons: setting.seasons,
    horizon: setting.input.horizon,
    length: setting.us.length,
    theta,
    units: setting.units[k]!,
    startU: setting.us[0]! - 1,
    startLevel: setting.startLevels[k]!,
    ...readoutsOf(setting.members, filter),
    ...scaling,
  };
}

/** What a track's filter did not expect of samples, values in its units.               [sample] */
function innovationsOf(plan: TrackPlan, us: Float64Array, values: Float64Array): Float64Array {
  const run = openTrack(trackStart(plan), plan.kind, plan.seasons, plan.horizon, plan.length);
  const residents = new Residents();
  enterTrack(run, residents);
  const innovations = values.map((value, i) => {
    trackObserve(run, us[i]!, value);
    return run.innovation.value;
  });
  residents.leaveAll();
  return innovations;
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
  const count = Math.min(us.length, 2 * third);
  const values = input.values.slice(0, count);
  for (let i = 0; i < count; i++) values[i] = toTrackUnits(plan.units, values[i]!);
  const innovations = innovationsOf(plan, us, values);
  const innovationDeviation = deviationOf(innovations) + 1e-9;
  const sums = new Float64Array(features);
  const squares = new Float64Array(features);
  const track = trackStart({ ...plan, innovationDeviation });
  const run = openTrack(track, plan.kind, plan.seasons, plan.horizon, plan.length);
  const grid = emptyGrid(Math.round(us[0]!));
  const raw = new Float64Array(features);
  const first = third >> 1;
  for (let t = 0; t < count; t++) {
    bankTake(run, us[t]!, innovations[t]!, values[t]!);
    // Slots are counted by samples here: only the spread of the features matters.
    pushSlot(grid, (input.values[t]! - setting.location) / setting.scale, true);
    if (t < first) continue;
    trackRawFeatures(run, grid, setting, raw);
    for (let i = 0; i < features; i++) {
      sums[i] = sums[i]! + raw[i]!;
      squares[i] = squares[i]! + raw[i]! * raw[i]!;
    }
  }
  const visits = count - first;
  const deviations = sums.map((sum, i) => {
    const mean = sum / visits;
    return Math.sqrt(Math.max(0, squares[i]! / visits - mean * mean)) + 1e-9;
  });
  return { innovationDeviation, deviations };
}

/** Memory of the losses, in slots. */
export function lossHalfOf({ us, seasons }: Setting): number {
  const season = seasons[0]?.slots ?? 1;
  return Math.max(season > 1 ? LOSS_SEASONS * season : 0, us.length * LOSS_SHARE);
}

function startEnsemble(setting: Setting, thetas: Float64Array): EnsembleState {
  const { us, input, seasons, members, filters } = setting;
  const length = us.length;
  const tracks: FilterTrack[] = filters.map((_, k) => {
    const theta = thetaOf(thetas, k);
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
    ...neuralParts(setting),
    losses: lossStart(members.length, leadBuckets(input.horizon).length),
    lossHalf: lossHalfOf(setting),
    calibration: null,
    dependence: priorDependence(),
    pending: [],
    originSlot: -Infinity,
    low: Infinity,
    high: -Infinity,
  };
}

/** The tracks of the networks among the members, before the first sample. */
function neuralParts(setting: Setting): { neural?: NeuralTrack[] } {
  const { members, seasons, scale, input } = setting;
  const tracks = members.map(kindOf).flatMap((kind) =>
    kind.form === "neural"
      ? [neuralStart(
        kind.network,
        networkOfId(kind.network).runner(),
        seasons,
        scale,
        input.horizon,
      )]
      : []
  );
  return tracks.length > 0 ? { neural: tracks } : {};
}

/** What the networks forecast from all origins; their tracks are at the end then. */
function neuralPastOf(
  setting: Setting,
  state: EnsembleState,
  origins: ReadonlySet<number>,
): NeuralPast | null {
  if (state.neural === undefined) return null;
  const { us, seasons, input } = setting;
  const outlooks = state.neural.map((track) =>
    neuralReplay(track, networkOfId(track.network).runner(), {
      ...{ seasons, horizon: input.horizon, us, values: input.values, origins },
    })
  );
  return { count: 0, outlooks };
}

/** After which sample counts a replay forecasts. */
function replayOrigins(length: number, horizon: number, isServed: boolean): Set<number> {
  const origins = new Set<number>();
  const isShort = length <= REPLAY_ALL_UP_TO;
  const first = isShort ? Math.min(Math.max(Math.floor(0.4 * length), 4), length - 1) : length >> 1;
  const all = isShort ? length - first : REPLAY_ORIGINS;
  const most = isServed ? Math.min(all, LIVE_REPLAY_ORIGINS) : all;
  // Forecasts that overlap by more than this err together.
  const apart = Math.max(1, (length - first) / most, horizon / REPLAY_ORIGINS_PER_HORIZON);
  for (let before = 1; before <= length - first; before += apart) {
    origins.add(length - Math.floor(before));
  }
  if (isShort) return origins;
  for (const before of NEWEST_ORIGINS) origins.add(length - before);
  return origins;
}

/** The filters' states after the first `count` samples under other parameters.          [filter] */
export function filtersAfter(
  setting: Setting,
  thetas: Float64Array,
  count: number,
): StructuralState[] {
  const { input, seasons, units, startLevels } = setting;
  const us = setting.us.slice(0, count);
  return setting.filters.map((name, k) => {
    const layout = structuralLayout(FILTER_KINDS[name], seasons);
    const rows = seasonRowsOf(setting, 0, count);
    const values = input.values.slice(0, count);
    for (let i = 0; i < count; i++) values[i] = toTrackUnits(units[k]!, values[i]!);
    const series = fitSeries(layout, us, values, startLevels[k]!, input.horizon, rows);
    return filterThrough(series, thetaOf(thetas, k));
  });
}

/**
 * The parameters of one filter, a copy.                                            [THETA.size]
 *
 * @param thetas  of all filters                                            [filter, THETA.size]
 */
export function thetaOf(thetas: Float64Array, filter: number): Float64Array {
  return thetas.slice(filter * THETA.size, (filter + 1) * THETA.size);
}

/** Puts the parameters that were fitted at `count` samples into a running ensemble. */
function switchParameters(
  setting: Setting,
  state: EnsembleState,
  thetas: Float64Array,
  count: number,
): void {
  const filters = filtersAfter(setting, thetas, count);
  state.tracks.forEach((track, k) => {
    track.theta = thetaOf(thetas, k);
    track.filter = keptFilter(filters[k]!);
  });
}

/**
 * Runs a fresh ensemble over all samples, forecasting on the way.
 *
 * @returns past: the forecasts; fans: the networks' quantiles of each, [forecast][network]
 */
export function replay(
  setting: Setting,
  records: readonly FitRecord[],
): { run: EnsembleRun; past: PendingForecast[]; fans: Float64Array[][] } {
  const { input, us } = setting;
  const before = input.seen - us.length;
  const switches = records.map(({ count, thetas }) => ({ at: count - before, thetas }));
  while (switches.length > 1 && switches[1]!.at <= 0) switches.shift();
  const state = startEnsemble(setting, switches[0]!.thetas);
  const isServed = input.prefixes.length === 0;
  const origins = replayOrigins(us.length, input.horizon, isServed);
  const neuralPast = neuralPastOf(setting, state, origins);
  let run = openEnsemble(state);
  run.past = neuralPast;
  const past: PendingForecast[] = [];
  const fans: Float64Array[][] = [];
  enterEnsemble(run);
  for (let i = 0; i < us.length; i++) {
    const next = switches.slice(1).find(({ at }) => at === i);
    if (next !== undefined) {
      leaveEnsemble(run);
      switchParameters(setting, state, next.thetas, i);
      run = openEnsemble(state);
      run.past = neuralPast;
      enterEnsemble(run);
    }
    if (origins.has(i) && newestSlot(state) !== past.at(-1)?.slot) {
      if (neuralPast !== null) neuralPast.count = i;
      const forecast = forecastFromNewest(run);
      past.push(forecast);
      fans.push(run.neural.map(({ outlook }) => outlook.quantiles.slice()));
      state.pending.push(forecast);
    }
    ensembleObserve(run, us[i]!, input.values[i]!, null);
  }
  leaveEnsemble(run);
  run.past = null;
  if (switches.length > 1) {
    switchParameters(setting, state, switches.at(-1)!.thetas, us.length);
    run = openEnsemble(state);
  }
  return { run, past, fans };
}

/** How the forecasts of a replay came out on the slots that followed. */
export function judged(run: EnsembleRun, past: readonly PendingForecast[]): PastForecast[] {
  const { grid, horizon } = run.state;
  return past.map((forecast) => {
    const errors = new Float64Array(horizon).fill(NaN);
    for (let l = 0; l < horizon; l++) {
      const at = forecast.slot + 1 + l - grid.first;
      if (at < 0 || at >= grid.length || !isKnownAt(grid, at)) continue;
      errors[l] = grid.values[at]! - forecast.point[l]!;
    }
    return { ...forecast, errors };
  });
}

/** Mean |z(t) − z(t − season)|: the error of the seasonal naive forecast. */
export function naiveScaleOf(state: EnsembleState): number {
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
export function thinPending(state: EnsembleState): void {
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
