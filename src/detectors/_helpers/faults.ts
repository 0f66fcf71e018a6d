import type { FlagEvent, FlagOptions, Reason } from "../detector.ts";
import { isSpreadOdd, type SpreadChangeState } from "./spread_change.ts";
import {
  endTrack,
  type EventTrack,
  initialTrack,
  isCool,
  type Moment,
  openTrack,
  raiseTrack,
} from "./event_track.ts";

/**
 * Faults of sensors and clocks: a value that stands still or hardly moves, values that stay away,
 * times that do not advance or whose step changes. Each is held against the longest of its past:
 *
 *   p(length) = (longest / length)² / (samples + 1)
 *
 * a record comes once in all samples so far, and one twice as long a quarter as often, which is
 * more than runs and gaps of clean streams do (their tails are exponential). How little a value
 * moves is the inverse of its mean difference of late. For the clock, whose faults have no length,
 * p = (faults so far + 0.05) / (samples + 1).
 */
const SAMPLES_MIN = 150;
/** Equal values in a row, and sampling periods without a value, below which nothing is said. */
const RUN_MIN = 8;
const SILENCE_MIN = 3;
/** Samples of a block of which the least motion is remembered. */
const MOTION_BLOCK = 256;
const CLOCK_PRIOR = 0.05;
/** Samples after the last faulty one at which a fault is over. */
const HOLD = 40;

/** What one channel's faults are held against. */
export type ChannelFaults = {
  count: number;
  last: number;
  run: number;
  /** Longest run that has ended; 0 before the value has ever moved. */
  longestRun: number;
  isStuck: boolean;
  /** Sampling periods since the last value. */
  silence: number;
  longestSilence: number;
  isSilent: boolean;
  /** Smallest mean difference of the blocks that are over, and of this one. */
  leastMotion: number;
  blockMotion: number;
  isQuiet: boolean;
};

/** A channel without a past. */
export function initialChannelFaults(): ChannelFaults {
  return {
    count: 0,
    last: NaN,
    run: 0,
    longestRun: 0,
    isStuck: false,
    silence: 0,
    longestSilence: 1,
    isSilent: false,
    leastMotion: Infinity,
    blockMotion: Infinity,
    isQuiet: false,
  };
}

/** A record must be this many times the one before: after years every record is rare enough. */
const RECORD_MIN = 2;

/** −log10 of the chance a sample that something of this length is met; 0 for no clear record. */
export function recordSurprise(length: number, longest: number, samples: number): number {
  if (length < RECORD_MIN * longest) return 0;
  return Math.log10(samples + 1) + 2 * Math.log10(length / longest);
}

/** What one sample of a channel says of its faults: −log10 p where one begins, else 0. */
export interface FaultStep {
  stuck: number;
  silent: number;
  quiet: number;
}

/** A sample of a channel. */
export interface FaultSample {
  /** NaN where it is missing. */
  readonly value: number;
  /** Sampling periods since the sample before. */
  readonly dt: number;
  /** Mean difference of the samples of late. */
  readonly motion: number;
}

/** Advances one channel. */
export function stepChannelFaults(
  state: ChannelFaults,
  { value, dt, motion }: FaultSample,
  { threshold, isLearned }: { readonly threshold: number; readonly isLearned: boolean },
  out: FaultStep,
): void {
  out.stuck = 0;
  out.silent = 0;
  out.quiet = 0;
  const isKnown = state.count >= SAMPLES_MIN;
  const silence = state.count === 0 ? 1 : state.silence + dt;
  if (isKnown && !state.isSilent && silence >= SILENCE_MIN) {
    const surprise = recordSurprise(silence, state.longestSilence, state.count);
    state.isSilent = surprise >= threshold;
    if (state.isSilent) out.silent = surprise;
  }
  state.silence = silence;
  if (Number.isNaN(value)) return;
  if (isLearned || !state.isSilent) state.longestSilence = Math.max(state.longestSilence, silence);
  state.silence = 0;
  state.isSilent = false;
  state.count++;
  if (isKnown) out.quiet = stepMotion(state, motion, { threshold, isLearned });
  if (value !== state.last) {
    if (isLearned || !state.isStuck) state.longestRun = Math.max(state.longestRun, state.run);
    state.last = value;
    state.run = 1;
    state.isStuck = false;
    return;
  }
  state.run++;
  if (!isKnown || state.isStuck || state.run < RUN_MIN || state.longestRun === 0) return;
  const surprise = recordSurprise(state.run, state.longestRun, state.count);
  state.isStuck = surprise >= threshold;
  if (state.isStuck) out.stuck = surprise;
}

/** −log10 p where a value begins to move less than ever, else 0. */
function stepMotion(
  state: ChannelFaults,
  motion: number,
  { threshold, isLearned }: { readonly threshold: number; readonly isLearned: boolean },
): number {
  const { leastMotion } = state;
  // A motion falls slowly: it is held against blocks that are over, or it would be its own past.
  if (isLearned || !state.isQuiet) state.blockMotion = Math.min(state.blockMotion, motion);
  if (state.count % MOTION_BLOCK === 0) {
    state.leastMotion = Math.min(leastMotion, state.blockMotion);
    state.blockMotion = Infinity;
  }
  if (state.isQuiet) {
    state.isQuiet = motion < leastMotion;
    return 0;
  }
  // A series that has hardly ever moved has no motion to lose.
  if (!(motion > 0 && motion < leastMotion && leastMotion < Infinity)) return 0;
  const surprise = recordSurprise(leastMotion, motion, state.count);
  state.isQuiet = surprise >= threshold;
  return state.isQuiet ? surprise : 0;
}

/** One kind of fault of a stream. */
type FaultTrack = {
  readonly track: EventTrack;
  /** Samples since a channel was last faulty. */
  idle: number;
};

