/**
 * Liquid-S4: a diagonal state-space model that also remembers products of neighbouring samples.
 *
 * The input moves the transition, x[k] = (Abar + Bbar·u[k])·x[k−1] + Bbar·u[k] mode by mode.
 * Written out, x is a sum over all products of inputs; a product of p has p factors of Bbar:
 *
 *   x[k] = Σ_p Σ_{j1 < … < jp ≤ k} Bbar^p·Abar^(k − j1 − p + 1)·u[j1]···u[jp]
 *
 * Hasani et al., "Liquid Structural State-Space Models" (arXiv 2209.12951), section 3: the linear
 * kernel takes the terms of p = 1, and the liquid kernel, up to `order`, those whose samples are
 * neighbours, j1 = jp − p + 1. With c_p[k] = u[k]·u[k−1]···u[k−p+1] they are
 *
 *   kb   x[k] = Abar·x[k−1] + Bbar·u[k] + Σ_{p ≥ 2} Bbar^p·c_p[k]        y = 2·Re Σ C·x + D·u
 *   pb   the liquid terms at once and once: y[k] + Σ_{p ≥ 2} (2·Re Σ C·Bbar^p)·c_p[k]
 *
 * So the state of `kb` is that of S4D, driven by more inputs, and its kernels C·Bbar^p·Abar^l are
 * {@linkcode liquidKernels}; `pb` keeps their first taps. Where only two neighbouring samples
 * differ from 0, `kb` is the recurrence above, exactly (`tests/layers/liquid_s4_test.ts`).
 *
 * Differences: the published code lets time run backwards in the products and multiplies a product
 * by its own shift, so that inner samples count twice from p = 3 on; the poles are S4D's.
 *
 * Irregular samples: a drive lasts for the elapsed time; the gains Bbar^(p−1) of a product and the
 * taps of `pb` are those of one sampling period.
 *
 * The carried state is x and the last order − 1 inputs, oldest first.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { add, conv1d, diagonalScan, discretize, gate, linearScan, poles } from "../ops/mod.ts";
import { runOp, slice } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { DIAGONAL_STARTS, type DiagonalStart, diagonalStart } from "../ssm/diagonal.ts";
import { asDtype, type Dtype, reshape, type Tensor, zeros } from "../tensor/tensor.ts";
import { activateAndMix, initMix } from "./_helpers/activate_and_mix.ts";
import { madeFor, madeOnHost } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need, operand, spreadLearnedSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a Liquid-S4 layer. */
export interface LiquidS4Config {
  /** Width of input and output. */
  readonly feature: number;
  /** Real states of each feature, even; half as many complex modes are stored. */
  readonly state: number;
  /** Samples of the longest products. */
  readonly order: number;
  /** Liquid terms with the linear ones' memory, or without any. */
  readonly kernel: "kb" | "pb";
  readonly start: DiagonalStart;
  readonly discretization: "zoh" | "bilinear";
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Applied to the output of the bank. */
  readonly activation: ActivationParams["kind"];
  /** Mixes the features after it: y = GLU(W·y + b), as the S4 block does. */
  readonly mix: boolean;
}

/** Most samples of a product. */
export const LIQUID_ORDER_MAX = 8;

function validate(config: LiquidS4Config): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  checkSize("order", config.order, LIQUID_ORDER_MAX);
  checkSteps(config.dtMin, config.dtMax);
  const { state, order, kernel, start, discretization } = config;
  if (state % 2 !== 0) throw new InvalidValueError("state", state, "an even number");
  if (order < 2) throw new InvalidValueError("order", order, `2 to ${LIQUID_ORDER_MAX}`);
  if (kernel !== "kb" && kernel !== "pb") {
    throw new InvalidValueError("kernel", kernel, "kb or pb");
  }
  if (!(DIAGONAL_STARTS as readonly string[]).includes(start)) {
    throw new InvalidValueError("start", start, `one of ${DIAGONAL_STARTS.join(", ")}`);
  }
  if (discretization !== "zoh" && discretization !== "bilinear") {
    throw new InvalidValueError("discretization", discretization, "zoh or bilinear");
  }
}

/**
 * Parameters, those of S4D:
 *
 *   logDt [feature]     logDecay, frequency [feature, half], lambda = −exp(logDecay) + i·frequency
 *   B, C [feature, half] c64     D [feature]
 *   mixWeight [2·feature, feature], mixBias [2·feature]     (with `mix`)
 */
