import assert from "node:assert/strict";
import {
  emptyGrid,
  GRID_ROOM_MAX,
  GRID_SLOTS_MAX,
  pushSlot,
  slotKnown,
  slotValue,
} from "../../src/models/slot_grid.ts";

Deno.test("a grid keeps the newest slots under their numbers", () => {
  const grid = emptyGrid(-5);
  for (let slot = -5; slot < 8000; slot++) pushSlot(grid, 2 * slot, slot % 3 !== 0);
  const newest = grid.first + grid.length - 1;
  assert.equal(newest, 7999);
  assert.ok(grid.length >= GRID_SLOTS_MAX && grid.values.length <= GRID_ROOM_MAX);
  for (let slot = newest; slot > newest - GRID_SLOTS_MAX; slot--) {
    assert.equal(slotValue(grid, slot), 2 * slot);
    assert.equal(slotKnown(grid, slot), slot % 3 !== 0);
  }
  assert.ok(Number.isNaN(slotValue(grid, -5)));
  assert.ok(Number.isNaN(slotValue(grid, 8000)));
  assert.equal(slotKnown(grid, 8000), false);
});
