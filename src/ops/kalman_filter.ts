/**
 * The Kalman filter of many streams, in square-root form: means, triangular factors of the
 * covariances, and the log likelihood.
 *
 *   x[t] = c[t] + A[t]·x[t−1] + W[t]·n[t],    n ~ N(0, I)
 *   y[t] = d[t] + C[t]·x[t] + V[t]·e[t],      e ~ N(0, I)
 *
 * with W, V, c, d the inputs `processFactor`, `observationFactor`, `stateIntercept`,
 * `observationIntercept`. A belief is N(mean, factor·factorᵀ). One sample is one orthogonal step
 * (Anderson and Moore, "Optimal Filtering", section 6.5; Kailath, Sayed and Hassibi, "Linear
 * Estimation", section 12.3), Q making the matrix lower triangular:
 *
 *   [[V, C·[A·U, W]], [0, [A·U, W]]]·Q = [[S½, 0], [K·S½, U']]
 *
 * U the factor before, U' the one after, S the forecast's covariance, K the gain. No covariance is
 * formed and none is subtracted from another, so that every covariance stays positive
 * semidefinite, and f32 holds condition numbers up to the square of what it holds of P itself.
 *
 * The log likelihood of a sample is −½·(k·log 2π + log|S| + vᵀ·S⁻¹·v) over its k observed channels,
 * v = y − ŷ there. A diffuse start is not finite and has no factor: `src/ssm/kalman.ts` filters the
 * head of such a series, and its finite belief starts this op.
 *
 * Here A[t] leads to sample t and not from it, as elapsed times do (`src/ssm/kalman_system.ts`
 * counts the other way round).
 *
 * On a GPU an invocation filters a chunk of the length of one stream, in three phases (elements:
 * Särkkä and García-Fernández, arXiv 1905.13002; their square roots: Yaghoobi et al., arXiv
 * 2207.00426): each chunk as a function of the belief before it, (A, b, U, η, Z); the beliefs
 * between the chunks in order; each chunk from its belief. A sample that follows without noise from
 * what precedes it in its chunk has no such function, and one that grows large has it at the cost
 * of its digits: the beliefs cross such a chunk sample by sample.
 *
 * Backward: with the flow (g, Γ) by the filtered mean and covariance, ḡ, Γ̄ by the predicted,
 * w = S⁻¹·(y − ŷ), T = I − K·C and l the gradient of the log likelihood,
 *
 *   dy = Kᵀ·g − l·w                     S̄ = dS − ½·l·(S⁻¹ − w·wᵀ) − sym(Kᵀ·g·wᵀ)
 *   ḡ = g + Cᵀ·(dŷ − dy)                Γ̄ = Tᵀ·Γ·T + sym(g·(Cᵀ·w)ᵀ) + Cᵀ·S̄·C
 *   dA = ḡ·meanᵀ + 2·Γ̄·A·P,  dW = 2·Γ̄·W,  dV = 2·(S̄ + Kᵀ·Γ·K)·V,  g' = Aᵀ·ḡ,  Γ' = Aᵀ·Γ̄·A
 *
 * The flow is affine in what comes from the end, so it crosses the chunks as the filter does.
 *
 * Tolerance: 2e-5, that of the scans (software Vulkan stays below 2e-6); 2e-4 for gradients, which
 * pass through two inverses of a factor (software Vulkan stays below 2e-5).
 */
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { kalmanFilterCases, sizedKalmanCase } from "./_helpers/kalman_cases.ts";
import { kalmanFilterBackward } from "./_helpers/kalman_filter_backward.ts";
import type { FilterInput, FilterOutput } from "./_helpers/kalman_filter_backward.ts";
import { type KalmanRun, modelPlaces, modelReader } from "./_helpers/kalman_model.ts";
import { launchBackward, launchFilter } from "./_helpers/kalman_plan.ts";
import { filterSimd } from "./_helpers/kalman_simd.ts";
import { openStep, predictInto, updateInto } from "./_helpers/kalman_step.ts";
import { defineOp, type Named } from "./op.ts";

export { KALMAN_OBSERVED_MAX, KALMAN_STATES_MAX } from "./_helpers/kalman_model.ts";

/** Parameters of `kalman_filter`. */
export interface KalmanFilterParams {
  /**
   * What the start is: `filtered`, the belief after an earlier sample, from which A[0] leads to the
   * first; or `predicted`, the belief about the first sample itself, and A[0] is not used.
   */
  readonly start: "filtered" | "predicted";
}

type Input = "y" | "A" | "C" | "processFactor" | "observationFactor" | "startMean" | "startFactor";
type OptionalInput = Exclude<FilterInput, Input>;
type Shapes = Named<Input, OptionalInput, Shape>;

function runOf(shapes: Shapes): KalmanRun {
  expectRank("y", 3, shapes.y);
  const [batch, length, observed] = shapes.y as [number, number, number];
  const state = shapes.A.at(-1) ?? 0;
  const noise = shapes.processFactor.at(-1) ?? 0;
  return { batch, length, state, observed, noise };
}

