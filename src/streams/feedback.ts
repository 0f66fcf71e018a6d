import type { FlagEvent } from "../detectors/detector.ts";

/**
 * What people said of a stream's alarms, and what follows from it. A kind of event that was fine
 * (the same reason, the same loudest channel) opens no alarm any more, unless it is ten times rarer
 * than the rarest that was fine: where that shows only after it opened, it is told when it ends. An
 * alarm whose reason was revised is of both kinds; an event that is muted is told where its reason
 * turns out to be another one that was not fine.
 *
 * What is told is a pure function of the samples in order and of the feedback at its place among
 * them.
 */

/** Alarms that are remembered, so that something can be said of them. */
export const ALARMS_REMEMBERED = 64;
/** Kinds of events that were fine; the oldest go first. */
export const FINE_KINDS_MAX = 64;
/** Feedback of one stream. */
export const FEEDBACK_MAX = 1_000;

/** An event is told all the same where its chance is smaller by this than what was fine. */
const RARER = 0.1;

/** What is remembered of an alarm. */
export type ToldAlarm = {
  readonly number: number;
  /** With which it opened, and with which it was told last. */
  readonly reason: string;
  lastReason: string;
  /** Name of the loudest channel; empty where all spoke. */
  readonly channel: string;
  /** Smallest chance so far. */
  p: number;
};

/** A kind of event that was fine. */
export type FineKind = { readonly reason: string; readonly channel: string; readonly p: number };

/** The part of a stream's state that feedback makes. */
export type FeedbackState = {
  /** Feedback taken so far. */
  count: number;
  told: ToldAlarm[];
  fine: FineKind[];
  /** Events that opened no alarm and are not over yet. */
  muted: ToldAlarm[];
};

/** What a person said of an alarm. */
export interface Feedback {
  /** The number of the alarm among those of the stream's state. */
  readonly number: number;
  readonly isFine: boolean;
}

/** A state of which nothing was said. */
export function initialFeedback(): FeedbackState {
  return { count: 0, told: [], fine: [], muted: [] };
}

const isOfKind = (kind: FineKind, reason: string, channel: string) =>
  kind.reason === reason && kind.channel === channel;

/**
 * Takes feedback in: what was fine is remembered by its kind, and what was not is forgotten as
 * such. An alarm that is not remembered changes nothing but the count.
 */
export function takeFeedback(state: FeedbackState, { number, isFine }: Feedback): void {
  state.count++;
  const alarm = state.told.find((told) => told.number === number);
  if (alarm === undefined) return;
  for (const reason of new Set([alarm.reason, alarm.lastReason])) {
    const known = state.fine.find((kind) => isOfKind(kind, reason, alarm.channel));
    state.fine = state.fine.filter((kind) => kind !== known);
    if (!isFine) continue;
    const p = Math.min(alarm.p, known?.p ?? 1);
    state.fine.push({ reason, channel: alarm.channel, p });
    if (state.fine.length > FINE_KINDS_MAX) state.fine.shift();
  }
}

/** The alarm of a number, while it is remembered. */
export function recallAlarm(state: FeedbackState, number: number): ToldAlarm | null {
  return state.told.find((told) => told.number === number) ?? null;
}

/**
 * Leaves out the events that are of a kind that was fine.
 *
 * @param channels  names of the detector's channels
 * @returns the events to tell; one that opened silently and became rare is opened where it ends
 */
export function tellEvents(
  state: FeedbackState,
  events: readonly FlagEvent[],
  channels: readonly string[],
): FlagEvent[] {
  return events.flatMap((event) => {
    const { number, p, reason, phase } = event;
    if (phase === "open") {
      const channel = channels[event.channels[0] ?? -1] ?? "";
      const alarm = { number, reason, lastReason: reason, channel, p };
      const isMuted = isFine(state, alarm);
      remember(isMuted ? state.muted : state.told, alarm);
      return isMuted ? [] : [event];
    }
    const muted = state.muted.find((alarm) => alarm.number === number);
    if (muted === undefined) {
      const told = recallAlarm(state, number);
      if (told !== null) Object.assign(told, { p: Math.min(told.p, p), lastReason: reason });
      return [event];
    }
    const isEnd = phase === "end";
    const now = { ...muted, lastReason: reason, p };
    const isStillFine = isFine(state, now);
    if (isEnd || !isStillFine) state.muted = state.muted.filter((alarm) => alarm !== muted);
    if (isStillFine) return [];
    remember(state.told, now);
    const opening = { ...event, phase: "open" as const };
    return isEnd ? [opening, event] : [opening];
  });
}

/** True where an alarm is of a kind that was fine, and not much rarer. */
function isFine({ fine }: FeedbackState, { lastReason, channel, p }: ToldAlarm): boolean {
  return fine.some((kind) => isOfKind(kind, lastReason, channel) && p > RARER * kind.p);
}

function remember(alarms: ToldAlarm[], alarm: ToldAlarm): void {
  alarms.push(alarm);
  if (alarms.length > ALARMS_REMEMBERED) alarms.shift();
}
