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
  BACKTEST_VALUES_MAX,
  type BacktestQuestion,
} from "../../src/service/backtest_question.ts";
import {
  BACKTEST_ATTEMPTS_MAX,
  BACKTEST_QUEUE_MAX,
  Backtests,
  BACKTESTS_KEPT_MAX,
} from "../../src/service/backtests.ts";
import { BACKTEST_SAMPLES_MIN } from "../../src/service/backtest_origins.ts";
import { silentLog } from "../../src/service/telemetry.ts";
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
  const first = await backtests.onSegments(ONE, [series(100)], "text/csv");
  const second = await backtests.onSegments({ ...ONE, horizon: 3, origins: 2 }, [series(50)], "x");
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
  const ask = async () => (await backtests.onSegments(ONE, [series(100)], "x")).id;
  const ids = [await ask(), await ask()];
  await turns();
  await backtests.remove(ids[1]!);
  assert.equal(backtests.get(ids[1]!).state, "canceled");
  await backtests.remove(ids[0]!);
  await turns();
  assert.equal(backtests.get(ids[0]!).state, "canceled");
  assert.equal(held.length, 1);
  await backtests.remove(ids[0]!);
  assert.throws(() => backtests.get(ids[0]!), NotFoundError);
});

Deno.test("Backtests ends what is not over in time", async () => {
  const { service: { models }, backtestPort: port, store, clock } = openFixture();
  const backtests = new Backtests({ store, models, port, clock, log: silentLog, msMax: 1 });
  const { id } = await backtests.onSegments(ONE, [series(100)], "x");
  while (backtests.get(id).endedAt === null) await new Promise((go) => setTimeout(go, 1));
  const { state, error } = backtests.get(id);
  assert.equal(state, "failed");
  assert.match(error!, /BACKTEST_MS_MAX/);
});

Deno.test("Backtests refuses what passes a limit or cannot be, and names it", async () => {
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
    await assert.rejects(
      () => backtests.onSegments(question, [segment], "x"),
      (error: unknown) => error instanceof LimitError && error.limitName === name,
    );
  }
  const wrong: [BacktestQuestion, Segment[], string][] = [
    [{ ...ONE, horizon: 0 }, [series(30)], "horizon"],
    [{ ...ONE, horizon: 2.5 }, [series(30)], "horizon"],
    [{ ...ONE, horizon: 16 }, [series(30)], "horizon"],
    [ONE, [series(1)], "samples"],
    [ONE, [series(BACKTEST_SAMPLES_MIN - 1)], "samples"],
    [ONE, [{ ...series(30), values: [new Float64Array(30).fill(NaN)] }], "channels"],
    [{ ...ONE, origins: 0 }, [series(30)], "origins"],
    [{ models: [] }, [series(30)], "models"],
    [{ models: ["oracle"] }, [series(30)], "models[0]"],
    [{ ...ONE, channels: ["z"] }, [series(30)], "channels"],
    [ONE, [], "timestamps"],
    [ONE, [series(30), { ...series(30), streamId: "other" }], "stream"],
  ];
  for (const [question, segments, field] of wrong) {
    await assert.rejects(
      () => backtests.onSegments(question, segments, "x"),
      (error: unknown) => error instanceof InvalidValueError && error.field === field,
      field,
    );
  }
});

Deno.test("Backtests takes a stream's bounds, and those of the question in their place", async () => {
  const { service, backtestPort: { held } } = openFixture();
  const { backtests } = service;
  await service.putStream("s", { channels: { a: { lower: 0, missing: [3] }, b: { upper: 8 } } });
  await service.ingest([{ ...series(60, ["a", "b"]), streamId: "s" }], {
    ...{ isAppliedAwaited: false, ignoredCount: 0 },
  });
  const own = await backtests.onStream(ONE, { id: "s" });
  assert.deepEqual(own.ranges, { a: { lower: 0 }, b: { upper: 8 } });
  const other = await backtests.onStream({ ...ONE, ranges: { a: {} } }, { id: "s" });
  assert.deepEqual(other.ranges, { b: { upper: 8 } });
  await turns();
  held[0]!.finish();
  await turns();
  for (const [i, { ranges }] of [own, other].entries()) {
    const { bounds, segment } = held[i]!.task;
    assert.deepEqual(bounds, ranges);
    // What stands for a missing value is one whatever is asked.
    assert.deepEqual(segment.values.map((column) => column.includes(3)), [false, true]);
  }
  held[1]!.finish();
  const stranger = { ...ONE, ranges: { z: { lower: 0 } } };
  await assert.rejects(
    () => backtests.onStream(stranger, { id: "s" }),
    (error: unknown) => error instanceof InvalidValueError && error.field === "ranges",
  );
});

Deno.test("Backtests takes a stream's seasons, and those of the question in their place", async () => {
  const { service, backtestPort: { held } } = openFixture();
  const { backtests } = service;
  await service.putStream("s", { seasonsS: [86_400, 604_800] });
  await service.ingest([{ ...series(60), streamId: "s" }], {
    ...{ isAppliedAwaited: false, ignoredCount: 0 },
  });
  const asked = [
    await backtests.onStream(ONE, { id: "s" }),
    await backtests.onStream({ ...ONE, seasonsS: [3600] }, { id: "s" }),
    await backtests.onStream({ ...ONE, seasonsS: [] }, { id: "s" }),
  ];
  const wanted = [[86_400, 604_800], [3600], []];
  assert.deepEqual(asked.map(({ seasonsS }) => seasonsS), wanted);
  for (const [i, seasonsS] of wanted.entries()) {
    await turns();
    assert.deepEqual(held[i]!.task.seasonsS, seasonsS);
    held[i]!.finish();
  }
});

