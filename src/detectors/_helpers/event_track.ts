import type { FlagEvent, FlagOptions, Reason } from "../detector.ts";

/** The alarm of one kind of evidence that is open, and when the last one opened. */
export type EventTrack = {
  isOpen: boolean;
  number: number;
  openedS: number;
  peakS: number;
  /** −log10 of the smallest chance so far. */
  peak: number;
  /** Highest score of a sample since the opening. */
  score: number;
  reason: Reason;
  channels: readonly number[];
  /** Frequencies that spoke, in Hz; null where none were looked at. */
  bandHz: readonly [number, number] | null;
  /** Samples since the opening, and those of them far above and far below the usual level. */
  samples: number;
  above: number;
  below: number;
  /** When the last alarm opened; −1e300 before the first. */
  lastOpenedS: number;
};

/** No alarm yet. */
export function initialTrack(): EventTrack {
  return {
    isOpen: false,
    number: -1,
    openedS: 0,
    peakS: 0,
    peak: 0,
    score: 0,
    reason: "spike",
    channels: [],
    bandHz: null,
    samples: 0,
    above: 0,
    below: 0,
    lastOpenedS: -1e300,
  };
}

/** Where and when something is said. */
export interface Moment {
  readonly index: number;
  readonly timeS: number;
}

/** What an alarm says when it opens. */
export interface Opening {
  /** −log10 p. */
  readonly surprise: number;
  readonly score: number;
  readonly reason: Reason;
  readonly channels: readonly number[];
  readonly bandHz?: readonly [number, number] | undefined;
}

/** True where an alarm may open at this time. */
export function isCool(track: EventTrack, timeS: number, { coolDownS }: FlagOptions): boolean {
  return !(timeS - track.lastOpenedS < coolDownS);
}

/** Opens an alarm. */
export function openTrack(
  track: EventTrack,
  opening: Opening,
  { index, timeS }: Moment,
  counter: { events: number },
): FlagEvent {
  track.isOpen = true;
  track.number = counter.events++;
  track.openedS = timeS;
  track.lastOpenedS = timeS;
  track.peakS = timeS;
  track.peak = opening.surprise;
  track.score = opening.score;
  track.reason = opening.reason;
  track.channels = opening.channels;
  track.bandHz = opening.bandHz ?? null;
  track.samples = 0;
  track.above = 0;
  track.below = 0;
  return eventOf(track, "open", index);
}

/** Raises the peak of an open alarm. */
export function raiseTrack(track: EventTrack, surprise: number, timeS: number): void {
  if (surprise <= track.peak) return;
  track.peak = surprise;
  track.peakS = timeS;
}

/** Ends an alarm. */
export function endTrack(track: EventTrack, index: number): FlagEvent {
  track.isOpen = false;
  return eventOf(track, "end", index);
}

/** Tells that an open alarm has another reason than it was told with. */
export function reviseTrack(track: EventTrack, index: number): FlagEvent {
  return eventOf(track, "revised", index);
}

function eventOf(track: EventTrack, phase: FlagEvent["phase"], index: number): FlagEvent {
  const { number, openedS, peakS, peak, score, reason, channels, bandHz } = track;
  return {
    index,
    phase,
    number,
    openedS,
    peakS,
    p: Math.min(1, 10 ** -peak),
    score,
    reason,
    channels,
    ...(bandHz === null ? {} : { bandHz }),
  };
}
