/**
 * A Kalman filter for every feature: a learned linear-Gaussian model of level and slope, observed
 * through noise, and what it makes of each sample.
 *
 *   x[k] = A·x[k−1] + W·n[k],    n ~ N(0, I)       x = (level, slope), s periods after x[k−1]
 *   u[k] = level[k] + r·e[k],    e ~ N(0, 1)
 *   A = [[1, s], [0, 1]]         W = [[l·√s, q·√(s³/3), 0], [0, q·√(3·s)/2, q·√s/2]]
 *
 * W·Wᵀ = l²·[[s, 0], [0, 0]] + q²·[[s³/3, s²/2], [s²/2, s]]: a random walk of the level, and one
 * of the slope, which the level adds up. Both are in continuous time and W·Wᵀ is exactly what the
 * time between two samples adds (the integrated Wiener process: Särkkä and Solin, "Applied
 * Stochastic Differential Equations", chapter 6), so samples may come at any time. The deviations
 * l, q and r of a feature are learned through the filter: gradients pass to them, to the samples
 * and to the belief that a run starts from.
 *
 * The output is the filtered `level`, which has seen its sample, or the `innovation`, the sample
 * less its forecast by all samples before it.
 *
 * The Kalman filter as a layer to stand where a recurrent one does, over a parallel scan, is of
 * Luis et al. (arXiv 2409.16824). The model here is another, the local linear trend, one for each
 * feature and in continuous time. Over a length the op `kalman_filter` runs it in square-root form,
 * batch·feature streams side by side.
 *
 * A step in closed form, with (a, b, c) the triangular factor of [A·U, W], U that of the belief
 * before (Gram and Schmidt on its two rows), S = a² + r² and v = u − forecast:
 *
 *   mean + [a², a·b]·v/S         U' = [[a·r/√S, 0], [b·r/√S, c]]
 *
 * Only the ratios l : q : r and their ratio to the start matter to the level; the size of all is
 * that of the carried `factor`. Once the covariance has settled, the filter is Holt's linear trend,
 * two exponential averages (`tests/layers/kalman_test.ts`).
 *
 * The carried state is the belief after the last sample: `mean`, and `factor`, lower triangular,
 * factor·factorᵀ the covariance.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, add, kalmanFilter, matmul, runOp, transpose } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { asDtype, type Dtype, floatArray, reshape, tensorOf, zeros } from "../tensor/tensor.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { derived, madeFor } from "./_helpers/derived.ts";
import { checkSize, drawStep, filled } from "./_helpers/init.ts";
import { need, operand, range } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** What a Kalman layer may put out. */
export const KALMAN_OUTPUTS = ["level", "innovation"] as const;

/** Configuration of a layer of Kalman filters. */
export interface KalmanConfig {
  /** Width of input and output; features do not see each other. */
  readonly feature: number;
  /** The filtered level, or the sample less its forecast. */
  readonly output: typeof KALMAN_OUTPUTS[number];
  /**
   * Deviation of level and slope, both 0 in the mean, one elapsed time before the first sample; > 0
   * and finite, in the units of the input.
   */
  readonly startDeviation: number;
}

/** Level and slope. */
const STATES = 2;
/** The level's walk, and two for the slope's. */
const NOISES = 3;
/** Deviations of a feature: of level, slope and observation. */
const DEVIATIONS = 3;

/**
 * Where the first deviations of level and slope are drawn, log-uniform, beside an observation's of
 * 1: filters that remember from about one sample to some tens.
 */
const LEVEL_START = [0.03, 1] as const;
const SLOPE_START = [0.001, 0.1] as const;

function validate({ feature, output, startDeviation }: KalmanConfig): void {
  checkSize("feature", feature);
  if (!KALMAN_OUTPUTS.includes(output)) {
    throw new InvalidValueError("output", output, `one of ${KALMAN_OUTPUTS.join(", ")}`);
  }
  if (!(startDeviation > 0 && Number.isFinite(startDeviation))) {
    throw new InvalidValueError("startDeviation", startDeviation, "a finite number above 0");
  }
}

