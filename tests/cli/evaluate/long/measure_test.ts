import assert from "node:assert/strict";
import { FORECASTERS, measureHorizon } from "../../../../src/cli/evaluate/long/measure.ts";
import { memoryTracks } from "../../../../src/cli/evaluate/long/readout.ts";
import { syntheticSeries } from "./_series.ts";

Deno.test("measureHorizon scores every forecaster over every window of the test months", () => {
  const series = syntheticSeries();
  const horizon = 13;
  const figures = measureHorizon(series, memoryTracks(series), horizon);
  assert.equal(figures.windows, series.testEnd - series.validationEnd - horizon + 1);
  assert.deepEqual(Object.keys(figures.scores), [...FORECASTERS]);
  let last = 0;
  let day = 0;
  for (const x of series.columns) {
    for (let first = series.validationEnd; first + horizon <= series.testEnd; first++) {
      for (let j = 0; j < horizon; j++) {
        last += (x[first - 1]! - x[first + j]!) ** 2;
        day += Math.abs(x[first - 6 + j % 6]! - x[first + j]!);
      }
    }
  }
  const total = series.columns.length * figures.windows * horizon;
  assert.ok(Math.abs(figures.scores["repeat last"]!.mse - last / total) < 1e-9);
  assert.ok(Math.abs(figures.scores["repeat day"]!.mae - day / total) < 1e-9);
  const mse = (name: string) => figures.scores[name]!.mse;
  for (const name of FORECASTERS.slice(2)) assert.ok(mse(name) < 0.9 * mse("repeat day"), name);
  const two = [mse("closed-form linear map"), mse("memory readout")];
  assert.ok(mse("ours, online") < 1.05 * Math.min(...two));
});
