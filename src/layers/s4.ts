/**
 * S4: for each feature a system whose transition is HiPPO's own, diagonal plus low rank.
 *
 *   dx/dt = A·x + B·u(t),   y(t) = 2·Re(C·x(t)) + D·u(t),   A = diag(lambda) − P·P*
 *
 * Gu, Goel and Ré, "Efficiently Modeling Long Sequences with Structured State Spaces" (arXiv
 * 2111.00396). HiPPO matrices are not normal, but normal up to rank one or two (theorem 1), and in
 * the basis of the normal part the bilinear step costs O(state) (op `dplr_scan`, Woodbury).
 *
 * - `step`: that step. `forward`: the same over a length, from a carried state to a carried state,
 *   parallel over features and rows but not over time.
 * - {@linkcode s4Convolve}: the form to train with, from a zero state and with equal steps. The
 *   taps come from Cauchy sums at the roots of unity (op `dplr_kernel`), the output from
 *   `fft_conv`.
 *
 * The stored output matrix is C; the published code stores C·(I − Abar^L), which belongs to one
 * length. Irregular samples: dt is multiplied by the elapsed time in sampling periods.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { dplrKernel, dplrScan, fftConv, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { type DplrStep, dplrStep, truncatedOutput } from "../ssm/dplr.ts";
import { nplr, nplrRankMin } from "../ssm/nplr.ts";
import { asDtype, type Dtype, type Tensor, tensorOf, zeros } from "../tensor/tensor.ts";
import { activateAndMix } from "./_helpers/activate_and_mix.ts";
import { derived } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult } from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

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
      ...(config.mix && {
        mixWeight: uniform(random, [2 * feature, feature], 1 / Math.sqrt(feature)),
        mixBias: filled([2 * feature], () => 0),
      }),
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

function forward(
  device: Device,
  params: LayerParams<S4Config>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const { dtScale } = options;
  const param = (name: string) => asDtype(need(tensors, name), dtype);
  const factor = stepsOf(params);
  const scope = openScope(device);
  try {
    const scanned = runOp(scope, dplrScan, {
      u,
      lambda: asDtype(lambdaOf(params), dtype),
      P: param("P"),
      B: param("B"),
      C: param("C"),
      D: param("D"),
      dt: dtScale
        ? spreadSteps(dtScale, factor, u.shape, dtype)
        : asDtype(tensorOf([config.feature], factor), dtype),
      x0: carried(options.state?.["x"], dtype),
    }, {});
    const y = activateAndMix(scope, config, tensors, scanned.y);
    return { y: scope.keep(y), state: { x: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

/** Each feature's system, ready for its step size. */
function systemsOf(params: LayerParams<S4Config>): DplrStep[] {
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
    }, steps[d]!));
}

/** The least power of two that is at least `length` and 2: taps are made in such numbers. */
function tapsFor(length: number): number {
  let taps = 2;
  while (taps < length) taps *= 2;
  return taps;
}

/**
 * The output matrix of the truncated generating function, C·(I − Abar^taps).
 *
 * @returns                                                              [feature, half] c64
 */
export function s4TruncatedOutput(params: LayerParams<S4Config>, taps: number): Tensor {
  const C = need(params.tensors, "C");
  const width = params.config.state;
  const data = new Float64Array(C.data.length);
  systemsOf(params).forEach((step, d) => {
    const row = C.data.subarray(d * width, (d + 1) * width);
    data.set(truncatedOutput(step, row, taps), d * width);
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
  params: LayerParams<S4Config>,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const taps = tapsFor(length);
  return runOp(device, dplrKernel, {
    lambda: asDtype(lambdaOf(params), dtype),
    P: asDtype(need(params.tensors, "P"), dtype),
    B: asDtype(need(params.tensors, "B"), dtype),
    C: asDtype(s4TruncatedOutput(params, taps), dtype),
    dt: asDtype(tensorOf([params.config.feature], stepsOf(params)), dtype),
  }, { length: taps }).kernel;
}

/**
 * The convolution form: `forward` from a zero state with equal steps, without the final state.
 *
 * @param u                                                       [batch, length, feature]
 * @returns y                                                     [batch, length, feature]
 */
export function s4Convolve(
  device: Device,
  params: LayerParams<S4Config>,
  u: OpInput,
): DeviceTensor {
  const { config, tensors } = params;
  const scope = openScope(device);
  try {
    const kernel = s4Kernel(scope, params, u.shape[1]!, u.dtype);
    const D = asDtype(need(tensors, "D"), u.dtype);
    const { y } = runOp(scope, fftConv, { u, kernel, D }, {});
    return scope.keep(activateAndMix(scope, config, tensors, y));
  } finally {
    scope.release();
  }
}

function initialState(config: S4Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.feature, config.state / 2, 2], dtype) };
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
export const s4: Layer<S4Config> = {
  name: "s4",
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the trapezoidal rule approximates the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, measure: "legt", rank: 2, state: 6, activation: "gelu", mix: true },
    { ...EXAMPLE, measure: "fourier", rank: 2, activation: "silu" },
  ],
};