/** Parameters: logDeviation, log(l), log(q) and log(r) of each feature         [feature, 3]. */
function init(config: KalmanConfig, random: RandomState): LayerParams<KalmanConfig> {
  validate(config);
  const draw = (bounds: readonly [number, number]) => Math.log(drawStep(random, ...bounds));
  const rows = Array.from({ length: config.feature }, () => [draw(LEVEL_START), draw(SLOPE_START)]);
  const logDeviation = filled([config.feature, DEVIATIONS], (i) => {
    return rows[Math.floor(i / DEVIATIONS)]![i % DEVIATIONS] ?? 0;
  });
  return { config, tensors: { logDeviation } };
}

/** The entries of W over `scale` periods that are not 0, where l = q = 1. */
function noiseOver(scale: number) {
  const root = Math.sqrt(scale);
  return {
    /** l of the level's own walk. */
    level: root,
    /** q of the slope's first walk, in the level and in the slope. */
    summed: scale * root / Math.sqrt(3),
    shared: Math.sqrt(3) / 2 * root,
    /** q of its second walk, in the slope alone. */
    own: root / 2,
  };
}

/**
 * What elapsed times say of the model: A, and for each deviation of a feature its share of W, that
 * of the observation's 0.
 *
 * @param scales                                                             [rows, length]
 * @returns transitions [rows, 1, length·4], shares [rows, 3, length·6]
 */
function modelOver(scales: FloatArray, rows: number, dtype: Dtype) {
  const length = scales.length / rows;
  const transitions = new Float64Array(scales.length * STATES * STATES);
  const shares = new Float64Array(scales.length * DEVIATIONS * STATES * NOISES);
  scales.forEach((scale, i) => {
    transitions.set([1, scale, 0, 1], i * STATES * STATES);
    const [row, t] = [Math.floor(i / length), i % length];
    const { level, summed, shared, own } = noiseOver(scale);
    const at = (row * DEVIATIONS * length + t) * STATES * NOISES;
    shares.set([level, 0, 0, 0, 0, 0], at);
    shares.set([0, summed, 0, 0, shared, own], at + length * STATES * NOISES);
  });
  return {
    transitions: constant([rows, 1, length * STATES * STATES], transitions, dtype),
    shares: constant([rows, DEVIATIONS, length * STATES * NOISES], shares, dtype),
  };
}

/** A tensor of the computation's dtype. */
function constant(shape: Shape, values: Float64Array, dtype: Dtype): Tensor {
  return asDtype(tensorOf(shape, values), dtype);
}

/** The product of a and b. */
function product(device: Device, a: OpInput, b: OpInput): DeviceTensor {
  return runOp(device, matmul, { a, b }, {}).c;
}

/**
 * The deviations of all streams, so that every row of the batch has its own.
 *
 * @returns                                                          [batch, feature·3]
 */
function deviationsOf(
  device: Device,
  params: ForwardParams<KalmanConfig>,
  batch: number,
  dtype: Dtype,
): DeviceTensor {
  const { minus } = madeFor(device, params, "deviations", dtype, (on, made) => {
    const x = operand(need(params.tensors, "logDeviation"), made);
    return { minus: runOp(on, activation, { x }, { kind: "negative_exp" }).y };
  });
  const width = params.config.feature * DEVIATIONS;
  // The product repeats them and takes the sign away again, and back it adds up their gradients.
  const repeat = constant([batch, 1], new Float64Array(batch).fill(-1), dtype);
  return product(device, repeat, reshape(minus, [1, width]));
}

