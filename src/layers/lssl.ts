/**
 * LSSL: the linear state-space layer with dense matrices, the ancestor of the family.
 *
 *   dx/dt = A·x + B·u(t),   y(t) = C·x(t) + D·u(t)
 *   Abar = (I − α·dt·A)⁻¹·(I + (1−α)·dt·A),   Bbar = dt·(I − α·dt·A)⁻¹·B
 *
 * Gu et al., "Combining Recurrent, Convolutional, and Continuous-time Models with Linear State
 * Space Layers" (arXiv 2110.13985). A and B, started as HiPPO's, are shared by all features; each
 * feature has its own step size, and `channel` rows of C. α is the generalised bilinear
 * transform's: ½ the trapezoidal rule, 0 and 1 Euler's; or a held input (`zoh`).
 *
 * - `step` and `forward` (op `dense_scan`) are the recurrence, x[k] = Abar·x[k−1] + Bbar·u[k];
 * - {@linkcode lsslConvolve} convolves with K = C·[Bbar, Abar·Bbar, Abar²·Bbar, …], the Krylov
 *   matrix of the paper's section 3: the same outputs from a zero state.
 *
 * Gradients reach every parameter, A, B and the step sizes too, through either form: the discrete
 * systems are made by the op `discretize_dense`, on the host in f64 from parameters that are there.
 * The published code fixes A and B in its default setting; a trainer that does so leaves them out.
 *
 * Work and memory are quadratic in the state: for small states, for teaching and as a reference of
 * S4. Irregular samples: dt is multiplied by the elapsed time in sampling periods, and each step of
 * another size is discretised anew.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { activation, add, denseScan, discretizeDense, fftConv, matmul, runOp } from "../ops/mod.ts";
import { type OpInput, stepSizes } from "../ops/mod.ts";
import { identity } from "../ssm/dense.ts";
import { HIPPO_MEASURES, type HippoMeasure, hippoTransition } from "../ssm/hippo.ts";
import { asDtype, type Dtype, type FloatArray, floatArray, reshape } from "../tensor/tensor.ts";
import { type Tensor, tensorOf, zeros } from "../tensor/tensor.ts";
import { areOnHost, madeFor, madeOnHost } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of an LSSL. */
export interface LsslConfig {
  /** Width of input and, with `mix` or one channel, of output. */
  readonly feature: number;
  /** States of each feature. */
  readonly state: number;
  /** Outputs of each feature, side by side where not mixed. */
  readonly channel: number;
  /** HiPPO measure of the first A and B. */
  readonly measure: HippoMeasure;
  readonly discretization: "gbt" | "zoh";
  /** Weight of the end of a step in `gbt`, 0 to 1. */
  readonly alpha: number;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Applied to the output of the system. */
  readonly activation: ActivationParams["kind"];
  /** A bias before the activation and a linear layer after it, back to `feature`. */
  readonly mix: boolean;
}

function validate(config: LsslConfig): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state, 1024);
  checkSize("channel", config.channel, 1024);
  checkSteps(config.dtMin, config.dtMax);
  if (!HIPPO_MEASURES.includes(config.measure)) {
    throw new InvalidValueError("measure", config.measure, `one of ${HIPPO_MEASURES.join(", ")}`);
  }
  if (config.discretization !== "gbt" && config.discretization !== "zoh") {
    throw new InvalidValueError("discretization", config.discretization, "gbt or zoh");
  }
  if (!(config.alpha >= 0 && config.alpha <= 1)) {
    throw new InvalidValueError("alpha", config.alpha, "a number from 0 to 1");
  }
}

/**
 * Parameters:
 *
 *   A, B       transition, input          [state, state], [state]
 *   logDt      log of the step size       [feature]
 *   C, D       output, skip               [feature, channel, state], [feature, channel]
 *   bias, mixWeight, mixBias              with `mix`: [feature, channel],
 *                                         [feature, feature·channel], [feature]
 */
function init(config: LsslConfig, random: RandomState): LayerParams<LsslConfig> {
  validate(config);
  const { feature, state, channel } = config;
  const { A, B } = hippoTransition(config.measure, state);
  const width = feature * channel;
  return {
    config,
    tensors: {
      A: tensorOf([state, state], A),
      B: tensorOf([state], B),
      logDt: filled([feature], () => Math.log(drawStep(random, config.dtMin, config.dtMax))),
      C: normal(random, [feature, channel, state]),
      D: normal(random, [feature, channel]),
      ...(config.mix && {
        bias: normal(random, [feature, channel]),
        mixWeight: uniform(random, [feature, width], 1 / Math.sqrt(width)),
        mixBias: filled([feature], () => 0),
      }),
    },
  };
}

