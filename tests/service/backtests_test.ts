import assert from "node:assert/strict";
import {
  InvalidValueError,
  LimitError,
  NotFoundError,
  OverloadError,
} from "../../src/base/errors.ts";
import {
  BACKTEST_CHANNELS_MAX,
  BACKTEST_FITS_MAX,
  BACKTEST_HORIZON_MAX,
  BACKTEST_ORIGINS_MAX,
  BACKTEST_QUEUE_MAX,
  BACKTEST_VALUES_MAX,
  type BacktestQuestion,
  Backtests,
  BACKTESTS_KEPT_MAX,
} from "../../src/service/backtests.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openFixture } from "../routes/_fixture.ts";
import { turns } from "./_backtests.ts";

const ONE: BacktestQuestion = { models: ["mean"] };

function series(rows: number, channels: readonly string[] = ["a"]): Segment {
  return {
    streamId: "s",
    channels: [...channels],
    timestampsNs: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i) * 60_000_000_000n),
    values: channels.map(() => Float64Array.from({ length: rows }, (_, i) => i % 7)),
  };
}

Deno.test("Backtests runs one after the other and tells how far it is", async () => {
  const { service: { backtests }, backtestPort: { held } } = openFixture();
  const first = backtests.onSegments(ONE, [series(100)], "text/csv");
  const second = backtests.onSegments({ ...ONE, horizon: 3, origins: 2 }, [series(50)], "x");
  await turns();
  assert.equal(held.length, 1);
  assert.deepEqual([backtests.get(first.id).state, backtests.get(second.id).state], [
    "running",
    "queued",
  ]);
  const { task } = held[0]!;
  assert.deepEqual([task.horizon, task.origins, task.models], [24, 8, ["mean"]]);
  assert.ok(task.files.has("neural"));
  held[0]!.tell(3, 8);
  assert.deepEqual(backtests.get(first.id).progress, { done: 3, total: 8 });
  assert.throws(() => backtests.outcome(first.id), NotFoundError);
  held[0]!.finish();
  await turns();
  const over = backtests.get(first.id);
  assert.equal(over.state, "finished");
  assert.equal(over.report!.channels[0]!.name, "a");
  assert.match(backtests.outcome(first.id).page, /^<!doctype html>/);
  assert.equal(held[1]!.task.horizon, 3);
  assert.deepEqual(backtests.list().map(({ id, report }) => [id, report]), [
    [second.id, null],
    [first.id, null],
  ]);
  held[1]!.fail(new RangeError("no good"));
  await turns();
  assert.equal(backtests.get(second.id).error, "no good");
  assert.equal(backtests.get(second.id).state, "failed");
});

Deno.test("Backtests reads a stream's channels and range", async () => {
  const { service: { backtests }, backtestPort: { held }, send } = openFixture();
  await send("POST", "/v1/streams/s/observations", {
    timestamps: Array.from({ length: 60 }, (_, i) => i * 1000),
    channels: { a: Array(60).fill(1), b: Array.from({ length: 60 }, (_, i) => i) },
  });
  const range = { id: "s", fromNs: 10_000_000_000n, toNs: undefined };
  const asked = await backtests.onStream({ ...ONE, channels: ["b"] }, range);
  assert.deepEqual([asked.rows, asked.channels], [50, ["b"]]);
  assert.deepEqual(asked.source, {
    kind: "stream",
    id: "s",
    from: "1970-01-01T00:00:10Z",
    to: null,
  });
  await turns();
  assert.deepEqual([...held[0]!.task.segment.values[0]!.subarray(0, 2)], [10, 11]);
  await assert.rejects(backtests.onStream(ONE, { id: "none" }), NotFoundError);
  await assert.rejects(backtests.onStream({ channels: ["z"] }, { id: "s" }), InvalidValueError);
  held[0]!.finish();
});