/** The model of every stream, one slice for each sample where the elapsed times differ. */
function modelOf(
  device: Device,
  params: ForwardParams<KalmanConfig>,
  [batch, length]: readonly [number, number],
  { dtype, dtScale }: { readonly dtype: Dtype; readonly dtScale: Tensor | undefined },
) {
  const { feature } = params.config;
  const streams = batch * feature;
  const deviations = deviationsOf(device, params, batch, dtype);
  const rows = reshape(deviations, [streams, DEVIATIONS]);
  const observationFactor = reshape(range(device, rows, DEVIATIONS - 1, 1), [streams, 1, 1]);
  const C = constant([1, STATES], Float64Array.of(1, 0), dtype);
  if (dtScale === undefined) {
    const { transitions, shares } = modelOver(Float64Array.of(1), 1, dtype);
    const W = product(device, rows, reshape(shares, [DEVIATIONS, STATES * NOISES]));
    return {
      A: reshape(transitions, [STATES, STATES]),
      C,
      processFactor: reshape(W, [streams, STATES, NOISES]),
      observationFactor,
    };
  }
  const { transitions, shares } = modelOver(dtScale.data, batch, dtype);
  // Features share the transitions of their row.
  const ones = constant([batch, feature, 1], new Float64Array(streams).fill(1), dtype);
  const A = product(device, ones, transitions);
  const W = product(device, reshape(deviations, [batch, feature, DEVIATIONS]), shares);
  return {
    A: reshape(A, [streams, length, STATES, STATES]),
    C,
    processFactor: reshape(W, [streams, length, STATES, NOISES]),
    observationFactor,
  };
}

/** [batch, length, feature] as [batch, feature, length], and back. */
function swapped(device: Device, x: OpInput): DeviceTensor {
  return runOp(device, transpose, { x }, {}).out;
}

/** Shapes of the carried state. */
function stateShapes(feature: number, batch: number): { mean: Shape; factor: Shape } {
  return { mean: [batch, feature, STATES], factor: [batch, feature, STATES, STATES] };
}

/** The belief that a run starts from, checked, one stream behind the other. */
function startOf(config: KalmanConfig, batch: number, dtype: Dtype, options: ForwardOptions) {
  const carried = options.state ?? initialState(config, batch, dtype);
  const shapes = stateShapes(config.feature, batch);
  const [mean, factor] = [need(carried, "mean"), need(carried, "factor")];
  const axes = ["batch", "feature", "state", "state"];
  expectShape("state.mean", axes, shapes.mean, mean.shape);
  expectShape("state.factor", axes, shapes.factor, factor.shape);
  const streams = batch * config.feature;
  return {
    startMean: reshape(operand(mean, dtype), [streams, STATES]),
    startFactor: reshape(operand(factor, dtype), [streams, STATES, STATES]),
  };
}

function forward(
  device: Device,
  params: ForwardParams<KalmanConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config } = params;
  const { dtype } = u;
  const { dtScale } = options;
  expectRank("u", 3, u.shape);
  const [batch, length] = u.shape as [number, number, number];
  const axes = ["batch", "length", "feature"];
  expectShape("u", axes, [batch, length, config.feature], u.shape);
  const streams = batch * config.feature;
  const scope = openScope(device);
  try {
    const start = startOf(config, batch, dtype, options);
    const found = runOp(scope, kalmanFilter, {
      y: reshape(swapped(scope, u), [streams, length, 1]),
      ...modelOf(scope, params, [batch, length], { dtype, dtScale }),
      ...start,
    }, { start: "filtered" });
    const series = (x: DeviceTensor) => swapped(scope, reshape(x, [batch, config.feature, length]));
    const shapes = stateShapes(config.feature, batch);
    /** The belief after the last sample; where there is none, that of the start. */
    const last = (beliefs: OpInput, first: OpInput, shape: Shape) => {
      const size = sizeOf(shape) / streams;
      const rows = length === 0
        ? reshape(first, [streams, size])
        : reshape(beliefs, [streams, length * size]);
      const from = Math.max(0, length - 1) * size;
      return scope.keep(reshape(range(scope, rows, from, size), shape));
    };
    const state = {
      mean: last(found.mean, start.startMean, shapes.mean),
      factor: last(found.factor, start.startFactor, shapes.factor),
    };
    if (config.output === "level") {
      return { y: scope.keep(series(range(scope, found.mean, 0, 1))), state };
    }
    const forecast = reshape(found.forecast, [streams * length, 1]);
    const less = series(product(scope, forecast, constant([1, 1], Float64Array.of(-1), dtype)));
    return { y: scope.keep(runOp(scope, add, { a: u, b: less }, {}).out), state };
  } finally {
    scope.release();
  }
}

