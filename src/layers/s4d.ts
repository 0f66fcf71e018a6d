/**
 * S4D: a bank of damped oscillators for each feature. This is the teaching file: it follows one
 * layer from the differential equation to the shader; other members refer to it.
 *
 * **1. The equation.** Each feature d has its own linear system with `half` complex modes,
 *
 *   dx_n/dt = lambda_n·x_n + B_n·u(t)          y(t) = 2·Re Σ_n C_n·x_n(t) + D·u(t)
 *
 * A mode is an exponential window: Re lambda < 0 is how fast it forgets, Im lambda how fast it
 * turns. A bank of them, started as HiPPO's memory (S4D-Lin, -Inv, -Legs: `src/ssm/diagonal.ts`),
 * remembers a long past with few numbers. One of each conjugate pair is kept, hence 2·Re.
 * Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models" (arXiv
 * 2206.11893).
 *
 * **2. Discrete time.** With u held over a step of size dt the solution is exact (`zoh`):
 *
 *   x[k] = Abar·x[k−1] + Bbar·u[k],   Abar = exp(dt·lambda),   Bbar = (Abar − 1)/lambda·B
 *
 * or, with the trapezoidal rule, Abar = (1 + z/2)/(1 − z/2), Bbar = dt·B/(1 − z/2), z = dt·lambda
 * (`bilinear`). dt = exp(logDt) is learned, one a feature: it sets the time scale. An irregular
 * sample only has another dt: its elapsed time in sampling periods times the learned one. That is
 * why a model trained at one rate works at another.
 *
 * **3. Recurrent form** ({@linkcode s4d}`.step`): the line above, once a sample. Serving.
 *
 * **4. Parallel form** (`forward`): the map x ↦ Abar·x + Bbar·u composes with the next one into
 * a map of the same kind (`src/ssm/monoid.ts`), so the prefixes can be bracketed in any way:
 * a scan. The op `linear_scan` cuts the length into chunks where rows are few, finds each chunk's
 * end state from zero, carries the states across chunks, and runs each chunk again from its true
 * start. The twin in `src/ops/linear_scan.ts` is the plain loop; `shaders/shared/lti_scan.wgsl` is
 * the same on a GPU, eight steps at a time by powers of Abar, one invocation for some modes of one
 * feature and one chunk.
 *
 * **5. Convolution form** ({@linkcode s4dConvolve}): from a zero state and with equal steps, y is
 * u convolved with a kernel as long as the input,
 *
 *   kernel[l] = 2·Re Σ_n C_n·Bbar_n·Abar_n^l
 *
 * which the op `vandermonde` sums and the op `fft_conv` applies in O(L·log L).
 *
 * Difference from the s4 repository: lambda is stored as (log of −Re, Im), without its sign change
 * of the imaginary part.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { discretize, fftConv, linearScan } from "../ops/mod.ts";
import { poles, runOp, vandermonde } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import type { ActivationParams } from "../ops/activation.ts";
import { DIAGONAL_STARTS, type DiagonalStart, diagonalStart } from "../ssm/diagonal.ts";
import { type DiscreteSystem, discretizeDiagonal } from "../ssm/discretize.ts";
import { dssWeights } from "../ssm/dss.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { floatArray, zeros } from "../tensor/tensor.ts";
import { activateAndMix, activateAndMixSample, initMix } from "./_helpers/activate_and_mix.ts";
import { areOnHost, derived } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal } from "./_helpers/init.ts";
import { carried, need, operand, spreadLearnedSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of an S4D layer. */
export interface S4dConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Real states of each feature, even; half as many complex modes are stored. */
  readonly state: number;
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

function validate(config: S4dConfig): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  if (config.state % 2 !== 0) throw new InvalidValueError("state", config.state, "an even number");
  checkSteps(config.dtMin, config.dtMax);
  if (!(DIAGONAL_STARTS as readonly string[]).includes(config.start)) {
    throw new InvalidValueError("start", config.start, `one of ${DIAGONAL_STARTS.join(", ")}`);
  }
  if (config.discretization !== "zoh" && config.discretization !== "bilinear") {
    throw new InvalidValueError("discretization", config.discretization, "zoh or bilinear");
  }
}

/**
 * Parameters:
 *
 *   logDt                         log of the step size          [feature]
 *   logDecay, frequency           lambda = −exp(logDecay) + i·frequency   [feature, half]
 *   B, C                          input, output                 [feature, half] c64
 *   D                             skip                          [feature]
 *   mixWeight, mixBias            with `mix`                    [2·feature, feature], [2·feature]
 */
function init(config: S4dConfig, random: RandomState): LayerParams<S4dConfig> {
  validate(config);
  const { feature, state } = config;
  const half = state / 2;
  const { lambda, B } = diagonalStart(config.start, state);
  const mix = initMix(config, random);
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
      ...mix,
    },
  };
}

