import { TARGET } from "./adaptive_coverage.ts";
import type { ArState } from "./ar_differences.ts";
import type { CalibrationState } from "./calibration.ts";
import type { Climate } from "./climate.ts";
import type { Dependence } from "./dependence.ts";
import type { StepExpectations } from "./filter_steps.ts";
import type { MemberSteps } from "./member_steps.ts";
import {
  enterTrack,
  type FilterTrack,
  fromTrackUnits,
  leaveTrack,
  openTrack,
  type TrackRun,
} from "./filter_track.ts";
import { bucketOfLead, leadBuckets, lossKept, type LossState } from "./losses.ts";
import {
  FILTER_KINDS,
  type FilterName,
  isTransformed,
  kindOf,
  type MemberKind,
  type MemberName,
} from "./members.ts";
import type { MeanState } from "./naive.ts";
import { adaptLeads } from "./neural_adapt.ts";
import type { NeuralPast } from "./neural_replay.ts";
import { type NeuralRun, type NeuralTrack, openNeural } from "./neural_track.ts";
import { networkOfId } from "./registry.ts";
import type { Season } from "./season.ts";
import type { SlotClock } from "./slot_clock.ts";
import type { SlotGrid } from "./slot_grid.ts";
import { Residents } from "./packed_cov.ts";
import { noSortedErrors, type SortedErrors } from "./sorted_errors.ts";

/**
 * The members of a model at work on one channel between two refits: they advance with each sample
 * at constant cost, forecast from time to time, and are judged when the targets arrive.
 *
 * All of it runs in normalised units, z = (value − location) / scale, on slots of the clock.
 */
export type EnsembleState = {
  clock: SlotClock;
  seasons: Season[];
  /** Leads with statistics of their own. */
  horizon: number;
  /** Samples at the refit, which sets lags, windows and time scales. */
  length: number;
  location: number;
  scale: number;
  members: MemberName[];
  tracks: FilterTrack[];
  grid: SlotGrid;
  ar: ArState | null;
  mean: MeanState;
  /** One for each network among the members; absent where there is none. */
  neural?: NeuralTrack[];
  losses: LossState;
  /** Memory of the losses, in slots. */
  lossHalf: number;
  calibration: CalibrationState | null;
  /** Of a series that rests; absent where it does not. */
  climate?: Climate;
  /** How the errors of one forecast hang together over its leads, as of the refit. */
  dependence: Dependence;
  /** Forecasts whose targets are not all known yet, oldest first. */
  pending: PendingForecast[];
  /** Slot of the newest origin. */
  originSlot: number;
  /** Range of the values seen, normalised. */
  low: number;
  high: number;
};

/** A forecast that waits for its targets. */
export type PendingForecast = MemberSteps & {
  slot: number;
  /** [lead] */
  point: Float32Array;
  /** Disagreement of the members; empty once the conditions are known.                   [lead] */
  spread: Float32Array;
  /** |point| in the values' own units.                                                   [lead] */
  size: Float32Array;
  /** What sets this forecast apart; empty before the calibration is known.               [lead] */
  condition: Float32Array;
  /** Interval ends of each watched level; empty when not issued.                [level, 2, lead] */
  bounds: Float32Array;
  /**
   * What the networks' corrections learn from: median, unit, weight and inputs of some leads;
   * absent without networks.                                  [network, lead, LESSON_NUMBERS]
   */
  lessons?: Float32Array;
};

/** Most forecasts waiting for targets while a stream is live. */
export const PENDING_MAX = 10;

/** Live origins in one horizon. */
const ORIGINS_PER_HORIZON = 4;

/** An ensemble with its scratch space: what is open while samples are absorbed. */
export type EnsembleRun = {
  readonly state: EnsembleState;
  readonly tracks: readonly TrackRun[];
  readonly memberKinds: readonly MemberKind[];
  readonly memberTracks: readonly (TrackRun | null)[];
  readonly neural: readonly NeuralRun[];
  readonly memberNeural: readonly (NeuralRun | null)[];
  /** Leads whose targets teach the networks' corrections. */
  readonly lessonLeads: readonly number[];
  /** Forecasts that a replay made of all origins at once; null while a stream is live. */
  past: NeuralPast | null;
  readonly buckets: readonly (readonly [number, number])[];
  readonly bucket: Uint8Array;
  /** [member][lead] */
  readonly forecasts: readonly Float64Array[];
  /** Seasonal naive forecasts, in place of those that fail.                              [lead] */
  readonly naive: Float64Array;
  /** Weighted mean of the members, and their disagreement around it.                    [lead] */
  readonly mean: Float64Array;
  readonly apart: Float64Array;
  /** The same as a live forecast has them until its conditions are known.               [lead] */
  readonly spread: Float32Array;
  readonly size: Float32Array;
  /** A judged forecast, whose arrays the next one takes over. */
  spare: PendingForecast | null;
  /** Structural forecasts in track units.                                         [track][lead] */
  readonly bases: readonly Float64Array[];
  /** [bucket][member] */
  readonly weights: readonly Float64Array[];
  /** 1 for a network.                                                                   [member] */
  readonly networks: Uint8Array;
  /** 1 for one on the log or root.                                                      [member] */
  readonly transformed: Uint8Array;
  /** Weight of an error in the losses, exp(−(lead + 1) / half).                           [lead] */
  readonly lossWeights: Float64Array;
  /** What is left of a loss after a slot. */
  readonly lossKept: number;
  /** What a judged target counts: {@linkcode judgedShare}.                              [bucket] */
  readonly judgedShares: Float64Array;
  /** What is told of a target that has come: TARGET.                              [TARGET.size] */
  readonly target: Float64Array;
  readonly expected: Expectation;
  /** Whether samples of consecutive slots may be taken in together: only the filters learn. */
  readonly takesSlots: boolean;
  /** Samples that are taken in: normalised, and in a filter's units.       [SLOTS_AT_ONCE_MAX] */
  readonly slotValues: Float64Array;
  readonly ownValues: Float64Array;
  readonly steps: StepExpectations;
  readonly sortedErrors: SortedErrors;
  readonly residents: Residents;
};