function initialState(
  { feature, startDeviation }: KalmanConfig,
  batch: number,
  dtype: Dtype = "f64",
): LayerState {
  const shapes = stateShapes(feature, batch);
  const isDiagonal = (i: number) => i % (STATES + 1) === 0;
  return {
    mean: zeros(shapes.mean, dtype),
    factor: asDtype(
      filled(shapes.factor, (i) => isDiagonal(i % STATES ** 2) ? startDeviation : 0),
      dtype,
    ),
  };
}

function step(
  params: LayerParams<KalmanConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config: { feature, output }, tensors } = params;
  const deviations = derived(params, "exp(logDeviation)", () => {
    return Float64Array.from(need(tensors, "logDeviation").data, Math.exp);
  });
  const { data: mean, dtype } = need(state, "mean");
  const { data: factor } = need(state, "factor");
  const { level, summed, shared, own } = noiseOver(dtScale);
  const y = floatArray(dtype, u.length);
  for (let i = 0; i < u.length; i++) {
    const at = i % feature * DEVIATIONS;
    const q = deviations[at + 1]!;
    const r = deviations[at + 2]!;
    const f10 = factor[4 * i + 2]!;
    const f11 = factor[4 * i + 3]!;
    // The rows of [A·U, W] without their zeros: (p0, p1, p2, p3, ·) and (f10, f11, ·, s3, s4).
    const p0 = factor[4 * i]! + dtScale * f10;
    const p1 = factor[4 * i + 1]! + dtScale * f11;
    const p2 = deviations[at]! * level;
    const p3 = q * summed;
    const s3 = q * shared;
    const s4 = q * own;
    const a = Math.sqrt(p0 * p0 + p1 * p1 + p2 * p2 + p3 * p3);
    const b = (p0 * f10 + p1 * f11 + p3 * s3) / a;
    const share = b / a;
    // What of the second row is not along the first: no square is subtracted from another.
    const t0 = f10 - share * p0;
    const t1 = f11 - share * p1;
    const t2 = share * p2;
    const t3 = s3 - share * p3;
    const c = Math.sqrt(t0 * t0 + t1 * t1 + t2 * t2 + t3 * t3 + s4 * s4);
    const deviation = Math.sqrt(a * a + r * r);
    const forecast = mean[2 * i]! + dtScale * mean[2 * i + 1]!;
    const innovation = u[i]! - forecast;
    const whitened = innovation / deviation * (a / deviation);
    mean[2 * i] = forecast + a * whitened;
    mean[2 * i + 1] = mean[2 * i + 1]! + b * whitened;
    factor[4 * i] = a * (r / deviation);
    factor[4 * i + 1] = 0;
    factor[4 * i + 2] = b * (r / deviation);
    factor[4 * i + 3] = c;
    y[i] = output === "level" ? mean[2 * i]! : innovation;
  }
  return y;
}

/** Kalman filters of level and slope; see the head of this file. */
export const kalman: Layer<KalmanConfig> = timed({
  name: "kalman",
  papers: [
    {
      title: "Uncertainty Representations in State-Space Layers for Deep Reinforcement Learning " +
        "under Partial Observability",
      arxiv: "2409.16824",
    },
    { title: "Temporal Parallelization of Bayesian Smoothers", arxiv: "1905.13002" },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () =>
    "every step is an observation: two half steps see the sample twice; only the time between " +
    "samples is exact",
  examples: [
    { feature: 3, output: "level", startDeviation: 3 },
    { feature: 2, output: "innovation", startDeviation: 1 },
  ],
});