/** lambda = −exp(logDecay) + i·frequency.                            [feature, half] c64 */
function lambdaOf({ tensors }: LayerParams<S4dConfig>): Float64Array {
  const decay = need(tensors, "logDecay").data;
  const frequency = need(tensors, "frequency").data;
  const lambda = new Float64Array(2 * decay.length);
  for (let i = 0; i < decay.length; i++) {
    lambda[2 * i] = -Math.exp(decay[i]!);
    lambda[2 * i + 1] = frequency[i]!;
  }
  return lambda;
}

/** exp(logDt), repeated for each mode of a feature.                       [feature, half] */
function stepsOf({ config, tensors }: LayerParams<S4dConfig>, scale = 1): Float64Array {
  const half = config.state / 2;
  const logDt = need(tensors, "logDt").data;
  return Float64Array.from(
    { length: config.feature * half },
    (_, i) => scale * Math.exp(logDt[Math.floor(i / half)]!),
  );
}

/**
 * The discrete system of the layer for samples `scale` sampling periods apart.
 *
 * @returns Abar, Bbar                                                [feature, half] c64
 */
export function s4dDiscrete(params: LayerParams<S4dConfig>, scale = 1): DiscreteSystem {
  const B = Float64Array.from(need(params.tensors, "B").data);
  const method = params.config.discretization;
  return discretizeDiagonal(lambdaOf(params), B, stepsOf(params, scale), { method });
}

/** The same; that for a scale of 1 is kept with the parameters. */
function discreteOf(params: LayerParams<S4dConfig>, scale: number): DiscreteSystem {
  if (scale !== 1) return s4dDiscrete(params, scale);
  return derived(params, "discrete", () => s4dDiscrete(params));
}

function bankTensor(config: S4dConfig, data: Float64Array, dtype: Dtype): Tensor {
  return asDtype(tensorOf([config.feature, config.state / 2, 2], data), dtype);
}

function forward(
  device: Device,
  params: ForwardParams<S4dConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const scope = openScope(device);
  try {
    const shared = {
      u,
      C: operand(need(tensors, "C"), dtype),
      D: operand(need(tensors, "D"), dtype),
      x0: carried(options.state?.["x"], dtype),
    };
    const scanned = options.dtScale === undefined
      ? runOp(scope, linearScan, { ...shared, ...systemOn(scope, params, dtype) }, {
        variant: "lti",
      })
      : runOp(scope, linearScan, { ...shared, ...irregular(scope, params, u, options.dtScale) }, {
        variant: "perStep",
        discretization: config.discretization,
      });
    const y = activateAndMix(scope, config, tensors, scanned.y);
    return { y: scope.keep(y), state: { x: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

/** Abar and Bbar for equal steps; of parameters on the device by an op that gradients pass. */
function systemOn(device: Device, params: ForwardParams<S4dConfig>, dtype: Dtype) {
  const { config, tensors } = params;
  if (areOnHost(params)) {
    // The exponentials are taken here, in f64: shaders may round theirs by far more than f32.
    const { Abar, Bbar } = discreteOf(params, 1);
    return { A: bankTensor(config, Abar, dtype), B: bankTensor(config, Bbar, dtype) };
  }
  const { Abar, Bbar } = runOp(device, discretize, {
    logDt: operand(need(tensors, "logDt"), dtype),
    logDecay: operand(need(tensors, "logDecay"), dtype),
    frequency: operand(need(tensors, "frequency"), dtype),
    B: operand(need(tensors, "B"), dtype),
  }, { method: config.discretization });
  return { A: Abar, B: Bbar };
}

/** The continuous system and the size of every step. */
function irregular(
  device: Device,
  params: ForwardParams<S4dConfig>,
  u: OpInput,
  dtScale: Tensor,
) {
  const { config, tensors } = params;
  const { dtype } = u;
  const lambda = areOnHost(params)
    ? bankTensor(config, lambdaOf(params), dtype)
    : runOp(device, poles, {
      logDecay: operand(need(tensors, "logDecay"), dtype),
      frequency: operand(need(tensors, "frequency"), dtype),
    }, {}).lambda;
  return {
    A: lambda,
    B: operand(need(tensors, "B"), dtype),
    dt: spreadLearnedSteps(device, dtScale, need(tensors, "logDt"), dtype),
  };
}

/**
 * The convolution kernel of the bank, without the skip.
 *
 *   kernel[d, l] = 2·Re Σ_n C_n·Bbar_n·Abar_n^l
 *
 * @param length positions
 * @returns                                                             [feature, length]
 */
export function s4dKernel(
  device: Device,
  params: LayerParams<S4dConfig>,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const { Bbar } = discreteOf(params, 1);
  const C = bankTensor(params.config, product(need(params.tensors, "C").data, Bbar), dtype);
  const logAbar = bankTensor(params.config, logAbarOf(params), dtype);
  return runOp(device, vandermonde, { logAbar, C }, { length }).kernel;
}

/**
 * The kernel of DSS, which normalises each mode by its sum over the length instead of
 * discretising the input: C·B·(exp(z) − 1)/(lambda·(exp(z·L) − 1)), z = dt·lambda.
 *
 * "Diagonal State Spaces are as Effective as Structured State Spaces" (arXiv 2203.14343), the
 * softmax form; as in the s4 repository the sum is over the stored modes only, without factor 2.
 *
 * @returns                                                             [feature, length]
 */
export function dssKernel(
  device: Device,
  params: LayerParams<S4dConfig>,
  length: number,
  dtype: Dtype,
): DeviceTensor {
  const lambda = lambdaOf(params);
  const steps = stepsOf(params);
  const BC = product(need(params.tensors, "C").data, need(params.tensors, "B").data);
  const C = bankTensor(params.config, product(BC, dssWeights(lambda, steps, length)), dtype);
  const logAbar = bankTensor(params.config, scaleModes(lambda, steps), dtype);
  return runOp(device, vandermonde, { logAbar, C }, { length, conjugatePairs: false }).kernel;
}

/**
 * The convolution form: `forward` from a zero state with equal steps, without the final state.
 *
 * @param u                                                       [batch, length, feature]
 * @returns y                                                     [batch, length, feature]
 */
export function s4dConvolve(
  device: Device,
  params: LayerParams<S4dConfig>,
  u: OpInput,
): DeviceTensor {
  const scope = openScope(device);
  try {
    const kernel = s4dKernel(scope, params, u.shape[1]!, u.dtype);
    const D = asDtype(need(params.tensors, "D"), u.dtype);
    const { y } = runOp(scope, fftConv, { u, kernel, D }, {});
    return scope.keep(activateAndMix(scope, params.config, params.tensors, y));
  } finally {
    scope.release();
  }
}

/** Elementwise complex product of two lists of pairs. */
function product(a: FloatArray, b: FloatArray): Float64Array {
  const out = new Float64Array(a.length);
  for (let i = 0; i < a.length; i += 2) {
    out[i] = a[i]! * b[i]! - a[i + 1]! * b[i + 1]!;
    out[i + 1] = a[i]! * b[i + 1]! + a[i + 1]! * b[i]!;
  }
  return out;
}

function scaleModes(lambda: Float64Array, steps: Float64Array): Float64Array {
  return lambda.map((value, i) => value * steps[i >> 1]!);
}

/** log Abar: dt·lambda for the hold; log of the quotient for the trapezoidal rule. */
function logAbarOf(params: LayerParams<S4dConfig>): Float64Array {
  if (params.config.discretization === "zoh") {
    return scaleModes(lambdaOf(params), stepsOf(params));
  }
  const { Abar } = discreteOf(params, 1);
  const out = new Float64Array(Abar.length);
  for (let i = 0; i < Abar.length; i += 2) {
    out[i] = Math.log(Math.hypot(Abar[i]!, Abar[i + 1]!));
    out[i + 1] = Math.atan2(Abar[i + 1]!, Abar[i]!);
  }
  return out;
}

function initialState(config: S4dConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.feature, config.state / 2, 2], dtype) };
}

function step(
  params: LayerParams<S4dConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config, tensors } = params;
  const { feature } = config;
  const x = need(state, "x");
  const batch = x.shape[0]!;
  const y = floatArray(x.dtype, batch * feature);
  const C = need(tensors, "C").data;
  const D = need(tensors, "D").data;
  stepInto(y, x.data, discreteOf(params, dtScale), C, u);
  for (let i = 0; i < y.length; i++) y[i] = y[i]! + D[i % feature]! * u[i]!;
  return activateAndMixSample(config, tensors, y);
}

