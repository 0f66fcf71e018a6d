/**
 * Steps of a track over samples and slots: the filter and its bank take each sample, the readouts
 * learn what the filter's forecasts missed when the targets of an origin have come.
 */
import { bankObserve, rawFeaturesInto, scaleFeatures } from "./bank.ts";
import { readoutAdd, readoutGain, readoutLearn } from "./readout.ts";
import { type SlotGrid, slotKnown, slotValue } from "./slot_grid.ts";
import { filterObserve, filterObserveSlots, type StepExpectations } from "./filter_steps.ts";
import { forecastMeansInto } from "./structural_forecast.ts";
import {
  type FilterTrack,
  fullReadout,
  LIGHT_READOUT,
  originStride,
  toTrackUnits,
  type TrackRun,
} from "./filter_track.ts";

const INNOVATION_CLIP = 6;

/** Measurement update at slot time `u` with a value in the track's units. */
export function trackObserve(run: TrackRun, u: number, value: number): void {
  filterObserve(run, u, value);
  bankTake(run, u, run.innovation.value, value);
}

/**
 * {@linkcode trackObserve} of one sample in each of consecutive slots, for tracks without readouts.
 *
 * @param values  in the track's units, `count` of them                                    [slot]
 * @param told    receives what was expected before each
 */
export function trackObserveSlots(
  run: TrackRun,
  first: number,
  values: Float64Array,
  count: number,
  told: StepExpectations | null,
): void {
  filterObserveSlots(run, first, values, count, told);
  run.track.lastU = first + count - 1;
}

/** Takes a sample's innovation and value into the bank, at slot time `u`; filters stay put. */
export function bankTake(run: TrackRun, u: number, innovation: number, value: number): void {
  const { track } = run;
  const dt = Number.isNaN(track.lastU) ? 1 : u - track.lastU;
  track.lastU = u;
  if (track.features.length === 0) return;
  const scaled = innovation / track.innovationDeviation;
  const clipped = Math.min(INNOVATION_CLIP, Math.max(-INNOVATION_CLIP, scaled));
  bankObserve(run.scales, track.bank, dt, clipped, value);
}

/** A grid slot in the track's units; NaN where it is no longer kept. */
function trackSlot(run: TrackRun, grid: SlotGrid, fromGrid: GridUnits, slot: number): number {
  const value = slotValue(grid, slot);
  if (run.track.units.transform === "none") return value;
  return toTrackUnits(run.track.units, fromGrid.location + fromGrid.scale * value);
}

/** How the grid's normalised values relate to the values' own units. */
export type GridUnits = { readonly location: number; readonly scale: number };

/** Writes the unscaled features as they stand at the newest slot of the grid.         [feature] */
export function trackRawFeatures(
  run: TrackRun,
  grid: SlotGrid,
  units: GridUnits,
  out: Float64Array,
): void {
  const slot = grid.first + grid.length - 1;
  const season = run.seasons[0]?.slots ?? 0;
  const differenceAt = (at: number): number => {
    if (season === 0 || run.track.full === null) return 0;
    const now = trackSlot(run, grid, units, at);
    const before = trackSlot(run, grid, units, at - season);
    return Number.isNaN(now) || Number.isNaN(before) ? 0 : now - before;
  };
  const differences = [differenceAt(slot), differenceAt(slot - 1)] as const;
  rawFeaturesInto(run.track.bank, run.seasons, slot + 1, differences, out);
}

/** Closes the newest slot of the grid: learns what has come due, and keeps it as a new origin. */
export function trackSlotClosed(run: TrackRun, grid: SlotGrid, units: GridUnits): void {
  const { track, seasons } = run;
  track.slotsSeen++;
  if (track.features.length === 0) return;
  const slot = grid.first + grid.length - 1;
  learnDue(run, grid, units, slot);
  trackRawFeatures(run, grid, units, track.features);
  scaleFeatures(track.features, track.deviations);
  const season = seasons[0]?.slots ?? 0;
  const settled = run.length > 3 * season ? Math.max(2, season) : 2;
  if (track.slotsSeen >= settled && slot % originStride(run.horizon) === 0) keepOrigin(run, slot);
}

