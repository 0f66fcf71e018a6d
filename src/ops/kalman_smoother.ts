/**
 * The Rauch-Tung-Striebel smoother of many streams, in square-root form: each state given all
 * samples, from what `kalman_filter` found.
 *
 *   E = P·Aᵀ·(A·P·Aᵀ + W·Wᵀ)⁻¹
 *   mean' = mean + E·(mean'[t+1] − A·mean − c)
 *   P' = E·P'[t+1]·Eᵀ + (P − E·A·P)
 *
 * A, W, c those that lead to sample t+1, P the filtered covariance, primes on what is smoothed.
 * With P = U·Uᵀ and Q making the matrix lower triangular (Yaghoobi et al., "Parallel square-root
 * statistical linear regression for inference in nonlinear state space models", arXiv 2207.00426,
 * section 4),
 *
 *   [[A·U, W], [U, 0]]·Q = [[Φ, 0], [E·Φ, D]],   U' = triangular factor of [E·U'[t+1], D]
 *
 * so that no covariance is subtracted from another and P' stays positive semidefinite in f32. A
 * state whose predicted variance is 0, given those before it, is not regressed on. The smoother of
 * `src/ssm/kalman_smoother.ts` inverts no state covariance and takes diffuse starts.
 *
 * On a GPU the regressions (E, mean − E·(A·mean + c), D) of all samples run side by side, and so do
 * the chunks of the length, in three phases from the end (elements: Särkkä and García-Fernández,
 * arXiv 1905.13002, lemma 10).
 *
 * Tolerance: 2e-5, that of the scans (software Vulkan stays below 2e-6).
 */
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { kalmanSmootherCases, sizedSmootherCase } from "./_helpers/kalman_smoother_cases.ts";
import {
  expectGpuSizes,
  KALMAN_STATES_MAX,
  type KalmanRun,
  modelPlaces,
  modelReader,
} from "./_helpers/kalman_model.ts";
import { launchSmoother } from "./_helpers/kalman_smoother_plan.ts";
import { triangularizeInto } from "./_helpers/triangularize.ts";
import { defineOp, type Named } from "./op.ts";

/** `kalman_smoother` takes no parameters. */
export type KalmanSmootherParams = Record<string, never>;

type Input = "mean" | "factor" | "A" | "processFactor";
type OptionalInput = "stateIntercept";
type Output = "smoothedMean" | "smoothedFactor";
type Shapes = Named<Input, OptionalInput, Shape>;

function runOf(shapes: Shapes): KalmanRun {
  expectRank("mean", 3, shapes.mean);
  const [batch, length, state] = shapes.mean as [number, number, number];
  return { batch, length, state, observed: 0, noise: shapes.processFactor.at(-1) ?? 0 };
}

function placesOf(shapes: Shapes, run: KalmanRun) {
  const { A, processFactor, stateIntercept } = shapes;
  return modelPlaces({ A, processFactor, stateIntercept }, run);
}

function outputShapes(shapes: Shapes): { readonly [key in Output]: Shape } {
  const run = runOf(shapes);
  const { batch, length, state } = run;
  placesOf(shapes, run);
  const square = [batch, length, state, state];
  expectShape("factor", ["batch", "length", "state", "state"], square, shapes.factor);
  return { smoothedMean: shapes.mean, smoothedFactor: square };
}