Deno.test("Backtests lets few wait and keeps few that are over", async () => {
  const { service: { backtests }, backtestPort: { held } } = openFixture();
  const ask = async () => (await backtests.onSegments(ONE, [series(40)], "x")).id;
  const first = await ask();
  await turns();
  for (let i = 0; i < BACKTEST_QUEUE_MAX; i++) await ask();
  await assert.rejects(ask, OverloadError);
  for (let i = 0; i < BACKTESTS_KEPT_MAX + 2; i++) {
    held[i]!.finish();
    await turns();
    if (i < BACKTESTS_KEPT_MAX) await ask();
    await turns();
  }
  assert.throws(() => backtests.get(first), NotFoundError);
  assert.ok(backtests.list().length <= BACKTESTS_KEPT_MAX + BACKTEST_QUEUE_MAX + 1);
  await backtests.close();
  await assert.rejects(ask, OverloadError);
});

/** Resolves when a backtest is in a state. */
async function reach(backtests: Backtests, id: string, state: string): Promise<void> {
  while (backtests.get(id).state !== state) await new Promise((go) => setTimeout(go, 1));
}

/** Resolves when so many backtests have begun. */
async function begun(held: readonly unknown[], count: number): Promise<void> {
  while (held.length < count) await new Promise((go) => setTimeout(go, 1));
}

Deno.test("Backtests tells after a restart what was found, and begins anew what had not ended", async () => {
  const folder = await Deno.makeTempDir();
  const { service: { models }, backtestPort: port, store, clock } = openFixture();
  const parts = { store, models, port, clock, log: silentLog, folder };
  const open = async () => {
    const backtests = new Backtests(parts);
    await backtests.start();
    return backtests;
  };
  try {
    const before = await open();
    const done = await before.onSegments(ONE, [series(100)], "text/csv");
    const broken = await before.onSegments({ ...ONE, horizon: 2 }, [series(60)], "x");
    const open1 = await before.onSegments({ ...ONE, horizon: 3 }, [series(50, ["a", "b"])], "x");
    const open2 = await before.onSegments({ ...ONE, horizon: 4 }, [series(40)], "x");
    await begun(port.held, 1);
    port.held[0]!.finish();
    await begun(port.held, 2);
    port.held[1]!.fail(new RangeError("no good"));
    await begun(port.held, 3);
    const told = before.get(done.id);
    // As a process that is killed leaves it: `before` is not closed.
    const after = await open();
    assert.deepEqual(after.get(done.id), { ...told, progress: { done: 0, total: 0 } });
    assert.deepEqual(after.outcome(done.id), before.outcome(done.id));
    assert.deepEqual(after.get(broken.id).error, "no good");
    assert.deepEqual(
      after.list().map(({ id }) => id),
      [open2, open1, broken, done].map(
        ({ id }) => id,
      ),
    );
    await begun(port.held, 4);
    const { task } = port.held[3]!;
    assert.deepEqual([task.horizon, task.segment], [3, { ...series(50, ["a", "b"]) }]);
    // What is over needs its samples no more; what is forgotten nothing.
    const files = (id: string) => [...Deno.readDirSync(`${folder}/${id}`)].map(({ name }) => name);
    assert.deepEqual(files(done.id).sort(), ["backtest.json", "outcome.json"]);
    await after.remove(done.id);
    assert.throws(() => files(done.id), Deno.errors.NotFound);
    // A service that ends in good order takes no start from what ran.
    await after.close();
    const last = await open();
    await begun(port.held, 5);
    port.held[4]!.finish();
    await reach(last, open1.id, "finished");
    await last.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Backtests starts no backtest for ever that ends the process", async () => {
  const folder = await Deno.makeTempDir();
  const { service: { models }, backtestPort: port, store, clock } = openFixture();
  const parts = { store, models, port, clock, log: silentLog, folder };
  try {
    const first = new Backtests(parts);
    await first.start();
    const { id } = await first.onSegments(ONE, [series(100)], "x");
    for (let start = 1; start <= BACKTEST_ATTEMPTS_MAX; start++) {
      await begun(port.held, start);
      const next = new Backtests(parts);
      await next.start();
      if (start < BACKTEST_ATTEMPTS_MAX) continue;
      await reach(next, id, "failed");
      assert.match(next.get(id).error!, /ended 3 times/);
    }
    assert.equal(port.held.length, BACKTEST_ATTEMPTS_MAX);
    // A folder that cannot be read is told of and left alone; one without a record is removed.
    await Deno.writeTextFile(`${folder}/${id}/backtest.json`, "{");
    await Deno.mkdir(`${folder}/0123456789abcdef`);
    const last = new Backtests(parts);
    await last.start();
    assert.deepEqual(last.list(), []);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), [id]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