function keepOrigin(run: TrackRun, slot: number): void {
  const { track, horizon } = run;
  const { origins, features } = track;
  const at = origins.next;
  origins.next = (at + 1) % origins.slots.length;
  origins.slots[at] = slot;
  origins.learned[at] = 0;
  origins.features.set(features, at * features.length);
  forecastMeansInto(run.model, track.filter, slot, run.base, run.phases);
  origins.base.set(run.base, at * horizon);
  keepGains(run, at);
}

/** Numbers of an origin's gains. */
function gainsOf({ origins }: FilterTrack): number {
  return origins.gains.length / origins.slots.length;
}

/** Light features: the first ones. */
function lightCount({ bank }: FilterTrack): number {
  return 1 + bank.innovations.length;
}

function enterReadout(run: TrackRun): void {
  const { track: { full, features }, residents } = run;
  if (residents === null || full === null) return;
  run.readoutWork = residents.enter(full, features.length, 1) ?? run.plain.readoutWork;
  run.residents = null;
}

/** Takes an origin into the readouts' covariances and keeps its gains. */
function keepGains(run: TrackRun, at: number): void {
  enterReadout(run);
  const { track } = run;
  const { row, column, kernels } = run.readoutWork;
  const { features, gains } = track.origins;
  const size = track.features.length;
  // As they will be seen again: in f32.
  for (let i = 0; i < size; i++) row[i] = features[at * size + i]!;
  let to = at * gainsOf(track);
  if (track.full !== null) {
    readoutGain(fullReadout(run.kind), track.full, row, column, kernels);
    for (let i = 0; i < size; i++) gains[to++] = column[i]!;
  }
  if (track.light !== null) {
    const light = lightCount(track);
    readoutGain(LIGHT_READOUT, track.light, row.subarray(0, light), column.subarray(0, light));
    for (let i = 0; i < light; i++) gains[to++] = column[i]!;
  }
}

function learnDue(run: TrackRun, grid: SlotGrid, units: GridUnits, slot: number): void {
  const { origins } = run.track;
  for (let at = 0; at < origins.slots.length; at++) {
    const origin = origins.slots[at]!;
    if (Number.isNaN(origin)) continue;
    for (;;) {
      const group = run.groups[origins.learned[at]!];
      if (group === undefined || slot - origin < group[1]) break;
      learnGroup(run, grid, units, at, group);
      origins.learned[at] = origins.learned[at]! + 1;
    }
    if (origins.learned[at] === run.groups.length) origins.slots[at] = NaN;
  }
}

function learnGroup(
  run: TrackRun,
  grid: SlotGrid,
  units: GridUnits,
  at: number,
  group: readonly [number, number],
): void {
  const { track, horizon, errors } = run;
  const { row: originFeatures, column: gain } = run.readoutWork;
  const { origins } = track;
  const groupIndex = origins.learned[at]!;
  const size = track.features.length;
  for (let i = 0; i < size; i++) originFeatures[i] = origins.features[at * size + i]!;
  for (let l = group[0]; l < group[1]; l++) {
    const target = origins.slots[at]! + 1 + l;
    errors[l] = slotKnown(grid, target)
      ? trackSlot(run, grid, units, target) - origins.base[at * horizon + l]!
      : NaN;
    // A readout clips its errors in place.
    run.base[l] = errors[l]!;
  }
  let from = at * gainsOf(track);
  if (track.full !== null) {
    for (let i = 0; i < size; i++) gain[i] = origins.gains[from++]!;
    readoutLearn(track.full, groupIndex, group, originFeatures, gain, errors);
  }
  if (track.light !== null) {
    const light = lightCount(track);
    for (let i = 0; i < light; i++) gain[i] = origins.gains[from++]!;
    const features = originFeatures.subarray(0, light);
    readoutLearn(track.light, groupIndex, group, features, gain.subarray(0, light), run.base);
  }
}

/** Structural forecasts from the newest slot, in the track's units.                       [lead] */
export function trackBaseInto(run: TrackRun, slot: number, out: Float64Array): void {
  forecastMeansInto(run.model, run.track.filter, slot, out, run.phases);
}

/** Adds the light or the full readout's correction.                                       [lead] */
export function trackReadoutAdd(run: TrackRun, full: boolean, forecast: Float64Array): void {
  const { track } = run;
  const readout = full ? track.full : track.light;
  if (readout === null) return;
  const count = full ? track.features.length : lightCount(track);
  readoutAdd(readout, track.features.subarray(0, count), forecast);
}
