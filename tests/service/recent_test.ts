import assert from "node:assert/strict";
import { RECENT_SAMPLES, RecentPredictions } from "../../src/service/recent.ts";
import type { Applied } from "../../src/streams/engine.ts";

/** Samples whose value is their number; every expectation is one less, every scale two. */
function applied(streamId: string, start: number, length: number, channels = ["a"]): Applied {
  const column = (shift: number) =>
    channels.map(() => Float64Array.from({ length }, (_, i) => start + i + shift));
  return {
    segment: {
      streamId,
      channels,
      timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(start + i) * 1_000_000_000n),
      values: column(0),
    },
    start,
    appliedOffset: start + length,
    expected: column(-1),
    scale: channels.map(() => new Float64Array(length).fill(2)),
    score: new Float64Array(length),
    flag: new Float64Array(length),
    alarms: [],
    ended: [],
  };
}

Deno.test("RecentPredictions gives samples with what was predicted, oldest first", () => {
  const recent = new RecentPredictions();
  recent.add(applied("s", 0, 2));
  recent.add(applied("s", 2, 1));
  const samples = recent.read("s", 2);
  assert.deepEqual(samples.map(({ timestamp }) => timestamp), [
    "1970-01-01T00:00:01Z",
    "1970-01-01T00:00:02Z",
  ]);
  assert.deepEqual(samples[1], {
    timestamp: "1970-01-01T00:00:02Z",
    values: { a: 2 },
    expected: { a: 1 },
    scale: { a: 2 },
    score: 0,
  });
  assert.deepEqual(recent.read("other", 5), []);
});

Deno.test("RecentPredictions keeps the newest, however they were cut into segments", () => {
  const total = 3 * RECENT_SAMPLES + 17;
  const whole = new RecentPredictions();
  whole.add(applied("s", 0, total));
  const cut = new RecentPredictions();
  for (let at = 0; at < total; at += 100) cut.add(applied("s", at, Math.min(100, total - at)));
  const samples = whole.read("s", total);
  assert.equal(samples.length, RECENT_SAMPLES);
  assert.equal(samples.at(-1)!.values["a"], total - 1);
  assert.deepEqual(cut.read("s", total), samples);
});

Deno.test("RecentPredictions knows no value of a channel that a sample lacks", () => {
  const recent = new RecentPredictions();
  recent.add(applied("s", 0, RECENT_SAMPLES));
  recent.add(applied("s", RECENT_SAMPLES, 1, ["b"]));
  recent.add(applied("s", RECENT_SAMPLES + 1, 1, ["a", "b"]));
  const values = recent.read("s", 3).map((sample) => sample.values);
  const n = RECENT_SAMPLES;
  assert.deepEqual(values, [{ a: n - 1, b: null }, { a: null, b: n }, { a: n + 1, b: n + 1 }]);
});

Deno.test("RecentPredictions forgets the stream longest without a sample beyond its bytes", () => {
  const single = new RecentPredictions();
  single.add(applied("s", 0, 1));
  const recent = new RecentPredictions(2 * single.bytes);
  recent.add(applied("a", 0, 1));
  recent.add(applied("b", 0, 1));
  recent.add(applied("a", 1, 1));
  recent.add(applied("c", 0, 1));
  assert.deepEqual(["a", "b", "c"].map((id) => recent.read(id, 9).length), [2, 0, 1]);
  assert.equal(recent.bytes, 2 * single.bytes);
  recent.forget("a");
  recent.forget("a");
  recent.forget("c");
  assert.equal(recent.bytes, 0);
});
