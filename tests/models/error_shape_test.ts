import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../src/base/random.ts";
import {
  priorShape,
  ROOT_OF_SHAPE,
  shapeAt,
  shapeQuantile,
  TAIL_PRIOR,
  tailOf,
} from "../../src/models/error_shape.ts";
import { noise } from "./_series.ts";

const STEPS = 200_000;

/** Mean of f over a quantile function. */
function meanOver(quantileAt: (quantile: number) => number, f: (x: number) => number): number {
  let sum = 0;
  for (let i = 0; i < STEPS; i++) sum += f(quantileAt((i + 0.5) / STEPS)) / STEPS;
  return sum;
}

function laplace(count: number, seed: number): Float32Array {
  const random = seedRandom(seed);
  return Float32Array.from({ length: count }, () => shapeQuantile(nextUniform(random)).laplace);
}

Deno.test("shapeAt() has the size of the errors that a mean root stands for, up to the middle", () => {
  assert.ok(Math.abs(meanOver(priorShape, (x) => Math.sqrt(Math.abs(x))) - ROOT_OF_SHAPE) < 1e-4);
  for (const tail of [0, 0.25, TAIL_PRIOR]) {
    const root = meanOver(
      (quantile) => shapeAt(shapeQuantile(quantile), tail),
      (x) => Math.sqrt(Math.abs(x)),
    );
    assert.ok(Math.abs(root - ROOT_OF_SHAPE) < 2e-4, `${tail}: ${root}`);
  }
});

Deno.test("shapeAt() goes from a Gaussian over Laplace on, symmetric and increasing", () => {
  const at = (quantile: number, tail: number) => shapeAt(shapeQuantile(quantile), tail);
  // Ratios of quantiles do not hang on the size.
  assert.ok(Math.abs(at(0.995, 0) / at(0.9, 0) - 2.5758 / 1.2816) < 1e-3);
  assert.ok(Math.abs(at(0.995, 1) / at(0.9, 1) - Math.log(100) / Math.log(5)) < 1e-9);
  let before = 0;
  for (const tail of [0, 0.3, 0.6, 1, 1.5]) {
    const ratio = at(0.995, tail) / at(0.9, tail);
    assert.ok(ratio > before);
    before = ratio;
    assert.equal(at(0.5, tail), 0);
    assert.ok(Math.abs(at(0.2, tail) + at(0.8, tail)) < 1e-6);
  }
});

Deno.test("tailOf() tells a Gaussian from Laplace, and keeps to the prior with few blocks", () => {
  const gauss = Float32Array.from(noise(20_000, 3));
  assert.ok(tailOf(gauss, 1e6) < 0.05);
  assert.ok(Math.abs(tailOf(laplace(20_000, 4), 1e6) - 1) < 0.12);
  assert.ok(Math.abs(tailOf(gauss, 3) - TAIL_PRIOR / 2) < 0.03);
  assert.equal(tailOf(gauss, 0), TAIL_PRIOR);
  // One event is no tail.
  const event = gauss.slice(0, 1000);
  const calm = tailOf(event, 1e6);
  event[7] = 1e6;
  assert.ok(tailOf(event, 1e6) - calm < 0.15, `${tailOf(event, 1e6)}`);
});

Deno.test("tailOf() stays a number for errors that are all 0, equal or a few huge ones", () => {
  assert.equal(tailOf(new Float32Array(9), 50), TAIL_PRIOR);
  assert.equal(tailOf(new Float32Array(0), 50), TAIL_PRIOR);
  assert.equal(tailOf(new Float32Array(9).fill(2), 1e9), 0);
  const rare = new Float32Array(1000);
  rare[3] = 1;
  assert.equal(tailOf(rare, 1e9), 1.5);
});
