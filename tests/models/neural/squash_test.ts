import assert from "node:assert/strict";
import { FEATURE_MAX, squash, within } from "../../../src/models/neural/squash.ts";

Deno.test("squash() is the inverse hyperbolic sine, within its bound", () => {
  for (const x of [0, 1e-12, 0.3, -0.3, 1, -7, 1400]) {
    assert.ok(Math.abs(squash(x) - Math.asinh(x)) < 1e-14 * (1 + Math.abs(x)));
  }
  for (const x of [1e9, 1e300, Infinity]) {
    assert.equal(squash(x), FEATURE_MAX);
    assert.equal(squash(-x), -FEATURE_MAX);
  }
});

Deno.test("within() bounds on both sides", () => {
  assert.deepEqual([-9, -1, 9, Infinity].map((x) => within(x, 5)), [-5, -1, 5, 5]);
});
