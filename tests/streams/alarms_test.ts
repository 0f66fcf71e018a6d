import assert from "node:assert/strict";
import { openedAlarms, STANDOUT_SCALES } from "../../src/streams/alarms.ts";

/** One sample of channels a to d: value, expected, scale; b stands out most, then c. */
function absorbed(values: number[], expected: number[], scale: number[], flag = 2) {
  const channels = ["a", "b", "c", "d"].slice(0, values.length);
  const column = (list: number[]) => list.map((value) => Float64Array.of(value));
  return {
    segment: {
      streamId: "s",
      channels,
      timestampsNs: BigInt64Array.of(7n),
      values: column(values),
    },
    start: 0,
    appliedOffset: 1,
    expected: column(expected),
    scale: column(scale),
    score: Float64Array.of(5),
    flag: Float64Array.of(flag),
  };
}

Deno.test("openedAlarms() names the channels that stand out, largest error first", () => {
  const spread = STANDOUT_SCALES;
  const [alarm] = openedAlarms(
    absorbed([1, 10 * spread, -2 * spread, NaN], [1, 0, 0, 0], [1, 1, 1, 1]),
  );
  assert.deepEqual(alarm!.channels, ["b", "c"]);
  assert.deepEqual(alarm!.value, [10 * spread, -2 * spread]);
  assert.deepEqual(alarm!.expected, [0, 0]);
  assert.deepEqual([alarm!.timestampNs, alarm!.score, alarm!.flag], [7n, 5, 2]);
});

Deno.test("openedAlarms() names one channel where none stands out, and null for what is unknown", () => {
  const [alarm] = openedAlarms(absorbed([NaN, 1, 1], [NaN, NaN, NaN], [NaN, NaN, NaN]));
  assert.deepEqual(alarm!.channels, ["b"]);
  assert.deepEqual(alarm!.expected, [null]);
  const [silent] = openedAlarms(absorbed([NaN], [1], [1]));
  assert.deepEqual(silent!.channels, []);
});

Deno.test("openedAlarms() is empty without a flag", () => {
  assert.deepEqual(openedAlarms(absorbed([9], [0], [1], 0)), []);
});
