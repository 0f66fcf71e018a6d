import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import {
  InvalidValueError,
  NotFoundError,
  OverloadError,
  StorageFullError,
} from "../../src/base/errors.ts";
import { type Segment, sliceSegment } from "../../src/signal/segment.ts";
import { type AppendResult, type IssuedForecast, openMemoryStore } from "../../src/stores/mod.ts";
import { type Applied, StreamFailedError } from "../../src/streams/engine.ts";
import {
  COMMIT_RETRY_MS,
  SNAPSHOT_AGE_ANY_MS_MAX,
  SNAPSHOT_IDLE_MS,
  SNAPSHOT_SAMPLES,
  SNAPSHOT_SAMPLES_MIN,
  SNAPSHOT_STEP_MS,
} from "../../src/streams/snapshots.ts";
import { OPENINGS_MAX } from "../../src/streams/advance.ts";
import { openEngine } from "../../src/streams/open_engine.ts";
import { drawnNetwork } from "../models/neural/_network.ts";
import { withEngine } from "./_engine.ts";
import { POISON, walk } from "./_parts.ts";

const QUANTILES = Float64Array.from([0.1, 0.5, 0.9]);

function one(streamId: string, second: number, value: number, channel = "a"): Segment {
  return {
    streamId,
    channels: [channel],
    timestampsNs: BigInt64Array.of(BigInt(second) * 1_000_000_000n),
    values: [Float64Array.of(value)],
  };
}

Deno.test("StreamEngine absorbs what was accepted and tells of every sample", () =>
  withEngine(async ({ engine, ingest }) => {
    const heard: Applied[] = [];
    engine.onApplied((applied) => heard.push(applied));
    const applied = await ingest(walk("s", 5, ["a", "b"]));
    assert.equal(applied!.appliedOffset, 5);
    assert.equal(applied!.expected.length, 2);
    await ingest(one("s", 5, 7));
    assert.deepEqual(heard.map(({ start, appliedOffset }) => [start, appliedOffset]), [[0, 5], [
      5,
      6,
    ]]);
    const state = await engine.describe("s");
    assert.deepEqual([state.appliedOffset, state.sampleCount, state.failed], [6, 6, null]);
    assert.equal(state.periodS, 1);
    assert.equal(engine.stats().absorbedSamples, 6);
    assert.equal(engine.stats().queuedSamples, 0);
  }));

Deno.test("StreamEngine gives the same state for concurrent single samples as for one segment", () =>
  withEngine(async ({ engine, ingest }) => {
    const segment = walk("s", 200, ["a", "b"]);
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => ingest(sliceSegment(segment, i, i + 1))),
    );
    await ingest({ ...segment, streamId: "s" });
    const { stateHash, appliedOffset } = await engine.describe("s");
    assert.equal(appliedOffset, 200);
    await withEngine(async (other) => {
      await other.ingest(segment);
      assert.equal((await other.engine.describe("s")).stateHash, stateHash);
    });
  }));

Deno.test("StreamEngine resumes from snapshot and log as if it had never stopped", () =>
  withEngine(async ({ engine, store, clock, ingest, restart }) => {
    const segment = walk("s", 1_500, ["a", "b"]);
    for (let start = 0; start < 1_500; start += 100) {
      await ingest(sliceSegment(segment, start, start + 100));
      clock.advanceMs(SNAPSHOT_STEP_MS / 4);
    }
    const before = await engine.describe("s");
    const snapshot = await store.latestSnapshot("s");
    assert.ok(snapshot!.appliedOffset >= SNAPSHOT_SAMPLES && snapshot!.appliedOffset < 1_500);
    const second = await restart();
    const heard: Applied[] = [];
    second.onApplied((applied) => heard.push(applied));
    assert.deepEqual(await second.describe("s"), before);
    assert.equal(second.stats().absorbedSamples, 1_500 - snapshot!.appliedOffset);
    assert.equal(heard.length, 0, "a replay is silent");
  }));

