import assert from "node:assert/strict";
import { Backtest, naiveScale } from "../../../src/cli/demo/score.ts";

const season = [0, 10, 0, -10];
const values = Float64Array.from({ length: 40 }, (_, i) => season[i % 4]! + i);
// Sums of a few doubles: rounding only.
const CLOSE = 1e-12;

function constant(value: number): number[] {
  return new Array(4).fill(value);
}

Deno.test("naiveScale() is the mean one-season difference before the origin", () => {
  assert.equal(naiveScale(values, 20, 4), 4);
});

Deno.test("Backtest gives a perfect forecast 0 and seasonal naive its own error", () => {
  const backtest = new Backtest(values, 4, 4);
  for (const end of [20, 24]) {
    const actual = [...values.subarray(end, end + 4)];
    backtest.add(end, {
      median: actual,
      low80: actual,
      high80: actual,
      low95: constant(-Infinity),
      high95: constant(Infinity),
    });
  }
  const score = backtest.score();
  assert.equal(score.origins, 2);
  assert.equal(score.mase, 0);
  // Every value is exactly one season's rise above its twin.
  assert.ok(Math.abs(score.seasonalNaiveMase - 1) < CLOSE);
  assert.equal(score.coverage80, 1);
  assert.equal(score.coverage95, 1);
});

Deno.test("Backtest counts what falls outside, and the last value's error", () => {
  const backtest = new Backtest(values, 4, 4);
  backtest.add(20, {
    median: constant(values[19]!),
    low80: constant(values[20]!),
    high80: constant(values[21]!),
    low95: constant(1e9),
    high95: constant(1e9),
  });
  const score = backtest.score();
  assert.equal(score.mase, score.lastValueMase);
  assert.ok(score.mase > 1);
  // values[20], [21] and [22] lie in [20, 31]; values[23] = 13 does not.
  assert.equal(score.coverage80, 0.75);
  assert.equal(score.coverage95, 0);
});

Deno.test("a forecast that lacks a value is not counted as good", () => {
  const backtest = new Backtest(values, 4, 4);
  const none = constant(NaN);
  backtest.add(20, { median: none, low80: none, high80: none, low95: none, high95: none });
  assert.ok(Number.isNaN(backtest.score().mase));
  assert.equal(backtest.score().coverage80, 0);
});
