import assert from "node:assert/strict";
import {
  AR_LAGS_MAX,
  arForecastInto,
  arLags,
  arObserve,
  arStart,
} from "../../src/models/ar_differences.ts";
import { emptyGrid, pushSlot } from "../../src/models/slot_grid.ts";
import { noise } from "./_series.ts";

Deno.test("arObserve() learns the coefficient of an autoregression on differences", () => {
  const grid = emptyGrid(0);
  const state = arStart(Int32Array.of(1, 2), 1);
  let level = 0;
  let difference = 0;
  for (const error of noise(3000, 17)) {
    difference = 0.6 * difference + error;
    level += difference;
    pushSlot(grid, level, true);
    arObserve(state, grid);
  }
  // The standard error over 3,000 samples is 0.015; four of them.
  assert.ok(Math.abs(state.weights[0]! - 0.6) < 0.06, `${state.weights[0]}`);
  assert.ok(Math.abs(state.weights[1]!) < 0.08, `${state.weights[1]}`);
});

Deno.test("arForecastInto() of an untaught model is the last value", () => {
  const grid = emptyGrid(0);
  for (const value of [3, 1, 4, 1, 5]) pushSlot(grid, value, true);
  const out = new Float64Array(3);
  arForecastInto(arStart(Int32Array.of(1), 2), grid, out);
  assert.deepEqual([...out], [5, 5, 5]);
});

Deno.test("arForecastInto() iterates its own forecasts", () => {
  const grid = emptyGrid(0);
  for (const value of [0, 0, 8]) pushSlot(grid, value, true);
  const state = arStart(Int32Array.of(1), 1);
  state.weights[0] = 0.5;
  const out = new Float64Array(3);
  arForecastInto(state, grid, out);
  assert.deepEqual([...out], [12, 14, 15]);
});

Deno.test("arObserve() learns nothing from a slot that was filled in", () => {
  const grid = emptyGrid(0);
  const state = arStart(Int32Array.of(1), 1);
  for (let i = 0; i < 20; i++) {
    pushSlot(grid, i * i, i % 2 === 0);
    arObserve(state, grid);
  }
  assert.deepEqual([...state.weights], [0, 0]);
});

Deno.test("arLags() grows with length and seasons, within its limit", () => {
  assert.deepEqual([...arLags(12, [])], [1]);
  assert.deepEqual([...arLags(40, [{ length: 4, slots: 4 }])], [1, 2, 3, 4, 5, 8]);
  const daily = { length: 24, slots: 24 };
  const weekly = { length: 168, slots: 168 };
  const hourly = [...arLags(1000, [daily, weekly])];
  assert.deepEqual(hourly, [1, 2, 3, 4, 5, 6, 7, 8, 23, 24, 25, 48, 167, 168, 169]);
  assert.equal(arLags(2000, []).length, AR_LAGS_MAX);
});