Deno.test("StreamEngine opens the alarms that a crash left in the log, unasked", () =>
  withEngine(async ({ store, restart }) => {
    for (let i = 0; i < 150; i++) {
      const segment = walk(`s${String(i).padStart(3, "0")}`, 12, ["a"]);
      if (i % 50 === 7) segment.values[0]![10] = 3_000;
      await store.append([segment]);
    }
    const engine = await restart();
    assert.equal(engine.stats().catchUpSamples, 0, "not looked at yet");
    const left: number[] = [];
    const read = store.readInOrder.bind(store);
    store.readInOrder = (...asked) => {
      left.push(engine.stats().catchUpSamples);
      return read(...asked);
    };
    await engine.catchUp();
    assert.deepEqual(left, Array.from({ length: 150 }, (_, i) => 12 * (150 - i)));
    assert.equal(engine.stats().catchUpSamples, 0);
    const alarms = await store.countEvents(["s007", "s008", "s057", "s107"], 0n);
    assert.deepEqual(alarms, [1, 0, 1, 1]);
    assert.equal(engine.stats().absorbedSamples, 150 * 12);
  }));

Deno.test("StreamEngine absorbs samples in the order of the log, however they are submitted", () =>
  withEngine(async ({ engine, store }) => {
    const segment = walk("s", 3, ["a"]);
    const results: AppendResult[] = [];
    for (let i = 0; i < 3; i++) {
      results.push((await store.append([sliceSegment(segment, i, i + 1)]))[0]!);
    }
    const submit = (i: number) => {
      const { record, inOrder, inOrderStart } = results[i]!;
      return engine.submit(record, inOrder!, inOrderStart);
    };
    // The last comes first: what lies before it is read from the log.
    const applied = await Promise.all([submit(2), submit(0), submit(1)]);
    assert.deepEqual(applied.map(({ start }) => start), [2, 0, 1]);
    const { stateHash } = await engine.describe("s");
    await withEngine(async (other) => {
      await other.ingest(segment);
      assert.equal((await other.engine.describe("s")).stateHash, stateHash);
    });
  }));

Deno.test("StreamEngine commits alarms with the state that proves them", () =>
  withEngine(async ({ engine, store, ingest, restart }) => {
    const issued: IssuedForecast[] = [];
    engine.onForecast((forecast) => issued.push(forecast));
    await ingest(walk("s", 20, ["a"]));
    const applied = await ingest(one("s", 20, 5_000));
    assert.equal(applied!.alarms.length, 1);
    const events = await store.readEvents("s", 0n, 2n ** 62n, 10);
    assert.deepEqual(events, applied!.alarms);
    const snapshot = await store.latestSnapshot("s");
    assert.equal(events[0]!.stateHash, snapshot!.stateHash);
    assert.equal(events[0]!.appliedOffset, 21);
    assert.equal(issued.length, 1);
    assert.equal(issued[0]!.stateHash, snapshot!.stateHash);
    assert.deepEqual(await store.readForecasts("s", 10), issued);
    await (await restart()).describe("s");
    assert.equal((await store.readEvents("s", 0n, 2n ** 62n, 10)).length, 1, "exactly once");
  }));

Deno.test("StreamEngine commits a state that has been idle, and only then", () =>
  withEngine(async ({ engine, store, clock, ingest }) => {
    await ingest(walk("s", SNAPSHOT_SAMPLES_MIN, ["a"]));
    await engine.tick();
    assert.equal(await store.latestSnapshot("s"), null);
    assert.deepEqual(engine.stats().coverage, []);
    clock.advanceMs(SNAPSHOT_IDLE_MS);
    await engine.tick();
    assert.equal((await store.latestSnapshot("s"))!.appliedOffset, SNAPSHOT_SAMPLES_MIN);
    // The test model counts every sample.
    const count = SNAPSHOT_SAMPLES_MIN;
    const coverage = [{ level: 0.8, value: 0.5, count, relativeWidth: 1.5 }];
    assert.deepEqual(engine.stats().coverage, coverage);
    const { transactions } = await store.stats();
    clock.advanceMs(SNAPSHOT_IDLE_MS);
    await engine.tick();
    assert.equal((await store.stats()).transactions, transactions, "nothing new to commit");
  }));

