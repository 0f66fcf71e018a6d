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
 * Backward: with the flow (f, Γ) by a smoothed mean and covariance, from the first sample on,
 * δ = mean'[t+1] − A·mean − c, Δ = P'[t+1] − Φ·Φᵀ, M = (f·δᵀ + 2·Γ·E·Δ)·(Φ·Φᵀ)⁻¹ and
 * B = −Eᵀ·Γ·E − sym(Eᵀ·M),
 *
 *   dA = Mᵀ·P + 2·B·A·P − Eᵀ·f·meanᵀ    dW = 2·B·W    dc = −Eᵀ·f
 *   dmean = f − Aᵀ·Eᵀ·f    dP = Γ + sym(M·A) + Aᵀ·B·A    f' = Eᵀ·f    Γ' = Eᵀ·Γ·E
 *
 * Tolerance: 2e-5, that of the scans (software Vulkan stays below 2e-6); 2e-4 for gradients, which
 * pass through inverses of factors (software Vulkan stays below 5e-6).
 */
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { kalmanSmootherCases, sizedSmootherCase } from "./_helpers/kalman_smoother_cases.ts";
import {
  expectGpuSizes,
  KALMAN_GRADIENT_STATES_MAX,
  KALMAN_STATES_MAX,
  type KalmanRun,
  modelPlaces,
  modelReader,
} from "./_helpers/kalman_model.ts";
import { smootherSimd } from "./_helpers/kalman_simd.ts";
import { launchSmoother, launchSmootherBackward } from "./_helpers/kalman_smoother_plan.ts";
import { openRegression, regressInto } from "./_helpers/kalman_regression.ts";
import { kalmanSmootherBackward } from "./_helpers/kalman_smoother_backward.ts";
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

function workOf({ batch, length, state, noise }: KalmanRun): number {
  return batch * length * 2 * state * state * (3 * state + noise);
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
  simd: (shapes) => {
    const run = runOf(shapes);
    return smootherSimd(run, placesOf(shapes, run), workOf(run));
  },
  work: (shapes) => workOf(runOf(shapes)),
  sized: sizedSmootherCase,
  cases: kalmanSmootherCases,
  tolerance: 2e-5,
  backward: {
    needs: [
      "mean",
      "factor",
      "A",
      "processFactor",
      "stateIntercept",
      "smoothedMean",
      "smoothedFactor",
    ],
    cpu(given, gradients, shapes) {
      const run = runOf(shapes);
      kalmanSmootherBackward(given, gradients, run, placesOf(shapes, run));
    },
    launch(shapes, _, limits) {
      const run = runOf(shapes);
      expectGpuSizes(run, KALMAN_GRADIENT_STATES_MAX);
      return launchSmootherBackward(run, placesOf(shapes, run), limits);
    },
    tolerance: 2e-4,
  },
});
