import assert from "node:assert/strict";
import { applyMap, ridgeMap } from "../../../../src/cli/evaluate/long/least_squares.ts";
import { MEMORY_FEATURES } from "../../../../src/cli/evaluate/long/memory.ts";
import {
  featuresAt,
  memoryTracks,
  readoutEquations,
} from "../../../../src/cli/evaluate/long/readout.ts";
import { syntheticSeries } from "./_series.ts";

Deno.test("memoryTracks sees the past only", () => {
  const series = syntheticSeries();
  const cut = series.trainEnd + 100;
  const changed = { ...series, columns: series.columns.map((x) => x.slice().fill(9, cut)) };
  const [before, after] = [series, changed].map((one) => memoryTracks(one)[0]!);
  const size = cut * MEMORY_FEATURES;
  assert.deepEqual(before!.features.subarray(0, size), after!.features.subarray(0, size));
  assert.deepEqual(before!.levels.subarray(0, cut), after!.levels.subarray(0, cut));
  assert.notDeepEqual(before!.levels, after!.levels);
});

Deno.test("readoutEquations learns from the training months only, and learns the wave", () => {
  const series = syntheticSeries();
  const changed = {
    ...series,
    columns: series.columns.map((x) => x.slice().fill(9, series.trainEnd)),
  };
  const tracks = memoryTracks(series);
  const sums = readoutEquations(series, tracks, 12);
  assert.deepEqual(readoutEquations(changed, memoryTracks(changed), 12).cross, sums.cross);
  const origins = [series.validationEnd, series.validationEnd + 50];
  const out = applyMap(featuresAt(tracks[0]!, origins), ridgeMap(sums, 1), origins.length);
  for (const [r, origin] of origins.entries()) {
    for (let j = 0; j < 12; j++) {
      const forecast = tracks[0]!.levels[origin]! + out[r * 12 + j]!;
      assert.ok(Math.abs(forecast - series.columns[0]![origin + 1 + j]!) < 0.6, `${r} ${j}`);
    }
  }
});
