import type { FlagEvent } from "../detectors/detector.ts";

/**
 * What people said of a stream's alarms, and what follows from it. A kind of event that was fine
 * (the same reason, the same loudest channel) opens no alarm any more, unless it is ten times rarer
 * than the rarest that was fine: where that shows only after it opened, it is told when it ends.
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
  readonly reason: string;
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

const isOfKind = (kind: FineKind, { reason, channel }: FineKind | ToldAlarm) =>
  kind.reason === reason && kind.channel === channel;

/**
 * Takes feedback in: what was fine is remembered by its kind, and what was not is forgotten as
 * such. An alarm that is not remembered changes nothing but the count.
 */
export function takeFeedback(state: FeedbackState, { number, isFine }: Feedback): void {
  state.count++;
  const alarm = state.told.find((told) => told.number === number);
  if (alarm === undefined) return;
  const known = state.fine.find((kind) => isOfKind(kind, alarm));
  state.fine = state.fine.filter((kind) => kind !== known);
  if (!isFine) return;
  const p = Math.min(alarm.p, known?.p ?? 1);
  state.fine.push({ reason: alarm.reason, channel: alarm.channel, p });
  if (state.fine.length > FINE_KINDS_MAX) state.fine.shift();
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
      const alarm = { number, reason, channel, p };
      const isMuted = state.fine.some((kind) => isOfKind(kind, alarm) && p > RARER * kind.p);
      remember(isMuted ? state.muted : state.told, alarm);
      return isMuted ? [] : [event];
    }
    const muted = state.muted.find((alarm) => alarm.number === number);
    if (muted === undefined) {
      const told = recallAlarm(state, number);
      if (told !== null) told.p = Math.min(told.p, p);
      return [event];
    }
    state.muted = state.muted.filter((alarm) => alarm !== muted);
    const fine = state.fine.find((kind) => isOfKind(kind, muted));
    if (fine !== undefined && p > RARER * fine.p) return [];
    remember(state.told, { ...muted, p });
    return [{ ...event, phase: "open" as const }, event];
  });
}

function remember(alarms: ToldAlarm[], alarm: ToldAlarm): void {
  alarms.push(alarm);
  if (alarms.length > ALARMS_REMEMBERED) alarms.shift();
}