function outputShapes(shapes: Shapes): { readonly [key in FilterOutput]: Shape } {
  const run = runOf(shapes);
  const { batch, length, state, observed } = run;
  modelPlaces(shapes, run);
  if (shapes.mask) expectShape("mask", ["batch", "length", "observed"], shapes.y, shapes.mask);
  expectShape("startMean", ["batch", "state"], [batch, state], shapes.startMean);
  const square = [batch, state, state];
  expectShape("startFactor", ["batch", "state", "state"], square, shapes.startFactor);
  return {
    mean: [batch, length, state],
    factor: [batch, length, state, state],
    forecast: shapes.y,
    forecastCov: [batch, length, observed, observed],
    logLik: [batch, length],
  };
}

/**
 * The twin. Leading axes of the model's arrays: none where all share one slice, [batch] where each
 * stream has its own, [batch, length] where each sample has.
 *
 *   y                     observations; not read where missing   [batch, length, observed]
 *   mask                  0 where missing, else there            [batch, length, observed]
 *   A                     transition                                     […, state, state]
 *   C                     observation matrix                          […, observed, state]
 *   processFactor         W; W·Wᵀ is the step's covariance               […, state, noise]
 *   observationFactor     V; V·Vᵀ is the observation's covariance    […, observed, observed]
 *   stateIntercept        c                                                     […, state]
 *   observationIntercept  d                                                  […, observed]
 *   startMean             belief that the run starts from                   [batch, state]
 *   startFactor           any factor of its covariance               [batch, state, state]
 *   mean, factor          after each sample; factor lower triangular, diagonal ≥ 0, of which a
 *                         singular covariance has several
 *                                        [batch, length, state], [batch, length, state, state]
 *   forecast, forecastCov of y before it is seen, of missing channels too
 *                                  [batch, length, observed], [batch, length, observed, observed]
 *   logLik                of each sample; 0 where all is missing           [batch, length]
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly [key in FilterOutput]: FloatArray },
  shapes: Shapes,
  params: KalmanFilterParams,
): void {
  const run = runOf(shapes);
  const { batch, length, state, observed, noise } = run;
  const read = modelReader(modelPlaces(shapes, run), inputs, length);
  const step = openStep(run);
  const { wideOut, filtered } = step;
  for (let b = 0; b < batch; b++) {
    filtered.mean.set(inputs.startMean.subarray(b * state, (b + 1) * state));
    filtered.factor.set(inputs.startFactor.subarray(b * state ** 2, (b + 1) * state ** 2));
    for (let t = 0; t < length; t++) {
      const at = b * length + t;
      const model = read(b, t);
      predictInto(
        step,
        model,
        filtered.mean,
        filtered.factor,
        t > 0 || params.start === "filtered",
      );
      const rows = [at * observed, (at + 1) * observed] as const;
      updateInto(step, model, inputs.y.subarray(...rows), inputs.mask?.subarray(...rows));
      outputs.mean.set(filtered.mean, at * state);
      outputs.factor.set(filtered.factor, at * state ** 2);
      outputs.forecast.set(step.forecast, at * observed);
      const V = model.observationFactor;
      for (let i = 0; i < observed; i++) {
        for (let j = 0; j < observed; j++) {
          let sum = 0;
          for (let c = 0; c < state + noise; c++) {
            sum += wideOut[i * (state + noise) + c]! * wideOut[j * (state + noise) + c]!;
          }
          for (let c = 0; c < observed; c++) sum += V[i * observed + c]! * V[j * observed + c]!;
          outputs.forecastCov[(at * observed + i) * observed + j] = sum;
        }
      }
      outputs.logLik[at] = step.logLik;
    }
  }
}

function workOf({ batch, length, state, observed, noise }: KalmanRun): number {
  return batch * length * (state + observed) * state * (state + observed + noise);
}

/** Kalman filter; equations, shapes and forms at the head of this file. */
export const kalmanFilter = defineOp<KalmanFilterParams, Input, OptionalInput, FilterOutput>({
  name: "kalman_filter",
  inputs: ["y", "A", "C", "processFactor", "observationFactor", "startMean", "startFactor"],
  optional: ["mask", "stateIntercept", "observationIntercept"],
  outputs: ["mean", "factor", "forecast", "forecastCov", "logLik"],
  outputShapes,
  cpu,
  launch: (shapes, { start }, limits) => {
    const run = runOf(shapes);
    return launchFilter({ run, places: modelPlaces(shapes, run), shapes, start, limits });
  },
  simd: (shapes, { start }) => {
    const run = runOf(shapes);
    return filterSimd(run, modelPlaces(shapes, run), start === "filtered", workOf(run));
  },
  work: (shapes) => workOf(runOf(shapes)),
  sized: sizedKalmanCase,
  cases: kalmanFilterCases,
  tolerance: 2e-5,
  backward: {
    needs: [
      "y",
      "mask",
      "A",
      "C",
      "processFactor",
      "observationFactor",
      "stateIntercept",
      "observationIntercept",
      "startMean",
      "startFactor",
      "mean",
      "factor",
    ],
    cpu(given, gradients, shapes, { start }) {
      const run = runOf(shapes);
      kalmanFilterBackward(given, gradients, run, modelPlaces(shapes, run), start === "filtered");
    },
    launch: (shapes, { start }, limits) => {
      const run = runOf(shapes);
      return launchBackward({ run, places: modelPlaces(shapes, run), shapes, start, limits });
    },
    tolerance: 2e-4,
  },
});
