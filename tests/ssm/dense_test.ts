import assert from "node:assert/strict";
import fc from "fast-check";
import {
  addScaled,
  choleskyLower,
  choleskySemidefinite,
  congruence,
  identity,
  invertCov,
  maxAbs,
  multiply,
  solve,
  symmetrizeInto,
  transpose,
} from "../../src/ssm/dense.ts";

/** A random matrix and a size, entries in [−1, 1]. */
const square = fc.integer({ min: 1, max: 6 }).chain((size) =>
  fc.tuple(
    fc.constant(size),
    fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
      minLength: size * size,
      maxLength: size * size,
    }).map((values) => Float64Array.from(values)),
  )
);

/** M·Mᵀ + I, which is positive definite with condition at most 37. */
function covOf(matrix: Float64Array, size: number): Float64Array {
  return addScaled(congruence(matrix, identity(size), size, size), identity(size));
}

// Condition below 40 and sizes up to 6: errors stay within a few hundred units of 2e-16.
const CLOSE = 1e-12;

Deno.test("multiply() of rectangles gives the sums of products", () => {
  const product = multiply(
    Float64Array.of(1, 2, 3, 4, 5, 6),
    Float64Array.of(1, 0, 0, 1, 2, -1),
    2,
    3,
    2,
  );
  assert.deepEqual(product, Float64Array.of(7, -1, 16, -1));
});

Deno.test("transpose() twice is the identity", () => {
  const matrix = Float64Array.of(1, 2, 3, 4, 5, 6);
  assert.deepEqual(transpose(transpose(matrix, 2, 3), 3, 2), matrix);
});

Deno.test("solve() inverts multiply()", () => {
  fc.assert(fc.property(square, ([size, matrix]) => {
    const system = covOf(matrix, size);
    const product = multiply(system, matrix, size, size, size);
    const error = maxAbs(addScaled(solve(system, product, size, size), matrix, -1));
    assert.ok(error < CLOSE, `error ${error}`);
  }));
});

Deno.test("solve() needs its pivoting where the first pivot is zero", () => {
  const solution = solve(Float64Array.of(0, 1, 1, 0), Float64Array.of(3, 5), 2, 1);
  assert.deepEqual(solution, Float64Array.of(5, 3));
});

Deno.test("solve() names the column of a singular matrix", () => {
  const singular = Float64Array.of(1, 2, 2, 4);
  assert.throws(() => solve(singular, Float64Array.of(1, 1), 2, 1), /singular at column 1 of 2/);
});

Deno.test("invertCov() gives the inverse and the log determinant", () => {
  fc.assert(fc.property(square, ([size, matrix]) => {
    const cov = covOf(matrix, size);
    const { inverse, logDet } = invertCov(cov, size);
    const product = multiply(cov, inverse, size, size, size);
    assert.ok(maxAbs(addScaled(product, identity(size), -1)) < CLOSE);
    const lower = choleskyLower(cov, size);
    let determinant = 1;
    for (let i = 0; i < size; i++) determinant *= lower[i * size + i]! ** 2;
    assert.ok(Math.abs(Math.log(determinant) - logDet) < CLOSE);
  }));
});

Deno.test("choleskyLower() names the pivot that is not positive", () => {
  assert.throws(() => choleskyLower(Float64Array.of(1, 2, 2, 1), 2), /pivot 1 is -3/);
});

Deno.test("symmetrizeInto() takes the mean of both triangles", () => {
  assert.deepEqual(symmetrizeInto(Float64Array.of(1, 2, 4, 3), 2), Float64Array.of(1, 3, 3, 3));
});

Deno.test("choleskySemidefinite() is a factor of singular matrices, too", () => {
  fc.assert(fc.property(square, ([size, matrix]) => {
    const cov = covOf(matrix, size);
    assert.deepEqual(choleskySemidefinite(cov, size), choleskyLower(cov, size));
    // The outer product of one column has rank one, or none.
    const column = matrix.slice(0, size);
    const outer = multiply(column, column, size, 1, size);
    const factor = choleskySemidefinite(outer, size);
    const back = multiply(factor, transpose(factor, size, size), size, size, size);
    assert.ok(maxAbs(addScaled(back, outer, -1)) < CLOSE);
  }));
  // Squares that are denormal have lost the digits that make them semidefinite.
  const tiny = Float64Array.of(-4.97e-162, -6.61e-161);
  const denormal = multiply(tiny, tiny, 2, 1, 2);
  assert.deepEqual(choleskySemidefinite(denormal, 2), new Float64Array(4));
  assert.throws(() => choleskySemidefinite(Float64Array.of(-1), 1), /pivot 0 is -1/);
});
