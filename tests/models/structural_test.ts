import assert from "node:assert/strict";
import { FILTER_KINDS } from "../../src/models/members.ts";
import { plainWork } from "../../src/models/packed_cov.ts";
import {
  clipInnovation,
  type Innovation,
  observe,
  predictTo,
  type StructuralModel,
  structuralModel,
  structuralStart,
  type StructuralState,
} from "../../src/models/structural.ts";
import { forecastMeanAt } from "../../src/models/structural_forecast.ts";
import { observationRowInto, structuralLayout } from "../../src/models/structural_layout.ts";
import { noise } from "./_series.ts";
import { usualTheta } from "./_structural.ts";

const SEASON = { length: 6, slots: 6 };

function modelOf(): StructuralModel {
  const theta = usualTheta();
  return structuralModel(structuralLayout(FILTER_KINDS.log_far, [SEASON]), theta);
}

type Matrix = number[][];

function multiply(A: Matrix, B: Matrix): Matrix {
  return A.map((row) => B[0]!.map((_, j) => row.reduce((sum, a, k) => sum + a * B[k]![j]!, 0)));
}

function transpose(A: Matrix): Matrix {
  return A[0]!.map((_, j) => A.map((row) => row[j]!));
}

/** exp(A) by scaling and a long Taylor series: slow, plain and independent of the filter's forms. */
function matrixExponential(A: Matrix): Matrix {
  const squarings = 10;
  const small = A.map((row) => row.map((a) => a / 2 ** squarings));
  let power: Matrix = A.map((_, i) => A.map((_, j) => i === j ? 1 : 0));
  let sum = power.map((row) => [...row]);
  for (let k = 1; k <= 20; k++) {
    power = multiply(power, small).map((row) => row.map((a) => a / k));
    sum = sum.map((row, i) => row.map((a, j) => a + power[i]![j]!));
  }
  for (let k = 0; k < squarings; k++) sum = multiply(sum, sum);
  return sum;
}

/** Drift and noise intensity of the model's stochastic differential equation. */
function equationOf(model: StructuralModel): { drift: Matrix; intensity: Matrix } {
  const { layout, damping } = model;
  const zero = () => Array.from({ length: layout.size }, () => new Array(layout.size).fill(0));
  const drift: Matrix = zero();
  const intensity: Matrix = zero();
  const kappa = -Math.log(damping);
  drift[0]![1] = kappa * damping / (1 - damping);
  drift[1]![1] = -kappa;
  intensity[0]![0] = model.levelVariance;
  intensity[1]![1] = model.slopeVariance * 2 * kappa / (1 - damping * damping);
  layout.kind.tausSlots.forEach((tau, k) => {
    const i = layout.ouStart + k;
    drift[i]![i] = -1 / tau;
    intensity[i]![i] = 2 * model.ouVariance[k]! / tau;
  });
  model.seasonVariance.forEach((variance, k) => {
    intensity[layout.seasonStart + k]![layout.seasonStart + k] = variance;
  });
  return { drift, intensity };
}

/** Transition and noise over dt by Van Loan (1978): blocks of one matrix exponential. */
function denseTransition(model: StructuralModel, dt: number): { F: Matrix; Q: Matrix } {
  const { drift, intensity } = equationOf(model);
  const n = drift.length;
  const block = Array.from({ length: 2 * n }, (_, i) =>
    Array.from({ length: 2 * n }, (_, j) => {
      if (i < n && j < n) return -drift[i]![j]! * dt;
      if (i < n) return intensity[i]![j - n]! * dt;
      return j < n ? 0 : drift[j - n]![i - n]! * dt;
    }));
  const e = matrixExponential(block);
  const F = transpose(e.slice(n).map((row) => row.slice(n)));
  const Q = multiply(F, e.slice(0, n).map((row) => row.slice(n)));
  return { F, Q };
}

function unpack(cov: Float64Array, n: number): Matrix {
  const at = (i: number, j: number) => i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i;
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => cov[at(i, j)]!));
}

