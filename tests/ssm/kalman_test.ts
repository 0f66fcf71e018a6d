import assert from "node:assert/strict";
import { covAt, kalmanFilter, meanAt, totalLogLik } from "../../src/ssm/kalman.ts";
import {
  approximateDiffuseStart,
  exactDiffuseStart,
  type KalmanStart,
} from "../../src/ssm/kalman_system.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";
import { farthest, gappySeries, jointAnswer, varyingSystem } from "./_gaussian.ts";

const LENGTH = 7;
const system = varyingSystem(LENGTH);
const start: KalmanStart = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
const series = gappySeries(LENGTH);

// Both sides invert matrices of condition below 100 with entries near 1.
const CLOSE = 1e-11;

Deno.test("kalmanFilter() at the last time is the joint Gaussian, conditioned", () => {
  const filtered = kalmanFilter(system, start, series);
  const joint = jointAnswer(system, start, series);
  const last = LENGTH - 1;
  assert.ok(farthest(meanAt(filtered.filteredMean, last, 2), meanAt(joint.mean, last, 2)) < CLOSE);
  assert.ok(farthest(covAt(filtered.filteredCov, last, 2), covAt(joint.cov, last, 2)) < CLOSE);
  assert.ok(Math.abs(totalLogLik(filtered) - joint.logLik) < CLOSE);
});

Deno.test("kalmanFilter() lets a fully missing time only pass", () => {
  const filtered = kalmanFilter(system, start, series);
  assert.deepEqual(
    meanAt(filtered.filteredMean, 1, 2),
    meanAt(filtered.predictedMean, 1, 2),
  );
  assert.equal(filtered.logLik[1], 0);
  assert.ok(Number.isNaN(filtered.nis[1]!));
  assert.ok(Number.isNaN(filtered.innovation[2]!));
});

Deno.test("kalmanFilter() has zero gain where a channel is missing", () => {
  const { gain } = kalmanFilter(system, start, series);
  // Entry 7 is channel 1 at time 3.
  assert.equal(gain[3 * 4 + 1], 0);
  assert.equal(gain[3 * 4 + 3], 0);
  assert.notEqual(gain[3 * 4], 0);
});

Deno.test("kalmanFilter() goes on from its own prediction", () => {
  const whole = kalmanFilter(system, start, series);
  const cut = 4;
  const shift = (array: Float64Array, slice: number) =>
    array.length === slice ? array : array.slice(cut * slice);
  const rest = kalmanFilter(
    {
      ...system,
      A: shift(system.A, 4),
      C: shift(system.C, 4),
      processCov: shift(system.processCov, 4),
      stateIntercept: shift(system.stateIntercept!, 2),
    },
    { mean: meanAt(whole.predictedMean, cut, 2), cov: covAt(whole.predictedCov, cut, 2) },
    series.slice(2 * cut),
  );
  // The same operations on the same numbers.
  assert.deepEqual(rest.filteredMean, whole.filteredMean.slice(2 * cut));
});

Deno.test("kalmanFilter() with an exact diffuse start is the limit of large variances", () => {
  const trend = structuralSystem({ trend: "lltrend", seasons: [] }, Float64Array.of(1, 0.1, 0.01));
  const values = Float64Array.from({ length: 12 }, (_, t) => t + Math.sin(t));
  values[1] = NaN;
  const exact = kalmanFilter(trend, exactDiffuseStart(2), values);
  // Two observations fix two states; the missing one comes between.
  assert.equal(exact.diffuseLength, 3);
  const near = kalmanFilter(trend, approximateDiffuseStart(2, 1e7), values);
  // The limit is approached like 1/variance, on values near 10.
  assert.ok(farthest(exact.filteredMean.slice(6), near.filteredMean.slice(6)) < 1e-4);
  assert.ok(farthest(exact.filteredCov.slice(12), near.filteredCov.slice(12)) < 1e-4);
  assert.equal(exact.logLik[1], 0);
});

Deno.test("kalmanFilter() names what it cannot take", () => {
  assert.throws(() => kalmanFilter(system, start, new Float64Array(3)), /observations/);
  const short = { mean: new Float64Array(1), cov: start.cov };
  assert.throws(() => kalmanFilter(system, short, series), /start\.mean/);
  const exact = { ...system, observationCov: new Float64Array(4), processCov: new Float64Array(4) };
  const certain = { mean: new Float64Array(2), cov: new Float64Array(4) };
  assert.throws(() => kalmanFilter(exact, certain, series), /not positive definite/);
});
