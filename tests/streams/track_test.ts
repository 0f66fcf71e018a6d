import assert from "node:assert/strict";
import { DEFAULT_SETTINGS, type StreamRecord } from "../../src/stores/store.ts";
import type { Applied } from "../../src/streams/engine.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { Track } from "../../src/streams/track.ts";
import { testParts, walk } from "./_parts.ts";

const record: StreamRecord = {
  id: "s",
  createdNs: 1n,
  settings: DEFAULT_SETTINGS,
  channels: [],
  logOffset: 0,
  inOrderCount: 0,
  firstNs: null,
  lastNs: null,
};

function open(after: Promise<unknown> = Promise.resolve()): Track {
  return new Track(record, new LocalShardPort(testParts), after);
}

Deno.test("Track runs one piece of work after the other, failures or not", async () => {
  const gate = Promise.withResolvers<void>();
  const track = open(gate.promise);
  const order: number[] = [];
  const first = track.exclusive(async () => {
    await Promise.resolve();
    order.push(1);
    throw new Error("first fails");
  });
  const second = track.exclusive(() => Promise.resolve(order.push(2)));
  assert.equal(track.workCount, 2);
  await Promise.resolve();
  assert.deepEqual(order, [], "nothing starts before what has to be over first");
  gate.resolve();
  await assert.rejects(first, /first fails/);
  await second;
  assert.deepEqual(order, [1, 2]);
  assert.equal(track.workCount, 0);
});

Deno.test("Track keeps submissions in the order of the log", () => {
  const track = open();
  for (const start of [20, 0, 10]) {
    const settled = Promise.withResolvers<Applied>();
    track.enqueue({ segment: walk("s", 5, ["a"]), start, settled });
  }
  assert.deepEqual(track.pending.map(({ start }) => start), [0, 10, 20]);
  assert.equal(track.target, 25);
});

Deno.test("Track remembers when it began to move away from its last commit", () => {
  const track = open();
  track.markAbsorbed(3, 10);
  track.markAbsorbed(2, 20);
  assert.deepEqual(track.uncommitted, { samples: 5, firstMs: 10, lastMs: 20 });
});
