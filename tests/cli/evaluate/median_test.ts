import assert from "node:assert/strict";
import { median } from "../../../src/cli/evaluate/median.ts";

Deno.test("median() takes the middle, the upper of two, NaN of none, and sorts a copy", () => {
  const values = [3, 1, 2];
  assert.equal(median(values), 2);
  assert.deepEqual(values, [3, 1, 2]);
  assert.equal(median([4, 1]), 4);
  assert.ok(Number.isNaN(median([])));
});
