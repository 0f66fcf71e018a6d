import assert from "node:assert/strict";
import { OverloadError } from "../../src/base/errors.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import { ManualClock } from "../../src/base/clock.ts";
import { StreamFailedError } from "../../src/streams/engine.ts";
import {
  type Replay,
  type ReplayedPart,
  replayLog,
  sendPart,
  withoutChannels,
} from "../../src/streams/log_replay.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { POISON, testParts, walk } from "./_parts.ts";

Deno.test("withoutChannels() leaves channels out, and samples in which nothing else was given", () => {
  const segment: Segment = {
    streamId: "s",
    channels: ["a", "b", "c"],
    timestampsNs: BigInt64Array.of(1n, 2n, 3n),
    values: [Float64Array.of(1, NaN, 3), Float64Array.of(4, 5, 6), new Float64Array(3).fill(NaN)],
  };
  assert.equal(withoutChannels(segment, ["d"]), segment);
  const left = withoutChannels(segment, ["b"])!;
  assert.deepEqual(left.channels, ["a"]);
  assert.deepEqual(left.timestampsNs, BigInt64Array.of(1n, 3n));
  assert.deepEqual(left.values, [Float64Array.of(1, 3)]);
  assert.equal(withoutChannels(segment, ["a", "b"]), null);
});

async function openReplay(whole: Segment): Promise<Replay> {
  const store = openMemoryStore({ clock: new ManualClock() });
  await store.append([whole]);
  const record = (await store.getStream(whole.streamId))!;
  const port = new LocalShardPort(testParts);
  const replay = { store, port, key: 1, record, signal: new AbortController().signal };
  const { settings } = record;
  await sendPart(replay, { start: { streamId: record.id, settings, snapshot: null } });
  return replay;
}

function partOf({ record }: Replay, end: number, more: Partial<ReplayedPart> = {}): ReplayedPart {
  const whole = { at: 0, end, settings: record.settings, without: [], feedback: [] };
  return { ...whole, ...more };
}

Deno.test("replayLog() tells the hashes of the places that were asked for, and how far it is", async () => {
  const replay = await openReplay(walk("s", 90, ["a"]));
  const hashes: [number, string][] = [];
  const far: number[] = [];
  await replayLog(
    replay,
    partOf(replay, 90, {
      stops: [1, 40, 90],
      onHash: (offset, hash) => hashes.push([offset, hash]),
      onProgress: (offset) => far.push(offset),
    }),
  );
  assert.deepEqual(hashes.map(([offset]) => offset), [1, 40, 90]);
  assert.equal(new Set(hashes.map(([, hash]) => hash)).size, 3);
  assert.equal(far.at(-1), 90);
  assert.ok(far.includes(1) && far.includes(40));
});

Deno.test("replayLog() tells the states of a place before and after each feedback there", async () => {
  const whole = walk("s", 30, ["a"]);
  whole.values[0]![5] = 500;
  const replay = await openReplay(whole);
  const said = (offset: number) => ({ number: 0, isFine: true, offset, createdNs: 0n });
  const at = async (stops: number[]) => {
    const again = await openReplay(whole);
    const hashes: string[] = [];
    const feedback = [said(10), said(20), said(20)];
    const onHash = (_: number, hash: string) => hashes.push(hash);
    await replayLog(again, partOf(replay, 30, { stops, feedback, onHash }));
    return hashes;
  };
  const three = await at([20]);
  assert.equal(new Set(three).size, 3);
  assert.equal((await at([15, 20, 25])).length, 5);
  // Where nobody stops the feedback is taken all the same.
  assert.deepEqual(await at([25]), (await at([20, 25])).slice(3));
});

Deno.test("replayLog() ends where nobody waits, or where the model fails", async () => {
  const whole = walk("s", 20, ["a"]);
  whole.values[0]![12] = POISON;
  const replay = await openReplay(whole);
  await assert.rejects(replayLog(replay, partOf(replay, 20)), StreamFailedError);
  const stop = new AbortController();
  stop.abort();
  const left = { ...await openReplay(whole), signal: stop.signal };
  await assert.rejects(replayLog(left, partOf(left, 10)), OverloadError);
});
