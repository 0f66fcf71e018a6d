import assert from "node:assert/strict";
import {
  absorbPairs,
  normalEquations,
  ridgeMap,
} from "../../../../src/cli/evaluate/long/least_squares.ts";
import { lookbackEquations, lookbackInto } from "../../../../src/cli/evaluate/long/lookback.ts";
import { uniforms } from "./_series.ts";

Deno.test("lookbackEquations equals the sums over every window, at any stride", () => {
  const [lookback, horizon] = [9, 5];
  const columns = [1, 2].map((seed) => {
    const next = uniforms(seed);
    return Float64Array.from({ length: 120 }, () => 3 + next());
  });
  for (
    const windows of [
      { first: 0, count: 60, stride: 1 },
      { first: 3, count: 25, stride: 4 },
      { first: 1, count: 7, stride: 12 },
    ]
  ) {
    const plain = normalEquations(lookback, horizon);
    for (const x of columns) {
      for (let i = 0; i < windows.count; i++) {
        const origin = windows.first + i * windows.stride + lookback - 1;
        const input = new Float64Array(lookback);
        lookbackInto(input, 0, x, origin, lookback);
        const future = x.slice(origin + 1, origin + 1 + horizon);
        absorbPairs(plain, input, future.map((v) => v - x[origin]!), new Float64Array([1]));
      }
    }
    const sums = lookbackEquations(columns, horizon, windows, lookback);
    for (const [name, own] of [["gram", sums.gram], ["cross", sums.cross]] as const) {
      own.forEach((v, i) => assert.ok(Math.abs(v - plain[name][i]!) < 1e-10, `${name} ${i}`));
    }
    const map = ridgeMap(sums, 0.5);
    ridgeMap(plain, 0.5).forEach((v, i) => assert.ok(Math.abs(v - map[i]!) < 1e-9));
  }
});
