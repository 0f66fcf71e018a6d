import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError, LimitError, OverloadError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { type Segment, sliceSegment } from "../../src/signal/segment.ts";
import { openMemoryStore, type Store } from "../../src/stores/mod.ts";
import { type ForecastResult, StreamFailedError } from "../../src/streams/engine.ts";
import { hubParts } from "../../src/streams/parts.ts";
import { withoutChannels } from "../../src/streams/log_replay.ts";
import {
  newestUntil,
  REWIND_VALUES_MAX,
  REWINDS_MAX,
  samplesUntil,
  SUPPOSED_VALUES_MAX,
} from "../../src/streams/rewind.ts";
import { withEngine } from "./_engine.ts";
import { POISON, walk } from "./_parts.ts";

const REQUEST = { horizon: 3, quantiles: Float64Array.from([0.1, 0.5, 0.9]) };
const ALL = { without: [] };

const second = (s: number) => BigInt(s) * 1_000_000_000n;

/** Hours of a day with noise: `load` follows `heat` an hour later. */
function hours(length: number): Segment {
  let seed = 7;
  const noise = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  const heat = Float64Array.from({ length }, noise);
  const load = heat.map((_, i) => 10 + 3 * Math.sin(Math.PI * i / 12) + 2 * (heat[i - 1] ?? 0));
  return {
    streamId: "plant",
    channels: ["load", "heat"],
    timestampsNs: BigInt64Array.from({ length }, (_, i) => second(3_600 * i)),
    values: [load.map((value) => value + 0.2 * noise()), heat],
  };
}

function parts(segment: Segment, step: number): Segment[] {
  const length = segment.timestampsNs.length;
  const count = Math.ceil(length / step);
  return Array.from(
    { length: count },
    (_, k) => sliceSegment(segment, k * step, Math.min(length, (k + 1) * step)),
  );
}

/** A stream of ten seconds, of which one came too late. */
async function tenSeconds(store: Store) {
  const whole = walk("s", 11, ["a"]);
  for (const at of [0, 1, 2, 3, 4, 6, 5, 7, 8, 9]) {
    const segment = sliceSegment(whole, at, at + 1);
    await store.append([{ ...segment, values: [Float64Array.of(at)] }]);
  }
  return (await store.getStream("s"))!;
}

Deno.test("samplesUntil() counts the samples in order up to a time", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const record = await tenSeconds(store);
  assert.equal(record.inOrderCount, 9);
  const counts: number[] = [];
  for (const s of [0, 1, 4, 5, 6, 8, 9, 20]) {
    counts.push(await samplesUntil(store, record, second(s)));
  }
  assert.deepEqual(counts, [1, 2, 5, 5, 6, 8, 9, 9]);
  assert.equal(await samplesUntil(store, record, second(4) + 1n), 5);
  await assert.rejects(
    samplesUntil(store, record, -1n),
    (error) =>
      error instanceof InvalidValueError && error.field === "asOf" &&
      error.message.includes("1970-01-01T00:00:00Z"),
  );
});

Deno.test("newestUntil() reads what was known, not what came late", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const record = await tenSeconds(store);
  const newest = await newestUntil(store, record, { asOfNs: second(6), without: [] }, 3);
  assert.deepEqual(newest!.values, [Float64Array.of(3, 4, 6)]);
  assert.equal(await newestUntil(store, record, { without: ["a"] }, 3), null);
});

Deno.test("a question about the past gets what was said then, hash and all", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = hours(300);
    const said: ForecastResult[] = [];
    for (const part of parts(whole, 60)) {
      await ingest(part);
      said.push(await engine.forecast("plant", REQUEST));
    }
    for (const [k, then] of said.entries()) {
      const asOfNs = whole.timestampsNs[60 * (k + 1) - 1]! + 1n;
      assert.deepEqual(await engine.forecastAsOf("plant", { asOfNs, ...ALL }, REQUEST), then);
    }
    // The newest state is stored by now: it is taken where it is old enough, and only there.
    await engine.drain();
    const { timestampsNs } = whole;
    const last = { asOfNs: timestampsNs.at(-1)!, ...ALL };
    assert.deepEqual(await engine.forecastAsOf("plant", last, REQUEST), said.at(-1));
    const before = { asOfNs: timestampsNs[239]!, ...ALL };
    assert.deepEqual(await engine.forecastAsOf("plant", before, REQUEST), said[3]);
    // And the stream's own state is where it was.
    assert.deepEqual(await engine.forecast("plant", REQUEST), said.at(-1));
  }, { parts: hubParts }));