Deno.test("Backtests ends what is canceled, waiting or running", async () => {
  const { service: { backtests }, backtestPort: { held } } = openFixture();
  const ids = [0, 1].map(() => backtests.onSegments(ONE, [series(100)], "x").id);
  await turns();
  backtests.remove(ids[1]!);
  assert.equal(backtests.get(ids[1]!).state, "canceled");
  backtests.remove(ids[0]!);
  await turns();
  assert.equal(backtests.get(ids[0]!).state, "canceled");
  assert.equal(held.length, 1);
  backtests.remove(ids[0]!);
  assert.throws(() => backtests.get(ids[0]!), NotFoundError);
});

Deno.test("Backtests ends what is not over in time", async () => {
  const { service: { models }, backtestPort: port, store, clock } = openFixture();
  const backtests = new Backtests({ store, models, port, clock, msMax: 1 });
  const { id } = backtests.onSegments(ONE, [series(100)], "x");
  while (backtests.get(id).endedAt === null) await new Promise((go) => setTimeout(go, 1));
  const { state, error } = backtests.get(id);
  assert.equal(state, "failed");
  assert.match(error!, /BACKTEST_MS_MAX/);
});

Deno.test("Backtests refuses what passes a limit or cannot be, and names it", () => {
  const { service: { backtests } } = openFixture();
  const many = Array.from({ length: BACKTEST_CHANNELS_MAX + 1 }, (_, i) => `c${i}`);
  const all = ["mean", "analog", "structural", "readout", "seasonal_naive", "ar_differences"];
  const limits: [BacktestQuestion, Segment, string][] = [
    [ONE, series(30, many), "BACKTEST_CHANNELS_MAX"],
    [ONE, series(BACKTEST_VALUES_MAX + 1), "BACKTEST_VALUES_MAX"],
    [{ ...ONE, horizon: BACKTEST_HORIZON_MAX + 1 }, series(100), "BACKTEST_HORIZON_MAX"],
    [{ ...ONE, origins: BACKTEST_ORIGINS_MAX + 1 }, series(100), "BACKTEST_ORIGINS_MAX"],
    [{ models: all, origins: 100 }, series(300, many.slice(0, 4)), "BACKTEST_FITS_MAX"],
  ];
  assert.ok(all.length * 100 * 4 > BACKTEST_FITS_MAX);
  for (const [question, segment, name] of limits) {
    assert.throws(
      () => backtests.onSegments(question, [segment], "x"),
      (error: unknown) => error instanceof LimitError && error.limitName === name,
    );
  }
  const wrong: [BacktestQuestion, Segment[], string][] = [
    [{ ...ONE, horizon: 0 }, [series(30)], "horizon"],
    [{ ...ONE, horizon: 2.5 }, [series(30)], "horizon"],
    [{ ...ONE, horizon: 16 }, [series(30)], "horizon"],
    [ONE, [series(1)], "horizon"],
    [{ ...ONE, origins: 0 }, [series(30)], "origins"],
    [{ models: [] }, [series(30)], "models"],
    [{ models: ["oracle"] }, [series(30)], "model"],
    [{ ...ONE, channels: ["z"] }, [series(30)], "channels"],
    [ONE, [], "timestamps"],
    [ONE, [series(30), { ...series(30), streamId: "other" }], "stream"],
  ];
  for (const [question, segments, field] of wrong) {
    assert.throws(
      () => backtests.onSegments(question, segments, "x"),
      (error: unknown) => error instanceof InvalidValueError && error.field === field,
      field,
    );
  }
});

Deno.test("Backtests lets few wait and keeps few that are over", async () => {
  const { service: { backtests }, backtestPort: { held } } = openFixture();
  const ask = () => backtests.onSegments(ONE, [series(40)], "x").id;
  const first = ask();
  await turns();
  for (let i = 0; i < BACKTEST_QUEUE_MAX; i++) ask();
  assert.throws(ask, OverloadError);
  for (let i = 0; i < BACKTESTS_KEPT_MAX + 2; i++) {
    held[i]!.finish();
    await turns();
    if (i < BACKTESTS_KEPT_MAX) ask();
    await turns();
  }
  assert.throws(() => backtests.get(first), NotFoundError);
  assert.ok(backtests.list().length <= BACKTESTS_KEPT_MAX + BACKTEST_QUEUE_MAX + 1);
  await backtests.close();
  assert.throws(ask, OverloadError);
});
