import assert from "node:assert/strict";
import { ShapeError } from "../../src/base/errors.ts";
import { addScaled, congruence, maxAbs } from "../../src/ssm/dense.ts";
import {
  approximateDiffuseStart,
  checkSystem,
  exactDiffuseStart,
  type KalmanSystem,
  observedRows,
  sliceAt,
  stationaryStart,
  stepCov,
} from "../../src/ssm/kalman_system.ts";

const system: KalmanSystem = {
  sizes: { state: 2, observed: 2, noise: 1 },
  A: Float64Array.of(0.9, 0.3, -0.2, 0.5),
  C: Float64Array.of(1, 0, 0, 1),
  G: Float64Array.of(1, 2),
  processCov: Float64Array.of(0.5),
  observationCov: Float64Array.of(1, 0.2, 0.2, 2),
  stateIntercept: Float64Array.of(1, -1),
};

Deno.test("stationaryStart() solves its two equations", () => {
  const { mean, cov } = stationaryStart(system);
  const noise = stepCov(sliceAt(system, 0), system.sizes);
  const residual = addScaled(addScaled(congruence(system.A, cov, 2, 2), noise), cov, -1);
  // Entries near 10; a few rounding units.
  assert.ok(maxAbs(residual) < 1e-13);
  const [m0, m1] = mean;
  assert.ok(Math.abs(0.9 * m0! + 0.3 * m1! + 1 - m0!) < 1e-13);
  assert.ok(Math.abs(-0.2 * m0! + 0.5 * m1! - 1 - m1!) < 1e-13);
});

Deno.test("stationaryStart() refuses a system that is not stable", () => {
  const walk = { ...system, A: Float64Array.of(1, 0, 0, 0.5) };
  assert.throws(() => stationaryStart(walk), /not stable/);
  const growing = { ...system, A: Float64Array.of(1.1, 0, 0, 0.5) };
  assert.throws(() => stationaryStart(growing), /not stable/);
});

Deno.test("checkSystem() names the array of another length", () => {
  const broken = { ...system, processCov: new Float64Array(3) };
  assert.throws(() => checkSystem(broken, 5), ShapeError);
  assert.throws(() => checkSystem(broken, 5), /processCov\.time/);
  checkSystem(broken, 3);
});

Deno.test("sliceAt() holds the last slice beyond the end, and zero where nothing is given", () => {
  const varying = { ...system, processCov: Float64Array.of(1, 2, 3) };
  assert.deepEqual(sliceAt(varying, 1).processCov, Float64Array.of(2));
  assert.deepEqual(sliceAt(varying, 9).processCov, Float64Array.of(3));
  assert.deepEqual(sliceAt(varying, 9).observationIntercept, new Float64Array(2));
});

Deno.test("observedRows() keeps what is not missing", () => {
  const rows = observedRows(sliceAt(system, 0), Float64Array.of(NaN, 4), system.sizes);
  assert.deepEqual(rows.index, [1]);
  assert.deepEqual(rows.C, Float64Array.of(0, 1));
  assert.deepEqual(rows.cov, Float64Array.of(2));
});

Deno.test("the diffuse starts are what their names say", () => {
  assert.deepEqual(approximateDiffuseStart(2, 10).cov, Float64Array.of(10, 0, 0, 10));
  assert.throws(() => approximateDiffuseStart(2, 0), /variance is "0"/);
  const exact = exactDiffuseStart(2);
  assert.deepEqual(exact.diffuseCov, Float64Array.of(1, 0, 0, 1));
  assert.deepEqual(exact.cov, new Float64Array(4));
});