/** x ← Abar·x + Bbar·u and y = 2·Re Σ C·x for every row and feature. */
function stepInto(
  y: FloatArray,
  x: FloatArray,
  { Abar, Bbar }: DiscreteSystem,
  C: FloatArray,
  u: FloatArray,
): void {
  const bank = Abar.length;
  const width = bank / (y.length / (x.length / bank));
  for (let i = 0; i < y.length; i++) {
    const input = u[i]!;
    let sum = 0;
    for (let n = i * width; n < (i + 1) * width; n += 2) {
      const m = n % bank;
      const re = Abar[m]! * x[n]! - Abar[m + 1]! * x[n + 1]! + Bbar[m]! * input;
      const im = Abar[m]! * x[n + 1]! + Abar[m + 1]! * x[n]! + Bbar[m + 1]! * input;
      x[n] = re;
      x[n + 1] = im;
      sum += C[m]! * re - C[m + 1]! * im;
    }
    y[i] = 2 * sum;
  }
}

const EXAMPLE: S4dConfig = {
  feature: 3,
  state: 8,
  start: "lin",
  discretization: "zoh",
  dtMin: 0.01,
  dtMax: 0.2,
  activation: "identity",
  mix: false,
};

/** S4D; see the head of this file. */
export const s4d: Layer<S4dConfig> = timed({
  name: "s4d",
  papers: [
    {
      title: "On the Parameterization and Initialization of Diagonal State Space Models",
      arxiv: "2206.11893",
    },
    {
      title: "Diagonal State Spaces are as Effective as Structured State Spaces",
      arxiv: "2203.14343",
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
    "the trapezoidal rule approximates the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, start: "legs", activation: "gelu", mix: true },
    { ...EXAMPLE, state: 6, start: "inv", discretization: "bilinear", activation: "silu" },
  ],
});
