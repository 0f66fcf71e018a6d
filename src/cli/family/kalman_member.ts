/**
 * The Kalman filter with the two forms of a layer, for any model (the layer `kalman` has one of
 * its own): over a whole length the op `kalman_filter`, sample by sample the sequential filter of
 * `src/ssm/kalman.ts`, in covariances. The output is the forecast of a sample before it is seen,
 * the state the belief after the last one. The smoother is the op `kalman_smoother` on what the
 * filter found.
 */
import { nextNormal, type RandomState } from "../../base/random.ts";
import type { Device } from "../../device/device.ts";
import { openScope } from "../../device/scope.ts";
import { bytesOfState } from "../../layers/layer.ts";
import type { ForwardOptions, ForwardParams, ForwardResult } from "../../layers/mod.ts";
import type { LayerParams, LayerState } from "../../layers/mod.ts";
import { kalmanFilter, kalmanSmoother, type OpInput, runOp, slice } from "../../ops/mod.ts";
import { choleskyLower, congruence, identity, multiply } from "../../ssm/dense.ts";
import { kalmanFilter as filterSequentially } from "../../ssm/kalman.ts";
import {
  asDtype,
  type Dtype,
  type FloatArray,
  reshape,
  type Tensor,
  tensorOf,
  zeros,
} from "../../tensor/tensor.ts";
import type { TwoForms } from "./two_forms.ts";

/** Sizes of the model: `feature` observed channels, as much noise as states. */
interface KalmanMemberConfig {
  readonly feature: number;
  readonly state: number;
}

/** A small structural model's size. */
export const kalmanConfig = { feature: 1, state: 4 } as const;

/** A stable model whose parts all matter: near half of the identity, C and the noises drawn. */
function init(config: KalmanMemberConfig, random: RandomState): LayerParams<KalmanMemberConfig> {
  const { feature, state } = config;
  const near = (rows: number, diagonal: number): Tensor =>
    tensorOf(
      [rows, rows],
      Float64Array.from(
        { length: rows * rows },
        (_, i) => (i % (rows + 1) === 0 ? diagonal : 0) + 0.1 * nextNormal(random),
      ),
    );
  const C = Float64Array.from({ length: feature * state }, () => nextNormal(random));
  return {
    config,
    tensors: {
      A: near(state, 0.7),
      C: tensorOf([feature, state], C),
      processFactor: near(state, 0.5),
      observationFactor: near(feature, 1),
    },
  };
}

function initialState({ state }: KalmanMemberConfig, batch: number, dtype: Dtype = "f64") {
  const eye = identity(state);
  const factor = Float64Array.from({ length: batch * state ** 2 }, (_, i) => eye[i % state ** 2]!);
  const start = asDtype(tensorOf([batch, state, state], factor), dtype);
  return { mean: zeros([batch, state], dtype), factor: start };
}

/** Parameters by name in the dtype of the computation. */
function operandsOf({ tensors }: ForwardParams<KalmanMemberConfig>, dtype: Dtype) {
  return (name: string): OpInput => {
    const tensor = tensors[name]!;
    return "data" in tensor ? asDtype(tensor, dtype) : tensor;
  };
}

/** The filter's outputs, and the belief after the last sample. */
function filter(
  device: Device,
  params: ForwardParams<KalmanMemberConfig>,
  u: OpInput,
  options: ForwardOptions,
) {
  const [batch, length] = u.shape as [number, number];
  const { state } = params.config;
  const carried = options.state ?? initialState(params.config, batch, u.dtype);
  const operand = operandsOf(params, u.dtype);
  const found = runOp(device, kalmanFilter, {
    y: u,
    A: operand("A"),
    C: operand("C"),
    processFactor: operand("processFactor"),
    observationFactor: operand("observationFactor"),
    startMean: carried["mean"]!,
    startFactor: carried["factor"]!,
  }, { start: "filtered" });
  const last = (name: "mean" | "factor", shape: readonly number[]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const x = reshape(found[name], [batch, length * count]);
    const { out } = runOp(device, slice, { x }, { start: (length - 1) * count, count });
    return reshape(out, [batch, ...shape]);
  };
  return { found, mean: last("mean", [state]), factor: last("factor", [state, state]) };
}

function forward(
  device: Device,
  params: ForwardParams<KalmanMemberConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const scope = openScope(device);
  try {
    const { found, mean, factor } = filter(scope, params, u, options);
    const state = { mean: scope.keep(mean), factor: scope.keep(factor) };
    return { y: scope.keep(found.forecast), state };
  } finally {
    scope.release();
  }
}

/** The means given all samples; the state is the filter's. */
function smoothForward(
  device: Device,
  params: ForwardParams<KalmanMemberConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const scope = openScope(device);
  try {
    const { found, mean, factor } = filter(scope, params, u, options);
    const operand = operandsOf(params, u.dtype);
    const smoothed = runOp(scope, kalmanSmoother, {
      mean: found.mean,
      factor: found.factor,
      A: operand("A"),
      processFactor: operand("processFactor"),
    }, {});
    const state = { mean: scope.keep(mean), factor: scope.keep(factor) };
    return { y: scope.keep(smoothed.smoothedMean), state };
  } finally {
    scope.release();
  }
}

/** One sample of each stream; the belief's factor is Cholesky's. */
function step(
  { config, tensors }: LayerParams<KalmanMemberConfig>,
  u: FloatArray,
  beliefs: LayerState,
): FloatArray {
  const { feature, state } = config;
  const matrix = (name: string) => Float64Array.from(tensors[name]!.data);
  const outer = (factor: Float64Array, size: number) =>
    congruence(factor, identity(size), size, size);
  const [A, C] = [matrix("A"), matrix("C")];
  const processCov = outer(matrix("processFactor"), state);
  const y = new Float64Array(u.length);
  for (let row = 0; row < u.length / feature; row++) {
    const mean = beliefs["mean"]!.data.subarray(row * state, (row + 1) * state);
    const factor = beliefs["factor"]!.data.subarray(row * state ** 2, (row + 1) * state ** 2);
    const cov = outer(Float64Array.from(factor), state);
    // The sequential filter starts from the belief about the sample itself: predicted here.
    const predicted = congruence(A, cov, state, state);
    const start = {
      mean: multiply(A, Float64Array.from(mean), state, state, 1),
      cov: predicted.map((value, i) => value + processCov[i]!),
    };
    const system = {
      sizes: { state, observed: feature, noise: state },
      A,
      C,
      G: identity(state),
      processCov,
      observationCov: outer(matrix("observationFactor"), feature),
    };
    const sample = Float64Array.from(u.subarray(row * feature, (row + 1) * feature));
    const found = filterSequentially(system, start, sample);
    y.set(found.forecast, row * feature);
    mean.set(found.filteredMean);
    factor.set(choleskyLower(found.filteredCov, state));
  }
  return y;
}

/** The filter as a member. */
export const kalmanMember: TwoForms = {
  name: "kalman_filter",
  papers: [
    { title: "Temporal Parallelization of Bayesian Smoothers", arxiv: "1905.13002" },
    {
      title:
        "Parallel square-root statistical linear regression for inference in nonlinear state " +
        "space models",
      arxiv: "2207.00426",
    },
  ],
  init,
  forward,
  initialState,
  step,
  stateBytes: (config: KalmanMemberConfig, batch, dtype) =>
    bytesOfState(initialState(config, batch, dtype)),
};

/** The smoother, after the filter: its outputs depend on all samples, so it has no step. */
export const kalmanSmootherMember: TwoForms = {
  ...kalmanMember,
  name: "kalman_smoother",
  forward: smoothForward,
};
