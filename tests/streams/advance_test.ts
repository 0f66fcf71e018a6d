import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { sliceSegment } from "../../src/signal/segment.ts";
import { openMemoryStore, type Store } from "../../src/stores/mod.ts";
import {
  ABSORBS_IN_FLIGHT_MAX,
  Advancer,
  BATCH_VALUES_MAX,
  batchSamplesMax,
} from "../../src/streams/advance.ts";
import type { Applied } from "../../src/streams/engine.ts";
import { REPLAY_SNAPSHOT_SAMPLES, SNAPSHOT_STEP_MS } from "../../src/streams/snapshots.ts";
import type { AbsorbArgument } from "../../src/streams/shard.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { Track } from "../../src/streams/track.ts";
import { testParts, walk } from "./_parts.ts";

async function open(store: Store, length: number) {
  const clock = new ManualClock();
  const heard: Applied[] = [];
  const advancer = new Advancer(store, clock, {
    applied: (applied) => heard.push(applied),
    issued: () => {},
  });
  const segment = walk("s", length, ["a"]);
  const [result] = await store.append([segment]);
  const track = new Track(result!.record, new LocalShardPort(testParts), Promise.resolve());
  return { advancer, track, segment, heard, clock };
}

Deno.test("Advancer replays a log longer than one read", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const length = 3 * BATCH_VALUES_MAX + 50;
  const { advancer, track, heard } = await open(store, length);
  track.target = length;
  await advancer.advance(track, length);
  assert.equal(track.applied, length);
  assert.equal(advancer.absorbedSamples, length);
  assert.equal(heard.length, 0);
  assert.equal((await store.latestSnapshot("s"))!.appliedOffset, 3 * BATCH_VALUES_MAX);
});

Deno.test("Advancer commits after a short replay, so that the next need not repeat it", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track } = await open(store, REPLAY_SNAPSHOT_SAMPLES);
  track.target = REPLAY_SNAPSHOT_SAMPLES;
  await advancer.advance(track, REPLAY_SNAPSHOT_SAMPLES);
  assert.equal((await store.latestSnapshot("s"))!.appliedOffset, REPLAY_SNAPSHOT_SAMPLES);
  // New samples are no replay: they wait for the next commit that is due.
  const more = walk("s", 2 * REPLAY_SNAPSHOT_SAMPLES, ["a"]);
  const fresh = sliceSegment(more, REPLAY_SNAPSHOT_SAMPLES, 2 * REPLAY_SNAPSHOT_SAMPLES);
  await store.append([fresh]);
  const settled = Promise.withResolvers<Applied>();
  track.enqueue({ segment: fresh, start: REPLAY_SNAPSHOT_SAMPLES, settled });
  await advancer.advance(track, 0);
  assert.equal((await store.latestSnapshot("s"))!.appliedOffset, REPLAY_SNAPSHOT_SAMPLES);
});

Deno.test("batchSamplesMax() gives wide streams fewer samples at a time", () => {
  assert.equal(batchSamplesMax(0), BATCH_VALUES_MAX);
  assert.equal(batchSamplesMax(1), BATCH_VALUES_MAX);
  assert.equal(batchSamplesMax(8), BATCH_VALUES_MAX / 8);
  assert.equal(batchSamplesMax(BATCH_VALUES_MAX + 1), 1);
});

Deno.test("Advancer puts submissions and the log together where they meet", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track, segment, heard } = await open(store, 40);
  // What begins inside what is read already, and what lies ahead of a gap.
  for (const [start, end] of [[10, 20], [30, 40]] as const) {
    const settled = Promise.withResolvers<Applied>();
    track.enqueue({ segment: sliceSegment(segment, start, end), start, settled });
  }
  await advancer.advance(track, 40);
  assert.equal(track.applied, 40);
  assert.deepEqual(
    heard.map(({ start, segment: { timestampsNs } }) => [start, timestampsNs.length]),
    [
      [10, 10],
      [20, 10],
      [30, 10],
    ],
  );
});

Deno.test("Advancer sends neighbours as one segment, and tells each submission its own part", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const length = BATCH_VALUES_MAX + 60;
  const { advancer, track, segment, heard } = await open(store, length);
  const lengths: number[][] = [];
  const call = track.port.call.bind(track.port);
  track.port.call = (method, argument) => {
    if (method === "absorb") {
      const { segments } = argument as AbsorbArgument;
      lengths.push(segments.map(({ timestampsNs }) => timestampsNs.length));
    }
    return call(method, argument);
  };
  const told: Promise<Applied>[] = [];
  for (let start = 0; start < length; start += 100) {
    const settled = Promise.withResolvers<Applied>();
    const end = Math.min(length, start + 100);
    track.enqueue({ segment: sliceSegment(segment, start, end), start, settled });
    told.push(settled.promise);
  }
  await advancer.advance(track, 0);
  // None is cut: the sixth would not fit whole.
  assert.deepEqual(lengths, [[500], [72]]);
  assert.deepEqual(heard.map(({ start }) => start), [0, 500]);
  const joined = heard[0]!;
  for (const [index, part] of (await Promise.all(told)).slice(0, 5).entries()) {
    const start = 100 * index;
    assert.equal(part.start, start);
    assert.equal(part.appliedOffset, start + 100);
    assert.deepEqual(part.segment, sliceSegment(segment, start, start + 100));
    assert.deepEqual(part.expected[0], joined.expected[0]!.slice(start, start + 100));
    assert.deepEqual(part.score, joined.score.slice(start, start + 100));
  }
});

