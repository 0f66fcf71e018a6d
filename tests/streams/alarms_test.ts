import assert from "node:assert/strict";
import type { FlagEvent } from "../../src/detectors/detector.ts";
import { endedAlarms, openedAlarms } from "../../src/streams/alarms.ts";

/** Two samples of channels b and a, of which the second has no value for a. */
const absorbed = {
  segment: {
    streamId: "s",
    channels: ["b", "a"],
    timestampsNs: BigInt64Array.of(7_000n, 9_000n),
    values: [Float64Array.of(1, 2), Float64Array.of(3, NaN)],
  },
  start: 0,
  appliedOffset: 2,
  expected: [Float64Array.of(10, 20), Float64Array.of(30, NaN)],
  scale: [Float64Array.of(1, 1), Float64Array.of(1, 1)],
  score: Float64Array.of(5, 6),
  flag: Float64Array.of(0, 4.5),
};

function event(given: Partial<FlagEvent>): FlagEvent {
  return {
    index: 1,
    phase: "open",
    number: 3,
    openedS: 2e-6,
    peakS: 3e-6,
    p: 1e-5,
    score: 6,
    reason: "level",
    channels: [0, 1],
    ...given,
  };
}

const told = (...events: FlagEvent[]) => ({ events, channels: ["a", "b", "c"], epochNs: 6_000n });

Deno.test("openedAlarms() names the detector's channels with their values and expectations", () => {
  const [alarm, ...more] = openedAlarms(absorbed, told(event({}), event({ phase: "end" })));
  assert.equal(more.length, 0);
  assert.deepEqual(alarm, {
    streamId: "s",
    timestampNs: 9_000n,
    kind: "anomaly",
    score: 6,
    flag: 4.5,
    p: 1e-5,
    reason: "level",
    number: 3,
    channels: ["a", "b"],
    value: [null, 2],
    expected: [null, 20],
    scale: [1, 1],
  });
});

Deno.test("endedAlarms() tells of a revised alarm that it goes on", () => {
  const revised = event({ phase: "revised", reason: "season" });
  const [alarm, over] = endedAlarms(absorbed, told(revised, event({ phase: "end" })));
  assert.deepEqual([alarm!.isOpen, alarm!.reason, alarm!.endedNs], [true, "season", 9_000n]);
  assert.deepEqual([over!.isOpen, over!.reason], [undefined, "level"]);
  assert.deepEqual(openedAlarms(absorbed, told(revised)), []);
});

Deno.test("openedAlarms() gives null for a channel that the segment has not", () => {
  const [alarm] = openedAlarms(absorbed, told(event({ channels: [2] })));
  assert.deepEqual([alarm!.channels, alarm!.value, alarm!.expected], [["c"], [null], [null]]);
  assert.deepEqual(openedAlarms(absorbed, told()), []);
});

Deno.test("endedAlarms() tells when the alarm opened, was highest and was over", () => {
  const [ended, ...more] = endedAlarms(absorbed, told(event({}), event({ phase: "end" })));
  assert.equal(more.length, 0);
  assert.deepEqual([ended!.openedNs, ended!.peakNs, ended!.endedNs], [8_000n, 9_000n, 9_000n]);
  assert.deepEqual([ended!.number, ended!.p, ended!.reason], [3, 1e-5, "level"]);
  assert.deepEqual(ended!.channels, ["a", "b"]);
});
