import assert from "node:assert/strict";
import { meanInto, meanObserve, seasonalNaiveInto } from "../../src/models/naive.ts";
import { emptyGrid, pushSlot } from "../../src/models/slot_grid.ts";

function gridOf(values: readonly number[]) {
  const grid = emptyGrid(0);
  for (const value of values) pushSlot(grid, value, true);
  return grid;
}

Deno.test("seasonalNaiveInto() repeats the last season", () => {
  const out = new Float64Array(5);
  seasonalNaiveInto(gridOf([9, 9, 1, 2, 3]), 3, out);
  assert.deepEqual([...out], [1, 2, 3, 1, 2]);
});

Deno.test("seasonalNaiveInto() repeats the last value before a season has been seen", () => {
  const out = new Float64Array(3);
  seasonalNaiveInto(gridOf([1, 2, 3]), 3, out);
  assert.deepEqual([...out], [3, 3, 3]);
});

Deno.test("meanInto() is the mean of what was seen, 0 before", () => {
  const state = { sum: 0, count: 0 };
  const out = new Float64Array(2);
  meanInto(state, out);
  assert.deepEqual([...out], [0, 0]);
  [1, 2, 6].forEach((value) => meanObserve(state, value));
  meanInto(state, out);
  assert.deepEqual([...out], [3, 3]);
});
