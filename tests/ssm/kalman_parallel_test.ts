import assert from "node:assert/strict";
import { kalmanFilter, type KalmanFiltered, totalLogLik } from "../../src/ssm/kalman.ts";
import { kalmanFilterParallel, kalmanSmootherParallel } from "../../src/ssm/kalman_parallel.ts";
import { kalmanSmoother } from "../../src/ssm/kalman_smoother.ts";
import {
  exactDiffuseStart,
  type KalmanStart,
  type KalmanSystem,
} from "../../src/ssm/kalman_system.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";
import { farthest, gappySeries, varyingSystem } from "./_gaussian.ts";

/** Another order of f64 operations on matrices of condition below 1e4 with entries near 10. */
const CLOSE = 1e-10;

const ARRAYS = [
  "predictedMean",
  "predictedCov",
  "filteredMean",
  "filteredCov",
  "forecast",
  "innovationCov",
  "gain",
  "logLik",
] as const satisfies readonly (keyof KalmanFiltered)[];

function assertSame(
  system: KalmanSystem,
  start: KalmanStart,
  series: Float64Array,
  chunk: number,
): void {
  const sequential = kalmanFilter(system, start, series);
  const parallel = kalmanFilterParallel(system, start, series, chunk);
  assert.equal(parallel.diffuseLength, sequential.diffuseLength);
  for (const name of ARRAYS) {
    const distance = farthest(parallel[name], sequential[name]);
    assert.ok(distance < CLOSE, `${name}, chunks of ${chunk}: ${distance}`);
  }
  assert.ok(Math.abs(totalLogLik(parallel) - totalLogLik(sequential)) < CLOSE);
  const exact = kalmanSmoother(system, sequential, series);
  const smoothed = kalmanSmootherParallel(system, parallel, series, chunk);
  for (const name of ["mean", "cov"] as const) {
    const distance = farthest(smoothed[name], exact[name]);
    assert.ok(distance < CLOSE, `smoothed ${name}, chunks of ${chunk}: ${distance}`);
  }
}

Deno.test("kalmanFilterParallel() is the sequential filter: time-varying, missing values", () => {
  const start: KalmanStart = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  for (const length of [1, 2, 7, 40]) {
    for (const chunk of [1, 3, 8, 64]) {
      assertSame(
        varyingSystem(length),
        start,
        gappySeries(Math.max(length, 6)).slice(0, 2 * length),
        chunk,
      );
    }
  }
});

Deno.test("kalmanSmootherParallel() goes on into an exact diffuse head", () => {
  const spec = { trend: "lltrend", seasons: [{ period: 4, harmonics: 1 }] };
  const model = structuralSystem(spec, Float64Array.of(1, 0.3, 0.2, 0.1));
  // A slope of less noise than the level makes a step covariance that is regular all the same.
  const values = Float64Array.from({ length: 30 }, (_, t) => t + Math.sin(1.5 * t));
  values[2] = values[11] = NaN;
  for (const chunk of [1, 5, 64]) assertSame(model, exactDiffuseStart(4), values, chunk);
  // A head that is the whole series: nothing is left to scan.
  assertSame(model, exactDiffuseStart(4), values.slice(0, 3), 4);
});

Deno.test("kalmanFilterParallel() says what a scan cannot do", () => {
  const system = varyingSystem(4);
  const silent = {
    ...system,
    observationCov: new Float64Array(4),
    processCov: new Float64Array(4),
  };
  const start: KalmanStart = { mean: new Float64Array(2), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  assert.throws(
    () => kalmanFilterParallel(silent, start, gappySeries(6).slice(0, 8)),
    /not positive definite/,
  );
});
