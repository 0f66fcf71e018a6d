import assert from "node:assert/strict";
import { Figures } from "../../../src/cli/evaluate/figures.ts";
import {
  contextPicture,
  CONTEXTS,
  coveragePicture,
  leadPicture,
} from "../../../src/cli/evaluate/page_pictures.ts";
import { SETTINGS } from "../../../src/cli/evaluate/settings.ts";
import { record } from "./_records.ts";

const RECORDS = SETTINGS.flatMap(({ name }) => [
  record("seasonal-naive", name, { a: 1, b: 2 }, { isPeer: true }),
  record("augurs-mstl", name, { a: 0.9, b: 1.8 }, { isPeer: true }),
  record("committee", name, { a: 0.5, b: 1 }),
]);
const FIGURES = new Figures(RECORDS, "dev");

Deno.test("contextPicture() has a point a length for everything that was measured", () => {
  const { series, ticks } = contextPicture(FIGURES)!;
  assert.deepEqual(series.map(({ name }) => name), ["committee", "augurs-mstl", "seasonal-naive"]);
  assert.equal(ticks.length, CONTEXTS.length);
  series[0]!.points.forEach(([, y]) => assert.ok(Math.abs(y - 0.5) < 1e-12));
});

Deno.test("coveragePicture() has both intervals of each task", () => {
  const { series, ticks } = coveragePicture(FIGURES)!;
  assert.deepEqual(ticks.map(([, name]) => name), ["a", "b"]);
  assert.deepEqual(series.map(({ points }) => points.map(([, y]) => y)), [[0.8, 0.8], [
    0.95,
    0.95,
  ]]);
});

Deno.test("leadPicture() shows the leads that have targets, beside the peer", () => {
  const { series, ticks } = leadPicture(FIGURES)!;
  assert.deepEqual(ticks.map(([, name]) => name), ["1", "2", "3"]);
  assert.deepEqual(series.map(({ name }) => name), ["committee", "augurs-mstl"]);
  assert.ok(Math.abs(series[1]!.points[0]![1] - 0.9) < 1e-12);
});

Deno.test("pictures of nothing are none", () => {
  const none = new Figures([], "dev");
  assert.deepEqual([coveragePicture(none), contextPicture(none), leadPicture(none)], [
    null,
    null,
    null,
  ]);
});