type Params = ForwardParams<LsslConfig>;

/** Makes systems in f64, and runs what follows the systems of a step. */
const host = openCpu({ collected: true });

/** Makes the discrete systems of a layer, one a feature or, with elapsed times, one a sample. */
function systemsBy({ config, tensors }: Params, scale?: Tensor) {
  return (device: Device, dtype: Dtype) => {
    const of = (name: string) => operand(need(tensors, name), dtype);
    const steps = { logDt: of("logDt"), scale: carried(scale, dtype) };
    const { dt } = runOp(device, stepSizes, steps, {});
    const { Abar: A, Bbar: B } = runOp(device, discretizeDense, { A: of("A"), B: of("B"), dt }, {
      method: config.discretization,
      alpha: config.alpha,
    });
    device.free(dt);
    return { A, B };
  };
}

/**
 * The discrete systems for samples one sampling period apart, kept with the parameters.
 *
 * @returns A: Abar [feature, state, state], B: Bbar [feature, state]
 */
export function lsslDiscrete(params: LayerParams<LsslConfig>): { A: Tensor; B: Tensor } {
  return madeOnHost(params, "discrete", systemsBy(params));
}

/** The systems for a forward: from parameters on the host in f64, else on the device. */
function systemsFor(
  device: Device,
  params: Params,
  dtype: Dtype,
  scale?: Tensor,
): { readonly A: OpInput; readonly B: OpInput } {
  if (scale === undefined) return madeFor(device, params, "discrete", dtype, systemsBy(params));
  const make = systemsBy(params, scale);
  if (!areOnHost(params)) return make(device, dtype);
  const onHost = ({ shape, dtype: type, buffer }: DeviceTensor) =>
    asDtype({ shape, dtype: type, data: host.dataOf({ shape, dtype: type, buffer }) }, dtype);
  const { A, B } = make(host, "f64");
  return { A: onHost(A), B: onHost(B) };
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { dtype } = u;
  const { dtScale } = options;
  const of = (name: string) => operand(need(params.tensors, name), dtype);
  const scope = openScope(device);
  try {
    const scanned = runOp(scope, denseScan, {
      u,
      ...systemsFor(scope, params, dtype, dtScale),
      C: of("C"),
      D: of("D"),
      x0: carried(options.state?.["x"], dtype),
    }, {});
    const y = outputOf(scope, params, scanned.y);
    return { y: scope.keep(y), state: { x: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

/** Bias, activation and mixing: what follows the systems, the same in every form. */
function outputOf(
  device: Device,
  { config, tensors }: Params,
  y: DeviceTensor,
): DeviceTensor {
  let out = y;
  if (config.mix) {
    const bias = operand(need(tensors, "bias"), y.dtype);
    const b = reshape(bias, [config.feature * config.channel]);
    out = runOp(device, add, { a: out, b }, {}).out;
  }
  if (config.activation !== "identity") {
    out = runOp(device, activation, { x: out }, { kind: config.activation }).y;
  }
  if (!config.mix) return out;
  return linear(device, tensors, out, "mixWeight", "mixBias");
}

/**
 * The Krylov matrix [Bbar, Abar·Bbar, …] of each feature: its system's states after an impulse.
 *
 * @returns                                                      [feature, state, length]
 */
export function lsslKrylov(
  device: Device,
  params: Params,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const { feature, state } = params.config;
  const scope = openScope(device);
  try {
    const states = runOp(scope, denseScan, {
      u: asDtype(filled([1, length, feature], (i) => i < feature ? 1 : 0), dtype),
      ...systemsFor(scope, params, dtype),
      C: asDtype(filled([feature, state, state], (i) => eye(state, i % state ** 2)), dtype),
    }, {}).y;
    // One times the transposed states: [length, feature·state] becomes [feature·state, length].
    const width = feature * state;
    const turned = runOp(scope, matmul, {
      a: asDtype(tensorOf([width, width], identity(width)), dtype),
      b: reshape(states, [length, width]),
    }, { transposeB: true }).c;
    return reshape(scope.keep(turned), [feature, state, length]);
  } finally {
    scope.release();
  }
}

/** Element `i` of an identity matrix. */
function eye(size: number, i: number): number {
  return i % (size + 1) === 0 ? 1 : 0;
}

/**
 * The convolution kernel, without the skip: C times the Krylov matrix.
 *
 * @returns                                                    [feature, channel, length]
 */
export function lsslKernel(
  device: Device,
  params: Params,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const scope = openScope(device);
  try {
    const a = operand(need(params.tensors, "C"), dtype);
    const b = lsslKrylov(scope, params, length, dtype);
    return scope.keep(runOp(scope, matmul, { a, b }, {}).c);
  } finally {
    scope.release();
  }
}

/**
 * The convolution form: `forward` from a zero state with equal steps, without the final state.
 *
 * @param u                                                       [batch, length, feature]
 */
export function lsslConvolve(
  device: Device,
  params: Params,
  u: OpInput,
): DeviceTensor {
  const { feature, channel } = params.config;
  const length = u.shape[1]!;
  const width = feature * channel;
  const scope = openScope(device);
  try {
    // Every channel of a feature sees that feature's input.
    const b = asDtype(
      filled([feature, width], (i) => {
        const [row, column] = [Math.floor(i / width), i % width];
        return row === Math.floor(column / channel) ? 1 : 0;
      }),
      u.dtype,
    );
    const y = runOp(scope, fftConv, {
      u: channel === 1 ? u : runOp(scope, matmul, { a: u, b }, {}).c,
      kernel: reshape(lsslKernel(scope, params, length, u.dtype), [width, length]),
      D: reshape(operand(need(params.tensors, "D"), u.dtype), [width]),
    }, {}).y;
    return scope.keep(outputOf(scope, params, y));
  } finally {
    scope.release();
  }
}

function initialState(config: LsslConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.feature, config.state], dtype) };
}

/** The systems of a step: for another than one sampling period made anew. */
function systemsOfStep(params: LayerParams<LsslConfig>, scale: number) {
  if (scale === 1) return lsslDiscrete(params);
  const { A, B } = systemsBy(params, tensorOf([1, 1], Float64Array.of(scale)))(host, "f64");
  return { A: { data: host.dataOf(A) }, B: { data: host.dataOf(B) } };
}

function step(
  params: LayerParams<LsslConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config, tensors } = params;
  const { feature, channel, state: states } = config;
  const x = need(state, "x");
  const batch = x.shape[0]!;
  const { A, B } = systemsOfStep(params, dtScale);
  const C = need(tensors, "C").data;
  const D = need(tensors, "D").data;
  const y = floatArray(x.dtype, batch * feature * channel);
  const next = new Float64Array(states);
  for (let row = 0; row < batch * feature; row++) {
    const d = row % feature;
    const before = x.data.subarray(row * states, (row + 1) * states);
    advanceInto(next, before, A.data, B.data, d * states, u[row]!);
    before.set(next);
    for (let m = 0; m < channel; m++) {
      let sum = D[d * channel + m]! * u[row]!;
      for (let n = 0; n < states; n++) sum += C[(d * channel + m) * states + n]! * before[n]!;
      y[row * channel + m] = sum;
    }
  }
  if (config.activation === "identity" && !config.mix) return y;
  const sample = host.upload(tensorOf([batch, 1, feature * channel], y));
  return host.dataOf(outputOf(host, params, sample));
}

