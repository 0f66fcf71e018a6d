/** The twin of the backward of `kalman_smoother`; equations in that file. */
import { congruence, multiply, transpose } from "../../ssm/dense.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import { gradientName, type GradientOf, type Some } from "../op.ts";
import { type KalmanRun, type ModelPlace, modelReader, sliceIndex } from "./kalman_model.ts";
import { openRegression, regressInto, type Regression } from "./kalman_regression.ts";
import type { StepSlice } from "./kalman_regression.ts";
import { addFactorGradient } from "./triangularize.ts";

type Part = "A" | "processFactor" | "stateIntercept";
type Input = "mean" | "factor" | Part;
type Output = "smoothedMean" | "smoothedFactor";
type Given = Some<Input | Output | GradientOf<Output>, FloatArray>;
type Gradients = Some<GradientOf<Input>, FloatArray>;

/** Gradients of all inputs: one stream after another, from its start. */
export function kalmanSmootherBackward(
  given: Given,
  gradients: Gradients,
  run: KalmanRun,
  places: readonly ModelPlace[],
): void {
  const { batch, length, state: n } = run;
  const { A, processFactor, stateIntercept } = given;
  const read = modelReader(places, { A, processFactor, stateIntercept }, length);
  const regression = openRegression(run);
  const parts = places.filter(({ given }) => given) as (ModelPlace & { part: Part })[];
  const totals = parts.map(({ part }) => new Float64Array(given[part]!.length));
  const rows = (array: FloatArray, index: number, size: number) =>
    array.subarray(index * size, (index + 1) * size);
  for (let b = 0; b < batch; b++) {
    let f: Float64Array = new Float64Array(n);
    let Gamma: Float64Array = new Float64Array(n * n);
    for (let t = 0; t < length; t++) {
      const at = b * length + t;
      const U = rows(given.factor!, at, n * n);
      f = f.map((value, i) => value + given.gradSmoothedMean![at * n + i]!);
      addFactorGradient(
        Gamma,
        Float64Array.from(rows(given.smoothedFactor!, at, n * n)),
        Float64Array.from(rows(given.gradSmoothedFactor!, at, n * n)),
        n,
      );
      if (t + 1 === length) {
        gradients.gradMean!.set(f, at * n);
        gradients.gradFactor!.set(multiply(twice(Gamma), U, n, n, n), at * n * n);
        continue;
      }
      const mean = rows(given.mean!, at, n);
      const model = read(b, t + 1);
      regressInto(regression, mean, U, model);
      const next = {
        mean: rows(given.smoothedMean!, at + 1, n),
        factor: rows(given.smoothedFactor!, at + 1, n * n),
      };
      const back = stepBack(regression, f, Gamma, { mean, factor: U }, next, model);
      gradients.gradMean!.set(back.mean, at * n);
      gradients.gradFactor!.set(back.factor, at * n * n);
      parts.forEach(({ part, axes, size }, i) => {
        const base = sliceIndex(axes, b, t + 1, length) * size;
        back[part].forEach((value, j) => totals[i]![base + j]! += value);
      });
      const Et = transpose(regression.E, n, n);
      Gamma = congruence(Et, Gamma, n, n);
      f = multiply(Et, f, n, n, 1);
    }
  }
  parts.forEach(({ part }, i) => gradients[gradientName(part)]!.set(totals[i]!));
}

interface Belief {
  readonly mean: FloatArray;
  readonly factor: FloatArray;
}

/** Gradients by what one sample's regression was made of. */
function stepBack(
  { run, columns, lower, ahead, E }: Regression,
  f: Float64Array,
  Gamma: Float64Array,
  { mean, factor: U }: Belief,
  next: Belief,
  { A, processFactor: W }: StepSlice,
) {
  const { state: n, noise } = run;
  const Phi = new Float64Array(n * n);
  for (let i = 0; i < n; i++) Phi.set(lower.subarray(i * columns, i * columns + n), i * n);
  const P = multiply(U, transpose(U, n, n), n, n, n);
  const predicted = multiply(Phi, transpose(Phi, n, n), n, n, n);
  const gained = multiply(next.factor, transpose(next.factor, n, n), n, n, n)
    .map((value, i) => value - predicted[i]!);
  // M: gradient by E, times the inverse of the predicted covariance.
  const M = multiply(twice(Gamma), multiply(E, gained, n, n, n), n, n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) M[i * n + j]! += f[i]! * (next.mean[j]! - ahead[j]!);
  }
  solveRight(M, Phi, n);
  const Et = transpose(E, n, n);
  const pulled = congruence(Et, Gamma, n, n);
  const EM = multiply(Et, M, n, n, n);
  const B = pulled.map((value, i) => {
    const mirrored = (i % n) * n + Math.floor(i / n);
    return -value - (EM[i]! + EM[mirrored]!) / 2;
  });
  const e = multiply(Et, f, n, n, 1);
  const At = transpose(A, n, n);
  const AP = multiply(A, P, n, n, n);
  const ofA = multiply(twice(B), AP, n, n, n);
  const MP = multiply(transpose(M, n, n), P, n, n, n);
  const MA = multiply(M, A, n, n, n);
  const ofCov = congruence(At, B, n, n).map((value, i) => {
    const mirrored = (i % n) * n + Math.floor(i / n);
    return 2 * (value + Gamma[i]! + (MA[i]! + MA[mirrored]!) / 2);
  });
  const Ae = multiply(At, e, n, n, 1);
  return {
    mean: f.map((value, i) => value - Ae[i]!),
    factor: multiply(ofCov, U, n, n, n),
    A: ofA.map((value, i) => value + MP[i]! - e[Math.floor(i / n)]! * mean[i % n]!),
    processFactor: multiply(twice(B), W, n, n, noise),
    stateIntercept: e.map((value) => -value),
  };
}

/** X with X·Φ·Φᵀ = right, in place; where a pivot is 0 its part is 0, as in the regression. */
function solveRight(right: Float64Array, Phi: Float64Array, n: number): void {
  const over = (sum: number, pivot: number) => pivot === 0 ? 0 : sum / pivot;
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < n; j++) {
      let sum = right[row + j]!;
      for (let k = 0; k < j; k++) sum -= right[row + k]! * Phi[j * n + k]!;
      right[row + j] = over(sum, Phi[j * n + j]!);
    }
    for (let j = n - 1; j >= 0; j--) {
      let sum = right[row + j]!;
      for (let k = j + 1; k < n; k++) sum -= right[row + k]! * Phi[k * n + j]!;
      right[row + j] = over(sum, Phi[j * n + j]!);
    }
  }
}

function twice(matrix: Float64Array): Float64Array {
  return matrix.map((value) => 2 * value);
}