Deno.test("a question without a channel gets what a stream says that never had it", () =>
  withEngine(async ({ engine, ingest, store }) => {
    const whole = hours(200);
    await store.putStream("plant", { covariates: ["heat"] });
    await ingest(whole);
    const told = await engine.forecastAsOf("plant", { without: ["heat"] }, REQUEST);
    const asOfNs = whole.timestampsNs[99]!;
    const then = await engine.forecastAsOf("plant", { asOfNs, without: ["heat"] }, REQUEST);
    const known = await engine.forecast("plant", REQUEST);
    assert.notDeepEqual(told.values.load, known.values.load);
    await withEngine(async (other) => {
      const alone = withoutChannels(whole, ["heat"])!;
      await other.store.putStream("plant", {});
      await other.ingest(sliceSegment(alone, 0, 100));
      assert.deepEqual(then, await other.engine.forecast("plant", REQUEST));
      await other.ingest(sliceSegment(alone, 100, 200));
      assert.deepEqual(told, await other.engine.forecast("plant", REQUEST));
    }, { parts: hubParts });
  }, { parts: hubParts }));

Deno.test("feedback is taken where it was given, and not before", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = walk("s", 40, ["a"]);
    whole.values[0]![5] = 500;
    await ingest(sliceSegment(whole, 0, 10));
    const before = await engine.forecast("s", REQUEST);
    await engine.giveFeedback("s", { number: 0, isFine: true });
    await ingest(sliceSegment(whole, 10, 20));
    const after = await engine.forecast("s", REQUEST);
    await ingest(sliceSegment(whole, 20, 40));
    const at = (s: number) => engine.forecastAsOf("s", { asOfNs: second(s), ...ALL }, REQUEST);
    assert.equal((await at(9)).stateHash, before.stateHash);
    assert.equal((await at(19)).stateHash, after.stateHash);
  }));

Deno.test("what stands for a missing value is one in the past, too", () =>
  withEngine(async ({ engine, ingest, store }) => {
    await store.putStream("s", { channels: { a: { missing: [3] } } });
    const whole = walk("s", 20, ["a"]);
    whole.values[0]![9] = 3;
    await ingest(sliceSegment(whole, 0, 10));
    const then = await engine.forecast("s", REQUEST);
    await ingest(sliceSegment(whole, 10, 20));
    const told = await engine.forecastAsOf("s", { asOfNs: second(9), ...ALL }, REQUEST);
    assert.deepEqual(told, then);
  }));

Deno.test("a question about too long a past is refused before it is replayed", () =>
  withEngine(async ({ engine, store }) => {
    await store.append([walk("s", REWIND_VALUES_MAX + 1, ["a"])]);
    const ask = (s: number) => engine.forecastAsOf("s", { asOfNs: second(s), ...ALL }, REQUEST);
    await assert.rejects(
      ask(REWIND_VALUES_MAX),
      (error) =>
        error instanceof LimitError && error.limitName === "REWIND_VALUES_MAX" &&
        error.actual === REWIND_VALUES_MAX + 1 && error.field === "asOf",
    );
    assert.equal((await ask(REWIND_VALUES_MAX - 1)).appliedOffset, REWIND_VALUES_MAX);
  }));

Deno.test("few questions about the past are answered at a time", () =>
  withEngine(async ({ engine, ingest }) => {
    await ingest(walk("s", 2_000, ["a"]));
    const ask = () => engine.forecastAsOf("s", { asOfNs: second(1_000), ...ALL }, REQUEST);
    const asked = await Promise.allSettled(Array.from({ length: REWINDS_MAX + 2 }, ask));
    const refused = asked.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 2);
    for (const one of refused) {
      assert.ok((one as { reason: unknown }).reason instanceof OverloadError);
    }
    assert.equal((await ask()).appliedOffset, 1_001);
  }));