/** next = A·x + B·u, the rows of A and B from `first` on. */
function advanceInto(
  next: Float64Array,
  x: FloatArray,
  A: FloatArray,
  B: FloatArray,
  first: number,
  u: number,
): void {
  const states = next.length;
  for (let i = 0; i < states; i++) {
    const row = (first + i) * states;
    let sum = B[first + i]! * u;
    for (let j = 0; j < states; j++) sum += A[row + j]! * x[j]!;
    next[i] = sum;
  }
}

const EXAMPLE: LsslConfig = {
  feature: 3,
  state: 6,
  channel: 1,
  measure: "legs",
  discretization: "gbt",
  alpha: 0.5,
  dtMin: 0.01,
  dtMax: 0.2,
  activation: "identity",
  mix: false,
};

/** LSSL; see the head of this file. */
export const lssl: Layer<LsslConfig> = timed({
  name: "lssl",
  papers: [
    {
      title: "Combining Recurrent, Convolutional, and Continuous-time Models with Linear " +
        "State-Space Layers",
      arxiv: "2110.13985",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: ({ discretization }) =>
    discretization === "zoh" ||
    "the bilinear rules approximate the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, measure: "legt", discretization: "zoh", channel: 2, mix: true },
    { ...EXAMPLE, alpha: 1, activation: "gelu", mix: true },
  ],
});
