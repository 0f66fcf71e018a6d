import assert from "node:assert/strict";
import {
  endTrack,
  initialTrack,
  isCool,
  openTrack,
  raiseTrack,
  reviseTrack,
} from "../../../src/detectors/_helpers/event_track.ts";
import { DEFAULT_FLAG_OPTIONS } from "../../../src/detectors/detector.ts";

const OPENING = { surprise: 4, score: 3, reason: "spike", channels: [1] } as const;

Deno.test("openTrack() counts alarms and endTrack() tells their peak", () => {
  const track = initialTrack();
  const counter = { events: 5 };
  const opened = openTrack(track, OPENING, { index: 2, timeS: 10 }, counter);
  assert.deepEqual([opened.number, opened.p, opened.phase, counter.events], [5, 1e-4, "open", 6]);
  raiseTrack(track, 6, 20);
  raiseTrack(track, 5, 30);
  const ended = endTrack(track, 7);
  assert.deepEqual([ended.number, ended.index, ended.openedS, ended.peakS], [5, 7, 10, 20]);
  assert.ok(Math.abs(ended.p - 1e-6) < 1e-12 && ended.phase === "end");
});

Deno.test("isCool() holds back what comes soon after an alarm", () => {
  const track = initialTrack();
  const options = { ...DEFAULT_FLAG_OPTIONS, coolDownS: 60 };
  assert.ok(isCool(track, 0, options));
  openTrack(track, OPENING, { index: 0, timeS: 100 }, { events: 0 });
  assert.ok(!isCool(track, 159, options));
  assert.ok(isCool(track, 160, options));
  assert.ok(isCool(track, 101, DEFAULT_FLAG_OPTIONS));
});

Deno.test("reviseTrack() tells an open alarm under its number with its reason of now", () => {
  const track = initialTrack();
  openTrack(track, OPENING, { index: 0, timeS: 100 }, { events: 7 });
  track.reason = "level";
  const { phase, number, index, reason, openedS } = reviseTrack(track, 4);
  assert.deepEqual([phase, number, index, reason, openedS], ["revised", 7, 4, "level", 100]);
  assert.ok(track.isOpen);
});
