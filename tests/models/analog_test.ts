import assert from "node:assert/strict";
import { analogForecastInto, analogShapeOf } from "../../src/models/analog.ts";
import { emptyGrid, pushSlot } from "../../src/models/slot_grid.ts";

function gridOf(values: readonly number[]) {
  const grid = emptyGrid(0);
  for (const value of values) pushSlot(grid, value, true);
  return grid;
}

Deno.test("analogForecastInto() continues a pattern that it has seen", () => {
  const pattern = [0, 3, 1, 7, 2, 9, 4];
  const values = Array.from({ length: 70 }, (_, i) => pattern[i % 7]!);
  const out = new Float64Array(7);
  analogForecastInto(gridOf(values), { window: 10, neighbours: 4 }, 1, out);
  // All neighbours are at distance zero and continue alike; only sums round.
  out.forEach((value, l) => assert.ok(Math.abs(value - pattern[l % 7]!) < 1e-12));
});

Deno.test("analogForecastInto() gives back 0.7 of a change of level", () => {
  // Whole 1,024ths: a grid's f32 holds them, ten more and all.
  const shape = (i: number) => Math.round(5120 * Math.cos((i % 20) * (i % 20))) / 1024;
  const values = Array.from({ length: 60 }, (_, i) => shape(i) + (i >= 43 ? 10 : 0));
  const out = new Float64Array(3);
  analogForecastInto(gridOf(values), { window: 8, neighbours: 2 }, 20, out);
  // The two windows of the same phase lie 10 lower and went on 10 lower; only sums round.
  out.forEach((value, l) => assert.ok(Math.abs(value - shape(l) - 7) < 1e-9, `${value}`));
});

Deno.test("analogForecastInto() needs two neighbours to say anything", () => {
  const values = Array.from({ length: 40 }, (_, i) => i % 20);
  const out = new Float64Array(2);
  analogForecastInto(gridOf(values), { window: 4, neighbours: 1 }, 20, out);
  assert.deepEqual([...out], [19, 19]);
});

Deno.test("analogForecastInto() repeats the last value where there is too little past", () => {
  const out = new Float64Array(4);
  analogForecastInto(gridOf([1, 2, 3, 4, 5]), { window: 3, neighbours: 8 }, 1, out);
  assert.deepEqual([...out], [5, 5, 5, 5]);
});

Deno.test("analogShapeOf() follows season, length and horizon", () => {
  assert.deepEqual(analogShapeOf(1000, 24, 48), { window: 24, neighbours: 8 });
  assert.deepEqual(analogShapeOf(1000, 1, 48), { window: 24, neighbours: 8 });
  assert.deepEqual(analogShapeOf(1000, 288, 48), { window: 64, neighbours: 8 });
  assert.deepEqual(analogShapeOf(50, 12, 18), { window: 5, neighbours: 8 });
});
