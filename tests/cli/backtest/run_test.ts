import assert from "node:assert/strict";
import { backtestOutcome, planOf, runBacktest, subjectsOf } from "../../../src/cli/backtest/run.ts";
import { InvalidValueError } from "../../../src/base/errors.ts";
import type { Segment } from "../../../src/signal/segment.ts";
import type { BoundsByChannel } from "../../../src/stores/channel_range.ts";

const HOUR_NS = 3_600_000_000_000n;

function series(values: Float64Array): Segment {
  return {
    streamId: "s",
    channels: ["a"],
    timestampsNs: BigInt64Array.from(values, (_, i) => BigInt(i) * HOUR_NS),
    values: [values],
  };
}

Deno.test("runBacktest() tells of every forecast, and the outcome of every window", async () => {
  const segment = series(Float64Array.from({ length: 120 }, (_, i) => i % 12));
  const plan = planOf(120, 6, 3);
  const subjects = await subjectsOf(["mean"]);
  const told: number[] = [];
  const channels = runBacktest(segment, plan, subjects, (done, total) => told.push(done / total));
  assert.equal(told.length, 3 * subjects.length);
  assert.equal(told.at(-1), 1);
  const { report, page, pictures } = backtestOutcome("sawtooth", plan, channels, "mean");
  assert.deepEqual([report.horizon, report.origins], [6, [60, 87, 114]]);
  const [best] = report.channels[0]!.forecasters;
  const naive = report.channels[0]!.forecasters.find(({ name }) => name === "naive")!;
  assert.equal(naive.windows.length, 3);
  assert.equal(naive.windows[2]!.origin, "1970-01-05T17:00:00Z");
  // The sample before the last origin is 113 % 12 = 5; what follows is 6 to 11.
  assert.ok(Math.abs(naive.windows[2]!.mae! - 3.5) < 1e-9);
  const mean = naive.windows.reduce((sum, { mae }) => sum + mae! / 3, 0);
  assert.ok(Math.abs(mean - naive.mae!) < 1e-9);
  assert.ok(best!.mae! <= naive.mae!);
  assert.match(page, /Backtest of sawtooth|sawtooth/);
  assert.match(pictures.a!.windows, /<svg /);
  assert.match(pictures.a!.coverage, /80 % interval/);
});

Deno.test("runBacktest() keeps forecasts of models within bounds, and those of peers as they are", async () => {
  // A day of rain of which two thirds are dry.
  const segment = series(
    Float64Array.from({ length: 150 }, (_, i) => Math.max(0, 7 * (i % 24) - 110)),
  );
  const subjects = await subjectsOf(["mean"]);
  const rangeBy = (bounds: BoundsByChannel) => {
    const channels = runBacktest(segment, { ...planOf(150, 12, 2), bounds }, subjects, () => {});
    return Object.fromEntries(channels[0]!.forecasters.map(({ name, rows }) => {
      const all = rows.flatMap((row) => [...row!]);
      return [name, [Math.min(...all), Math.max(...all)]];
    }));
  };
  const [free, bound] = [rangeBy({}), rangeBy({ a: { lower: 0, upper: 51 } })];
  assert.ok(free.mean![0]! < 0 && free.mean![1]! > 51, String(free.mean));
  assert.deepEqual(bound.mean, [0, 51]);
  assert.deepEqual(bound.naive, free.naive);
  assert.deepEqual(rangeBy({ other: { lower: 0 } }), free);
});

Deno.test("runBacktest() tells models and peers the seasons that are declared", async () => {
  // Less than two of the season are known at the first origin: it is not to be found there.
  const values = Float64Array.from({ length: 100 }, (_, i) => ((i % 30) * 37) % 30);
  const subjects = await subjectsOf(["seasonal_naive"]);
  const errorsBy = (seasonsS: readonly number[]) => {
    const plan = { ...planOf(100, 10, 2), seasonsS };
    const channels = runBacktest(series(values), plan, subjects, () => {});
    return Object.fromEntries(channels[0]!.forecasters.map(({ name, mae }) => [name, mae]));
  };
  const [found, told] = [errorsBy([]), errorsBy([30 * 3600])];
  assert.ok(found["seasonal-naive"]! > 1, String(found["seasonal-naive"]));
  assert.equal(told["seasonal-naive"], 0);
  assert.ok(
    told.seasonal_naive! < 1e-6 && found.seasonal_naive! > 1,
    JSON.stringify({ told, found }),
  );
  assert.equal(told.naive, found.naive);
});

Deno.test("planOf() and runBacktest() refuse series that are too short or empty", async () => {
  assert.throws(() => planOf(10, 6, 3), InvalidValueError);
  const empty = series(new Float64Array(40).fill(NaN));
  const subjects = await subjectsOf(["mean"]);
  assert.throws(() => runBacktest(empty, planOf(40, 4, 2), subjects, () => {}), InvalidValueError);
});