/** Gives a state its scratch space. */
export function openEnsemble(state: EnsembleState): EnsembleRun {
  const { horizon, seasons, length } = state;
  const tracks: TrackRun[] = [];
  for (const track of state.tracks) {
    const kind = FILTER_KINDS[track.kind as FilterName];
    // All tracks have the same seasons.
    tracks.push(openTrack(track, kind, seasons, horizon, length, tracks[0]?.phases));
  }
  const memberKinds = state.members.map(kindOf);
  const buckets = leadBuckets(horizon);
  const neural = (state.neural ?? []).map((track) =>
    openNeural(track, networkOfId(track.network).runner(), seasons, horizon)
  );
  return {
    state,
    tracks,
    memberKinds,
    memberTracks: memberKinds.map((kind) =>
      kind.form === "structural" || kind.form === "readout"
        ? tracks.find((run) => run.track.kind === kind.filter) ?? null
        : null
    ),
    neural,
    memberNeural: memberKinds.map((kind) =>
      kind.form === "neural"
        ? neural.find((run) => run.track.network === kind.network) ?? null
        : null
    ),
    lessonLeads: adaptLeads(horizon),
    past: null,
    buckets,
    bucket: bucketOfLead(horizon),
    forecasts: memberKinds.map(() => new Float64Array(horizon)),
    naive: new Float64Array(horizon),
    mean: new Float64Array(horizon),
    apart: new Float64Array(horizon),
    spread: new Float32Array(horizon),
    size: new Float32Array(horizon),
    spare: null,
    bases: tracks.map(() => new Float64Array(horizon)),
    weights: buckets.map(() => new Float64Array(memberKinds.length)),
    networks: Uint8Array.from(memberKinds, ({ form }) => form === "neural" ? 1 : 0),
    transformed: Uint8Array.from(state.members, (name) => isTransformed(name) ? 1 : 0),
    lossWeights: Float64Array.from(
      { length: horizon },
      (_, lead) => Math.exp(-(lead + 1) / state.lossHalf),
    ),
    lossKept: lossKept(1, state.lossHalf),
    judgedShares: Float64Array.from(buckets, ([from, to]) => judgedShare(to - from, horizon)),
    target: new Float64Array(TARGET.size),
    expected: { mean: NaN, deviation: NaN },
    takesSlots: tracks.length > 0 && neural.length === 0 && state.ar === null &&
      tracks.every(({ track }) => track.features.length === 0),
    slotValues: new Float64Array(SLOTS_AT_ONCE_MAX),
    ownValues: new Float64Array(SLOTS_AT_ONCE_MAX),
    steps: {
      means: new Float64Array(SLOTS_AT_ONCE_MAX),
      deviations: new Float64Array(SLOTS_AT_ONCE_MAX),
    },
    sortedErrors: noSortedErrors(),
    residents: new Residents(),
  };
}

/**
 * Moves the covariances of all tracks to the SIMD kernels for a run of samples; the state is whole
 * again after {@linkcode leaveEnsemble}. What is left out computes the same in plain loops.
 */
export function enterEnsemble(run: EnsembleRun): void {
  for (const track of run.tracks) enterTrack(track, run.residents);
}

/** The end of {@linkcode enterEnsemble}. */
export function leaveEnsemble(run: EnsembleRun): void {
  run.residents.leaveAll();
  for (const track of run.tracks) leaveTrack(track);
}

/** The newest whole slot. */
export function newestSlot(state: EnsembleState): number {
  return state.grid.first + state.grid.length - 1;
}

/** A value in normalised units. */
export function normalised(state: EnsembleState, value: number): number {
  return (value - state.location) / state.scale;
}

/** The inverse of {@linkcode normalised}. */
export function denormalised(state: EnsembleState, z: number): number {
  return state.location + state.scale * z;
}

/** A track's forecast in normalised units. */
export function fromTrack(run: EnsembleRun, track: TrackRun, value: number): number {
  const { units } = track.track;
  if (units.transform === "none") return value;
  return normalised(run.state, fromTrackUnits(units, value));
}

/** A network's forecast, in units of its scale, normalised. */
export function fromNeural(run: EnsembleRun, { track }: NeuralRun, value: number): number {
  return normalised(run.state, track.scale * value);
}

/** What was expected of a sample, before it was seen. */
export type Expectation = { mean: number; deviation: number };

/** Slots that {@linkcode ensembleObserveSlots} takes in at once. */
export const SLOTS_AT_ONCE_MAX = 64;

/**
 * What a judged target counts in the live correction of its bucket.
 *
 *   min(1, stride / leads) / √leads
 *
 * A bucket sees one origin's worth every stride. Neighbouring leads of one origin err together, so
 * that many of them say little more than one: without the root, the far factors of random walks of
 * 600 values wander by 0.4 of their logarithm at horizon 48, and with it by less than 0.2.
 *
 * @param leads  of the bucket
 */
export function judgedShare(leads: number, horizon: number): number {
  return Math.min(1, liveStride(horizon) / leads) / Math.sqrt(leads);
}

/** Slots between live origins. */
export function liveStride(horizon: number): number {
  return Math.max(1, Math.ceil(horizon / ORIGINS_PER_HORIZON));
}
