import {
  bankObserve,
  type BankScales,
  bankScales,
  bankStart,
  type BankState,
  featureCounts,
  rawFeaturesInto,
  scaleFeatures,
} from "./bank.ts";
import {
  leadGroups,
  readoutAdd,
  readoutGain,
  type ReadoutKind,
  readoutLearn,
  readoutStart,
  type ReadoutState,
} from "./readout.ts";
import type { Season } from "./season.ts";
import { type SlotGrid, slotKnown, slotValue } from "./slot_grid.ts";
import {
  filterObserve,
  filterObserveSlots,
  type StepExpectations,
  type Still,
  stillStart,
} from "./filter_steps.ts";
import {
  type Innovation,
  type StructuralModel,
  structuralModel,
  structuralStart,
  type StructuralState,
} from "./structural.ts";
import { forecastMeansInto } from "./structural_forecast.ts";
import {
  type SeasonPhases,
  seasonPhases,
  type StructuralKind,
  type StructuralLayout,
  structuralLayout,
} from "./structural_layout.ts";
import { type PackedWork, plainWork, type Residents } from "./packed_cov.ts";
import { applyTransform, invertTransform, type Transform } from "./transform.ts";

/**
 * One structural filter at work, with its bank and the readouts that learn its errors. Plain data;
 * {@linkcode openTrack} adds what can be computed from it.
 */
export type FilterTrack = {
  kind: string;
  theta: Float64Array;
  units: TrackUnits;
  filter: KeptFilter;
  /** Deviation of the newest innovation, in units of the noise. */
  deviation: number;
  bank: BankState;
  /** Deviation of the filter's one-step errors, which scales the innovations. */
  innovationDeviation: number;
  /** Deviations of the raw features; empty without readouts.                          [feature] */
  deviations: Float64Array;
  /** Scaled features at the newest slot.                                              [feature] */
  features: Float64Array;
  light: ReadoutState | null;
  full: ReadoutState | null;
  origins: TrackOrigins;
  /** Slot time of the newest sample; NaN before the first. */
  lastU: number;
  /** Slots seen; readouts learn from origins after the first season only. */
  slotsSeen: number;
};

/** A filter whose covariance is kept in f32; it is in f64 while samples are absorbed. */
export type KeptFilter = Omit<StructuralState, "cov"> & { cov: Float64Array | Float32Array };

/** A filter as a track keeps it. */
export function keptFilter(state: StructuralState): KeptFilter {
  return { ...state, cov: Float32Array.from(state.cov) };
}

/** Values to what a filter sees: (transform(value) − location) / scale. */
export type TrackUnits = { transform: Transform; floor: number; location: number; scale: number };

/** Past origins whose targets are not all known yet: a ring. */
export type TrackOrigins = {
  /** Whole slot of each origin, NaN when free.                                         [origin] */
  slots: Float64Array;
  /** Lead groups learned so far.                                                       [origin] */
  learned: Uint8Array;
  /** [origin, feature] */
  features: Float32Array;
  /** Of the full readout, then of the light one.                       [origin, gains of both] */
  gains: Float32Array;
  /** Structural forecasts.                                                       [origin, lead] */
  base: Float32Array;
  next: number;
};

/**
 * Structural forecasts that wait for their targets, origins times leads. Horizons beyond 24 leads
 * learn from every second, third, … slot: neighbouring origins err together. At 48 leads 600 of
 * them, in place of 1,200, save 17 kB, and cost 0.0001 in MASE with networks and 0.001 without.
 */
export const WAITING_FORECASTS_MAX = 600;

const INNOVATION_CLIP = 6;

/** What each kind of readout is set to; one-step filters leave less to learn. */
export const LIGHT_READOUT: ReadoutKind = { ridge: 3, forgetting: 0.9995 };
const FULL_READOUT: ReadoutKind = { ridge: 200, forgetting: 0.9998 };
const FULL_READOUT_FAR: ReadoutKind = { ridge: 400, forgetting: 0.9998 };

/** The full readout that suits a filter. */
export function fullReadout(kind: StructuralKind): ReadoutKind {
  return kind.multiStepShare > 0 ? FULL_READOUT_FAR : FULL_READOUT;
}

/** What a track needs beyond its state while samples are absorbed: all of it can be recomputed. */
export type TrackRun = {
  readonly track: FilterTrack;
  readonly kind: StructuralKind;
  readonly layout: StructuralLayout;
  readonly model: StructuralModel;
  readonly scales: BankScales;
  readonly seasons: readonly Season[];
  readonly horizon: number;
  readonly length: number;
  readonly groups: readonly (readonly [number, number])[];
  readonly phases: SeasonPhases;
  /** Of the filter, and of the full readout: features of an origin and their gain. */
  work: PackedWork;
  readoutWork: PackedWork;
  /** Where the full readout's covariance will live once it is asked for; null outside of a run. */
  residents: Residents | null;
  readonly plain: { readonly work: PackedWork; readonly readoutWork: PackedWork };
  readonly errors: Float64Array;
  readonly base: Float64Array;
  readonly innovation: Innovation;
  readonly still: Still;
  /** The covariance in f64 while samples are absorbed in plain loops.                   [packed] */
  readonly wide: Float64Array;
};

