/**
 * H3: two linear state-space systems between multiplicative gates, after linear attention.
 *
 *   q, k, v = projections of u
 *   s = shift(k)                        a delay line of `state` taps, for comparing neighbours
 *   out = outProj·(q ∘ diag(s ∘ v))     a diagonal system, for remembering
 *
 * Fu, Dao et al., "Hungry Hungry Hippos: Towards Language Modeling with State Space Models" (arXiv
 * 2212.14052), section 3 and algorithm 1. A head of `headSize` d features forms the d×d outer
 * products of s and v (op `outer`), its diagonal system runs over each of them, and q sums them out
 * again (op `contract`).
 *
 * The shift system x[k] = S·x[k−1] + shiftB·k[k] with the output shiftC·x is a convolution with the
 * correlation of shiftC and shiftB (op `shift_taps`), so its state is kept as the last state − 1
 * inputs. The diagonal system takes the trapezoidal rule unless told otherwise, as the published
 * code does, whose B and C both multiply.
 *
 * Irregular samples: the step of the diagonal system is multiplied by the elapsed time in sampling
 * periods; the shift system counts samples.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { contract, conv1d, discretize, linearScan, matmul, outer } from "../ops/mod.ts";
import { poles, runOp, shiftTaps } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { diagonalStart } from "../ssm/diagonal.ts";
import { discretizeDiagonal } from "../ssm/discretize.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import { floatArray, reshape, zeros } from "../tensor/tensor.ts";
import { affineInto } from "./_helpers/affine.ts";
import { derived, madeFor, madeOnHost, numbersOf, stepsAfter } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, spreadLearnedSteps } from "./_helpers/tensors.ts";
import { slideInto } from "./_helpers/window.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of an H3 layer. */
export interface H3Config {
  /** Width of input and output. */
  readonly feature: number;
  /** Taps of the shift system, and real states (even) of a diagonal one; at most 64. */
  readonly state: number;
  /** Features of a head. */
  readonly headSize: number;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** Rule of the diagonal system; default bilinear. */
  readonly discretization?: "zoh" | "bilinear";
}

/** The delay line is a short convolution. */
const STATE_MAX = 64;

function validate(config: H3Config): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state, STATE_MAX);
  checkSize("headSize", config.headSize, 256);
  checkSteps(config.dtMin, config.dtMax);
  if (config.state % 2 !== 0) throw new InvalidValueError("state", config.state, "an even number");
  if (config.feature % config.headSize !== 0) {
    throw new InvalidValueError("headSize", config.headSize, `a divisor of ${config.feature}`);
  }
  const rule = methodOf(config);
  if (rule !== "zoh" && rule !== "bilinear") {
    throw new InvalidValueError("discretization", rule, "zoh or bilinear");
  }
}

function methodOf({ discretization = "bilinear" }: H3Config): "zoh" | "bilinear" {
  return discretization;
}

