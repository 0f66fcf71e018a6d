import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import {
  BACKTEST_CHANNELS_MAX,
  BACKTEST_HORIZON_DEFAULT,
  BACKTEST_ORIGINS_DEFAULT,
  BACKTEST_VALUES_MAX,
  backtestPlan,
  checkBacktestSize,
  requireChannels,
} from "../../src/service/backtest_question.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openFixture } from "../routes/_fixture.ts";

const { models } = openFixture().service;

function series(rows: number, channels: readonly string[] = ["a"]): Segment {
  return {
    streamId: "s",
    channels: [...channels],
    timestampsNs: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)),
    values: channels.map((_, c) => Float64Array.from({ length: rows }, (_, i) => c + i % 7)),
  };
}

const fault =
  (kind: typeof InvalidValueError | typeof LimitError, field: string) => (error: unknown) =>
    error instanceof kind && error.field === field;

Deno.test("backtestPlan() fills in what was not asked, and copies the samples", () => {
  const given = series(200);
  const plan = backtestPlan({}, given, models);
  assert.equal(plan.horizon, BACKTEST_HORIZON_DEFAULT);
  assert.equal(plan.origins, BACKTEST_ORIGINS_DEFAULT);
  const builtIn = models.list().filter(({ origin }) => origin === "built-in");
  assert.deepEqual(plan.models, builtIn.map(({ name }) => name));
  assert.deepEqual(plan.segment, given);
  given.values[0]![0] = 99;
  assert.equal(plan.segment.values[0]![0], 0);
  // A quarter of a short series.
  assert.equal(backtestPlan({}, series(20), models).horizon, 5);
});

Deno.test("backtestPlan() takes each model once, and the channels in the order asked", () => {
  const question = { models: ["mean", "mean"], channels: ["b", "a"] };
  const plan = backtestPlan(question, series(40, ["a", "b", "c"]), models);
  assert.deepEqual(plan.models, ["mean"]);
  assert.deepEqual(plan.segment.channels, ["b", "a"]);
  assert.deepEqual(plan.segment.values.map((column) => column[0]), [1, 0]);
});

Deno.test("backtestPlan() keeps bounds of the channels asked, and drops what stands for none", () => {
  const ranges = { a: { lower: 0 }, b: { missing: [3] }, c: { upper: 9 } };
  const question = { models: ["mean"], channels: ["b", "a"], ranges };
  const { bounds, segment } = backtestPlan(question, series(40, ["a", "b", "c"]), models);
  assert.deepEqual(bounds, { a: { lower: 0 } });
  // The values of b are 1 to 7, those of a 0 to 6.
  const counts = segment.values.map((column) => column.filter((value) => value === 3).length);
  assert.deepEqual(counts, [0, 6]);
  assert.equal(segment.values[0]!.filter(Number.isNaN).length, 6);
});

Deno.test("backtestPlan() names the field that cannot be answered", () => {
  const plan = (question: object, given = series(100)) => () =>
    backtestPlan({ models: ["mean"], ...question }, given, models);
  assert.throws(plan({ horizon: 0 }), fault(InvalidValueError, "horizon"));
  assert.throws(plan({ origins: 1.5 }), fault(InvalidValueError, "origins"));
  assert.throws(plan({ models: [] }), fault(InvalidValueError, "models"));
  assert.throws(plan({ models: ["mean", "none"] }), fault(InvalidValueError, "models[1]"));
  const names = Array.from({ length: BACKTEST_CHANNELS_MAX + 1 }, (_, i) => `c${i}`);
  assert.throws(plan({}, series(100, names)), fault(LimitError, "channels"));
});

Deno.test("checkBacktestSize() and requireChannels() refuse before samples are read", () => {
  checkBacktestSize(BACKTEST_VALUES_MAX);
  assert.throws(() => checkBacktestSize(BACKTEST_VALUES_MAX + 1), fault(LimitError, "samples"));
  requireChannels(undefined, []);
  requireChannels(["a"], ["a", "b"]);
  assert.throws(() => requireChannels(["c"], ["a", "b"]), fault(InvalidValueError, "channels"));
});