/** How a track is made. */
export type TrackPlan = {
  readonly kind: StructuralKind;
  readonly seasons: readonly Season[];
  readonly horizon: number;
  /** Samples it will be run over, which sets the time scales of the bank. */
  readonly length: number;
  readonly theta: Float64Array;
  readonly units: TrackUnits;
  readonly startU: number;
  readonly startLevel: number;
  readonly light: boolean;
  readonly full: boolean;
  readonly innovationDeviation: number;
  readonly deviations: Float64Array;
};

/** Features that a track has: those of its largest readout. */
export function trackFeatureCount(
  plan: { length: number; seasons: readonly Season[]; light: boolean; full: boolean },
): number {
  if (!plan.light && !plan.full) return 0;
  const counts = featureCounts(bankScales(plan.length, plan.seasons), plan.seasons);
  return plan.full ? counts.full : counts.light;
}

/** A track before its first sample. */
export function trackStart(plan: TrackPlan): FilterTrack {
  const { seasons, horizon, length } = plan;
  const model = structuralModel(structuralLayout(plan.kind, seasons), plan.theta);
  const scales = bankScales(length, seasons);
  const features = trackFeatureCount(plan);
  const light = featureCounts(scales, seasons).light;
  const waiting = features > 0 ? waitingOrigins(horizon) : 0;
  return {
    kind: plan.kind.name,
    theta: plan.theta.slice(),
    units: { ...plan.units },
    filter: keptFilter(structuralStart(model, plan.startU, plan.startLevel)),
    deviation: 1,
    bank: bankStart(scales),
    innovationDeviation: plan.innovationDeviation,
    deviations: plan.deviations,
    features: new Float64Array(features),
    light: plan.light ? readoutStart(LIGHT_READOUT, light, horizon) : null,
    full: plan.full ? readoutStart(fullReadout(plan.kind), features, horizon) : null,
    origins: {
      slots: new Float64Array(waiting).fill(NaN),
      learned: new Uint8Array(waiting),
      features: new Float32Array(waiting * features),
      gains: new Float32Array(waiting * ((plan.full ? features : 0) + (plan.light ? light : 0))),
      base: new Float32Array(waiting * horizon),
      next: 0,
    },
    lastU: NaN,
    slotsSeen: 0,
  };
}

/** Slots between the origins that a readout learns from. */
function originStride(horizon: number): number {
  return Math.ceil((horizon + 1) * horizon / WAITING_FORECASTS_MAX);
}

function waitingOrigins(horizon: number): number {
  return Math.ceil((horizon + 1) / originStride(horizon)) + 1;
}

/**
 * Gives a track its scratch space and what follows from its parameters.
 *
 * @param phases  those of another track of the same seasons, to compute them once for both
 */
export function openTrack(
  track: FilterTrack,
  kind: StructuralKind,
  seasons: readonly Season[],
  horizon: number,
  length: number,
  phases?: SeasonPhases,
): TrackRun {
  const layout = structuralLayout(kind, seasons);
  const plain = { work: plainWork(layout.size), readoutWork: plainWork(track.features.length) };
  return {
    track,
    kind,
    layout,
    model: structuralModel(layout, track.theta),
    scales: bankScales(length, seasons),
    seasons,
    horizon,
    length,
    groups: leadGroups(horizon),
    phases: phases ?? seasonPhases(layout),
    ...plain,
    residents: null,
    plain,
    errors: new Float64Array(horizon),
    base: new Float64Array(horizon),
    innovation: { mean: NaN, value: NaN, variance: NaN },
    still: stillStart(layout),
    wide: new Float64Array(track.filter.cov.length),
  };
}

/**
 * Moves the filter's covariance to f64, in the SIMD kernels where that pays, until `leaveTrack`.
 * The full readout's follows with the first origin: of samples one by one most bring none.
 */
export function enterTrack(run: TrackRun, residents: Residents): void {
  const { track, layout } = run;
  const area = residents.enter(track.filter, layout.size, 1);
  if (area === undefined) residents.widen(track.filter, run.wide);
  run.work = area ?? run.plain.work;
  run.residents = residents;
}

function enterReadout(run: TrackRun): void {
  const { track: { full, features }, residents } = run;
  if (residents === null || full === null) return;
  run.readoutWork = residents.enter(full, features.length, 1) ?? run.plain.readoutWork;
  run.residents = null;
}

/** Goes back to plain loops; the residents have left. */
export function leaveTrack(run: TrackRun): void {
  run.work = run.plain.work;
  run.readoutWork = run.plain.readoutWork;
  run.residents = null;
}

/** A value as the filter sees it. */
export function toTrackUnits(units: TrackUnits, value: number): number {
  return (applyTransform(units.transform, value, units.floor) - units.location) / units.scale;
}

/** The inverse of {@linkcode toTrackUnits}. */
export function fromTrackUnits(units: TrackUnits, value: number): number {
  return invertTransform(units.transform, units.location + units.scale * value);
}

/** Measurement update at slot time `u` with a value in the track's units. */
export function trackObserve(run: TrackRun, u: number, value: number): void {
  filterObserve(run, u, value);
  bankTake(run, u, run.innovation.value, value);
}

/**
 * {@linkcode trackObserve} of one sample in each of consecutive slots, for tracks without readouts.
 *
 * @param told  receives what was expected before each
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

/** Writes the unscaled features as they stand at the newest slot of the grid. */
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
