import assert from "node:assert/strict";
import { covAt, kalmanFilter, meanAt, totalLogLik } from "../../src/ssm/kalman.ts";
import { maxAbs } from "../../src/ssm/dense.ts";
import {
  approximateDiffuseStart,
  exactDiffuseStart,
  type KalmanStart,
  type KalmanSystem,
} from "../../src/ssm/kalman_system.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";
import { farthest, firstChannel, gappySeries, jointAnswer } from "./_gaussian.ts";
import { twinSensors, varyingSystem, wideVaryingSystem } from "./_gaussian.ts";

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

/** From the end of the diffuse head on, the filter is the limit, by the series up to each time. */
function assertDiffuse(system: KalmanSystem, start: KalmanStart, values: Float64Array): void {
  const { state, observed } = system.sizes;
  const filtered = kalmanFilter(system, start, values);
  assert.ok(filtered.diffuseLength > 0 && filtered.diffuseLength < filtered.length);
  for (let t = filtered.diffuseLength; t < filtered.length; t++) {
    const joint = jointAnswer(system, start, values.slice(0, observed * (t + 1)));
    const mean = meanAt(joint.mean, t, state);
    const cov = covAt(joint.cov, t, state);
    assert.ok(farthest(meanAt(filtered.filteredMean, t, state), mean) < CLOSE_DIFFUSE, `${t}`);
    assert.ok(farthest(covAt(filtered.filteredCov, t, state), cov) < CLOSE_DIFFUSE, `${t}`);
    const logLik = filtered.logLik.slice(0, t + 1).reduce((sum, value) => sum + value);
    assert.ok(Math.abs(logLik - joint.logLik) < CLOSE_DIFFUSE, `${t}: ${logLik}`);
  }
}

/** The regression on an infinite start has a condition near 1e4 before it is well observed. */
const CLOSE_DIFFUSE = 1e-9;

Deno.test("kalmanFilter() from a diffuse start is the regression on it: A and C vary", () => {
  const one = gappySeries(12).filter((_, i) => i % 2 === 1);
  assertDiffuse(firstChannel(wideVaryingSystem(12)), exactDiffuseStart(3), one);
  assertDiffuse(varyingSystem(8), exactDiffuseStart(2), gappySeries(8));
});

Deno.test("kalmanFilter() takes an observation that sees a part of what is infinite", () => {
  const wide = wideVaryingSystem(8);
  const values = gappySeries(8).map((value, i) => i < 4 ? i - 1 : value);
  const filtered = kalmanFilter(wide, exactDiffuseStart(3), values);
  // Two of three states at once; then one row is ordinary and the other is not.
  assert.equal(filtered.diffuseLength, 2);
  assert.ok(maxAbs(covAt(filtered.predictedDiffuseCov, 1, 3)) > 0.01);
  assertDiffuse(wide, exactDiffuseStart(3), values);
  // A missing channel, and an empty time, within the head.
  assertDiffuse(wide, exactDiffuseStart(3), gappySeries(8));
  assertDiffuse(twinSensors(), exactDiffuseStart(2), gappySeries(8));
  // One state infinite, the others known a little.
  const part = {
    mean: Float64Array.of(1, -1, 2),
    cov: Float64Array.of(0.5, 0, 0.1, 0, 0, 0, 0.1, 0, 0.4),
    diffuseCov: Float64Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0),
  };
  assertDiffuse(wide, part, values);
});

Deno.test("kalmanFilter() from a diffuse start does not depend on the units of a row", () => {
  const wide = wideVaryingSystem(8);
  const units = [1e-7, 1e5];
  const rows = (array: Float64Array, width: number) =>
    array.map((value, i) => value * units[Math.floor(i / width) % 2]!);
  const scaled = {
    ...wide,
    C: rows(wide.C, 3),
    observationCov: wide.observationCov.map((value, i) =>
      value * units[i % 2]! * units[Math.floor(i / 2)]!
    ),
    observationIntercept: rows(wide.observationIntercept!, 1),
  };
  const values = gappySeries(8);
  const plain = kalmanFilter(wide, exactDiffuseStart(3), values);
  const other = kalmanFilter(scaled, exactDiffuseStart(3), rows(values, 1));
  assert.equal(other.diffuseLength, plain.diffuseLength);
  assert.ok(farthest(other.filteredMean, plain.filteredMean) < CLOSE_DIFFUSE);
  assert.ok(farthest(other.filteredCov, plain.filteredCov) < CLOSE_DIFFUSE);
});

Deno.test("kalmanFilter() names what it cannot take", () => {
  assert.throws(() => kalmanFilter(system, start, new Float64Array(3)), /observations/);
  const short = { mean: new Float64Array(1), cov: start.cov };
  assert.throws(() => kalmanFilter(system, short, series), /start\.mean/);
  const exact = { ...system, observationCov: new Float64Array(4), processCov: new Float64Array(4) };
  const certain = { mean: new Float64Array(2), cov: new Float64Array(4) };
  assert.throws(() => kalmanFilter(exact, certain, series), /not positive definite/);
});
