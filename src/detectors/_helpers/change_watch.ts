import type { Reason } from "../detector.ts";
import { CHANGE_SAMPLES_MAX, changeKind } from "./change_kind.ts";
import { changeSize, farShare, isFresh } from "./change_past.ts";
import type { EventTrack } from "./event_track.ts";
import { finalReason } from "./reason.ts";

/**
 * Looks again at what an open alarm is of, as the samples after its opening come in: a spike that
 * stays is a level, one whose cycle differs from those before is a season. An alarm of a change
 * that goes on is held open until a whole cycle was seen. What a change leaves behind in the slow
 * averages and in the profile of the season is its echo, which is no other event.
 */
export type ChangeWatch = {
  /** −1 = nothing is watched. */
  channel: number;
  /** Tick of the channel at the opening, and that of the next look. */
  since: number;
  next: number;
  /** Season at the opening in ticks; 0 = none. */
  length: number;
  /** Reason that this told, or the opening. */
  reason: Reason;
  /** Tick up to which the alarm is held open; 0 = it is not held. */
  heldUntil: number;
  /** Tick up to which the change echoes; 0 while its alarm is not over. */
  until: number;
  /** Root mean square distance of its samples from those before. */
  size: number;
};

/** Nothing to watch. */
export function initialWatch(): ChangeWatch {
  return {
    channel: -1,
    since: 0,
    next: 0,
    length: 0,
    reason: "spike",
    heldUntil: 0,
    until: 0,
    size: 0,
  };
}

/** Samples of the first look; each further one is at twice as many, and after a whole cycle. */
const FIRST_LOOK = 4;
/**
 * Samples, where there is no season, from which every reason may become another one; where there is
 * one, a whole cycle. Before, spikes may become levels.
 */
const LATE_LOOK = 32;
/** Samples, and cycles where there is a season, in which a change echoes after its alarm. */
const ECHO_SAMPLES = 64;
const ECHO_CYCLES = 4;
const ECHO_SAMPLES_MAX = 512;
/** Samples that an echo is looked at in, and how much larger than the change it may be. */
const ECHO_WINDOW = 16;
const ECHO_SIZE = 1.5;
/** A drift goes on: what follows it may be so much larger. */
const ECHO_SIZE_DRIFT = 4;

/** Samples, and share of a cycle, at the end of an alarm that say whether its change goes on. */
const LAST_SAMPLES = 16;
const LAST_SHARE = 0.5;
/** It does where they are at least so much of its size. */
const LASTING_SIZE = 0.35;
/** It does as well, whatever it is, where so many of them are far from the time before. */
const FAR_SHARE = 0.5;

/** Begins to watch the alarm that opened at this tick of its loudest channel. */
export function openWatch(
  watch: ChangeWatch,
  { channel, tick, length, reason }: {
    readonly channel: number;
    readonly tick: number;
    readonly length: number;
    readonly reason: Reason;
  },
): void {
  const next = tick + FIRST_LOOK - 1;
  const opening = { channel, since: tick, next, length, reason };
  Object.assign(watch, initialWatch(), opening);
}

/** Samples of a channel. */
export interface Watched {
  /** Values by tick modulo its length, and the last tick. */
  readonly ring: Float32Array;
  readonly tick: number;
}

/** The reason of the watched alarm as it looks now: the one it has where nothing else is known. */
function lookAgain(
  watch: ChangeWatch,
  { ring, tick }: Watched,
  reason: Reason,
  isEnd: boolean,
): Reason {
  // A fault has spoken for the alarm: it knows better.
  if (reason !== watch.reason) watch.channel = -1;
  if (watch.channel < 0 || (tick < watch.next && !isEnd)) return reason;
  const { since, length } = watch;
  const samples = tick - since + 1;
  while (watch.next <= tick) {
    const ahead = 2 * (watch.next - since + 1);
    const isPastCycle = watch.next - since + 1 < length && ahead > length;
    watch.next = since + (isPastCycle ? length : ahead) - 1;
  }
  const kind = changeKind(ring, { since, tick, length });
  if (kind === null) return reason;
  const isEarly = samples < (length > 0 ? length : LATE_LOOK) && kind !== "season";
  if (isEarly && !(reason === "spike" && kind === "level")) return reason;
  // One sample explains much of larger moves, too.
  if (reason === "variance" && kind === "spike") return reason;
  watch.reason = kind;
  return kind;
}

