import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { appendFeedback } from "../../src/streams/feedback_log.ts";
import { proveClaims } from "../../src/streams/proof.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { testParts, walk } from "./_parts.ts";

async function openLog(whole: Segment) {
  const store = openMemoryStore({ clock: new ManualClock() });
  await store.append([whole]);
  const record = (await store.getStream(whole.streamId))!;
  const port = new LocalShardPort(testParts);
  const { signal } = new AbortController();
  const replay = { store, port, key: 0, record, signal };
  const prove = (...claims: [number, string][]) =>
    proveClaims(
      store,
      replay,
      claims.map(([appliedOffset, stateHash]) => ({ appliedOffset, stateHash })),
    );
  return { store, record, prove };
}

Deno.test("proveClaims() answers claims in the order given, several of one place too", async () => {
  const { prove } = await openLog(walk("s", 50, ["a"]));
  const [late, early] = await prove([50, "x"], [20, "y"]) as [any, any];
  assert.deepEqual([late.isProven, early.isProven], [false, false]);
  assert.notEqual(late.replayedHash, early.replayedHash);
  const answers = await prove(
    [50, late.replayedHash],
    [20, late.replayedHash],
    [20, early.replayedHash],
  );
  assert.deepEqual(answers.map(({ isProven }) => isProven), [true, false, true]);
  assert.deepEqual(await prove(), []);
});

Deno.test("proveClaims() sees that another sample stands in the log", async () => {
  const whole = walk("s", 50, ["a"]);
  const { prove } = await openLog(whole);
  const [before, after] = await prove([24, ""], [50, ""]);
  const other = { ...whole, values: [whole.values[0]!.slice()] };
  other.values[0]![30]! += 1e-9;
  const again = await openLog(other);
  const answers = await again.prove([24, before!.replayedHash], [50, after!.replayedHash]);
  assert.deepEqual(answers.map(({ isProven }) => isProven), [true, false]);
});

Deno.test("proveClaims() takes a state before or after what was said at its place", async () => {
  const whole = walk("s", 50, ["a"]);
  whole.values[0]![5] = 500;
  const { store, record, prove } = await openLog(whole);
  const [silent] = await prove([20, ""]);
  await appendFeedback(store, record, { count: 0, number: 0, isFine: true, offset: 20 });
  const [spoken] = await prove([20, ""]);
  assert.notEqual(spoken!.replayedHash, silent!.replayedHash);
  const both = await prove([20, silent!.replayedHash], [20, spoken!.replayedHash]);
  assert.deepEqual(both.map(({ isProven }) => isProven), [true, true]);
});
