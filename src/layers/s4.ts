/**
 * S4: for each feature a system whose transition is HiPPO's own, diagonal plus low rank.
 *
 *   dx/dt = A·x + B·u(t),   y(t) = 2·Re(C·x(t)) + D·u(t),   A = diag(lambda) − P·P*
 *
 * Gu, Goel and Ré, "Efficiently Modeling Long Sequences with Structured State Spaces" (arXiv
 * 2111.00396). HiPPO matrices are not normal, but normal up to rank one or two (theorem 1), and in
 * the basis of the normal part the bilinear step costs O(state) (op `dplr_scan`, Woodbury).
 *
 * - `step`: that step, worked out as far as it does not depend on the state. `forward`: the same
 *   over a length, from a carried state to a carried state, parallel over features and rows but not
 *   over time.
 * - {@linkcode s4Convolve}: the form to train with, from a zero state and with equal steps. The
 *   taps come from Cauchy sums at the roots of unity (op `dplr_kernel`), the output from
 *   `fft_conv`.
 *
 * Gradients reach every parameter through either form. Parameters on the host are prepared there in
 * f64; parameters on the device by the ops `poles`, `step_sizes` and `dplr_truncate`.
 *
 * The stored output matrix is C; the published code stores C·(I − Abar^L), which belongs to one
 * length. Irregular samples: dt is multiplied by the elapsed time in sampling periods.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { dplrKernel, dplrScan, dplrTruncate, fftConv, poles, runOp } from "../ops/mod.ts";
import { type OpInput, stepSizes } from "../ops/mod.ts";
import { dplrAdvanceInto, type DplrRecurrence, dplrRecurrence, dplrStep } from "../ssm/dplr.ts";
import { type DplrStep, truncatedOutput } from "../ssm/dplr.ts";
import { nplr, nplrRankMin } from "../ssm/nplr.ts";
import { asDtype, type Dtype, type FloatArray, floatArray } from "../tensor/tensor.ts";
import { type Tensor, tensorOf, zeros } from "../tensor/tensor.ts";
import { activateAndMix, activateAndMixSample, initMix } from "./_helpers/activate_and_mix.ts";
import { areOnHost, derived } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal } from "./_helpers/init.ts";
import { carried, need, operand, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Measures that S4 starts from. */
export const S4_MEASURES = ["legs", "legt", "fourier"] as const;

/** Configuration of an S4 layer. */
export interface S4Config {
  /** Width of input and output. */
  readonly feature: number;
  /** Real states of each feature, even; half as many complex modes are stored. */
  readonly state: number;
  /** HiPPO measure of the first transition. */
  readonly measure: (typeof S4_MEASURES)[number];
  /** Rank of the correction: 1 or 2, and 2 for legt. */
  readonly rank: number;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Applied to the output of the system. */
  readonly activation: ActivationParams["kind"];
  /** Mixes the features after it: y = GLU(W·y + b). */
  readonly mix: boolean;
}

function validate(config: S4Config): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  if (config.state % 2 !== 0) throw new InvalidValueError("state", config.state, "an even number");
  checkSteps(config.dtMin, config.dtMax);
  if (!S4_MEASURES.includes(config.measure)) {
    throw new InvalidValueError("measure", config.measure, `one of ${S4_MEASURES.join(", ")}`);
  }
  const least = nplrRankMin(config.measure);
  if (!(config.rank === 1 || config.rank === 2) || config.rank < least) {
    throw new InvalidValueError("rank", config.rank, least === 2 ? "2" : "1 or 2");
  }
}

/** Slowest decay of a first mode; the Fourier measure's zero pair would not decay at all. */
const DECAY_MIN = 1e-4;

/**
 * Parameters:
 *
 *   logDt                  log of the step size                   [feature]
 *   logDecay, frequency    lambda = −exp(logDecay) + i·frequency  [feature, half]
 *   P                      low-rank factor                        [feature, rank, half] c64
 *   B, C                   input, output                          [feature, half] c64
 *   D                      skip                                   [feature]
 *   mixWeight, mixBias     with `mix`                             [2·feature, feature], [2·feature]
 */
