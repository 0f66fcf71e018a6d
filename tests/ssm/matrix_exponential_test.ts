import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { addScaled, identity, maxAbs, multiply } from "../../src/ssm/dense.ts";
import { matrixExponential } from "../../src/ssm/matrix_exponential.ts";

Deno.test("matrixExponential() of a rotation generator is the rotation", () => {
  for (const angle of [1e-8, 1, 50]) {
    const result = matrixExponential(Float64Array.of(0, angle, -angle, 0), 2);
    const rotation = [Math.cos(angle), Math.sin(angle), -Math.sin(angle), Math.cos(angle)];
    // Each of log2(angle) squarings doubles the relative error.
    const allowed = 1e-15 * Math.max(4, 4 * angle);
    result.forEach((value, i) => assert.ok(Math.abs(value - rotation[i]!) < allowed));
  }
});

Deno.test("matrixExponential() of a nilpotent matrix is its finite series", () => {
  const result = matrixExponential(Float64Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0), 3);
  const series = Float64Array.of(1, 1, 0.5, 0, 1, 1, 0, 0, 1);
  assert.ok(maxAbs(addScaled(result, series, -1)) < 1e-15);
});

Deno.test("matrixExponential() of M and of −M are inverse", () => {
  const random = seedRandom(5);
  const matrix = Float64Array.from({ length: 25 }, () => nextNormal(random));
  const product = multiply(
    matrixExponential(matrix, 5),
    matrixExponential(matrix.map((value) => -value), 5),
    5,
    5,
    5,
  );
  // exp(|M|) of size e^5 on both sides amplifies rounding.
  assert.ok(maxAbs(addScaled(product, identity(5), -1)) < 1e-11);
});

Deno.test("matrixExponential() refuses values that are not finite", () => {
  assert.throws(() => matrixExponential(Float64Array.of(NaN), 1), /finite values/);
  assert.throws(() => matrixExponential(Float64Array.of(Infinity), 1), /finite values/);
});
