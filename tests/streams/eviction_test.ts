import assert from "node:assert/strict";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import { statesToLeave } from "../../src/streams/eviction.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { Track } from "../../src/streams/track.ts";
import { withEngine } from "./_engine.ts";
import { testParts, walk } from "./_parts.ts";
import { sliceSegment } from "../../src/signal/segment.ts";

const SECOND_MS = 1_000;

/** A track of samples with this step that came at `arrivedMs`, with a state of 100 bytes. */
function track(id: string, { stepS = 0, arrivedMs = [] as number[] } = {}): Track {
  const record = {
    ...{ id, createdNs: 1n, settings: DEFAULT_SETTINGS, channels: [], logOffset: 0 },
    inOrderCount: 11,
    firstNs: 0n,
    lastNs: BigInt(stepS) * 10_000_000_000n,
  };
  const made = new Track(record, new LocalShardPort(testParts), Promise.resolve());
  made.isLoaded = true;
  made.stateBytes = 100;
  for (const ms of arrivedMs) made.pace.noteArrival(ms);
  return made;
}

const idsOf = (tracks: readonly Track[]) => tracks.map(({ id }) => id);

Deno.test("statesToLeave() names none while there is room, and then as few as it takes", () => {
  const tracks = ["a", "b", "c"].map((id, i) => track(id, { arrivedMs: [i] }));
  assert.deepEqual(statesToLeave(tracks, { bytesMax: 300, countMax: 3 }, 10), []);
  assert.equal(statesToLeave(tracks, { bytesMax: 299, countMax: 3 }, 10).length, 1);
  assert.equal(statesToLeave(tracks, { bytesMax: 100, countMax: 3 }, 10).length, 2);
  assert.equal(statesToLeave(tracks, { bytesMax: 300, countMax: 0 }, 10).length, 3);
});

Deno.test("statesToLeave() puts those away first that are due last, then those long overdue", () => {
  const minute = track("minute", { stepS: 60, arrivedMs: [90_000] });
  const hour = track("hour", { stepS: 3_600, arrivedMs: [40_000] });
  // Fed every second, whatever its samples' own times are: what was seen counts.
  const fast = track("fast", { stepS: 86_400, arrivedMs: [97_000, 98_000, 99_000, 100_000] });
  const silent = track("silent", { stepS: 1, arrivedMs: [5_000, 6_000] });
  const tracks = [fast, silent, minute, hour];
  const all = { bytesMax: 0, countMax: 0 };
  assert.deepEqual(idsOf(statesToLeave(tracks, all, 100_000)), [
    "hour",
    "silent",
    "minute",
    "fast",
  ]);
  // Who asks may ask again.
  hour.pace.noteQuestion(99_500);
  assert.deepEqual(idsOf(statesToLeave(tracks, all, 100_000)).at(-1), "hour");
});

Deno.test("statesToLeave() puts nothing away for streams that only wait for their states", async () => {
  const held = track("held", { arrivedMs: [0] });
  const gate = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 20 }, (_, i) => {
    const made = track(`w${i}`, { arrivedMs: [1] });
    made.isLoaded = false;
    return { made, work: made.exclusive(() => gate.promise) };
  });
  const tracks = [held, ...waiting.map(({ made }) => made)];
  assert.deepEqual(statesToLeave(tracks, { bytesMax: 150, countMax: 5 }, 9), []);
  gate.resolve();
  await Promise.all(waiting.map(({ work }) => work));
});

Deno.test("statesToLeave() lets streams go whose states were given up", () => {
  const tracks = Array.from({ length: 3 }, (_, i) => track(`t${i}`, { arrivedMs: [i] }));
  for (const one of tracks) one.isLoaded = false;
  assert.equal(statesToLeave(tracks, { bytesMax: 1_000, countMax: 1 }, 9).length, 2);
});

Deno.test("statesToLeave() leaves a state alone that is at work", async () => {
  const busy = track("busy", { stepS: 60, arrivedMs: [0] });
  const gate = Promise.withResolvers<void>();
  const work = busy.exclusive(() => gate.promise);
  const idle = track("idle", { stepS: 1, arrivedMs: [0] });
  assert.deepEqual(idsOf(statesToLeave([busy, idle], { bytesMax: 0, countMax: 0 }, 1)), ["idle"]);
  gate.resolve();
  await work;
});

Deno.test("a burst of pieces of one sample does not hide how long its stream pauses", () => {
  const pieces = track("pieces", { arrivedMs: [0, 1, 60_000, 60_001] });
  const smooth = track("smooth", { arrivedMs: [0, 20_000, 40_000, 60_000] });
  const leaving = statesToLeave([smooth, pieces], { bytesMax: 100, countMax: 9 }, 60_002);
  assert.deepEqual(idsOf(leaving), ["pieces"]);
});

Deno.test("of ten streams in turn with room for six, six are in memory when they come", () =>
  withEngine(async ({ engine, clock, ingest }) => {
    let before = 0;
    const walks = Array.from({ length: 10 }, (_, i) => walk(`s${i}`, 8, ["a"]));
    for (let turn = 0; turn < 8; turn++) {
      if (turn === 4) before = engine.stats().loadedStates;
      for (const samples of walks) {
        await ingest(sliceSegment(samples, turn, turn + 1));
        await engine.tick();
        clock.advanceMs(SECOND_MS);
      }
    }
    assert.ok(engine.stats().states <= 6);
    const reads = engine.stats().loadedStates - before;
    // Never to put away the longest unused would read 4 a turn; to do it reads all 10.
    assert.ok(reads <= 5 * 4, `${reads} states were read in four turns`);
    for (const samples of walks) {
      const { stateHash } = await engine.describe(samples.streamId);
      await withEngine(async (other) => {
        await other.ingest(samples);
        assert.equal((await other.engine.describe(samples.streamId)).stateHash, stateHash);
      });
    }
  }, { stateCacheCountMax: 6 }));
