import assert from "node:assert/strict";
import { ConflictError, InvalidValueError, NotFoundError } from "../../src/base/errors.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openFixture } from "../routes/_fixture.ts";

const WAIT = { isAppliedAwaited: true, ignoredCount: 0 };

function segment(streamId: string, times: readonly number[], values: readonly number[]): Segment {
  return {
    streamId,
    channels: ["value"],
    timestampsNs: BigInt64Array.from(times, (ms) => BigInt(ms) * 1_000_000n),
    values: [Float64Array.from(values)],
  };
}

Deno.test("Service.ingest() answers once a stream, in the order of first sight", async () => {
  const { service } = openFixture();
  const outcomes = await service.ingest([
    segment("b", [1], [1]),
    segment("a", [1], [1]),
    segment("b", [2], [2]),
  ], WAIT);
  assert.deepEqual(
    outcomes.map(({ id, accepted, appliedOffset }) => [id, accepted, appliedOffset]),
    [
      ["b", 2, 2],
      ["a", 1, 1],
    ],
  );
});

Deno.test("Service.ingest() refuses a bad name before anything is stored", async () => {
  const { service, store } = openFixture();
  const parts = [segment("a", [1], [1]), segment("../b", [1], [1])];
  await assert.rejects(() => service.ingest(parts, WAIT), InvalidValueError);
  assert.equal(await store.getStream("a"), null);
});

Deno.test("Service.ingest() keeps what the engine refuses, and counts it", async () => {
  const { service, engine } = openFixture();
  engine.failure = new Error("model threw");
  const [outcome] = await service.ingest([segment("a", [1], [1])], {
    ...WAIT,
    isAppliedAwaited: false,
  });
  assert.equal(outcome!.accepted, 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const metrics = await service.metrics();
  assert.match(metrics, /driftline_failures_total\{stage="absorb"\} 1/);
  assert.match(metrics, /driftline_unapplied_samples 0/);
});

Deno.test("Service.ingest() does not hand a replayed answer to the state again", async () => {
  const { service, engine } = openFixture();
  let submitted = 0;
  const submit = engine.submit.bind(engine);
  engine.submit = (record, inOrder, start) => {
    submitted++;
    return submit(record, inOrder, start);
  };
  const key = { ...WAIT, idempotencyKey: "k", requestHash: "h" };
  const first = await service.ingest([segment("a", [1], [1])], key);
  assert.deepEqual(await service.ingest([segment("a", [1], [1])], key), first);
  assert.equal(submitted, 1);
  const other = { ...key, requestHash: "other" };
  await assert.rejects(() => service.ingest([segment("a", [2], [1])], other), ConflictError);
});

Deno.test("Service.putStream() knows the models by name", async () => {
  const { service } = openFixture();
  await assert.rejects(() => service.putStream("a", { model: "oracle" }), InvalidValueError);
  const { isCreated, stream } = await service.putStream("a", { model: "mean" });
  assert.deepEqual([isCreated, stream.model], [true, "mean"]);
});

Deno.test("Service answers about unknown streams with NotFoundError", async () => {
  const { service } = openFixture();
  const range = { fromNs: 0n, toNs: 1n, limit: 1, maxPoints: 2 };
  const question = { levels: [], quantiles: Float64Array.of(0.5) };
  for (
    const ask of [
      () => service.getStream("none"),
      () => service.deleteStream("none"),
      () => service.forecast("none", question),
      () => service.anomalies("none", range),
      () => service.observations("none", range),
      () => service.requireStream("none"),
    ]
  ) {
    await assert.rejects(ask, NotFoundError);
  }
});

Deno.test("Service refuses stateless questions without a sample", async () => {
  const { service } = openFixture();
  const empty = segment("a", [], []);
  const question = { levels: [], quantiles: Float64Array.of(0.5) };
  await assert.rejects(() => service.forecastOnce(empty, {}, question), InvalidValueError);
  await assert.rejects(() => service.detectOnce(empty, {}), InvalidValueError);
});
