import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import {
  listStreams,
  SPARKLINE_CHANNELS_MAX,
  SPARKLINE_SAMPLES,
} from "../../src/service/listing.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";

function segment(
  streamId: string,
  endNs: bigint,
  options: { count: number; channels: number },
): Segment {
  const { count, channels } = options;
  return {
    streamId,
    channels: Array.from({ length: channels }, (_, i) => `c${String(i).padStart(2, "0")}`),
    timestampsNs: BigInt64Array.from(
      { length: count },
      (_, i) => endNs - BigInt(count - 1 - i) * 3_600_000_000_000n,
    ),
    values: Array.from(
      { length: channels },
      () => Float64Array.from({ length: count }, (_, i) => i),
    ),
  };
}

Deno.test("listStreams() bounds what it shows of each stream", async () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  await store.append([segment("wide", clock.nowNs(), { count: 100, channels: 20 })]);
  const { streams, next } = await listStreams(store, clock, { limit: 10 });
  assert.equal(next, null);
  const [entry] = streams;
  assert.equal(entry!.channels.length, 20);
  assert.equal(Object.keys(entry!.sparkline).length, SPARKLINE_CHANNELS_MAX);
  assert.equal(entry!.sparkline["c00"]!.length, SPARKLINE_SAMPLES);
  assert.equal(entry!.lastValues["c00"], 99);
});

Deno.test("listStreams() calls a stream stale after ten of its own periods", async () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  await store.append([segment("hourly", clock.nowNs(), { count: 20, channels: 1 })]);
  await store.putStream("none", {});
  const statuses = async () =>
    Object.fromEntries(
      (await listStreams(store, clock, { limit: 10 })).streams.map((
        { id, status },
      ) => [id, status]),
    );
  clock.advanceMs(10 * 3_600_000);
  assert.deepEqual(await statuses(), { hourly: "live", none: "empty" });
  clock.advanceMs(1);
  assert.deepEqual(await statuses(), { hourly: "stale", none: "empty" });
});
