import assert from "node:assert/strict";
import { congruence, multiply } from "../../src/ssm/dense.ts";
import { covAt, kalmanFilter } from "../../src/ssm/kalman.ts";
import { kalmanSmoother } from "../../src/ssm/kalman_smoother.ts";
import { approximateDiffuseStart, exactDiffuseStart } from "../../src/ssm/kalman_system.ts";
import { type KalmanStart, type KalmanSystem, sliceAt } from "../../src/ssm/kalman_system.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";
import { farthest, firstChannel, gappySeries, jointAnswer } from "./_gaussian.ts";
import { twinSensors, varyingSystem, wideVaryingSystem } from "./_gaussian.ts";

const LENGTH = 7;
const system = varyingSystem(LENGTH);
const start: KalmanStart = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
const series = gappySeries(LENGTH);

// Both sides invert matrices of condition below 100 with entries near 1.
const CLOSE = 1e-11;

Deno.test("kalmanSmoother() is the joint Gaussian, conditioned on everything", () => {
  const smoothed = kalmanSmoother(system, kalmanFilter(system, start, series), series);
  const joint = jointAnswer(system, start, series);
  assert.ok(farthest(smoothed.mean, joint.mean) < CLOSE);
  assert.ok(farthest(smoothed.cov, joint.cov) < CLOSE);
});

Deno.test("kalmanSmoother() gives disturbances that make the smoothed states move", () => {
  const smoothed = kalmanSmoother(system, kalmanFilter(system, start, series), series);
  for (let t = 0; t + 1 < LENGTH; t++) {
    const slice = sliceAt(system, t);
    const moved = multiply(slice.A, smoothed.mean.slice(2 * t, 2 * t + 2), 2, 2, 1);
    const pushed = multiply(slice.G, smoothed.processNoise.slice(2 * t, 2 * t + 2), 2, 2, 1);
    for (let i = 0; i < 2; i++) {
      const next = moved[i]! + pushed[i]! + slice.stateIntercept[i]!;
      assert.ok(Math.abs(next - smoothed.mean[2 * (t + 1) + i]!) < CLOSE);
    }
  }
});

Deno.test("kalmanSmoother() splits each full observation into signal and noise", () => {
  const smoothed = kalmanSmoother(system, kalmanFilter(system, start, series), series);
  const slice = sliceAt(system, 0);
  const signal = multiply(slice.C, smoothed.mean.slice(0, 2), 2, 2, 1);
  for (let i = 0; i < 2; i++) {
    const sum = signal[i]! + slice.observationIntercept[i]! + smoothed.observationNoise[i]!;
    assert.ok(Math.abs(sum - series[i]!) < CLOSE);
  }
});

Deno.test("kalmanSmoother() keeps the prior of a missing row's noise", () => {
  const smoothed = kalmanSmoother(system, kalmanFilter(system, start, series), series);
  assert.deepEqual(smoothed.observationNoise.slice(2, 4), new Float64Array(2));
  assert.deepEqual(smoothed.observationNoiseCov.slice(4, 8), system.observationCov);
});

Deno.test("kalmanSmoother() with an exact diffuse start is the limit of large variances", () => {
  const spec = { trend: "lltrend", seasons: [{ period: 4, harmonics: 1 }] };
  const model = structuralSystem(spec, Float64Array.of(1, 0.1, 0.01, 0.05));
  const values = Float64Array.from({ length: 16 }, (_, t) => t + Math.sin(1.5 * t));
  values[2] = NaN;
  const smooth = (from: KalmanStart) =>
    kalmanSmoother(model, kalmanFilter(model, from, values), values);
  const exact = smooth(exactDiffuseStart(4));
  const near = smooth(approximateDiffuseStart(4, 1e4));
  // The limit is approached like 1/variance on values near 10; larger variances cancel instead.
  assert.ok(farthest(exact.mean, near.mean) < 1e-2);
  assert.ok(farthest(exact.cov, near.cov) < 1e-2);
  assert.ok(farthest(exact.processNoise, near.processNoise) < 1e-3);
  assert.ok(farthest(exact.processNoiseCov, near.processNoiseCov) < 1e-3);
  assert.ok(farthest(exact.observationNoiseCov, near.observationNoiseCov) < 1e-3);
});

/** The smoother is the limit at every time, those of the diffuse head too. */
function assertDiffuse(system: KalmanSystem, start: KalmanStart, values: Float64Array): void {
  const { state, observed, noise } = system.sizes;
  const smoothed = kalmanSmoother(system, kalmanFilter(system, start, values), values);
  const joint = jointAnswer(system, start, values);
  assert.ok(farthest(smoothed.mean, joint.mean) < CLOSE_DIFFUSE);
  assert.ok(farthest(smoothed.cov, joint.cov) < CLOSE_DIFFUSE);
  for (let t = 0; t < values.length / observed; t++) {
    const slice = sliceAt(system, t);
    const at = joint.mean.slice(state * t, state * (t + 1));
    const signal = multiply(slice.C, at, observed, state, 1);
    for (let i = 0; i < observed; i++) {
      const value = values[observed * t + i]!;
      if (Number.isNaN(value)) continue;
      const left = value - slice.observationIntercept[i]! - signal[i]!;
      assert.ok(Math.abs(smoothed.observationNoise[observed * t + i]! - left) < CLOSE_DIFFUSE);
    }
    if (!values.slice(observed * t, observed * (t + 1)).some(Number.isNaN)) {
      // What is left of a known observation varies as its signal does.
      const cov = congruence(slice.C, covAt(joint.cov, t, state), observed, state);
      assert.ok(farthest(covAt(smoothed.observationNoiseCov, t, observed), cov) < CLOSE_DIFFUSE);
    }
    if (state * (t + 1) === joint.mean.length) break;
    const moved = multiply(slice.A, at, state, state, 1);
    const pushed = smoothed.processNoise.slice(noise * t, noise * (t + 1));
    const added = multiply(slice.G, pushed, state, noise, 1);
    for (let i = 0; i < state; i++) {
      const next = moved[i]! + added[i]! + slice.stateIntercept[i]!;
      assert.ok(Math.abs(next - joint.mean[state * (t + 1) + i]!) < CLOSE_DIFFUSE);
    }
  }
}

/** The regression on an infinite start has a condition near 1e4 before it is well observed. */
const CLOSE_DIFFUSE = 1e-9;

Deno.test("kalmanSmoother() from a diffuse start is the regression on it: A and C vary", () => {
  const one = gappySeries(12).filter((_, i) => i % 2 === 1);
  assertDiffuse(firstChannel(wideVaryingSystem(12)), exactDiffuseStart(3), one);
  assertDiffuse(varyingSystem(8), exactDiffuseStart(2), gappySeries(8));
});

Deno.test("kalmanSmoother() takes an observation that saw a part of what is infinite", () => {
  const wide = wideVaryingSystem(8);
  assertDiffuse(wide, exactDiffuseStart(3), gappySeries(8));
  assertDiffuse(
    wide,
    exactDiffuseStart(3),
    gappySeries(8).map((value, i) => i < 4 ? i - 1 : value) as Float64Array,
  );
  assertDiffuse(twinSensors(), exactDiffuseStart(2), gappySeries(8));
});