function init(config: S4Config, random: RandomState): LayerParams<S4Config> {
  validate(config);
  const { feature, state, rank } = config;
  const half = state / 2;
  const { W, P, B } = nplr(config.measure, state, rank);
  return {
    config,
    tensors: {
      logDt: filled([feature], () => Math.log(drawStep(random, config.dtMin, config.dtMax))),
      logDecay: filled(
        [feature, half],
        (i) => Math.log(Math.max(-W[2 * (i % half)]!, DECAY_MIN)),
      ),
      frequency: filled([feature, half], (i) => W[2 * (i % half) + 1]!),
      P: filled([feature, rank, half, 2], (i) => P[i % P.length]!),
      B: filled([feature, half, 2], (i) => B[i % B.length]!),
      // Unit variance of the complex draw: each part has variance 1/2.
      C: normal(random, [feature, half, 2], Math.SQRT1_2),
      D: normal(random, [feature]),
      ...initMix(config, random),
    },
  };
}

/** lambda = −exp(logDecay) + i·frequency.                               [feature, half] c64 */
function lambdaOf(params: LayerParams<S4Config>): Tensor {
  return derived(params, "lambda", () => {
    const decay = need(params.tensors, "logDecay");
    const frequency = need(params.tensors, "frequency").data;
    return filled(
      [...decay.shape, 2],
      (i) => i % 2 === 0 ? -Math.exp(decay.data[i >> 1]!) : frequency[i >> 1]!,
    );
  });
}

function stepsOf({ tensors }: LayerParams<S4Config>): Float64Array {
  return Float64Array.from(need(tensors, "logDt").data, Math.exp);
}

type Params = ForwardParams<S4Config>;

/** The poles, and the step sizes of the features or, with elapsed times, of every sample. */
function polesAndSteps(device: Device, params: Params, dtype: Dtype, scale?: Tensor) {
  if (areOnHost(params)) {
    const steps = stepsOf(params);
    const dt = scale
      ? spreadSteps(scale, steps, dtype)
      : asDtype(tensorOf([steps.length], steps), dtype);
    return { lambda: asDtype(lambdaOf(params), dtype), dt };
  }
  const of = (name: string) => operand(need(params.tensors, name), dtype);
  const { lambda } = runOp(device, poles, {
    logDecay: of("logDecay"),
    frequency: of("frequency"),
  }, {});
  const { dt } = runOp(device, stepSizes, {
    logDt: of("logDt"),
    scale: carried(scale, dtype),
  }, {});
  return { lambda, dt };
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtScale } = options;
  const param = (name: string) => operand(need(tensors, name), u.dtype);
  const scope = openScope(device);
  try {
    const scanned = runOp(scope, dplrScan, {
      u,
      ...polesAndSteps(scope, params, u.dtype, dtScale),
      P: param("P"),
      B: param("B"),
      C: param("C"),
      D: param("D"),
      x0: carried(options.state?.["x"], u.dtype),
    }, {});
    const y = activateAndMix(scope, config, tensors, scanned.y);
    return { y: scope.keep(y), state: { x: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

/** Each feature's system, ready for its step size. */
function systemsOf(params: LayerParams<S4Config>, scale = 1): DplrStep[] {
  const { config, tensors } = params;
  const { feature, state, rank } = config;
  const lambda = lambdaOf(params).data;
  const steps = stepsOf(params);
  const of = (data: Tensor["data"], d: number, width: number) =>
    data.subarray(d * width, (d + 1) * width);
  return Array.from({ length: feature }, (_, d) =>
    dplrStep({
      lambda: of(lambda, d, state),
      P: of(need(tensors, "P").data, d, rank * state),
      B: of(need(tensors, "B").data, d, state),
      half: state / 2,
      rank,
    }, scale * steps[d]!));
}

/** The least power of two that is at least `length` and 2: taps are made in such numbers. */
function tapsFor(length: number): number {
  let taps = 2;
  while (taps < length) taps *= 2;
  return taps;
}

/**
 * Damping of the nodes at which the generating function is evaluated: modes that hardly decay keep
 * their digits in f32 (op `dplr_kernel`).
 */
const DAMPING = 1;

/**
 * The output matrix of the truncated generating function, C·(I − exp(−damping)·Abar^taps).
 *
 * @returns                                                              [feature, half] c64
 */
export function s4TruncatedOutput(
  params: LayerParams<S4Config>,
  taps: number,
  damping = 0,
): Tensor {
  const C = need(params.tensors, "C");
  const width = params.config.state;
  const data = new Float64Array(C.data.length);
  systemsOf(params).forEach((step, d) => {
    const row = C.data.subarray(d * width, (d + 1) * width);
    data.set(truncatedOutput(step, row, taps, damping), d * width);
  });
  return tensorOf(C.shape, data);
}

/**
 * The convolution kernel, without the skip: kernel[d, l] = 2·Re(C·Abar^l·Bbar).
 *
 * @param length positions wanted
 * @returns taps, as many as the next power of two                         [feature, taps]
 */
export function s4Kernel(
  device: Device,
  params: Params,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const taps = tapsFor(length);
  const nodes = { length: taps, damping: DAMPING };
  const param = (name: string) => operand(need(params.tensors, name), dtype);
  const scope = openScope(device);
  try {
    const P = param("P");
    const system = polesAndSteps(scope, params, dtype);
    const C = areOnHost(params)
      ? asDtype(s4TruncatedOutput(params, taps, DAMPING), dtype)
      : runOp(scope, dplrTruncate, { ...system, P, C: param("C") }, nodes).Ctilde;
    const inputs = { ...system, P, B: param("B"), C };
    return scope.keep(runOp(scope, dplrKernel, inputs, nodes).kernel);
  } finally {
    scope.release();
  }
}

/**
 * The convolution form: `forward` from a zero state with equal steps, without the final state.
 *
 * @param u                                                       [batch, length, feature]
 * @returns y                                                     [batch, length, feature]
 */
export function s4Convolve(device: Device, params: Params, u: OpInput): DeviceTensor {
  const { config, tensors } = params;
  const scope = openScope(device);
  try {
    const kernel = s4Kernel(scope, params, u.shape[1]!, u.dtype);
    const D = operand(need(tensors, "D"), u.dtype);
    const { y } = runOp(scope, fftConv, { u, kernel, D }, {});
    return scope.keep(activateAndMix(scope, config, tensors, y));
  } finally {
    scope.release();
  }
}

function initialState(config: S4Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.feature, config.state / 2, 2], dtype) };
}

