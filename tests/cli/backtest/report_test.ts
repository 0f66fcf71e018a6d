import assert from "node:assert/strict";
import { measureForecaster } from "../../../src/cli/backtest/measure.ts";
import {
  backtestPage,
  type ChannelBacktest,
  ERROR_HEADER,
  errorRow,
  picturesOf,
  windowsPicture,
} from "../../../src/cli/backtest/report.ts";
import { trialAt } from "../../../src/cli/backtest/trials.ts";
import { openSubject } from "../../../src/cli/evaluate/subject.ts";
import type { Segment } from "../../../src/signal/segment.ts";

const SEGMENT: Segment = {
  streamId: "s",
  channels: ["a<b"],
  timestampsNs: BigInt64Array.from(
    { length: 200 },
    (_, i) => 1_577_836_800_000_000_000n + BigInt(i) * 3_600_000_000_000n,
  ),
  values: [Float64Array.from({ length: 200 }, (_, i) => 10 + 3 * Math.sin(Math.PI * i / 12))],
};

async function channel(): Promise<ChannelBacktest> {
  const trials = [100, 150, 190]
    .map((origin) => trialAt(SEGMENT, "a<b", { origin, horizon: 10 })!);
  const forecasters = [];
  for (const name of ["seasonal-naive", "naive"]) {
    forecasters.push(measureForecaster((await openSubject(name))!, trials));
  }
  return { name: "a<b", trials, forecasters };
}

Deno.test("errorRow() has a cell a heading, ratios to another's error", async () => {
  const { forecasters: [seasonal, naive] } = await channel();
  const row = errorRow({ ...seasonal!, mae: 1 }, { ...naive!, mae: 4 });
  assert.equal(row.length, ERROR_HEADER.length);
  assert.deepEqual(row.slice(0, 3), ["seasonal-naive", "1", "0.25"]);
});

Deno.test("windowsPicture() has history, medians with gaps between origins, and a band each", async () => {
  const made = await channel();
  const { series, bands, ticks } = windowsPicture(made, made.forecasters[0]!);
  assert.equal(bands!.length, 3);
  const [history, medians] = series;
  assert.deepEqual(history!.points.at(-1), [199 * 3600, SEGMENT.values[0]![199]]);
  assert.equal(medians!.points.length, 33);
  assert.equal(medians!.points.filter(([, y]) => Number.isNaN(y)).length, 3);
  assert.match(ticks.at(-1)![1], /^2020-01-09T07/);
});

Deno.test("picturesOf() draws errors and coverage at the leads there are", async () => {
  const [, errors, coverage] = picturesOf(await channel(), "naive");
  assert.deepEqual(errors!.ticks.map(([, name]) => name), ["1", "2", "3", "5", "9"]);
  assert.deepEqual(errors!.series.map(({ name }) => name), ["seasonal-naive", "naive"]);
  assert.deepEqual(coverage!.marks, [0.8]);
});

Deno.test("backtestPage() is a page of its own with names made safe", async () => {
  const made = await channel();
  const page = backtestPage("file.csv", [made], { shown: "none", baseline: "naive" });
  assert.match(page, /^<!doctype html>/);
  assert.ok(page.includes("<h2>a&lt;b</h2>") && !page.includes("a<b"));
  assert.equal(page.match(/<svg /g)!.length, 3);
  assert.ok(!page.includes("NaN"));
});