Deno.test("a question whose answer takes too long ends, and makes room", () =>
  withEngine(async ({ engine, store }) => {
    await store.append([walk("s", 50_000, ["a"])]);
    const ask = (s: number) => engine.forecastAsOf("s", { asOfNs: second(s), ...ALL }, REQUEST);
    await assert.rejects(ask(50_000), /past of "s" is not replayed yet/);
    for (let tries = 0;; tries++) {
      const answer = await ask(3).catch((error) => error);
      if (!(answer instanceof Error)) break;
      assert.ok(answer instanceof OverloadError && tries < 200, String(answer));
      await delay(10);
    }
    // In a thread of its own: a shard in this one would not let the time pass.
  }, { parts: undefined, workers: 1, readWaitMsMax: 300, rewindsMax: 1 } as object));

Deno.test("a stored state that cannot be read costs a longer replay, nothing else", () =>
  withEngine(async ({ engine, ingest, store }) => {
    await ingest(walk("s", 20, ["a"]));
    const said = await engine.forecast("s", REQUEST);
    const { createdNs } = (await store.getStream("s"))!;
    const bytes = new TextEncoder().encode("no state");
    const { modelHash } = said;
    const snapshot = {
      streamId: "s",
      appliedOffset: 20,
      modelHash,
      stateHash: sha256Hex(bytes),
      bytes,
    };
    await store.commit([{ streamCreatedNs: createdNs, snapshot, events: [], forecast: null }]);
    const asOfNs = second(19);
    assert.deepEqual(await engine.forecastAsOf("s", { asOfNs, ...ALL }, REQUEST), said);
  }));

Deno.test("a model that fails on the past takes nothing along", () =>
  withEngine(async ({ engine, store }) => {
    const whole = walk("s", 20, ["a", "b"]);
    whole.values[1]!.fill(NaN)[12] = POISON;
    await store.append([whole]);
    const at = (s: number, without: string[] = []) =>
      engine.forecastAsOf("s", { asOfNs: second(s), without }, REQUEST);
    await assert.rejects(
      at(15),
      (error) => error instanceof StreamFailedError && error.message.includes("poisoned value"),
    );
    assert.equal((await at(11)).appliedOffset, 12);
    assert.equal((await at(15, ["b"])).originNs, second(15));
  }));

Deno.test("a question about no stream, or before its first sample, says so", () =>
  withEngine(async ({ engine, store }) => {
    await assert.rejects(engine.forecastAsOf("none", ALL, REQUEST), /none/);
    await store.putStream("s", {});
    await assert.rejects(
      engine.forecastAsOf("s", { asOfNs: 5n, ...ALL }, REQUEST),
      (error) => error instanceof InvalidValueError && error.field === "asOf",
    );
  }));

Deno.test("what is supposed is answered as if it had come, hash and all", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = hours(300);
    await ingest(sliceSegment(whole, 0, 200));
    const before = await engine.forecast("plant", REQUEST);
    const suppose = sliceSegment(whole, 200, 260);
    const supposed = await engine.forecastAsOf("plant", { ...ALL, suppose }, REQUEST);
    // Neither the question nor the stream is changed by it.
    assert.equal(suppose.timestampsNs.length, 60);
    assert.deepEqual(await engine.forecast("plant", REQUEST), before);
    await ingest(suppose);
    assert.deepEqual(supposed, await engine.forecast("plant", REQUEST));
    // The same from the past, and from the newest state where that is stored.
    await engine.drain();
    const asOfNs = whole.timestampsNs[199]!;
    const then = await engine.forecastAsOf("plant", { asOfNs, ...ALL, suppose }, REQUEST);
    assert.deepEqual(then, supposed);
    const rest = sliceSegment(whole, 260, 300);
    const after = await engine.forecastAsOf("plant", { ...ALL, suppose: rest }, REQUEST);
    await ingest(rest);
    assert.deepEqual(after, await engine.forecast("plant", REQUEST));
  }, { parts: hubParts }));