/** Each feature's step worked out; that of one sampling period is kept with the parameters. */
function recurrencesOf(params: LayerParams<S4Config>, scale: number): readonly DplrRecurrence[] {
  const make = () => systemsOf(params, scale).map(dplrRecurrence);
  return scale === 1 ? derived(params, "recurrences", make) : make();
}

function step(
  params: LayerParams<S4Config>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config, tensors } = params;
  const { feature, state: width } = config;
  const x = need(state, "x");
  const batch = x.shape[0]!;
  const systems = recurrencesOf(params, dtScale);
  const C = need(tensors, "C").data;
  const D = need(tensors, "D").data;
  const y = floatArray(x.dtype, batch * feature);
  for (let i = 0; i < y.length; i++) {
    const d = i % feature;
    const row = x.data.subarray(i * width, (i + 1) * width);
    dplrAdvanceInto(row, systems[d]!, u[i]!);
    let sum = 0;
    for (let n = 0; n < width; n += 2) {
      sum += C[d * width + n]! * row[n]! - C[d * width + n + 1]! * row[n + 1]!;
    }
    y[i] = 2 * sum + D[d]! * u[i]!;
  }
  return activateAndMixSample(config, tensors, y);
}

const EXAMPLE: S4Config = {
  feature: 3,
  state: 8,
  measure: "legs",
  rank: 1,
  dtMin: 0.01,
  dtMax: 0.2,
  activation: "identity",
  mix: false,
};

/** S4; see the head of this file. */
export const s4: Layer<S4Config> = timed({
  name: "s4",
  papers: [
    {
      title: "Efficiently Modeling Long Sequences with Structured State Spaces",
      arxiv: "2111.00396",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the trapezoidal rule approximates the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, measure: "legt", rank: 2, state: 6, activation: "gelu", mix: true },
    { ...EXAMPLE, measure: "fourier", rank: 2, activation: "silu" },
  ],
});
