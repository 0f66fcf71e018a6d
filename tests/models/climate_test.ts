import assert from "node:assert/strict";
import {
  CLIMATE_VALUES_MAX,
  climateQuantiles,
  newestQuantiles,
  newestSorted,
  rests,
  unsureShare,
} from "../../src/models/climate.ts";
import { emptyGrid, pushSlot, type SlotGrid } from "../../src/models/slot_grid.ts";

function gridOf(values: readonly number[], unknown: readonly number[] = []): SlotGrid {
  const grid = emptyGrid(100);
  values.forEach((value, i) => pushSlot(grid, value, !unknown.includes(i)));
  return grid;
}

Deno.test("rests() wants a smallest value that comes again and again, and others", () => {
  assert.equal(rests(Float64Array.of(0, 0, 3, 1, 0, 2)), true);
  assert.equal(rests(Float64Array.of(-5, 0, 0, 0, 1, 2)), false);
  assert.equal(rests(Float64Array.of(7, 7, 7)), false);
  assert.equal(rests(Float64Array.of(0, 1, 2, 3)), true);
  assert.equal(rests(Float64Array.of(0, 1, 2, 3, 4)), false);
});

Deno.test("newestSorted() takes what was known at the origin, the newest of it", () => {
  const grid = gridOf([5, 0, 9, 1, 0, 7], [2]);
  assert.deepEqual(newestSorted(grid, 104, 1, 0), Float64Array.of(0, 0, 1, 5));
  assert.deepEqual(newestSorted(grid, 99, 1, 0), new Float64Array(0));
  const long = gridOf(Array.from({ length: CLIMATE_VALUES_MAX + 40 }, (_, i) => i));
  const newest = newestSorted(long, 100 + CLIMATE_VALUES_MAX + 39, 1, -1);
  assert.equal(newest.length, CLIMATE_VALUES_MAX);
  assert.equal(newest[0], 40);
});

Deno.test("newestSorted() takes what came after slots like the newest where these are enough", () => {
  // Rest comes in pairs: after a first 0 another, after a second a 3.
  const grid = gridOf(Array.from({ length: 80 }, (_, i) => [0, 0, 3, 4][i % 4]!));
  const afterWork = newestSorted(grid, 179, 1, 0);
  assert.deepEqual([...new Set(afterWork)], [0, 4]);
  const afterRest = newestSorted(grid, 177, 1, 0);
  assert.deepEqual([...new Set(afterRest)], [0, 3]);
  const few = newestSorted(gridOf([0, 3, 0, 3, 0]), 104, 1, 0);
  assert.deepEqual(few, Float64Array.of(0, 0, 0, 3, 3));
});

Deno.test("climateQuantiles() are those of the values, with a tail beyond the largest", () => {
  const sorted = Float64Array.of(0, 0, 0, 0, 0, 0, 0, 2, 4);
  const [low, middle, high, far, farther] = climateQuantiles(
    sorted,
    Float64Array.of(0.01, 0.5, 0.85, 0.99, 0.999),
  ) as unknown as number[];
  assert.deepEqual([low, middle], [0, 0]);
  assert.ok(Math.abs(high! - 3) < 1e-12, String(high));
  assert.ok(far! > 4 && farther! > far!, `${far} ${farther}`);
  // Half the mean of what is no rest to a factor of e.
  const step = 1.5 * Math.log(10);
  assert.ok(Math.abs(farther! - far! - step) < 1e-9, `${farther! - far!}`);
});

Deno.test("newestQuantiles() are those of each bucket's lead", () => {
  const grid = gridOf(Array.from({ length: 160 }, (_, i) => [0, 0, 3, 4][i % 4]!));
  const buckets = [[0, 1], [1, 2], [2, 3]] as const;
  // At work, as a 3 or a 4: what comes next is a 4 or rest, then rest, then rest or a 3.
  assert.deepEqual(newestQuantiles(grid, 0, buckets, Float64Array.of(0.3, 0.7)), [
    Float64Array.of(0, 4),
    Float64Array.of(0, 0),
    Float64Array.of(0, 3),
  ]);
});

Deno.test("unsureShare() falls with the samples", () => {
  assert.equal(unsureShare(9), 0.2);
  assert.ok(unsureShare(1_000) < 0.002);
});