/** The faults of a stream that are open, and those of its clock so far. */
export type FaultState = {
  samples: number;
  clockFaults: number;
  readonly stuck: FaultTrack;
  readonly dropout: FaultTrack;
  readonly variance: FaultTrack;
  /** Of spreads that are others, larger or smaller: alarms of variance as well. */
  readonly spread: FaultTrack;
  readonly clock: FaultTrack;
  readonly season: FaultTrack;
  readonly spectrum: FaultTrack;
};

/** No fault yet. */
export function initialFaults(): FaultState {
  const none = () => ({ track: initialTrack(), idle: 0 });
  return {
    samples: 0,
    clockFaults: 0,
    stuck: none(),
    dropout: none(),
    variance: none(),
    spread: none(),
    clock: none(),
    season: none(),
    spectrum: none(),
  };
}

/** −log10 p of a fault of the clock at this sample, 0 where it has none. */
export function stepClock(state: FaultState, isFaulty: boolean): number {
  const samples = state.samples++;
  if (!isFaulty) return 0;
  const p = (state.clockFaults++ + CLOCK_PRIOR) / (samples + 1);
  return samples < SAMPLES_MIN ? 0 : Math.max(0, -Math.log10(p));
}

/** The kinds of faults, and the reason of their alarms. */
export const FAULTS = [
  "stuck",
  "dropout",
  "variance",
  "spread",
  "clock",
  "season",
  "spectrum",
] as const;

const REASONS: Readonly<Record<typeof FAULTS[number], Reason>> = {
  stuck: "stuck",
  dropout: "dropout",
  variance: "variance",
  spread: "variance",
  clock: "clock",
  season: "season",
  spectrum: "spectrum",
};

/** A fault that begins at a sample. */
export interface Fault {
  readonly kind: typeof FAULTS[number];
  /** −log10 p, not below the threshold. */
  readonly surprise: number;
  /** Its channels; none where it is the clock's. */
  readonly channels: readonly number[];
  readonly bandHz?: readonly [number, number] | undefined;
}

/** Where faults are told. */
export interface FaultTold {
  readonly moment: Moment;
  readonly options: FlagOptions;
  readonly counter: { events: number };
  readonly events: FlagEvent[];
}

/**
 * Opens an alarm of a fault, or lets the one that is open speak for it: that of the same kind, or
 * the alarm of the evidence on the same channel, which then has the fault's reason.
 *
 * @returns −log10 p where an alarm opens, else 0
 */
export function tellFault(
  state: FaultState,
  { kind, surprise, channels, bandHz }: Fault,
  evidence: EventTrack,
  { moment, options, counter, events }: FaultTold,
): number {
  const own = state[kind];
  own.idle = 0;
  if (own.track.isOpen) {
    own.track.channels = [...new Set([...own.track.channels, ...channels])];
    raiseTrack(own.track, surprise, moment.timeS);
    return 0;
  }
  // A value that stands still hardly moves either, nor one whose spread has fallen.
  const isTelling = (c: number) => isFaulty(state, c) || speaks(state.spread.track, c);
  if (kind === "variance" && channels.every(isTelling)) return 0;
  if (evidence.isOpen && channels.some((c) => evidence.channels.includes(c))) {
    // What is open looks at what it is of by itself, and a spread that differs is part of it.
    if (kind === "spread") return 0;
    // A value that stands still hardly moves either, and is told by the first.
    if (kind !== "variance" || evidence.reason !== "stuck") evidence.reason = REASONS[kind];
    evidence.bandHz = bandHz ?? evidence.bandHz;
    raiseTrack(evidence, surprise, moment.timeS);
    return 0;
  }
  if (!isCool(own.track, moment.timeS, options)) return 0;
  const opening = { surprise, score: 0, reason: REASONS[kind], channels, bandHz };
  events.push(openTrack(own.track, opening, moment, counter));
  return surprise;
}

/** Ends the faults that have been over for some time. */
export function endFaults(
  state: FaultState,
  channels: readonly {
    readonly faults: ChannelFaults;
    readonly spectrum: { readonly isOdd: boolean } | null;
    readonly spreadChange: SpreadChangeState;
  }[],
  { moment, events }: FaultTold,
): void {
  for (const kind of FAULTS) {
    const own = state[kind];
    if (!own.track.isOpen) continue;
    const isFaulty = own.track.channels.some((c) => {
      const { faults: { isStuck, isSilent, isQuiet }, spectrum, spreadChange } = channels[c]!;
      const lasting = {
        stuck: isStuck,
        dropout: isSilent,
        variance: isQuiet,
        spread: isSpreadOdd(spreadChange),
        spectrum: spectrum?.isOdd ?? false,
      };
      return kind === "clock" || kind === "season" ? false : lasting[kind];
    });
    own.idle = isFaulty ? 0 : own.idle + 1;
    if (own.idle > HOLD) events.push(endTrack(own.track, moment.index));
  }
}

function speaks({ isOpen, channels }: EventTrack, channel: number): boolean {
  return isOpen && channels.includes(channel);
}

/** True where a fault that is open speaks for this channel. */
export function isFaulty({ stuck, dropout, variance }: FaultState, channel: number): boolean {
  return [stuck, dropout, variance].some(({ track }) => speaks(track, channel));
}

/**
 * True where what is open already tells an event of this reason on this channel: a fault, or a
 * changed spread or spectrum, which change variances for as long as they last.
 */
export function isTold(state: FaultState, channel: number, reason: Reason): boolean {
  const isVariance = reason === "variance" &&
    [state.spectrum, state.spread].some(({ track }) => speaks(track, channel));
  return isVariance || isFaulty(state, channel);
}