Deno.test("Advancer sends and tells what stands for a missing value as one, replayed or live", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  await store.putStream("s", { channels: { a: { missing: [3_000] } } });
  const { advancer, track, segment, heard } = await open(store, 20);
  const more = walk("s", 40, ["a"]);
  more.values[0]!.fill(3_000, 25, 27);
  const fresh = sliceSegment(more, 20, 40);
  await store.append([fresh]);
  const settled = Promise.withResolvers<Applied>();
  track.enqueue({ segment: fresh, start: 20, settled });
  await advancer.advance(track, 0);
  const [live] = heard;
  const wanted = fresh.values[0]!.map((value) => value === 3_000 ? NaN : value);
  assert.deepEqual(live!.segment.values[0], wanted);
  assert.equal((await settled.promise).segment.values[0]![6], NaN);
  // A replay of the log comes to the same state, and the log has what was sent.
  const { record } = (await store.putStream("s", {}))!;
  const replayed = new Track(record, new LocalShardPort(testParts), Promise.resolve());
  replayed.target = 40;
  await advancer.advance(replayed, 40);
  const hashOf = async ({ port }: Track) =>
    (await port.call<{ stateHash: string }>("describe", { streamId: "s" })).stateHash;
  assert.equal(await hashOf(replayed), await hashOf(track));
  assert.equal(segment.timestampsNs.length, 20);
  assert.equal((await store.readInOrder("s", 25, 1))!.values[0]![0], 3_000);
});

Deno.test("Advancer tells an alarm to the submission it is in", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track, segment } = await open(store, 60);
  segment.values[0]![35] = 3_000;
  const told = [0, 20, 40].map((start) => {
    const settled = Promise.withResolvers<Applied>();
    track.enqueue({ segment: sliceSegment(segment, start, start + 20), start, settled });
    return settled.promise;
  });
  await advancer.advance(track, 0);
  const alarms = (await Promise.all(told)).map((applied) => applied.alarms.length);
  assert.deepEqual(alarms, [0, 1, 0]);
});

Deno.test("Advancer begins again from the last commit when a commit fails", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track, segment, clock } = await open(store, BATCH_VALUES_MAX);
  const commit = store.commit.bind(store);
  store.commit = () => Promise.reject(new Error("disk full"));
  const half = BATCH_VALUES_MAX / 2;
  const first = { segment: sliceSegment(segment, 0, half), start: 0 };
  track.enqueue({ ...first, settled: Promise.withResolvers<Applied>() });
  await advancer.advance(track, 0);
  clock.advanceMs(SNAPSHOT_STEP_MS);
  const settled = Promise.withResolvers<Applied>();
  const rest = sliceSegment(segment, half, BATCH_VALUES_MAX);
  track.enqueue({ segment: rest, start: half, settled });
  const told = assert.rejects(settled.promise, /disk full/);
  await assert.rejects(advancer.advance(track, 0), /disk full/);
  await told;
  assert.equal(track.isLoaded, false);
  store.commit = commit;
  await advancer.advance(track, BATCH_VALUES_MAX);
  assert.equal((await store.latestSnapshot("s"))!.appliedOffset, BATCH_VALUES_MAX);
});

Deno.test("Advancer keeps few messages in a shard, and a stop waits for these alone", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track } = await open(store, 5);
  const count = ABSORBS_IN_FLIGHT_MAX + 3;
  const { port } = track;
  const call = port.call.bind(port);
  const sent: string[] = [];
  const gate = Promise.withResolvers<void>();
  port.call = async (method, argument) => {
    if (method === "absorb") {
      sent.push((argument as AbsorbArgument).streamId);
      await gate.promise;
    }
    return await call(method, argument);
  };
  const names = Array.from({ length: count }, (_, index) => `many${index}`);
  const results = await store.append(names.map((name) => walk(name, 5, ["a"])));
  const advanced = results.map(({ record }) => {
    const one = new Track(record, port, Promise.resolve());
    one.target = 5;
    return advancer.advance(one, 5).then(() => "absorbed", (error) => error.name);
  });
  while (sent.length < ABSORBS_IN_FLIGHT_MAX) await new Promise((go) => setTimeout(go));
  await new Promise((go) => setTimeout(go, 5));
  assert.equal(sent.length, ABSORBS_IN_FLIGHT_MAX);
  advancer.stop();
  gate.resolve();
  const ends = await Promise.all(advanced);
  assert.equal(sent.length, ABSORBS_IN_FLIGHT_MAX);
  assert.equal(ends.filter((end) => end === "absorbed").length, ABSORBS_IN_FLIGHT_MAX);
  assert.equal(ends.filter((end) => end === "OverloadError").length, 3);
});

Deno.test("Advancer says so when the log is shorter than it must be", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const { advancer, track } = await open(store, 5);
  track.target = 9;
  await assert.rejects(advancer.advance(track, 9), /ends at 5/);
});