/** First of the last samples of an alarm, by which is told whether its change goes on. */
function lastSamples({ since, length }: ChangeWatch, tick: number): number {
  const last = Math.max(LAST_SAMPLES, Math.round(LAST_SHARE * length));
  return Math.max(since, tick - last + 1);
}

/** True where the change of an alarm goes on; writes its size. */
function isLasting(watch: ChangeWatch, { ring, tick }: Watched): boolean {
  const { since, length } = watch;
  const place = { since, tick, length };
  watch.size = changeSize(ring, place, since);
  return changeSize(ring, place, lastSamples(watch, tick)) > LASTING_SIZE * watch.size;
}

/** Holds an alarm open whose change goes on before a whole cycle was seen; true where it does. */
function holdWatch(watch: ChangeWatch, watched: Watched): boolean {
  const { channel, since, length } = watch;
  const { ring, tick } = watched;
  if (channel < 0 || tick - since + 1 >= length || length > CHANGE_SAMPLES_MAX) return false;
  const place = { since, tick, length };
  const kind = changeKind(ring, place);
  const isKnown = kind !== null && kind !== "spike";
  const isFar = farShare(ring, place, lastSamples(watch, tick)) >= FAR_SHARE;
  if (!(isLasting(watch, watched) && isKnown) && !isFar) return false;
  watch.heldUntil = since + length - 1;
  watch.until = watch.heldUntil;
  return true;
}

/** The alarm is over: what lasts echoes from here on. */
function endWatch(watch: ChangeWatch, watched: Watched, reason: Reason): void {
  const { channel, length } = watch;
  if (channel < 0) return;
  const isChange = reason !== "spike" && reason !== "shape";
  if (!isChange || !isLasting(watch, watched)) {
    watch.channel = -1;
    return;
  }
  // Larger moves stay odd until the whole past holds as many of them.
  const least = reason === "variance" ? ECHO_SAMPLES_MAX : ECHO_SAMPLES;
  const echo = Math.min(ECHO_SAMPLES_MAX, Math.max(least, ECHO_CYCLES * length));
  watch.reason = reason;
  watch.heldUntil = 0;
  watch.until = watched.tick + echo;
}

/**
 * Looks again at what an open alarm is of, and gives it its last reason where it is over.
 *
 * @param track    the alarm, whose reason may become another one
 * @param watched  the channel; null where it has no sample
 * @param isQuiet  whether the evidence of the alarm is over
 * @returns whether the alarm is over
 */
export function reviewAlarm(
  watch: ChangeWatch,
  track: EventTrack,
  watched: Watched | null,
  isQuiet: boolean,
): boolean {
  const isHeld = watch.heldUntil > 0;
  if (watched === null) {
    if (!isQuiet && !isHeld) return false;
    watch.channel = -1;
    track.reason = finalReason(track.reason, track);
    return true;
  }
  const isOver = isHeld ? watched.tick >= watch.heldUntil : isQuiet && !holdWatch(watch, watched);
  track.reason = lookAgain(watch, watched, track.reason, isOver);
  if (!isOver) return false;
  track.reason = finalReason(track.reason, track);
  endWatch(watch, watched, track.reason);
  return true;
}

/**
 * Names the watched alarm `variance` where it is a spike or a shape and the spread of its channel
 * was found to have grown: it was the first of larger moves.
 *
 * @returns true where it did
 */
export function nameVariance(watch: ChangeWatch, track: EventTrack, channel: number): boolean {
  const isFirst = track.reason === "spike" || track.reason === "shape";
  if (!track.isOpen || !isFirst || watch.channel !== channel) return false;
  track.reason = "variance";
  watch.reason = "variance";
  return true;
}

/** True where an alarm is only what the change before has left behind. */
export function isEcho(watch: ChangeWatch, { ring, tick }: Watched): boolean {
  const { channel, since, length, until, size } = watch;
  if (channel < 0 || tick > until) return false;
  const place = { since, tick, length };
  const isOfSizes = watch.reason === "season" || watch.reason === "variance";
  if (!isOfSizes && isFresh(ring, place, ECHO_WINDOW)) return false;
  const now = changeSize(ring, place, tick - ECHO_WINDOW + 1);
  return now <= (watch.reason === "drift" ? ECHO_SIZE_DRIFT : ECHO_SIZE) * size;
}
