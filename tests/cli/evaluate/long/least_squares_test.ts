import assert from "node:assert/strict";
import {
  absorbPairs,
  applyMap,
  normalEquations,
  ridgeMap,
} from "../../../../src/cli/evaluate/long/least_squares.ts";
import { multiply, solve, transpose } from "../../../../src/ssm/dense.ts";
import { uniforms } from "./_series.ts";

const INPUTS = 7;
const TARGETS = 3;

function draws(count: number, seed: number): Float64Array {
  const next = uniforms(seed);
  return Float64Array.from({ length: count }, () => next() - 0.5);
}

function assertNear(actual: Float64Array, expected: Float64Array, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < tolerance, `at ${i}`));
}

Deno.test("ridgeMap equals a plain solve of the normal equations", () => {
  const rows = 41;
  const x = draws(rows * INPUTS, 1);
  const y = draws(rows * TARGETS, 2);
  const weights = draws(rows, 3).map((value) => value + 1);
  const sums = normalEquations(INPUTS, TARGETS);
  absorbPairs(sums, x, y, weights);
  const left = transpose(x.map((v, i) => v * weights[Math.trunc(i / INPUTS)]!), rows, INPUTS);
  const gram = multiply(left, x, INPUTS, rows, INPUTS);
  for (let i = 0; i < INPUTS; i++) gram[i * INPUTS + i]! += 0.7;
  const plain = solve(gram, multiply(left, y, INPUTS, rows, TARGETS), INPUTS, TARGETS);
  assertNear(ridgeMap(sums, 0.7), plain, 1e-12);
});

Deno.test("absorbPairs that goes on comes to what a refit of all pairs says", () => {
  const x = draws(30 * INPUTS, 4);
  const y = draws(30 * TARGETS, 5);
  const weights = new Float64Array(30).fill(1);
  const whole = normalEquations(INPUTS, TARGETS);
  absorbPairs(whole, x, y, weights);
  const parts = normalEquations(INPUTS, TARGETS);
  for (const [from, to] of [[0, 13], [13, 14], [14, 30]] as const) {
    absorbPairs(
      parts,
      x.slice(from * INPUTS, to * INPUTS),
      y.slice(from * TARGETS, to * TARGETS),
      weights.slice(from, to),
    );
  }
  assertNear(ridgeMap(parts, 0.1), ridgeMap(whole, 0.1), 1e-12);
});

Deno.test("ridgeMap refuses sums of nothing without a ridge", () => {
  assert.throws(() => ridgeMap(normalEquations(2, 1), 0), /not positive definite/);
});

Deno.test("applyMap equals a plain product", () => {
  const x = draws(5 * INPUTS, 6);
  const map = draws(INPUTS * TARGETS, 7);
  assertNear(applyMap(x, map, 5), multiply(x, map, 5, INPUTS, TARGETS), 1e-14);
});