/** Products that the diagonal systems run over: head·headSize². */
function productsOf({ feature, headSize }: H3Config): number {
  return feature * headSize;
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   qProj, kProj, vProj, outProj [feature, feature], qBias, kBias, vBias, outBias [feature]
 *   shiftB, shiftC [feature, state], shiftD [feature]
 *   logDt [head]     logDecay, frequency [head, half], lambda = −exp(logDecay) + i·frequency
 *   B, C [head, half] c64     D [head]
 *
 * shiftB starts as the first unit vector, the diagonal system as S4D-Lin with B of ones.
 */
function init(config: H3Config, random: RandomState): LayerParams<H3Config> {
  validate(config);
  const { feature, state } = config;
  const head = feature / config.headSize;
  const half = state / 2;
  const bound = 1 / Math.sqrt(feature);
  const { lambda } = diagonalStart("lin", state);
  const projections: Record<string, Tensor> = {};
  for (const name of ["q", "k", "v", "out"]) {
    projections[`${name}Proj`] = uniform(random, [feature, feature], bound);
    projections[`${name}Bias`] = uniform(random, [feature], bound);
  }
  return {
    config,
    tensors: {
      ...projections,
      shiftB: filled([feature, state], (i) => i % state === 0 ? 1 : 0),
      shiftC: normal(random, [feature, state]),
      shiftD: normal(random, [feature]),
      logDt: filled([head], () => Math.log(drawStep(random, config.dtMin, config.dtMax))),
      logDecay: filled([head, half], (i) => Math.log(-lambda[2 * (i % half)]!)),
      frequency: filled([head, half], (i) => lambda[2 * (i % half) + 1]!),
      B: filled([head, half, 2], (i) => 1 - (i % 2)),
      // Unit variance of the complex draw: each part has variance 1/2.
      C: normal(random, [head, half, 2], Math.SQRT1_2),
      D: normal(random, [head]),
    },
  };
}

type Params = ForwardParams<H3Config>;

/** The shift system as weights of a causal convolution, the newest tap last.   [feature, state] */
function shiftOf({ tensors }: Params) {
  return (device: Device, dtype: Dtype) =>
    runOp(device, shiftTaps, {
      B: operand(need(tensors, "shiftB"), dtype),
      C: operand(need(tensors, "shiftC"), dtype),
      D: operand(need(tensors, "shiftD"), dtype),
    }, {});
}

/**
 * Taps of the shift system, without its skip: taps[l] = Σ_n shiftC[n]·shiftB[n − l].
 *
 * @returns                                                             [feature, state]
 */
export function h3ShiftTaps(params: LayerParams<H3Config>): Tensor {
  const of = (name: string) => asDtype(need(params.tensors, name), "f64");
  const { weight } = madeOnHost(
    params,
    "taps",
    (device) => runOp(device, shiftTaps, { B: of("shiftB"), C: of("shiftC") }, {}),
  );
  const { state } = params.config;
  // The newest tap, of lag 0, is the last of a convolution's weights.
  return filled(weight.shape, (i) => weight.data[i - 2 * (i % state) + state - 1]!);
}

/** The diagonal systems by a method.        A, B [head, half] c64 */
function systemBy({ tensors }: Params, method: "zoh" | "bilinear" | "continuous") {
  return (device: Device, dtype: Dtype) => {
    const of = (name: string) => operand(need(tensors, name), dtype);
    const modes = { logDecay: of("logDecay"), frequency: of("frequency") };
    const B = of("B");
    if (method === "continuous") return { A: runOp(device, poles, modes, {}).lambda, B };
    const { Abar, Bbar } = runOp(device, discretize, { ...modes, logDt: of("logDt"), B }, {
      method,
    });
    return { A: Abar, B: Bbar };
  };
}

/** Which head each product belongs to, as zeros and ones.               [product, head] */
function headOfProduct(config: H3Config): Tensor {
  const head = config.feature / config.headSize;
  const repeat = config.headSize ** 2;
  return derived(config, "headOfProduct", () =>
    filled(
      [productsOf(config), head],
      (i) => Math.floor(i / (head * repeat)) === i % head ? 1 : 0,
    ));
}

/**
 * What the scan over all products takes, each head's row repeated for its products.
 *
 * @returns A, B, C [product, half] c64, D, logDt [product]
 */
function bankBy(params: Params, method: "zoh" | "bilinear" | "continuous") {
  const { config, tensors } = params;
  return (device: Device, dtype: Dtype) => {
    const repeated = (row: OpInput): OpInput => {
      const [head = 0, ...rest] = row.shape;
      if (config.headSize === 1) return row;
      const b = reshape(row, [head, rest.reduce((a, b) => a * b, 1)]);
      const { c } = runOp(device, matmul, { a: asDtype(headOfProduct(config), dtype), b }, {});
      return reshape(c, [productsOf(config), ...rest]);
    };
    const { A, B } = systemBy(params, method)(device, dtype);
    const of = (name: string) => repeated(operand(need(tensors, name), dtype));
    return { A: repeated(A), B: repeated(B), C: of("C"), D: of("D"), logDt: of("logDt") };
  };
}

/** The diagonal systems over all products. */
function remember(
  device: Device,
  params: Params,
  u: OpInput,
  { state, dtScale }: ForwardOptions,
): { y: DeviceTensor; state: DeviceTensor } {
  const { dtype } = u;
  const method = methodOf(params.config);
  const x0 = carried(state?.["x"], dtype);
  if (dtScale === undefined) {
    const { A, B, C, D } = madeFor(device, params, "bank", dtype, bankBy(params, method));
    return runOp(device, linearScan, { u, A, B, C, D, x0 }, { variant: "lti" });
  }
  const make = bankBy(params, "continuous");
  const { A, B, C, D, logDt } = madeFor(device, params, "continuous bank", dtype, make);
  const dt = spreadLearnedSteps(device, dtScale, logDt, dtype);
  const rule = { variant: "perStep", discretization: method } as const;
  return runOp(device, linearScan, { u, A, B, C, D, dt, x0 }, rule);
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const size = { size: config.headSize };
  const scope = openScope(device);
  const project = (name: string, a: OpInput) =>
    linear(scope, tensors, a, `${name}Proj`, `${name}Bias`);
  try {
    const shifted = runOp(scope, conv1d, {
      u: project("k", u),
      weight: madeFor(scope, params, "shift", dtype, shiftOf(params)).weight,
      x0: carried(options.state?.["conv"], dtype),
    }, { activation: "identity" });
    const products = runOp(scope, outer, { a: shifted.y, b: project("v", u) }, size).out;
    const remembered = remember(scope, params, products, options);
    const read = runOp(scope, contract, { q: project("q", u), s: remembered.y }, size).out;
    return {
      y: scope.keep(project("out", read)),
      state: { conv: scope.keep(shifted.state), x: scope.keep(remembered.state) },
    };
  } finally {
    scope.release();
  }
}

function initialState(config: H3Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return {
    conv: zeros([batch, config.feature, config.state - 1], dtype),
    x: zeros([batch, productsOf(config), config.state / 2, 2], dtype),
  };
}

/** What a step multiplies by that depends on the parameters alone. */
interface StepSystem {
  /** Abar and Bbar of every head's modes, and C.                     [head, half] c64 */
  readonly A: FloatArray;
  readonly B: FloatArray;
  readonly C: FloatArray;
  readonly D: FloatArray;
}

function stepSystem(params: LayerParams<H3Config>, scale: number): StepSystem {
  const { config, tensors } = params;
  const method = methodOf(config);
  const shared = { C: need(tensors, "C").data, D: need(tensors, "D").data };
  if (scale === 1) {
    const { A, B } = madeOnHost(params, "system", systemBy(params, method));
    return { A: A.data, B: B.data, ...shared };
  }
  const { A, B } = madeOnHost(params, "continuous system", systemBy(params, "continuous"));
  const dt = stepsAfter(params, scale, config.state / 2);
  const { Abar, Bbar } = discretizeDiagonal(numbersOf(A), numbersOf(B), dt, { method });
  return { A: Abar, B: Bbar, ...shared };
}

/** x ← Abar·x + Bbar·p and the output 2·Re Σ C·x + D·p of one product. */
function rememberInto(
  x: FloatArray,
  start: number,
  input: number,
  head: number,
  { A, B, C, D }: StepSystem,
): number {
  const width = A.length / D.length;
  let sum = 0;
  for (let n = 0; n < width; n += 2) {
    const m = head * width + n;
    const xr = x[start + n]!;
    const xi = x[start + n + 1]!;
    const re = A[m]! * xr - A[m + 1]! * xi + B[m]! * input;
    const im = A[m]! * xi + A[m + 1]! * xr + B[m + 1]! * input;
    x[start + n] = re;
    x[start + n + 1] = im;
    sum += C[m]! * re - C[m + 1]! * im;
  }
  return 2 * sum + D[head]! * input;
}

function step(
  params: LayerParams<H3Config>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config: { feature, headSize: size }, tensors } = params;
  const x = need(state, "x");
  const project = (name: string, input: FloatArray) => {
    const out = floatArray(x.dtype, input.length);
    const weight = need(tensors, `${name}Proj`).data;
    affineInto(out, weight, need(tensors, `${name}Bias`).data, input);
    return out;
  };
  const [q, v] = [project("q", u), project("v", u)];
  const keys = floatArray(x.dtype, u.length);
  const { weight } = madeOnHost(params, "shift", shiftOf(params));
  slideInto(keys, need(state, "conv").data, project("k", u), weight.data);
  const system = stepSystem(params, dtScale);
  const heads = feature / size;
  const width = x.data.length / (u.length * size);
  const read = floatArray(x.dtype, u.length);
  for (let f = 0; f < u.length; f++) {
    const row = f - f % feature;
    const head = Math.floor(f % feature / size);
    for (let j = 0; j < size; j++) {
      const product = keys[f]! * v[row + head * size + j]!;
      const y = rememberInto(x.data, (f * size + j) * width, product, head, system);
      const at = row + j * heads + head;
      read[at] = read[at]! + q[f]! * y;
    }
  }
  return project("out", read);
}

const EXAMPLE: H3Config = { feature: 4, state: 6, headSize: 1, dtMin: 0.01, dtMax: 0.2 };

/** H3; see the head of this file. */
export const h3: Layer<H3Config> = timed({
  name: "h3",
  papers: [
    {
      title: "Hungry Hungry Hippos: Towards Language Modeling with State Space Models",
      arxiv: "2212.14052",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the shift system counts samples, whatever time has passed",
  examples: [EXAMPLE, { ...EXAMPLE, headSize: 2 }, {
    ...EXAMPLE,
    feature: 6,
    state: 2,
    headSize: 3,
    discretization: "zoh",
  }],
});
