import assert from "node:assert/strict";
import { clipFactor, clipValues, globalNorm } from "../../src/training/clip.ts";

const arrays = [Float64Array.of(3, 0), Float64Array.of(-4)];

Deno.test("globalNorm() is over all arrays", () => {
  assert.equal(globalNorm(arrays), 5);
  assert.equal(globalNorm(arrays, "max"), 4);
});

Deno.test("clipFactor() only shrinks", () => {
  assert.equal(clipFactor(5, 10), 1);
  assert.equal(clipFactor(5, 1), 1 / (5 + 1e-6));
});

Deno.test("clipValues() works in place", () => {
  const array = Float64Array.of(-3, 0.5, 2);
  clipValues(array, 1);
  assert.deepEqual([...array], [-1, 0.5, 1]);
});