/**
 * The twin. Leading axes of A, processFactor and stateIntercept as in `kalman_filter`, whose
 * inputs they are.
 *
 *   mean, factor    filtered   [batch, length, state], [batch, length, state, state]
 *   A               transition that leads to a sample                […, state, state]
 *   processFactor   W                                                […, state, noise]
 *   stateIntercept  c                                                       […, state]
 *   smoothedMean, smoothedFactor  given all samples; factor lower triangular, diagonal ≥ 0
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly [key in Output]: FloatArray },
  shapes: Shapes,
): void {
  const run = runOf(shapes);
  const { batch, length, state: n } = run;
  const { A, processFactor, stateIntercept } = inputs;
  const read = modelReader(placesOf(shapes, run), { A, processFactor, stateIntercept }, length);
  const regression = openRegression(run);
  const mean = new Float64Array(n);
  const joined = new Float64Array(2 * n * n);
  for (let b = 0; b < batch; b++) {
    for (let t = length - 1; t >= 0; t--) {
      const at = b * length + t;
      const m = inputs.mean.subarray(at * n, (at + 1) * n);
      const U = inputs.factor.subarray(at * n * n, (at + 1) * n * n);
      if (t === length - 1) {
        regression.E.fill(0);
        regression.g.set(m);
        regression.D.set(U);
      } else {
        regressInto(regression, m, U, read(b, t + 1));
      }
      const { E, g, D } = regression;
      const next = outputs.smoothedFactor.subarray((at + 1) * n * n, (at + 2) * n * n);
      for (let i = 0; i < n; i++) {
        let sum = g[i]!;
        for (let j = 0; j < n; j++) {
          sum += E[i * n + j]! * (t + 1 < length ? outputs.smoothedMean[(at + 1) * n + j]! : 0);
          let entry = 0;
          for (let k = j; t + 1 < length && k < n; k++) entry += E[i * n + k]! * next[k * n + j]!;
          joined[i * 2 * n + j] = entry;
          joined[i * 2 * n + n + j] = D[i * n + j]!;
        }
        mean[i] = sum;
      }
      triangularizeInto(joined, n, 2 * n);
      outputs.smoothedMean.set(mean, at * n);
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          outputs.smoothedFactor[at * n * n + i * n + j] = joined[i * 2 * n + j]!;
        }
      }
    }
  }
}

/** One sample's state given the next: N(E·next + g, D·Dᵀ). */
interface Regression {
  readonly run: KalmanRun;
  readonly columns: number;
  readonly lower: Float64Array;
  readonly E: Float64Array;
  readonly g: Float64Array;
  readonly D: Float64Array;
}

function openRegression(run: KalmanRun): Regression {
  const n = run.state;
  const columns = Math.max(2 * n, n + run.noise);
  const square = () => new Float64Array(n * n);
  const lower = new Float64Array(2 * n * columns);
  return { run, columns, lower, E: square(), g: new Float64Array(n), D: square() };
}

function regressInto(
  { run, columns, lower, E, g, D }: Regression,
  mean: FloatArray,
  U: FloatArray,
  model: { readonly [key in "A" | "processFactor" | "stateIntercept"]: FloatArray },
): void {
  const { state: n, noise } = run;
  const { A, processFactor: W, stateIntercept: c } = model;
  lower.fill(0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += A[i * n + k]! * U[k * n + j]!;
      lower[i * columns + j] = sum;
      lower[(n + i) * columns + j] = U[i * n + j]!;
    }
    for (let j = 0; j < noise; j++) lower[i * columns + n + j] = W[i * noise + j]!;
  }
  triangularizeInto(lower, 2 * n, columns);
  for (let i = 0; i < n; i++) {
    for (let j = n - 1; j >= 0; j--) {
      let sum = lower[(n + i) * columns + j]!;
      for (let k = j + 1; k < n; k++) sum -= E[i * n + k]! * lower[k * columns + j]!;
      const pivot = lower[j * columns + j]!;
      E[i * n + j] = pivot === 0 ? 0 : sum / pivot;
    }
    for (let j = 0; j < n; j++) D[i * n + j] = lower[(n + i) * columns + n + j]!;
  }
  for (let i = 0; i < n; i++) g[i] = mean[i]!;
  for (let j = 0; j < n; j++) {
    let ahead = c[j]!;
    for (let k = 0; k < n; k++) ahead += A[j * n + k]! * mean[k]!;
    for (let i = 0; i < n; i++) g[i]! -= E[i * n + j]! * ahead;
  }
}

/** Kalman smoother; equations, shapes and forms at the head of this file. */
export const kalmanSmoother = defineOp<KalmanSmootherParams, Input, OptionalInput, Output>({
  name: "kalman_smoother",
  inputs: ["mean", "factor", "A", "processFactor"],
  optional: ["stateIntercept"],
  outputs: ["smoothedMean", "smoothedFactor"],
  outputShapes,
  cpu,
  launch(shapes, _, limits) {
    const run = runOf(shapes);
    expectGpuSizes(run, KALMAN_STATES_MAX);
    return launchSmoother(run, placesOf(shapes, run), limits);
  },
  work: (shapes) => {
    const { batch, length, state, noise } = runOf(shapes);
    return batch * length * 2 * state * state * (3 * state + noise);
  },
  sized: sizedSmootherCase,
  cases: kalmanSmootherCases,
  tolerance: 2e-5,
});