Deno.test("StreamEngine answers while no commit finds room, and makes good what was not stored", () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  let isFull = false;
  const commit = store.commit.bind(store);
  store.commit = (commits) =>
    isFull ? Promise.reject(new StorageFullError("The disk is full")) : commit(commits);
  return withEngine(async ({ engine, ingest }) => {
    await ingest(walk("s", 20, ["a"]));
    await engine.drain();
    const committed = await store.latestSnapshot("s");
    assert.equal(committed!.appliedOffset, 20);
    isFull = true;
    const told = await ingest(one("s", 20, 5_000));
    assert.equal(told!.alarms.length, 1);
    await ingest(one("s", 21, 1));
    const { appliedOffset, stateHash } = await engine.describe("s");
    assert.equal(appliedOffset, 22);
    await engine.forecast("s", { quantiles: QUANTILES });
    clock.advanceMs(COMMIT_RETRY_MS);
    // There is no room yet: the state begins again at the commit, and answers the same.
    await engine.tick();
    assert.equal((await engine.describe("s")).stateHash, stateHash);
    assert.equal((await store.readEvents("s", 0n, 2n ** 62n, 10)).length, 0);
    isFull = false;
    await engine.drain();
    assert.equal((await store.latestSnapshot("s"))!.appliedOffset, 20, "alarms would be lost");
    clock.advanceMs(COMMIT_RETRY_MS);
    await engine.tick();
    const events = await store.readEvents("s", 0n, 2n ** 62n, 10);
    assert.deepEqual(events.map(({ timestampNs }) => timestampNs), [told!.alarms[0]!.timestampNs]);
    clock.advanceMs(SNAPSHOT_AGE_ANY_MS_MAX);
    await engine.tick();
    const snapshot = await store.latestSnapshot("s");
    assert.deepEqual([snapshot!.appliedOffset, snapshot!.stateHash], [22, stateHash]);
  }, { store, clock });
});

Deno.test("StreamEngine puts states away when they are too many, and brings them back", () =>
  withEngine(async ({ engine, ingest }) => {
    const hashes: string[] = [];
    for (let i = 0; i < 6; i++) {
      await ingest(walk(`s${i}`, 10 + i, ["a"]));
      hashes.push((await engine.describe(`s${i}`)).stateHash);
    }
    await engine.tick();
    assert.equal(engine.stats().states, 2);
    for (let i = 0; i < 6; i++) {
      assert.equal((await engine.describe(`s${i}`)).stateHash, hashes[i]);
    }
  }, { stateCacheCountMax: 2 }));

Deno.test("StreamEngine puts states away that take more memory than they may, committed or not", () =>
  withEngine(async ({ engine, store, ingest }) => {
    await ingest(walk("young", 10, ["a"]));
    assert.equal(await store.latestSnapshot("young"), null, "too few samples to be committed");
    const { stateBytes } = engine.stats();
    assert.ok(stateBytes > 500, String(stateBytes));
    for (let i = 0; i < 9; i++) await ingest(walk(`s${i}`, 10, ["a"]));
    assert.ok(engine.stats().stateBytes > 9 * stateBytes);
    await engine.tick();
    assert.ok(engine.stats().states < 10 && engine.stats().states > 1);
    assert.ok(engine.stats().stateBytes <= 8_000);
    assert.equal((await store.latestSnapshot("young"))!.appliedOffset, 10);
  }, { stateCacheBytesMax: 8_000 }));

