import assert from "node:assert/strict";
import { partPlots } from "../../../../routes/dashboard/client/components_panel.ts";

Deno.test("partPlots() draws the parts that move, each with its name", () => {
  const plots = partPlots({
    timestamps: ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"],
    values: [1, null],
    signal: [1, 2],
    intervals: {},
    level: [1, 2],
    slope: [0, 0],
    shortTerm: [0, 0],
    seasons: [{ lengthS: 86_400, values: [0.5, -0.5] }],
    remainder: [0, null],
    noiseDeviation: 0.1,
  });
  // What is short-lived and the remainder say nothing here.
  assert.deepEqual(plots.map(({ name }) => name.replace(/of .*/, "of a day")), [
    ...["Measured, and signal", "Level", "Season of a day"],
  ]);
  assert.deepEqual(plots[0]!.lines.map(({ ys }) => ys), [[1, null], [1, 2]]);
  assert.deepEqual(plots[0]!.lines[0]!.xs, [1772323200000, 1772326800000]);
});
