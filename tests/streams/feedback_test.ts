import assert from "node:assert/strict";
import type { FlagEvent } from "../../src/detectors/detector.ts";
import {
  ALARMS_REMEMBERED,
  FINE_KINDS_MAX,
  initialFeedback,
  recallAlarm,
  takeFeedback,
  tellEvents,
} from "../../src/streams/feedback.ts";

const CHANNELS = ["a", "b"];

function event(number: number, given: Partial<FlagEvent> = {}): FlagEvent {
  return {
    index: 0,
    phase: "open",
    number,
    openedS: 0,
    peakS: 0,
    p: 1e-5,
    score: 5,
    reason: "level",
    channels: [0],
    ...given,
  };
}

/** The phases of what is told of one event. */
function phases(state: ReturnType<typeof initialFeedback>, ...events: FlagEvent[]): string[] {
  return tellEvents(state, events, CHANNELS).map(({ phase }) => phase);
}

function withFine(p = 1e-5) {
  const state = initialFeedback();
  phases(state, event(0, { p: 1e-4 }), event(0, { phase: "end", p }));
  takeFeedback(state, { number: 0, isFine: true });
  return state;
}

Deno.test("tellEvents() mutes events of a kind that was fine, and no others", () => {
  const state = withFine();
  assert.deepEqual(phases(state, event(1), event(1, { phase: "end" })), []);
  assert.deepEqual(phases(state, event(2, { channels: [1] })), ["open"]);
  assert.deepEqual(phases(state, event(3, { reason: "spike" })), ["open"]);
  assert.equal(state.count, 1);
});

Deno.test("tellEvents() tells what is ten times rarer, at the end where it shows only then", () => {
  const state = withFine();
  assert.deepEqual(phases(state, event(1, { p: 0.99e-6 })), ["open"]);
  assert.deepEqual(phases(state, event(2)), []);
  assert.deepEqual(phases(state, event(2, { phase: "end", p: 1e-7 })), ["open", "end"]);
  assert.equal(recallAlarm(state, 2)!.p, 1e-7);
});

Deno.test("takeFeedback() takes it back, and ignores alarms that it does not know", () => {
  const state = withFine();
  takeFeedback(state, { number: 0, isFine: false });
  assert.deepEqual(phases(state, event(1)), ["open"]);
  takeFeedback(state, { number: 99, isFine: true });
  assert.deepEqual([state.fine, state.count], [[], 3]);
});

Deno.test("takeFeedback() keeps the rarest of a kind, and the newest kinds", () => {
  const state = withFine(1e-8);
  phases(state, event(1, { p: 1e-10 }));
  takeFeedback(state, { number: 1, isFine: true });
  assert.deepEqual(state.fine.map(({ p }) => p), [1e-10]);
  for (let i = 0; i < FINE_KINDS_MAX; i++) {
    const names = [`c${i}`];
    tellEvents(state, [event(2 + i)], names);
    takeFeedback(state, { number: 2 + i, isFine: true });
  }
  assert.equal(state.fine.length, FINE_KINDS_MAX);
  assert.deepEqual(phases(state, event(1_000)), ["open"]);
});

Deno.test("recallAlarm() knows the last alarms", () => {
  const state = initialFeedback();
  for (let i = 0; i <= ALARMS_REMEMBERED; i++) phases(state, event(i));
  assert.equal(recallAlarm(state, 0), null);
  assert.equal(recallAlarm(state, 1)!.channel, "a");
});

Deno.test("tellEvents() tells a muted event whose reason turns out to be one that was not fine", () => {
  const state = withFine();
  assert.deepEqual(phases(state, event(1), event(1, { phase: "revised", reason: "season" })), [
    "open",
  ]);
  assert.deepEqual(phases(state, event(1, { phase: "end", reason: "season" })), ["end"]);
  assert.equal(recallAlarm(state, 1)!.lastReason, "season");
  assert.deepEqual(phases(state, event(2), event(2, { phase: "end", reason: "season" })), [
    "open",
    "end",
  ]);
});

Deno.test("takeFeedback() means the reason that an alarm opened with, and the revised one", () => {
  const state = initialFeedback();
  const revised = { phase: "revised", reason: "level" } as const;
  assert.deepEqual(phases(state, event(0, { reason: "spike" }), event(0, revised)), [
    "open",
    "revised",
  ]);
  takeFeedback(state, { number: 0, isFine: true });
  assert.deepEqual(state.fine.map(({ reason }) => reason), ["spike", "level"]);
  const again = [event(1, { reason: "spike" }), event(1, revised), event(1, { phase: "end" })];
  assert.deepEqual(phases(state, ...again), []);
  assert.deepEqual(state.muted, []);
  takeFeedback(state, { number: 0, isFine: false });
  assert.deepEqual(state.fine, []);
});