Deno.test("StreamEngine opens few states at a time, however many streams a request is about", () =>
  withEngine(async ({ engine, ingest }) => {
    const waiting: number[] = [];
    let done = 0;
    engine.onApplied(() => {
      done++;
      waiting.push(engine.stats().states - done);
    });
    const count = 4 * OPENINGS_MAX;
    await Promise.all(Array.from({ length: count }, (_, i) => ingest(walk(`s${i}`, 9, ["a"]))));
    assert.equal(done, count);
    assert.ok(Math.max(...waiting) <= OPENINGS_MAX, `${Math.max(...waiting)} states waited`);
    // A long backlog takes nobody's place for long: the last of many is not held up by the first.
    const long = walk("long", 20_000, ["a"]);
    await Promise.all([ingest(long), ...["x", "y"].map((id) => ingest(walk(id, 5, ["a"])))]);
    assert.equal((await engine.describe("long")).appliedOffset, 20_000);
  }));

Deno.test("StreamEngine isolates a model that throws", () =>
  withEngine(async ({ engine, store, ingest }) => {
    await ingest(walk("good", 5, ["a"]));
    await ingest(walk("bad", 5, ["a"]));
    await assert.rejects(ingest(one("bad", 9, POISON)), StreamFailedError);
    await assert.rejects(ingest(one("bad", 10, 1)), StreamFailedError);
    await assert.rejects(engine.forecast("bad", { quantiles: QUANTILES }), StreamFailedError);
    const state = await engine.describe("bad");
    assert.match(state.failed!, /poisoned/);
    assert.equal((await store.getStream("bad"))!.inOrderCount, 7, "the log is untouched");
    assert.equal((await engine.describe("good")).failed, null);
    assert.equal(engine.stats().failedStreams, 1);
  }));

Deno.test("StreamEngine refuses more than its queue holds and catches up from the log", () =>
  withEngine(async ({ engine, ingest }) => {
    const segment = walk("s", 200, ["a"]);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => ingest(sliceSegment(segment, i * 10, i * 10 + 10))),
    );
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.ok(refused.length > 0);
    for (const { reason } of refused) assert.ok(reason instanceof OverloadError);
    assert.equal((await engine.describe("s")).appliedOffset, 200);
  }, { queueValuesMax: 100 }));

Deno.test("StreamEngine does not keep a reader waiting for ever", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const gate = Promise.withResolvers<void>();
  const read = store.readInOrder.bind(store);
  store.readInOrder = async (...range) => {
    await gate.promise;
    return await read(...range);
  };
  await store.append([walk("s", 5, ["a"])]);
  await withEngine(async ({ engine }) => {
    await assert.rejects(engine.describe("s"), OverloadError);
    gate.resolve();
    assert.equal((await engine.describe("s")).appliedOffset, 5);
  }, { store, readWaitMsMax: 20 });
});

Deno.test("StreamEngine says so when a stream is deleted under a read", () =>
  withEngine(async ({ engine, store }) => {
    const readInOrder = store.readInOrder.bind(store);
    const isDeletedThen = (isMadeAnew: boolean) => {
      store.readInOrder = async (...given) => {
        store.readInOrder = readInOrder;
        await store.deleteStream("s");
        if (isMadeAnew) await store.append([walk("s", 3, ["a"])]);
        return await readInOrder(...given);
      };
    };
    await store.append([walk("s", 5, ["a"])]);
    isDeletedThen(false);
    await assert.rejects(engine.reach("s"), NotFoundError);
    await store.append([walk("s", 5, ["a"])]);
    isDeletedThen(true);
    await assert.rejects(engine.reach("s"), OverloadError);
    assert.equal((await engine.describe("s")).appliedOffset, 3);
  }));

Deno.test("StreamEngine begins anew for a stream that was deleted and made again", () =>
  withEngine(async ({ engine, store, ingest }) => {
    await ingest(walk("s", 30, ["a"]));
    await store.deleteStream("s");
    // Without a drop, as when requests overlap: the record's creation time tells.
    await ingest(walk("s", 4, ["a"]));
    assert.equal((await engine.describe("s")).sampleCount, 4);
    await store.deleteStream("s");
    await engine.drop("s");
    await assert.rejects(engine.describe("s"), NotFoundError);
  }));