Deno.test("what is supposed comes after what is known, and is no more than a limit", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = walk("s", SUPPOSED_VALUES_MAX + 21, ["a"]);
    await ingest(sliceSegment(whole, 0, 20));
    const ask = (from: number, end: number, asOf?: number) => {
      const past = asOf === undefined ? ALL : { asOfNs: second(asOf), ...ALL };
      const suppose = sliceSegment(whole, from, end);
      return engine.forecastAsOf("s", { ...past, suppose }, REQUEST);
    };
    await assert.rejects(
      ask(19, 22),
      (error) =>
        error instanceof InvalidValueError && error.field === "suppose.timestamps[0]" &&
        error.message.includes("1970-01-01T00:00:19Z"),
    );
    assert.equal((await ask(11, 22, 10)).appliedOffset, 22);
    assert.equal((await ask(20, SUPPOSED_VALUES_MAX + 20)).appliedOffset, SUPPOSED_VALUES_MAX + 20);
    await assert.rejects(
      ask(20, SUPPOSED_VALUES_MAX + 21),
      (error) =>
        error instanceof LimitError && error.limitName === "SUPPOSED_VALUES_MAX" &&
        error.actual === SUPPOSED_VALUES_MAX + 1,
    );
  }));

Deno.test("newestUntil() puts what is supposed behind what is known", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const record = await tenSeconds(store);
  const suppose = sliceSegment(walk("any", 14, ["b"]), 12, 14);
  const ask = (count: number, without: string[] = []) =>
    newestUntil(store, record, { asOfNs: second(6), without, suppose }, count);
  const all = (await ask(4))!;
  assert.deepEqual(all.channels, ["a", "b"]);
  assert.deepEqual(all.timestampsNs, BigInt64Array.from([4, 6, 12, 13], second));
  assert.deepEqual((await ask(1))!.timestampsNs, BigInt64Array.of(second(13)));
  assert.deepEqual((await ask(4, ["a"]))!.channels, ["b"]);
});

Deno.test("what is supposed comes after what was said of the newest alarm", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = walk("s", 20, ["a"]);
    whole.values[0]![5] = 500;
    await ingest(sliceSegment(whole, 0, 10));
    await engine.giveFeedback("s", { number: 0, isFine: true });
    const suppose = sliceSegment(whole, 10, 20);
    const supposed = await engine.forecastAsOf("s", { ...ALL, suppose }, REQUEST);
    await engine.drain();
    assert.deepEqual(await engine.forecastAsOf("s", { ...ALL, suppose }, REQUEST), supposed);
    await ingest(suppose);
    assert.deepEqual(supposed, await engine.forecast("s", REQUEST));
  }));

Deno.test("a state is proven by its log, and another one is not", () =>
  withEngine(async ({ engine, ingest }) => {
    const whole = hours(120);
    const said: ForecastResult[] = [];
    for (const part of parts(whole, 40)) {
      await ingest(part);
      said.push(await engine.forecast("plant", REQUEST));
    }
    for (const { appliedOffset, stateHash } of said) {
      const proof = await engine.prove("plant", { appliedOffset, stateHash });
      assert.deepEqual(proof, {
        ...{ appliedOffset, stateHash, replayedHash: stateHash, isProven: true },
      });
    }
    const [first, second] = said as [ForecastResult, ForecastResult];
    const claim = { appliedOffset: first.appliedOffset, stateHash: second.stateHash };
    assert.deepEqual(await engine.prove("plant", claim), {
      ...{ ...claim, replayedHash: first.stateHash, isProven: false },
    });
    await assert.rejects(engine.prove("none", claim), /none/);
  }, { parts: hubParts }));

Deno.test("too long a log is refused before it is replayed for a proof", () =>
  withEngine(async ({ engine, store }) => {
    await store.append([walk("s", REWIND_VALUES_MAX + 1, ["a"])]);
    await assert.rejects(
      engine.prove("s", { appliedOffset: REWIND_VALUES_MAX + 1, stateHash: "" }),
      (error) =>
        error instanceof LimitError && error.limitName === "REWIND_VALUES_MAX" &&
        error.field === "appliedOffset",
    );
    const proof = await engine.prove("s", { appliedOffset: 5, stateHash: "" });
    assert.equal(proof.isProven, false);
  }));
