import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { mergeByStream, mergeRows, oneRowATime } from "../../src/service/merge.ts";
import type { Segment } from "../../src/signal/segment.ts";

function segment(times: number[], columns: Record<string, number[]>, streamId = "s"): Segment {
  return {
    streamId,
    channels: Object.keys(columns),
    timestampsNs: BigInt64Array.from(times, BigInt),
    values: Object.values(columns).map((column) => Float64Array.from(column)),
  };
}

Deno.test("mergeRows() leaves increasing rows as they are", () => {
  const given = segment([1, 2, 3], { a: [1, 2, 3] });
  assert.equal(mergeRows(given), given);
});

Deno.test("mergeRows() sorts and joins rows of one timestamp with different channels", () => {
  const merged = mergeRows(segment([2, 1, 2], { a: [20, 10, NaN], b: [NaN, NaN, 21] }));
  assert.deepEqual([...merged.timestampsNs], [1n, 2n]);
  assert.deepEqual([...merged.values[0]!], [10, 20]);
  assert.deepEqual([...merged.values[1]!], [NaN, 21]);
});

Deno.test("mergeRows() keeps rows apart that give one channel twice", () => {
  const merged = mergeRows(segment([5, 5, 5, 6], { a: [1, 2, NaN, 9], b: [NaN, NaN, 7, 9] }));
  assert.deepEqual([...merged.timestampsNs], [5n, 5n, 6n]);
  assert.deepEqual([...merged.values[0]!], [1, 2, 9]);
  assert.deepEqual([...merged.values[1]!], [NaN, 7, 9]);
});

Deno.test("mergeByStream() gives one segment a stream in the order of first sight", () => {
  const merged = mergeByStream([
    segment([3], { a: [3] }, "x"),
    segment([1], { a: [1] }, "y"),
    segment([2, 3], { b: [2, 33] }, "x"),
  ]);
  assert.deepEqual(merged.map((part) => part.streamId), ["x", "y"]);
  assert.deepEqual([...merged[0]!.timestampsNs], [2n, 3n]);
  assert.deepEqual(merged[0]!.channels, ["a", "b"]);
  assert.deepEqual([...merged[0]!.values[1]!], [2, 33]);
});

Deno.test("oneRowATime() joins rows of one time that agree, and leaves increasing ones", () => {
  const given = segment([1, 2, 3], { a: [1, 2, 3] });
  assert.equal(oneRowATime(given), given);
  const joined = oneRowATime(
    segment([9, 5, 5, 5, 6], { a: [4, 1, 1, NaN, 2], b: [NaN, NaN, 7, 7, 8] }),
  );
  assert.deepEqual([...joined.timestampsNs], [5n, 6n, 9n]);
  assert.deepEqual([...joined.values[0]!], [1, 2, 4]);
  assert.deepEqual([...joined.values[1]!], [7, 8, NaN]);
});

Deno.test("oneRowATime() refuses two values of a channel at one time, and names them", () => {
  const twice = segment([0, 5, 5], { a: [1, 2, 3], b: [1, 4, NaN] });
  assert.throws(() => oneRowATime(twice), (error) => {
    assert.ok(error instanceof InvalidValueError);
    assert.equal(error.field, "timestamps");
    assert.equal(error.value, "1970-01-01T00:00:00.000000005Z");
    assert.match(error.message, /expected one value of "a" at a time; here are 2 and 3/);
    return true;
  });
});
