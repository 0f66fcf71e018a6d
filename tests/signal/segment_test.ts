import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import {
  CHANNEL_COUNT_MAX,
  concatSegments,
  isChannelName,
  isSorted,
  isStreamId,
  isStrictlyIncreasing,
  type Segment,
  SEGMENT_SAMPLES_MAX,
  sliceSegment,
  sortSegment,
  STREAM_ID_LENGTH_MAX,
  timesS,
  validateChannels,
  validateSegment,
  validateStreamId,
} from "../../src/signal/segment.ts";
import { TIMESTAMP_NS_MAX } from "../../src/signal/timestamp.ts";

function segmentOf(timestamps: readonly number[], values: readonly number[]): Segment {
  return {
    streamId: "s",
    channels: ["a"],
    timestampsNs: BigInt64Array.from(timestamps, BigInt),
    values: [Float64Array.from(values)],
  };
}

Deno.test("isStreamId() allows names of series and refuses what could mislead", () => {
  const good = ["a", "cpu,host=a", "région/1", "m v", "$x", "50%", "a".repeat(200), "温度"];
  good.push("🔥", "oven 🔥/1", "👩🏽‍🔧", "🇩🇪", "21 °C", "price €");
  for (const name of good) assert.ok(isStreamId(name), name);
  const bad = ["", ".", "..", "/a", "a ", " a", "a\n", 'a"', "a\\b", "a\u0000", "a".repeat(201)];
  bad.push("\u200da", "a<b", "\ud83d", "a\u202e");
  for (const name of bad) assert.ok(!isStreamId(name), name);
  assert.equal(STREAM_ID_LENGTH_MAX, 200);
  assert.throws(() => validateStreamId("../x"), InvalidValueError);
  assert.doesNotThrow(() => validateStreamId("x"));
});

Deno.test("isChannelName() refuses empty, long and control characters", () => {
  assert.ok(isChannelName("Température (°C)"));
  for (const name of ["", "a".repeat(201), "a\tb", "a\u2028", "\ud800"]) {
    assert.ok(!isChannelName(name));
  }
});

Deno.test("validateChannels() refuses none, too many and repeats", () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);
  assert.doesNotThrow(() => validateChannels(names(CHANNEL_COUNT_MAX)));
  assert.throws(
    () => validateChannels(names(10_001)),
    (error: unknown) =>
      error instanceof LimitError && error.limitName === "CHANNEL_COUNT_MAX" &&
      error.actual === 10_001,
  );
  assert.throws(() => validateChannels([]), InvalidValueError);
  assert.throws(() => validateChannels(["a", "b", "a"]), /channels\[2\]/);
});

Deno.test("validateSegment() names the timestamp, value or limit at fault", () => {
  assert.doesNotThrow(() => validateSegment(segmentOf([1, 0, 0], [1, NaN, -2])));
  assert.throws(() => validateSegment(segmentOf([1, 2], [1, Infinity])), /a\[1\] is "Infinity"/);
  assert.throws(() => validateSegment(segmentOf([1, 2], [1])), /a\.length is "1"/);
  const late = { ...segmentOf([1], [1]), timestampsNs: BigInt64Array.of(TIMESTAMP_NS_MAX) };
  assert.throws(() => validateSegment(late), /timestamps\[0\]/);
  const long = new Float64Array(SEGMENT_SAMPLES_MAX + 1);
  const tooLong = { ...segmentOf([], []), timestampsNs: new BigInt64Array(long.length) };
  assert.throws(() => validateSegment({ ...tooLong, values: [long] }), LimitError);
});

Deno.test("sortSegment() orders by time and keeps the order of equal timestamps", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 })), (times) => {
      const segment = segmentOf(times, times.map((_, index) => index));
      const sorted = sortSegment(segment);
      assert.ok(isSorted(sorted));
      const order = times.map((time, index) => ({ time, index }));
      order.sort((a, b) => a.time - b.time || a.index - b.index);
      assert.deepEqual(Array.from(sorted.values[0]!), order.map((one) => one.index));
      assert.deepEqual(Array.from(sorted.timestampsNs, Number), order.map((one) => one.time));
    }),
    { seed: 1 },
  );
  const ordered = segmentOf([1, 1, 2], [0, 1, 2]);
  assert.equal(sortSegment(ordered), ordered);
});

Deno.test("concatSegments() of the slices gives the whole, and fills unknown channels", () => {
  const whole = segmentOf([3, 1, 2], [5, NaN, 7]);
  const joined = concatSegments([sliceSegment(whole, 0, 1), sliceSegment(whole, 1, 3)]);
  assert.deepEqual(joined, whole);
  const other = { ...segmentOf([9], [4]), channels: ["b"] };
  const mixed = concatSegments([whole, other]);
  assert.deepEqual(mixed.channels, ["a", "b"]);
  assert.deepEqual(Array.from(mixed.values[0]!), [5, NaN, 7, NaN]);
  assert.deepEqual(Array.from(mixed.values[1]!), [NaN, NaN, NaN, 4]);
});

Deno.test("timesS() is exact to the nanosecond near the epoch it is given", () => {
  const epochNs = 1_704_067_200_000_000_000n;
  const times = timesS(BigInt64Array.of(epochNs + 1n, epochNs - 1_500_000_000n), epochNs);
  assert.deepEqual(Array.from(times), [1e-9, -1.5]);
});

Deno.test("timestamps are compared and turned into seconds as their bigints would be", () => {
  const time = fc.oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -3n, max: 3n }),
    fc.bigInt({ min: 2n ** 32n - 2n, max: 2n ** 32n + 2n }).map((near) => near * -1n),
  );
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 4 }), time, (times, epochNs) => {
      // A view that does not begin with its buffer.
      const timestampsNs = BigInt64Array.from([0n, ...times]).subarray(1);
      const segment = { streamId: "a", channels: [], timestampsNs, values: [] };
      const steps = times.slice(1).map((ns, i) => [times[i]!, ns] as const);
      assert.equal(isStrictlyIncreasing(timestampsNs), steps.every(([a, b]) => a < b));
      assert.equal(isSorted(segment), steps.every(([a, b]) => a <= b));
      const seconds = times.map((ns) => Number(ns - epochNs) / 1e9);
      assert.deepEqual([...timesS(timestampsNs, epochNs)], seconds);
    }),
    { numRuns: 2_000 },
  );
});
