import assert from "node:assert/strict";
import { smoothParts } from "../../src/models/smoothing.ts";
import {
  advanceCov,
  advanceMean,
  setTransition,
  type StructuralModel,
  structuralModel,
  structuralStart,
} from "../../src/models/structural.ts";
import { observationRowInto, structuralLayout } from "../../src/models/structural_layout.ts";
import { addScaled, congruence, invertCov, multiply, transpose } from "../../src/ssm/dense.ts";
import { KINDS } from "./_kinds.ts";
import { noise } from "./_series.ts";
import { usualTheta } from "./_structural.ts";

const SEASON = { length: 6, slots: 6 };

function modelOf(name: "trend" | "steady"): StructuralModel {
  const theta = usualTheta();
  return structuralModel(structuralLayout(KINDS[name], [SEASON]), theta);
}

function unpacked(cov: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      out[i * n + j] = cov[i * (i + 1) / 2 + j]!;
      out[j * n + i] = cov[i * (i + 1) / 2 + j]!;
    }
  }
  return out;
}

/** A start whose running scale is so large that nothing is clipped. */
const CALM = { level: 0, seasons: 1, scaleSum: 1e6, scaleWeight: 100 };

/** Transition matrix and noise over `dt` slots, read off the filter's own time update. */
function dense(model: StructuralModel, dt: number) {
  const n = model.layout.size;
  setTransition(model, dt);
  const T = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const unit = new Float64Array(n);
    unit[j] = 1;
    advanceMean(model, unit);
    for (let i = 0; i < n; i++) T[i * n + j] = unit[i]!;
  }
  const packed = new Float64Array(n * (n + 1) / 2);
  advanceCov(model, packed);
  return { T, Q: unpacked(packed, n) };
}

/** Rauch, Tung and Striebel's smoother with dense matrices. */
function denseSmoother(model: StructuralModel, us: Float64Array, values: Float64Array) {
  const n = model.layout.size;
  const start = structuralStart(model, us[0]! - 1, 0.3);
  let mean = start.mean.slice();
  let cov = unpacked(start.cov, n);
  let u = start.u;
  const steps = Array.from(us, (time, t) => {
    const { T, Q } = dense(model, time - u);
    u = time;
    const predicted = multiply(T, mean, n, n, 1);
    const predictedCov = addScaled(congruence(T, cov, n, n), Q);
    const row = new Float64Array(n);
    observationRowInto(model.layout, time, row);
    mean = predicted.slice();
    cov = predictedCov.slice();
    if (!Number.isNaN(values[t]!)) {
      const column = multiply(predictedCov, row, n, n, 1);
      let variance = 1;
      let innovation = values[t]!;
      for (let i = 0; i < n; i++) {
        variance += row[i]! * column[i]!;
        innovation -= row[i]! * predicted[i]!;
      }
      mean = mean.map((value, i) => value + column[i]! * innovation / variance);
      cov = cov.map((value, k) => value - column[Math.floor(k / n)]! * column[k % n]! / variance);
    }
    return { T, row, predicted, predictedCov, mean, cov };
  });
  type Moments = { mean: Float64Array; cov: Float64Array };
  const smoothed: Moments[] = [steps.at(-1)!].map((last) => ({ mean: last.mean, cov: last.cov }));
  for (let t = steps.length - 2; t >= 0; t--) {
    const { mean: filtered, cov: filteredCov } = steps[t]!;
    const { T, predicted, predictedCov } = steps[t + 1]!;
    const inverse = invertCov(predictedCov, n).inverse;
    const gain = multiply(multiply(filteredCov, transpose(T, n, n), n, n, n), inverse, n, n, n);
    const ahead = smoothed[0]!;
    const moved = multiply(gain, addScaled(ahead.mean, predicted, -1), n, n, 1);
    const spread = congruence(gain, addScaled(ahead.cov, predictedCov, -1), n, n);
    smoothed.unshift({
      mean: addScaled(filtered, moved),
      cov: addScaled(filteredCov, spread),
    });
  }
  return smoothed.map(({ mean: own, cov: spread }, t) => {
    const { row } = steps[t]!;
    const along = multiply(spread, row, n, n, 1);
    return {
      signal: own.reduce((sum, value, i) => sum + value * row[i]!, 0),
      signalVariance: along.reduce((sum, value, i) => sum + value * row[i]!, 0),
      level: own[0]!,
      slope: own[1]!,
      levelVariance: spread[0]!,
    };
  });
}

for (const name of ["trend", "steady"] as const) {
  Deno.test(`smoothParts() of ${name} is Rauch, Tung and Striebel's at irregular times`, () => {
    const model = modelOf(name);
    // More than one block, two thirds of the values there, some times apart by less than a slot.
    const us = Float64Array.from({ length: 90 }, (_, t) => 0.8 * t + (t % 4 === 1 ? 0.3 : 0));
    const draws = noise(90, 5);
    const values = us.map((u, t) => t % 3 === 2 ? NaN : Math.sin(u * Math.PI / 3) + draws[t]!);
    const parts = smoothParts(model, us, values, { ...CALM, level: 0.3 });
    denseSmoother(model, us, values).forEach((exact, t) => {
      const near = (own: number, other: number, what: string) =>
        assert.ok(Math.abs(own - other) < 1e-8, `${what} at ${t}: ${own} ${other}`);
      near(parts.signal[t]!, exact.signal, "signal");
      near(parts.signalVariance[t]!, exact.signalVariance, "signal variance");
      near(parts.level[t]!, exact.level, "level");
      near(parts.levelVariance[t]!, exact.levelVariance, "level variance");
      if (name === "trend") near(parts.slope[t]!, exact.slope, "slope");
      const sum = parts.level[t]! + parts.shortTerm[t]! + parts.seasons[0]![t]!;
      near(parts.signal[t]!, sum, "sum of the parts");
    });
  });
}

Deno.test("smoothParts() is less sure in the middle of a gap than at its ends", () => {
  const us = Float64Array.from({ length: 60 }, (_, t) => t);
  const values = us.map((u) => u > 25 && u < 35 ? NaN : Math.sin(u));
  const { signalVariance } = smoothParts(modelOf("steady"), us, values, CALM);
  assert.ok(signalVariance[30]! > signalVariance[26]!);
  assert.ok(signalVariance[26]! > signalVariance[20]!);
});

Deno.test("smoothParts() bends the past no more for an outlier than the filter does", () => {
  const us = Float64Array.from({ length: 60 }, (_, t) => t);
  const values = us.map((u) => Math.sin(u * Math.PI / 3));
  const spoiled = values.with(30, 500);
  const usual = { ...CALM, scaleSum: 80 };
  const clean = smoothParts(modelOf("trend"), us, values, usual);
  const bent = smoothParts(modelOf("trend"), us, spoiled, usual);
  for (const t of [20, 29, 31, 40]) assert.ok(Math.abs(bent.signal[t]! - clean.signal[t]!) < 5);
});
