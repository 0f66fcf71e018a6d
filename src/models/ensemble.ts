import type { AdaptiveState } from "./adaptive_coverage.ts";
import { arObserve } from "./ar_differences.ts";
import { leadScale } from "./calibration.ts";
import { fromTrackUnits, toTrackUnits, type TrackRun } from "./filter_track.ts";
import { trackObserve, trackObserveSlots, trackSlotClosed } from "./track_steps.ts";
import { settle } from "./judging.ts";
import type { OneStep } from "./model.ts";
import { meanObserve } from "./naive.ts";
import { neuralCatchUp, neuralMedianAt, neuralObserve } from "./neural_track.ts";
import { GRID_SLOTS_MAX, pushSlot } from "./slot_grid.ts";
import { innovationScale, SCALE_OF_MEAN_ABS } from "./structural.ts";
import { forecastMeanAt } from "./structural_forecast.ts";
import {
  denormalised,
  type EnsembleRun,
  type Expectation,
  fromNeural,
  fromTrack,
  newestSlot,
  normalised,
} from "./ensemble_run.ts";

/** Forecasts are cut this many ranges beyond what was seen. */
export const RANGE_CUT = 1;

/** Members on the log or root are cut nearer to what was seen: they run away faster. */
export const RANGE_CUT_TRANSFORMED = 0.4;

/** The member that is asked for one step, and between slots: see below. */
export function referenceAt(run: EnsembleRun, u: number): number {
  const neural = run.tracks.length === 0 ? run.memberNeural[0] : null;
  if (neural == null) return plainReferenceAt(run, u);
  return fromNeural(run, neural, neuralMedianAt(neural, u));
}

/** The member that fills gaps: a filter, else the first member, without a network. */
function plainReferenceAt(run: EnsembleRun, u: number): number {
  const { state } = run;
  const track = run.tracks[0];
  if (track !== undefined) {
    return fromTrack(run, track, forecastMeanAt(track.model, track.track.filter, u, track.phases));
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

/**
 * One-step expectation at slot time `u`, in the values' units; the newest scale.
 *
 * @returns  the run's own, until the next call
 */
export function expectation(run: EnsembleRun, u: number): Expectation {
  const { state, expected } = run;
  const track = run.tracks[0];
  const mean = denormalised(state, referenceAt(run, u));
  expected.mean = mean;
  if (track === undefined) {
    const known = state.calibration;
    expected.deviation = known === null
      ? NaN
      : state.scale * SCALE_OF_MEAN_ABS * leadScale(known, 0);
    return expected;
  }
  const deviation = innovationScale(track.track.filter) * track.track.deviation;
  expected.deviation = inValueUnits(run, track, mean, deviation);
  return expected;
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
    values[i] = cut(run, plainReferenceAt(run, start + i), RANGE_CUT);
  }
  for (const value of values) pushSlot(grid, value, false);
}

/** Cuts a forecast `share` ranges beyond the range seen. */
export function cut(run: EnsembleRun, z: number, share: number): number {
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
  if (run.past === null) {
    for (const neural of run.neural) {
      neuralObserve(neural, u, value);
      // Without a filter the network is asked about each next sample.
      if (run.tracks.length === 0) neuralCatchUp(neural);
    }
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
  run.slotValues[0] = onSlot;
  settle(run, { first: slot, count: 1, elapsed: empty ? 1 : slot - before }, adaptive);
  return true;
}

/**
 * {@linkcode ensembleObserve} of one sample in each of the slots after the newest: the same bits.
 *
 * @param values  of the samples, {@linkcode SLOTS_AT_ONCE_MAX} at most                   [slot]
 * @param told    receives the expectation before each sample                             [slot]
 */
export function ensembleObserveSlots(
  run: EnsembleRun,
  values: Float64Array,
  adaptive: AdaptiveState,
  told: OneStep | undefined,
): void {
  const { state, slotValues } = run;
  const count = values.length;
  const first = newestSlot(state) + 1;
  for (let i = 0; i < count; i++) slotValues[i] = normalised(state, values[i]!);
  for (let k = 0; k < run.tracks.length; k++) {
    const track = run.tracks[k]!;
    const { units, slotsSeen } = track.track;
    const own = units.transform === "none" ? slotValues : run.ownValues;
    if (own !== slotValues) {
      for (let i = 0; i < count; i++) own[i] = toTrackUnits(units, values[i]!);
    }
    const isTold = k === 0 && told !== undefined;
    trackObserveSlots(track, first, own, count, isTold ? run.steps : null);
    if (isTold) tellSteps(run, track, told, count);
    track.track.slotsSeen = slotsSeen + count;
  }
  for (let i = 0; i < count; i++) {
    const z = slotValues[i]!;
    state.low = Math.min(state.low, z);
    state.high = Math.max(state.high, z);
    meanObserve(state.mean, z);
    pushSlot(state.grid, z, true);
  }
  settle(run, { first, count, elapsed: 1 }, adaptive);
}

/** What the first filter expected, in the values' units. */
function tellSteps(run: EnsembleRun, track: TrackRun, told: OneStep, count: number): void {
  const { means, deviations } = run.steps;
  for (let i = 0; i < count; i++) {
    const mean = denormalised(run.state, fromTrack(run, track, means[i]!));
    told.expected[i] = mean;
    told.scale[i] = inValueUnits(run, track, mean, deviations[i]!);
  }
}

/** A deviation in units of a filter as one of the values about `mean`. */
function inValueUnits(
  { state }: EnsembleRun,
  { track: { units } }: TrackRun,
  mean: number,
  deviation: number,
): number {
  return units.transform === "none"
    ? state.scale * deviation
    : fromTrackUnits(units, toTrackUnits(units, mean) + deviation) - mean;
}
