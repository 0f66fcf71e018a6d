import assert from "node:assert/strict";
import { sliceSegment } from "../../src/signal/segment.ts";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import { Shard } from "../../src/streams/shard.ts";
import { POISON, testParts, walk } from "./_parts.ts";

const load = { createdNs: 5n, settings: DEFAULT_SETTINGS, snapshot: null };

function loaded(streamId: string): Shard {
  const shard = new Shard(testParts);
  shard.load({ ...load, streamId });
  return shard;
}

Deno.test("Shard commits after so many samples, and proves what it commits", () => {
  const shard = loaded("s");
  const segment = walk("s", 30, ["a"]);
  const absorb = (start: number, end: number) =>
    shard.absorb({ streamId: "s", segments: [sliceSegment(segment, start, end)], commitAfter: 20 });
  assert.equal(absorb(0, 15).commit, null);
  const { commit } = absorb(15, 25);
  assert.equal(commit!.snapshot.appliedOffset, 25);
  assert.equal(commit!.streamCreatedNs, 5n);
  assert.deepEqual(commit!.coverage, [
    { level: 0.8, value: 0.5, count: 25, relativeWidth: 1.5 },
  ]);
  assert.equal(commit!.forecast!.stateHash, commit!.snapshot.stateHash);
  assert.equal(absorb(25, 30).commit, null);
});

Deno.test("Shard commits at once when an alarm opens, with its proof", () => {
  const shard = loaded("s");
  const segment = walk("s", 10, ["a"]);
  segment.values[0]![9] = 4_000;
  const { commit, applied } = shard.absorb({
    streamId: "s",
    segments: [sliceSegment(segment, 0, 5), sliceSegment(segment, 5, 10)],
    commitAfter: 1_000,
  });
  assert.deepEqual(applied.map(({ alarms }) => alarms.length), [0, 1]);
  assert.deepEqual(commit!.events, applied[1]!.alarms);
  assert.equal(commit!.events[0]!.stateHash, commit!.snapshot.stateHash);
});

Deno.test("Shard gives up only the state whose model threw", () => {
  const shard = loaded("bad");
  shard.load({ ...load, streamId: "good" });
  const segment = walk("bad", 3, ["a"]);
  segment.values[0]![2] = POISON;
  const answer = shard.absorb({ streamId: "bad", segments: [segment], commitAfter: 9 });
  assert.match(answer.failed!, /poisoned/);
  assert.throws(() => shard.describe({ streamId: "bad" }), /not loaded/);
  assert.equal(shard.describe({ streamId: "good" }).sampleCount, 0);
});

Deno.test("Shard saves a state whose forecast fails", () => {
  const shard = new Shard({
    ...testParts,
    model: (name) => ({
      ...testParts.model(name),
      forecast: () => {
        throw new RangeError("no forecast today");
      },
    }),
  });
  shard.load({ ...load, streamId: "s" });
  shard.absorb({ streamId: "s", segments: [walk("s", 5, ["a"])], commitAfter: 99 });
  const commit = shard.commit({ streamId: "s", isIssued: true });
  assert.equal(commit.forecast, null);
  assert.equal(commit.snapshot.appliedOffset, 5);
});

Deno.test("Shard forgets what is dropped", () => {
  const shard = loaded("s");
  shard.drop({ streamId: "s" });
  assert.throws(() => shard.commit({ streamId: "s", isIssued: true }), /not loaded/);
});
