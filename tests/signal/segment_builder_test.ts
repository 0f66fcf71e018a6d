import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import {
  BODY_CHANNELS_MAX,
  BODY_STREAMS_MAX,
  BODY_VALUES_MAX,
  CHANNEL_COUNT_MAX,
  SEGMENT_SAMPLES_MAX,
} from "../../src/signal/segment.ts";
import { BodyBuilder, SegmentBuilder, ValueBudget } from "../../src/signal/segment_builder.ts";

function isLimit(name: string): (error: unknown) => boolean {
  return (error) => error instanceof LimitError && error.limitName === name;
}

Deno.test("SegmentBuilder keeps rows, and channels that appear late are missing before", () => {
  const builder = new SegmentBuilder("s", new ValueBudget());
  for (let i = 0; i < 100; i++) {
    builder.beginRow(i, i);
    builder.set(builder.channelIndex("a"), i);
    if (i === 70) builder.set(builder.channelIndex("b"), -1);
  }
  const segment = builder.build();
  assert.deepEqual(segment.channels, ["a", "b"]);
  assert.deepEqual(
    Array.from(segment.timestampsNs),
    Array.from({ length: 100 }, (_, i) => BigInt(i) * 1_000_000_001n),
  );
  assert.deepEqual(Array.from(segment.values[0]!), Array.from({ length: 100 }, (_, i) => i));
  assert.equal(segment.values[1]!.filter((value) => !Number.isNaN(value)).length, 1);
  assert.equal(segment.values[1]![70], -1);
  assert.ok(builder.hasChannel("b"));
  assert.ok(!builder.hasChannel("c"));
});

Deno.test("SegmentBuilder.canMerge() is true for the same time and free channels only", () => {
  const builder = new SegmentBuilder("s", new ValueBudget());
  const a = builder.channelIndex("a");
  const b = builder.channelIndex("b");
  assert.ok(!builder.canMerge(1, 0, [a]));
  builder.beginRow(1, 0);
  builder.set(a, 5);
  assert.ok(builder.canMerge(1, 0, [b]));
  assert.ok(!builder.canMerge(1, 0, [a]));
  assert.ok(!builder.canMerge(1, 1, [b]));
});

Deno.test("builders refuse more samples, channels, values and streams than their limits", () => {
  const rows = new SegmentBuilder("s", new ValueBudget());
  for (let i = 0; i < SEGMENT_SAMPLES_MAX; i++) rows.beginRow(i, 0);
  assert.throws(() => rows.beginRow(0, 0), isLimit("SEGMENT_SAMPLES_MAX"));
  const wide = new SegmentBuilder("s", new ValueBudget());
  for (let i = 0; i < CHANNEL_COUNT_MAX; i++) wide.channelIndex(`c${i}`);
  assert.throws(() => wide.channelIndex("one more"), isLimit("CHANNEL_COUNT_MAX"));
  assert.throws(() => {
    for (let i = 0; i <= BODY_VALUES_MAX / CHANNEL_COUNT_MAX; i++) wide.beginRow(i, 0);
  }, isLimit("BODY_VALUES_MAX"));
  const body = new BodyBuilder();
  for (let i = 0; i < BODY_STREAMS_MAX; i++) body.stream(`s${i}`);
  assert.throws(() => body.stream("one more"), isLimit("BODY_STREAMS_MAX"));
  assert.equal(body.stream("s3"), body.stream("s3"));
  assert.deepEqual(body.build(), []);
  for (let i = 0; i < BODY_CHANNELS_MAX; i++) {
    body.stream(`s${i % BODY_STREAMS_MAX}`).channelIndex(`c${i}`);
  }
  assert.throws(() => body.stream("s0").channelIndex("one more"), isLimit("BODY_CHANNELS_MAX"));
});
