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
 * - `step` and `forward` are the recurrence (op `dense_scan`), x[k] = Abar·x[k−1] + Bbar·u[k];
 * - {@linkcode lsslConvolve} convolves with K = C·[Bbar, Abar·Bbar, Abar²·Bbar, …], the Krylov
 *   matrix of the paper's section 3: the same outputs from a zero state.
 *
 * Work and memory are quadratic in the state: for small states, for teaching and as a reference of
 * S4. Irregular samples: dt is multiplied by the elapsed time in sampling periods, and each step of
 * another size is discretised anew.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { activation, add, denseScan, fftConv, matmul, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { identity } from "../ssm/dense.ts";
import { type DiscreteSystem, discretizeDense } from "../ssm/discretize.ts";
import { HIPPO_MEASURES, type HippoMeasure, hippoTransition } from "../ssm/hippo.ts";
import { asDtype, type Dtype, reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { zeros } from "../tensor/tensor.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult } from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

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

function discretized({ config, tensors }: LayerParams<LsslConfig>, dt: number): DiscreteSystem {
  const A = Float64Array.from(need(tensors, "A").data);
  const B = Float64Array.from(need(tensors, "B").data);
  const { state: stateSize, discretization: method, alpha } = config;
  return discretizeDense(A, B, { stateSize, dt, method, alpha });
}

/** Discrete systems of all step sizes in order; equal sizes are worked out once. */
function systemsOf(
  params: LayerParams<LsslConfig>,
  steps: ArrayLike<number>,
  rows: readonly number[],
): { A: Tensor; B: Tensor } {
  const { state } = params.config;
  const A = new Float64Array(steps.length * state * state);
  const B = new Float64Array(steps.length * state);
  const known = new Map<number, DiscreteSystem>();
  for (let i = 0; i < steps.length; i++) {
    let system = known.get(steps[i]!);
    if (system === undefined) known.set(steps[i]!, system = discretized(params, steps[i]!));
    A.set(system.Abar, i * state * state);
    B.set(system.Bbar, i * state);
  }
  return { A: tensorOf([...rows, state, state], A), B: tensorOf([...rows, state], B) };
}

const discreteCache = new WeakMap<LayerParams<LsslConfig>, { A: Tensor; B: Tensor }>();

/**
 * The discrete systems for samples one sampling period apart, kept with the parameters.
 *
 * @returns A: Abar [feature, state, state], B: Bbar [feature, state]
 */
export function lsslDiscrete(params: LayerParams<LsslConfig>): { A: Tensor; B: Tensor } {
  let systems = discreteCache.get(params);
  if (systems === undefined) {
    const steps = Float64Array.from(need(params.tensors, "logDt").data, Math.exp);
    systems = systemsOf(params, steps, [steps.length]);
    discreteCache.set(params, systems);
  }
  return systems;
}

function forward(
  device: Device,
  params: LayerParams<LsslConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { tensors } = params;
  const { dtype } = u;
  let systems = lsslDiscrete(params);
  if (options.dtScale !== undefined) {
    const factor = Float64Array.from(need(tensors, "logDt").data, Math.exp);
    // In f64, as without elapsed times: a step of the same size is the same system.
    const dt = spreadSteps(options.dtScale, factor, u.shape, "f64");
    systems = systemsOf(params, dt.data, dt.shape);
  }
  const scope = openScope(device);
  try {
    const scanned = runOp(scope, denseScan, {
      u,
      A: asDtype(systems.A, dtype),
      B: asDtype(systems.B, dtype),
      C: asDtype(need(tensors, "C"), dtype),
      D: asDtype(need(tensors, "D"), dtype),
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
  { config, tensors }: LayerParams<LsslConfig>,
  y: DeviceTensor,
): DeviceTensor {
  const param = (name: string) => asDtype(need(tensors, name), y.dtype);
  let out = y;
  if (config.mix) {
    const b = reshape(param("bias"), [config.feature * config.channel]);
    out = runOp(device, add, { a: out, b }, {}).out;
  }
  if (config.activation !== "identity") {
    out = runOp(device, activation, { x: out }, { kind: config.activation }).y;
  }
  if (!config.mix) return out;
  const weights = { b: param("mixWeight"), bias: param("mixBias") };
  return runOp(device, matmul, { a: out, ...weights }, { transposeB: true }).c;
}

/**
 * The Krylov matrix [Bbar, Abar·Bbar, …] of each feature: its system's states after an impulse.
 *
 * @returns                                                      [feature, state, length]
 */
export function lsslKrylov(
  device: Device,
  params: LayerParams<LsslConfig>,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const { feature, state } = params.config;
  const { A, B } = lsslDiscrete(params);
  const scope = openScope(device);
  try {
    const states = runOp(scope, denseScan, {
      u: asDtype(filled([1, length, feature], (i) => i < feature ? 1 : 0), dtype),
      A: asDtype(A, dtype),
      B: asDtype(B, dtype),
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
  params: LayerParams<LsslConfig>,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const scope = openScope(device);
  try {
    const a = asDtype(need(params.tensors, "C"), dtype);
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
  params: LayerParams<LsslConfig>,
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
      D: reshape(asDtype(need(params.tensors, "D"), u.dtype), [width]),
    }, {}).y;
    return scope.keep(outputOf(scope, params, y));
  } finally {
    scope.release();
  }
}

function initialState(config: LsslConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.feature, config.state], dtype) };
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
export const lssl: Layer<LsslConfig> = {
  name: "lssl",
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: ({ discretization }) =>
    discretization === "zoh" ||
    "the bilinear rules approximate the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, measure: "legt", discretization: "zoh", channel: 2, mix: true },
    { ...EXAMPLE, alpha: 1, activation: "gelu", mix: true },
  ],
};