Deno.test("StreamEngine rebuilds the state when the settings of a stream change", () =>
  withEngine(async ({ engine, store, ingest }) => {
    await ingest(walk("s", 30, ["a"]));
    await engine.drain();
    const before = await engine.describe("s");
    await store.putStream("s", { horizon: 9 });
    await engine.drop("s");
    const after = await engine.describe("s");
    assert.equal(after.sampleCount, 30);
    assert.notEqual(after.modelHash, before.modelHash);
    assert.equal((await engine.forecast("s", { quantiles: QUANTILES })).timesNs.length, 9);
    await store.putStream("s", { horizon: 48 });
    await engine.drop("s");
    assert.deepEqual(await engine.describe("s"), before);
  }));

Deno.test("StreamEngine takes feedback in at its place in the log, live and replayed alike", async () => {
  /** The values of the alarms and the state's hash, after feedback between two spikes. */
  const live = async (horizon: number, rebuiltTo: number | null) => {
    const found: { alarms: (number | null)[]; stateHash: string } = { alarms: [], stateHash: "" };
    await withEngine(async ({ engine, store, ingest, restart }) => {
      await store.putStream("s", { horizon });
      for (const [second, value] of [1, 150, 2].entries()) await ingest(one("s", second, value));
      await engine.giveFeedback("s", { number: 0, isFine: true });
      for (const [i, value] of [3, 150, 4, 200, 5].entries()) await ingest(one("s", 3 + i, value));
      await assert.rejects(
        () => engine.giveFeedback("s", { number: 7, isFine: true }),
        NotFoundError,
      );
      let last = engine;
      if (rebuiltTo !== null) {
        await store.putStream("s", { horizon: rebuiltTo });
        last = await restart();
      }
      found.stateHash = (await last.describe("s")).stateHash;
      const events = await store.readEvents("s", 0n, 2n ** 62n, 10);
      found.alarms = events.map(({ value }) => value[0]!);
    });
    return found;
  };
  const straight = await live(7, null);
  // The second spike is like the one that was fine; the third is rarer.
  assert.deepEqual(straight.alarms, [150, 200]);
  assert.deepEqual(await live(9, 7), straight);
});

Deno.test("StreamEngine keeps feedback over a restart, and its snapshot with it", () =>
  withEngine(async ({ engine, store, ingest, restart }) => {
    for (const [second, value] of [1, 150].entries()) await ingest(one("s", second, value));
    await engine.giveFeedback("s", { number: 0, isFine: true });
    const { stateHash } = await engine.describe("s");
    const other = await restart();
    assert.equal((await other.describe("s")).stateHash, stateHash);
    assert.equal((await store.latestSnapshot("s"))!.stateHash, stateHash);
    const [appended] = await store.append([one("s", 2, 150)]);
    const { record, inOrder, inOrderStart } = appended!;
    assert.deepEqual((await other.submit(record, inOrder!, inOrderStart)).alarms, []);
    await other.giveFeedback("s", { number: 0, isFine: false });
    const [next] = await store.append([one("s", 3, 150)]);
    const applied = await other.submit(next!.record, next!.inOrder!, next!.inOrderStart);
    assert.equal(applied.alarms.length, 1);
  }));

Deno.test("StreamEngine absorbs a long submission in parts and tells all of it", () =>
  withEngine(async ({ engine, ingest }) => {
    const heard: number[] = [];
    engine.onApplied(({ segment }) => heard.push(segment.timestampsNs.length));
    const applied = await ingest(walk("s", 2_000, ["a"]));
    assert.equal(applied!.appliedOffset, 2_000);
    assert.ok(heard.length > 1);
    assert.equal(heard.reduce((sum, length) => sum + length, 0), 2_000);
  }));