function init(config: LiquidS4Config, random: RandomState): LayerParams<LiquidS4Config> {
  validate(config);
  const { feature, state } = config;
  const half = state / 2;
  const { lambda, B } = diagonalStart(config.start, state);
  return {
    config,
    tensors: {
      logDt: filled([feature], () => Math.log(drawStep(random, config.dtMin, config.dtMax))),
      logDecay: filled([feature, half], (i) => Math.log(-lambda[2 * (i % half)]!)),
      frequency: filled([feature, half], (i) => lambda[2 * (i % half) + 1]!),
      B: filled([feature, half, 2], (i) => B[i % (2 * half)]!),
      // Unit variance of the complex draw: each part has variance 1/2.
      C: normal(random, [feature, half, 2], Math.SQRT1_2),
      D: normal(random, [feature]),
      ...initMix(config, random),
    },
  };
}

type Params = ForwardParams<LiquidS4Config>;

/**
 * The bank with an input matrix for each order: `discrete`, A = Abar and input_p = Bbar^p;
 * `continuous`, A = lambda and input_p = B·Bbar^(p−1). With `pb` also tap_p = 2·Re Σ C·Bbar^p.
 *
 * @returns A, input1, input2, … [feature, half] c64, tap2, … [feature, 1]
 */
function systemBy({ config, tensors }: Params, form: "discrete" | "continuous") {
  const { feature, state, order, kernel, discretization: method } = config;
  const bank = [feature, state / 2, 2];
  const modes = feature * state / 2;
  return (device: Device, dtype: Dtype): Record<string, OpInput> => {
    const of = (name: string) => operand(need(tensors, name), dtype);
    const pole = { logDecay: of("logDecay"), frequency: of("frequency") };
    const given = { ...pole, logDt: of("logDt"), B: of("B") };
    const { Abar, Bbar } = runOp(device, discretize, given, { method });
    /** First·Bbar, first·Bbar², …: a scan without a drive multiplies by its transition. */
    const powers = (first: OpInput): OpInput[] => {
      const { x } = runOp(device, diagonalScan, {
        v: zeros([1, order - 1, modes, 2], dtype),
        A: reshape(Bbar, [modes, 2]),
        x0: reshape(first, [1, modes, 2]),
      }, { variant: "lti" });
      const flat = reshape(x, [(order - 1) * 2 * modes]);
      return Array.from({ length: order - 1 }, (_, i) => {
        const range = { start: i * 2 * modes, count: 2 * modes };
        return reshape(runOp(device, slice, { x: flat }, range).out, bank);
      });
    };
    const first = form === "discrete" ? Bbar : given.B;
    const system: Record<string, OpInput> = {
      A: form === "discrete" ? Abar : runOp(device, poles, pole, {}).lambda,
      input1: first,
    };
    if (kernel === "kb") powers(first).forEach((B, i) => system[`input${i + 2}`] = B);
    else {
      // One step from a zero state reads C·B of a unit of input.
      const u = asDtype(filled([1, 1, feature], () => 1), dtype);
      powers(Bbar).forEach((B, i) => {
        const read = { u, A: zeros(bank, dtype), B, C: of("C") };
        const { y } = runOp(device, linearScan, read, { variant: "lti" });
        system[`tap${i + 2}`] = reshape(y, [feature, 1]);
      });
    }
    return system;
  };
}

/**
 * The kernels by which products of one sample, of two neighbours, … reach the output (`kb`).
 *
 *   kernel[p − 1, d, l] = 2·Re Σ_n C_n·Bbar_n^p·Abar_n^l
 *
 * @param length positions
 * @returns                                                       [order, feature, length]
 */
export function liquidKernels(params: LayerParams<LiquidS4Config>, length: number): Tensor {
  const { feature, state, order } = params.config;
  const config: LiquidS4Config = { ...params.config, kernel: "kb" };
  const form = "discrete" as const;
  const system = madeOnHost(params, "kernels", systemBy({ ...params, config }, form));
  const { data: A } = need(system, "A");
  const { data: C } = need(params.tensors, "C");
  const kernels = zeros([order, feature, length], "f64");
  for (let p = 0; p < order; p++) {
    const { data: B } = need(system, `input${p + 1}`);
    for (let i = 0; i < feature * state; i += 2) {
      let re = C[i]! * B[i]! - C[i + 1]! * B[i + 1]!;
      let im = C[i]! * B[i + 1]! + C[i + 1]! * B[i]!;
      const row = (p * feature + Math.floor(i / state)) * length;
      for (let l = 0; l < length; l++) {
        kernels.data[row + l] = kernels.data[row + l]! + 2 * re;
        [re, im] = [re * A[i]! - im * A[i + 1]!, re * A[i + 1]! + im * A[i]!];
      }
    }
  }
  return kernels;
}

