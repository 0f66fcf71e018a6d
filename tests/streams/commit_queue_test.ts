import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { type Commit, openMemoryStore } from "../../src/stores/mod.ts";
import { COMMIT_GROUP_MAX, CommitQueue } from "../../src/streams/commit_queue.ts";

const commitOf = (appliedOffset: number): Commit => ({
  streamCreatedNs: 1n,
  snapshot: {
    streamId: "s",
    appliedOffset,
    modelHash: "m",
    stateHash: "h",
    bytes: new Uint8Array(1),
  },
  events: [],
  forecast: null,
});

Deno.test("CommitQueue lets commits that wait share a transaction, in their order", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const groups: number[][] = [];
  store.commit = async (commits) => {
    await Promise.resolve();
    groups.push(commits.map(({ snapshot }) => snapshot.appliedOffset));
  };
  const queue = new CommitQueue(store);
  await Promise.all(Array.from({ length: 100 }, (_, i) => queue.put(commitOf(i))));
  assert.deepEqual(groups.flat(), Array.from({ length: 100 }, (_, i) => i));
  assert.deepEqual(groups.map((group) => group.length), [1, COMMIT_GROUP_MAX, 35]);
});

Deno.test("CommitQueue tells all of a group of its failure and goes on", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  let isBroken = true;
  store.commit = async () => {
    await Promise.resolve();
    if (isBroken) throw new Error("disk full");
  };
  const queue = new CommitQueue(store);
  const outcomes = await Promise.allSettled([1, 2, 3].map((i) => queue.put(commitOf(i))));
  assert.ok(outcomes.every(({ status }) => status === "rejected"));
  isBroken = false;
  await queue.put(commitOf(4));
});
