import assert from "node:assert/strict";
import { normalQuantile } from "../../src/models/normal.ts";
import {
  addDraws,
  drawnQuantile,
  drawScores,
  momentsOf,
  SCORE_LEVELS,
} from "../../src/service/part_draws.ts";

const near = (a: number, b: number, tolerance: number) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} beside ${b}`);

Deno.test("SCORE_LEVELS are probabilities of even normal scores, the median among them", () => {
  assert.equal(SCORE_LEVELS[SCORE_LEVELS.length >> 1], 0.5);
  SCORE_LEVELS.forEach((level, i) => near(normalQuantile(level), -3.5 + i * 0.125, 1e-9));
});

Deno.test("momentsOf() knows normal, skewed and rare values", () => {
  const normal = momentsOf(SCORE_LEVELS.map((p) => 3 + 2 * normalQuantile(p)));
  near(normal.mean, 3, 1e-9);
  near(normal.variance, 4, 0.03);
  near(momentsOf(SCORE_LEVELS.map((p) => -Math.log(1 - p))).mean, 1, 0.01);
  near(momentsOf(SCORE_LEVELS.map((p) => p > 0.85 ? 8 : 0)).mean, 1.2, 0.2);
  assert.deepEqual(momentsOf(SCORE_LEVELS.map(() => 0)), { mean: 0, variance: 0 });
});

/** Deviation and 0.9 quantile of the sum of two standard normal parts of this correlation. */
function sumOfTwo(r: number): { deviation: number; high: number; median: number } {
  const count = 2_000;
  const scores = drawScores(Float64Array.of(1, r, r, 1), 2, count, 0);
  const values = SCORE_LEVELS.map(normalQuantile);
  const sums = new Float64Array(count);
  for (const p of [0, 1]) {
    addDraws(sums, values, scores.subarray(p * count, (p + 1) * count), 1);
  }
  const deviation = Math.sqrt(sums.reduce((all, sum) => all + sum * sum / count, 0));
  sums.sort();
  return { deviation, high: drawnQuantile(sums, 0.9), median: drawnQuantile(sums, 0.5) };
}

for (const r of [-1, -0.5, 0, 0.5, 1]) {
  Deno.test(`drawScores() sums two normal parts of correlation ${r}`, () => {
    const { deviation, high, median } = sumOfTwo(r);
    const expected = Math.sqrt(2 + 2 * r);
    near(deviation, expected, 0.06);
    near(high, 1.2816 * expected, 0.12);
    near(median, 0, 1e-9);
  });
}

Deno.test("addDraws() counts a part as often as it is in the sum, rare values as they are", () => {
  const count = 2_000;
  const scores = drawScores(Float64Array.of(1), 1, count, 0);
  const sums = new Float64Array(count);
  addDraws(sums, SCORE_LEVELS.map((p) => p > 0.85 ? 8 : 0), scores, 3);
  assert.equal(Math.max(...sums), 24);
  assert.equal(Math.min(...sums), 0);
  near(sums.reduce((all, sum) => all + sum / count, 0), 3.6, 0.4);
});

Deno.test("drawnQuantile() lies between draws, and at the outermost beyond them", () => {
  const sorted = Float64Array.of(1, 2, 3, 4);
  assert.equal(drawnQuantile(sorted, 0.5), 2.5);
  assert.equal(drawnQuantile(sorted, 0.001), 1);
  assert.equal(drawnQuantile(sorted, 0.999), 4);
  assert.equal(drawnQuantile(Float64Array.of(7), 0.3), 7);
});