Deno.test("StreamEngine closes without absorbing what the log keeps", () =>
  withEngine(async ({ engine, store, ingest, restart }) => {
    const segment = walk("s", 5_000, ["a"]);
    const waiting = ingest(segment);
    while (engine.stats().absorbedSamples === 0) await Promise.resolve();
    const closing = engine.close();
    await assert.rejects(waiting, OverloadError);
    await closing;
    const { appliedOffset } = (await store.latestSnapshot("s"))!;
    assert.ok(appliedOffset > 0 && appliedOffset < 5_000, `${appliedOffset} absorbed`);
    assert.equal((await (await restart()).describe("s")).appliedOffset, 5_000);
  }));

Deno.test("StreamEngine forecasts and detects without a stream", () =>
  withEngine(async ({ engine, store }) => {
    const segment = walk("ad hoc", 50, ["a", "b"]);
    segment.values[1]![30] = 900;
    const forecast = await engine.forecastOnce(segment, {}, { horizon: 4, quantiles: QUANTILES });
    assert.deepEqual([forecast.timesNs.length, Object.keys(forecast.values)], [4, ["a", "b"]]);
    const found = await engine.detectOnce(segment);
    assert.deepEqual(found.alarms.map(({ timestampNs }) => timestampNs), [30_000_000_000n]);
    assert.equal(found.score.length, 50);
    await assert.rejects(
      engine.forecastOnce(segment, { horizon: 0 }, { quantiles: QUANTILES }),
      InvalidValueError,
    );
    const wide = walk("ad hoc", 1, Array.from({ length: 33 }, (_, c) => `c${c}`));
    await assert.rejects(
      engine.forecastOnce(wide, {}, { horizon: 1, quantiles: QUANTILES }),
      { name: "LimitError", limitName: "FORECAST_ONCE_CHANNELS_MAX" },
    );
    await assert.rejects(
      engine.detectOnce(walk("ad hoc", 50_001, ["a", "b"])),
      { name: "LimitError", limitName: "DETECT_ONCE_VALUES_MAX" },
    );
    assert.equal((await store.stats()).streams, 0);
  }));

Deno.test("openEngine holds states in a thread for each core but one unless told otherwise", async () => {
  const clock = new ManualClock();
  for (const workers of [undefined, 1, 3]) {
    const store = openMemoryStore({ clock });
    const engine = await openEngine({ store, clock, workers, tickMs: 0 });
    const cores = navigator.hardwareConcurrency;
    assert.equal(engine.stats().workers, workers ?? Math.max(1, cores - 1));
    await engine.close();
  }
});

Deno.test("StreamEngine gives its threads the networks: a restart goes on, other weights rebuild", async () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  const open = (seed: number) =>
    openEngine({
      ...{ store, clock, workers: 1, tickMs: 0 },
      models: new Map([["neural", drawnNetwork({}, seed)]]),
    });
  await store.putStream("s", { model: "neural", horizon: 12 });
  const [result] = await store.append([walk("s", 120, ["a"])]);
  const request = { horizon: 12, quantiles: QUANTILES };
  const first = await open(1);
  await first.submit(result!.record, result!.inOrder!, result!.inOrderStart);
  const state = await first.describe("s");
  const forecast = await first.forecast("s", request);
  await first.close();
  const again = await open(1);
  assert.equal((await again.describe("s")).stateHash, state.stateHash);
  assert.deepEqual((await again.forecast("s", request)).values, forecast.values);
  await again.close();
  const other = await open(2);
  const rebuilt = await other.describe("s");
  assert.equal(rebuilt.appliedOffset, 120);
  assert.notEqual(rebuilt.modelHash, state.modelHash);
  assert.notDeepEqual((await other.forecast("s", request)).values, forecast.values);
  await other.setModel("neural", null);
  await assert.rejects(
    () => other.forecastOnce(walk("t", 30, ["a"]), { model: "neural" }, request),
    /model is "neural", expected one of committee/,
  );
  await other.close();
});
