import assert from "node:assert/strict";
import fc from "fast-check";
import { gamma } from "../../src/ssm/gamma.ts";

Deno.test("gamma() gives factorials and the square root of pi", () => {
  for (const [x, expected] of [[1, 1], [5, 24], [11, 3628800], [0.5, Math.sqrt(Math.PI)]]) {
    assert.ok(Math.abs(gamma(x!) / expected! - 1) < 1e-14, `gamma(${x})`);
  }
});

Deno.test("gamma() obeys its recursion", () => {
  fc.assert(fc.property(fc.double({ min: 0.01, max: 30, noNaN: true }), (x) => {
    // Lanczos with nine terms is good to a few units of 1e-15, relative.
    assert.ok(Math.abs(gamma(x + 1) / (x * gamma(x)) - 1) < 1e-13);
  }));
});

Deno.test("gamma() refuses what is not above zero", () => {
  for (const x of [0, -1.5, NaN]) assert.throws(() => gamma(x), RangeError);
});