function sum(device: Device, a: OpInput, b: OpInput): DeviceTensor {
  return runOp(device, add, { a, b }, {}).out;
}

/** c_2, c_3, … of the layer's head, and the inputs that the next ones need. */
function productsOf(
  device: Device,
  { config: { feature, order } }: Params,
  u: OpInput,
  x0: OpInput | undefined,
): { products: DeviceTensor[]; past: DeviceTensor } {
  const delayed = (lag: number) => {
    const tap = filled([feature, order], (i) => i % order === order - 1 - lag ? 1 : 0);
    const weight = asDtype(tap, u.dtype);
    return runOp(device, conv1d, { u, weight, x0 }, { activation: "identity" });
  };
  const products: DeviceTensor[] = [];
  const first = delayed(1);
  for (let lag = 1; lag < order; lag++) {
    const { y } = lag === 1 ? first : delayed(lag);
    const shorter = products.at(-1) ?? u;
    products.push(runOp(device, gate, { y: shorter, z: y }, { activation: "identity" }).out);
  }
  return { products, past: first.state };
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const { dtScale } = options;
  const scope = openScope(device);
  try {
    const form = dtScale === undefined ? "discrete" : "continuous";
    const system = madeFor(scope, params, form, dtype, systemBy(params, form));
    const shared = { A: need(system, "A"), C: operand(need(tensors, "C"), dtype) };
    const dt = dtScale &&
      spreadLearnedSteps(scope, dtScale, need(tensors, "logDt"), dtype);
    const remember = (drive: OpInput, p: number, more: { D?: OpInput; x0?: OpInput } = {}) => {
      const given = { ...shared, ...more, u: drive, B: need(system, `input${p}`) };
      if (dt === undefined) return runOp(scope, linearScan, given, { variant: "lti" });
      const rule = { variant: "perStep", discretization: config.discretization } as const;
      return runOp(scope, linearScan, { ...given, dt }, rule);
    };
    const x0 = carried(options.state?.["x"], dtype);
    const D = operand(need(tensors, "D"), dtype);
    let { y, state } = remember(u, 1, { D, ...(x0 && { x0 }) });
    const { products, past } = productsOf(
      scope,
      params,
      u,
      carried(options.state?.["past"], dtype),
    );
    products.forEach((product, i) => {
      if (config.kernel === "pb") {
        const weight = need(system, `tap${i + 2}`);
        const term = runOp(scope, conv1d, { u: product, weight }, { activation: "identity" });
        y = sum(scope, y, term.y);
        return;
      }
      const term = remember(product, i + 2);
      y = sum(scope, y, term.y);
      state = sum(scope, state, term.state);
    });
    const out = activateAndMix(scope, config, tensors, y);
    return { y: scope.keep(out), state: { past: scope.keep(past), x: scope.keep(state) } };
  } finally {
    scope.release();
  }
}

function initialState(
  { feature, state, order }: LiquidS4Config,
  batch: number,
  dtype: Dtype = "f64",
): LayerState {
  return {
    past: zeros([batch, feature, order - 1], dtype),
    x: zeros([batch, feature, state / 2, 2], dtype),
  };
}

const EXAMPLE: LiquidS4Config = {
  feature: 3,
  state: 6,
  order: 2,
  kernel: "kb",
  start: "lin",
  discretization: "bilinear",
  dtMin: 0.05,
  dtMax: 0.4,
  activation: "identity",
  mix: false,
};

/** Liquid-S4; see the head of this file. */
export const liquidS4: Layer<LiquidS4Config> = timed({
  name: "liquid_s4",
  papers: [{ title: "Liquid Structural State-Space Models", arxiv: "2209.12951" }],
  validate,
  init,
  forward,
  initialState,
  // Over one sample the ops are the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "neighbours are counted in samples, whatever time has passed",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, order: 3, discretization: "zoh", activation: "gelu", mix: true },
    { ...EXAMPLE, order: 4, kernel: "pb", start: "legs" },
  ],
});
