import assert from "node:assert/strict";
import { simplexMinimum } from "../../src/models/simplex_minimum.ts";
import { noise } from "./_series.ts";

/** Mᵀ·M + 0.01·I. */
function definite(size: number, seed: number): Float64Array {
  const M = noise(size * size, seed);
  const A = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      let sum = i === j ? 0.01 : 0;
      for (let k = 0; k < size; k++) sum += M[k * size + i]! * M[k * size + j]!;
      A[i * size + j] = sum;
    }
  }
  return A;
}

Deno.test("simplexMinimum() leaves no direction that gains", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const size = 1 + seed % 10;
    const A = definite(size, seed);
    const b = noise(size, seed + 100).map((value) => 3 * value);
    const start = new Float64Array(size);
    start[seed % size] = 1;
    const w = simplexMinimum(A, b, start);
    assert.ok(Math.abs(w.reduce((sum, value) => sum + value, 0) - 1) < 1e-9);
    const gradient = b.map((value, i) =>
      w.reduce((sum, weight, j) => sum + A[i * size + j]! * weight, -value)
    );
    // Moving weight from any that has some to any other must not gain (Karush, Kuhn, Tucker).
    const least = Math.min(...gradient);
    w.forEach((weight, i) => {
      assert.ok(weight >= 0);
      if (weight > 0) assert.ok(gradient[i]! - least < 1e-8, `${seed}`);
    });
  }
});

Deno.test("simplexMinimum() finds a corner", () => {
  const A = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
  const w = simplexMinimum(A, Float64Array.of(0, 9, 0), Float64Array.of(0.5, 0, 0.5));
  assert.deepEqual([...w], [0, 1, 0]);
});
