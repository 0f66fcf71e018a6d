import { type BankScales, bankScales, bankStart, type BankState, featureCounts } from "./bank.ts";
import { leadGroups, type ReadoutKind, readoutStart, type ReadoutState } from "./readout.ts";
import type { Season } from "./season.ts";
import {
  type Innovation,
  type StructuralModel,
  structuralModel,
  structuralStart,
  type StructuralState,
} from "./structural.ts";
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

/** What each kind of readout is set to; one-step filters leave less to learn. */
export const LIGHT_READOUT: ReadoutKind = { ridge: 3, forgetting: 0.9995 };
const FULL_READOUT: ReadoutKind = { ridge: 200, forgetting: 0.9998 };
const FULL_READOUT_FAR: ReadoutKind = { ridge: 400, forgetting: 0.9998 };

/** The full readout that suits a filter. */
export function fullReadout(kind: StructuralKind): ReadoutKind {
  return kind.multiStepShare > 0 ? FULL_READOUT_FAR : FULL_READOUT;
}

/** A covariance that the newest sample left as it was. */
export type Still = {
  /** Step of such samples, in slots; NaN while it moves. */
  dt: number;
  /** Covariance times row, and the innovation's variance.                                 [size] */
  readonly column: Float64Array;
  variance: number;
  /** The covariance before the newest sample; empty with seasons, which turn.          [packed] */
  readonly before: Float64Array;
};

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
export function originStride(horizon: number): number {
  return Math.ceil((horizon + 1) * horizon / WAITING_FORECASTS_MAX);
}

function waitingOrigins(horizon: number): number {
  return Math.ceil((horizon + 1) / originStride(horizon)) + 1;
}

/** A covariance that moves as far as is known. */
export function stillStart({ size, omegas }: StructuralLayout): Still {
  return {
    dt: NaN,
    column: new Float64Array(size),
    variance: NaN,
    before: new Float64Array(omegas.length > 0 ? 0 : size * (size + 1) / 2),
  };
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
