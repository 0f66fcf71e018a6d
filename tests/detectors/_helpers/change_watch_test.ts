import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  initialWatch,
  isEcho,
  nameVariance,
  openWatch,
  reviewAlarm,
} from "../../../src/detectors/_helpers/change_watch.ts";
import { initialTrack, openTrack } from "../../../src/detectors/_helpers/event_track.ts";
import { RING_SIZE } from "../../../src/detectors/_helpers/season.ts";
import type { Reason } from "../../../src/detectors/detector.ts";

const SINCE = 1_000;

/** Noise with something on top of it; the watch of an alarm at its beginning. */
function opened(
  value: (tick: number) => number,
  { reason = "spike", length = 0 }: { readonly reason?: Reason; readonly length?: number } = {},
) {
  const random = seedRandom(3);
  const noise = Float64Array.from({ length: SINCE + 400 }, () => nextNormal(random));
  const ring = new Float32Array(RING_SIZE);
  noise.forEach((e, tick) => ring[tick] = e + value(tick));
  const track = initialTrack();
  const opening = { surprise: 4, score: 3, reason, channels: [0] };
  openTrack(track, opening, { index: 0, timeS: 0 }, { events: 0 });
  const watch = initialWatch();
  openWatch(watch, { channel: 0, tick: SINCE, length, reason });
  /** Reasons from the opening on, up to its end or the last tick; the evidence is over there. */
  const review = (lastTick: number) => {
    const reasons: Reason[] = [];
    for (let tick = SINCE + 1; tick <= lastTick; tick++) {
      const isOver = reviewAlarm(watch, track, { ring, tick }, tick === lastTick);
      reasons.push(track.reason);
      if (isOver) return { reasons, endedAt: tick };
    }
    return { reasons, endedAt: -1 };
  };
  return { track, watch, ring, review };
}

const wave = (tick: number, length: number) => 5 * Math.sin((2 * Math.PI * tick) / length);

Deno.test("reviewAlarm() makes a spike that stays a level after four samples, for good", () => {
  const { reasons, endedAt } = opened((tick) => tick < SINCE ? 0 : 6).review(SINCE + 44);
  assert.deepEqual(reasons.slice(0, 3), ["spike", "spike", "level"]);
  assert.ok(reasons.slice(2).every((reason) => reason === "level"));
  assert.equal(endedAt, SINCE + 44);
});

Deno.test("reviewAlarm() leaves a spike, and what is known to be a fault", () => {
  const spike = opened((tick) => tick === SINCE ? 12 : 0).review(SINCE + 44);
  assert.ok(spike.reasons.every((reason) => reason === "spike"));
  const stuck = opened((tick) => tick < SINCE ? 0 : 6);
  stuck.track.reason = "stuck";
  const { reasons } = stuck.review(SINCE + 44);
  assert.ok(reasons.every((reason) => reason === "stuck"));
  assert.equal(stuck.watch.channel, -1);
});

Deno.test("reviewAlarm() knows another season after a cycle, and holds the alarm until then", () => {
  const value = (tick: number) => wave(tick, 96) * (tick < SINCE ? 1 : 2);
  const alarm = opened(value, { reason: "level", length: 96 });
  const { reasons } = alarm.review(SINCE + 60);
  assert.equal(alarm.watch.heldUntil, SINCE + 95);
  assert.ok(reasons.every((reason) => reason === "level"));
  const at = { ring: alarm.ring, tick: SINCE + 94 };
  assert.equal(reviewAlarm(alarm.watch, alarm.track, at, false), false);
  assert.equal(reviewAlarm(alarm.watch, alarm.track, { ...at, tick: SINCE + 95 }, false), true);
  assert.equal(alarm.track.reason, "season");
});

Deno.test("reviewAlarm() holds nothing that is over, nor a channel without samples", () => {
  const spike = opened((tick) => wave(tick, 96) + (tick === SINCE ? 12 : 0), { length: 96 });
  assert.equal(spike.review(SINCE + 60).endedAt, SINCE + 60);
  const value = (tick: number) => wave(tick, 96) * (tick < SINCE ? 1 : 2);
  const held = opened(value, { reason: "level", length: 96 });
  held.review(SINCE + 60);
  assert.equal(reviewAlarm(held.watch, held.track, null, false), true);
  const silent = opened((tick) => tick < SINCE ? 0 : 6);
  assert.equal(reviewAlarm(silent.watch, silent.track, null, false), false);
  assert.equal(reviewAlarm(silent.watch, silent.track, null, true), true);
});

Deno.test("isEcho() knows what a level leaves behind from what is more, and from a spike", () => {
  const alarm = opened((tick) =>
    tick < SINCE ? 0 : tick === SINCE + 55 ? 15 : tick < SINCE + 70 ? 6 : 14
  );
  const echo = (tick: number) => isEcho(alarm.watch, { ring: alarm.ring, tick });
  assert.equal(echo(SINCE + 10), false);
  alarm.review(SINCE + 44);
  assert.deepEqual([54, 55, 56, 69].map((i) => echo(SINCE + i)), [true, false, true, true]);
  assert.deepEqual([70, 71, 90].map((i) => echo(SINCE + i)), [false, false, false]);
  // 64 samples after the alarm it is over.
  const longer = opened((tick) => tick < SINCE ? 0 : 6);
  longer.review(SINCE + 44);
  const at = (tick: number) => isEcho(longer.watch, { ring: longer.ring, tick });
  assert.deepEqual([at(SINCE + 44 + 64), at(SINCE + 44 + 65)], [true, false]);
});

Deno.test("isEcho() knows none after a spike", () => {
  const alarm = opened((tick) => tick === SINCE ? 12 : 0);
  alarm.review(SINCE + 44);
  assert.equal(isEcho(alarm.watch, { ring: alarm.ring, tick: SINCE + 50 }), false);
});

Deno.test("nameVariance() makes a spike that larger moves follow a variance, for good", () => {
  const larger = (tick: number) => tick < SINCE ? 0 : tick === SINCE ? 9 : tick % 2 === 0 ? 1 : -1;
  const spike = opened(larger);
  assert.equal(spike.review(SINCE + 120).reasons.at(-1), "spike");
  const named = opened(larger);
  assert.equal(nameVariance(named.watch, named.track, 0), true);
  assert.ok(named.review(SINCE + 120).reasons.every((reason) => reason === "variance"));
});

Deno.test("nameVariance() leaves a level, an alarm of another channel and one that is over", () => {
  const level = opened(() => 0, { reason: "level" });
  assert.equal(nameVariance(level.watch, level.track, 0), false);
  const spike = opened(() => 0);
  assert.equal(nameVariance(spike.watch, spike.track, 1), false);
  spike.track.isOpen = false;
  assert.equal(nameVariance(spike.watch, spike.track, 0), false);
  assert.deepEqual([level.track.reason, spike.track.reason], ["level", "spike"]);
});