function assertClose(actual: Matrix, expected: Matrix, tolerance: number): void {
  actual.forEach((row, i) =>
    row.forEach((value, j) => {
      const scale = 1 + Math.abs(expected[i]![j]!);
      assert.ok(Math.abs(value - expected[i]![j]!) < tolerance * scale, `${i},${j}: ${value}`);
    })
  );
}

function step(
  model: StructuralModel,
  state: StructuralState,
  u: number,
  value: number,
): Innovation {
  const work = plainWork(model.layout.size);
  const out = { mean: 0, value: 0, variance: 0 };
  predictTo(model, state, u);
  observationRowInto(model.layout, u, work.row);
  observe(state, work, value, out);
  return out;
}

Deno.test("the filter agrees with a dense textbook filter on irregular samples", () => {
  const model = modelOf();
  const n = model.layout.size;
  const state = structuralStart(model, 0, 2);
  let mean: Matrix = Array.from(state.mean, (value) => [value]);
  let cov = unpack(state.cov, n);
  let u = 0;
  const values = noise(30, 12);
  for (let t = 0; t < 30; t++) {
    const dt = [1, 0.3, 2.5, 1, 0.05][t % 5]!;
    u += dt;
    const innovation = step(model, state, u, values[t]!);
    const { F, Q } = denseTransition(model, dt);
    mean = multiply(F, mean);
    cov = multiply(multiply(F, cov), transpose(F))
      .map((row, i) => row.map((value, j) => value + Q[i]![j]!));
    const row = new Float64Array(n);
    observationRowInto(model.layout, u, row);
    const c: Matrix = [Array.from(row)];
    const column = multiply(cov, transpose(c));
    const variance = multiply(c, column)[0]![0]! + 1;
    const error = values[t]! - multiply(c, mean)[0]![0]!;
    assert.ok(Math.abs(innovation.value - error) < 1e-8 * (1 + Math.abs(error)));
    assert.ok(Math.abs(innovation.variance / variance - 1) < 1e-8);
    mean = mean.map((value, i) => [value[0]! + column[i]![0]! * error / variance]);
    cov = cov.map((r, i) =>
      r.map((value, j) => value - column[i]![0]! * column[j]![0]! / variance)
    );
    // The start variance of 100 against noise of 1 costs two digits; the Taylor series two more.
    assertClose(unpack(state.cov, n), cov, 1e-8);
    assertClose(Array.from(state.mean, (value) => [value]), mean, 1e-8);
  }
});

Deno.test("predictTo() over two half steps is one whole step", () => {
  const model = modelOf();
  const whole = structuralStart(model, 0, 1);
  for (let t = 1; t <= 12; t++) step(model, whole, t, Math.sin(t));
  const halves = structuredClone(whole);
  predictTo(model, whole, 15);
  predictTo(model, halves, 13.5);
  predictTo(model, halves, 15);
  whole.mean.forEach((value, i) => assert.ok(Math.abs(value - halves.mean[i]!) < 1e-13));
  whole.cov.forEach((value, i) => assert.ok(Math.abs(value - halves.cov[i]!) < 1e-12));
});

Deno.test("clipInnovation() clips beyond four running scales, once it knows one", () => {
  const state = { scaleSum: 0, scaleWeight: 0 };
  assert.equal(clipInnovation(state, 1000, 1), 1000);
  const settled = { scaleSum: 100, scaleWeight: 100 };
  assert.equal(clipInnovation(settled, -4, 2), -4);
  const used = clipInnovation(settled, 500, 2);
  assert.ok(used < 12 && used > 9, `${used}`);
});

Deno.test("a single wild value moves the level by no more than its clipped size", () => {
  const model = modelOf();
  const state = structuralStart(model, 0, 0);
  for (let t = 1; t <= 60; t++) step(model, state, t, t % 2 === 0 ? 0.5 : -0.5);
  const before = forecastMeanAt(model, state, 70);
  step(model, state, 61, 1e9);
  assert.ok(Math.abs(forecastMeanAt(model, state, 70) - before) < 10);
});
