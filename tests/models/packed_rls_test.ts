import assert from "node:assert/strict";
import { packedDiagonal, rlsStep } from "../../src/models/packed_rls.ts";
import { noise } from "./_series.ts";

/** Solves A·x = b by elimination with pivoting. */
function solve(A: number[][], b: number[]): number[] {
  const rows = A.map((row, i) => [...row, b[i]!]);
  const n = rows.length;
  for (let k = 0; k < n; k++) {
    const pivot = rows.slice(k).reduce(
      (best, row, i) => Math.abs(row[k]!) > Math.abs(rows[best]![k]!) ? k + i : best,
      k,
    );
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const factor = rows[i]![k]! / rows[k]![k]!;
      for (let j = k; j <= n; j++) rows[i]![j] = rows[i]![j]! - factor * rows[k]![j]!;
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

Deno.test("rlsStep() without forgetting is ridge regression in closed form", () => {
  const size = 4;
  const draws = noise(50 * (size + 1), 2);
  const ridge: number = 2.5;
  const cov = packedDiagonal(new Float64Array(size).fill(1 / ridge));
  const weights = new Float64Array(size);
  const gain = new Float64Array(size);
  const normal = Array.from(
    { length: size },
    (_, i) => Array.from({ length: size }, (_, j) => i === j ? ridge : 0),
  );
  const right = new Array<number>(size).fill(0);
  for (let t = 0; t < 50; t++) {
    const x = draws.subarray(t * (size + 1), t * (size + 1) + size);
    const y = draws[t * (size + 1) + size]!;
    const error = y - x.reduce((sum, value, i) => sum + value * weights[i]!, 0);
    rlsStep(cov, x, gain, 1, Infinity);
    for (let i = 0; i < size; i++) {
      weights[i] = weights[i]! + gain[i]! * error;
      right[i] = right[i]! + x[i]! * y;
      for (let j = 0; j < size; j++) normal[i]![j] = normal[i]![j]! + x[i]! * x[j]!;
    }
  }
  // Well conditioned: both ways round at 1e-15 a step.
  solve(normal, right).forEach((value, i) => assert.ok(Math.abs(value - weights[i]!) < 1e-12));
  const firstColumn = solve(normal, [1, 0, 0, 0]);
  assert.ok(Math.abs(firstColumn[0]! - cov[0]!) < 1e-12);
  assert.ok(Math.abs(firstColumn[1]! - cov[1]!) < 1e-12);
});

Deno.test("rlsStep() under forgetting holds directions never excited below the limit", () => {
  const cov = packedDiagonal(Float64Array.of(1, 1));
  const gain = new Float64Array(2);
  for (let t = 0; t < 2000; t++) rlsStep(cov, Float64Array.of(1, 0), gain, 0.99, 4);
  assert.ok(cov[2]! <= 4 + 1e-12 && cov[2]! > 3.9);
  // With x = 1 always the variance settles at 1 − lambda.
  assert.ok(Math.abs(cov[0]! - 0.01 / 1) < 2e-3, `${cov[0]}`);
});
