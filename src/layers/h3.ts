/**
 * H3: two linear state-space systems between multiplicative gates, after linear attention.
 *
 *   q, k, v = projections of u
 *   s = shift(k)                        a delay line of `state` taps, for comparing neighbours
 *   out = outProj·(q ∘ diag(s ∘ v))     a diagonal system, for remembering
 *
 * Fu, Dao et al., "Hungry Hungry Hippos: Towards Language Modeling with State Space Models" (arXiv
 * 2212.14052), section 3 and algorithm 1. With `headSize` d above 1 a head forms the d×d outer
 * products of s and v, its diagonal system runs over each of them, and q sums them out again; the
 * outer products are made by matrices of zeros and ones, so that the layer is a chain of ops.
 *
 * The shift system x[k] = S·x[k−1] + shiftB·k[k] with the output shiftC·x is a convolution with the
 * correlation of shiftC and shiftB, so its state is kept as the last state − 1 inputs. The diagonal
 * system takes the trapezoidal rule, as in the published code, whose B and C both multiply.
 *
 * Irregular samples: the step of the diagonal system is multiplied by the elapsed time in sampling
 * periods; the shift system counts samples.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { conv1d, gate, linearScan, matmul, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { diagonalStart } from "../ssm/diagonal.ts";
import { discretizeDiagonal } from "../ssm/discretize.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import { zeros } from "../tensor/tensor.ts";
import { derived } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult } from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

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

/**
 * Taps of the shift system, without its skip: taps[l] = Σ_n shiftC[n]·shiftB[n − l].
 *
 * @returns                                                             [feature, state]
 */
export function h3ShiftTaps({ config, tensors }: LayerParams<H3Config>): Tensor {
  const B = need(tensors, "shiftB").data;
  const C = need(tensors, "shiftC").data;
  const { state } = config;
  return filled([config.feature, state], (i) => {
    const [first, lag] = [i - i % state, i % state];
    let sum = 0;
    for (let n = lag; n < state; n++) sum += C[first + n]! * B[first + n - lag]!;
    return sum;
  });
}

/** The shift system as weights of a causal convolution, the newest sample last. */
function shiftWeights(params: LayerParams<H3Config>): Tensor {
  const taps = h3ShiftTaps(params);
  const skip = need(params.tensors, "shiftD").data;
  const { state } = params.config;
  return filled(taps.shape, (i) => {
    const [d, lag] = [Math.floor(i / state), state - 1 - i % state];
    return taps.data[d * state + lag]! + (lag === 0 ? skip[d]! : 0);
  });
}

/** Repeats each head's row for all its products. */
function perProduct(config: H3Config, row: FloatArray, shape: readonly number[]): Tensor {
  const repeat = config.headSize ** 2;
  const width = row.length / (config.feature / config.headSize);
  return filled([productsOf(config), ...shape], (i) => {
    const head = Math.floor(i / (width * repeat));
    return row[head * width + i % width]!;
  });
}

function lambdaOf({ tensors }: LayerParams<H3Config>): Float64Array {
  const decay = need(tensors, "logDecay").data;
  const frequency = need(tensors, "frequency").data;
  return Float64Array.from(
    { length: 2 * decay.length },
    (_, i) => i % 2 === 0 ? -Math.exp(decay[i >> 1]!) : frequency[i >> 1]!,
  );
}

/** The diagonal systems over all products. */
function remember(
  device: Device,
  params: LayerParams<H3Config>,
  u: OpInput,
  options: ForwardOptions,
): { y: DeviceTensor; state: DeviceTensor } {
  const { config, tensors } = params;
  const { dtype } = u;
  const row = (name: string, data: () => FloatArray, shape: readonly number[]) =>
    asDtype(derived(params, name, () => perProduct(config, data(), shape)), dtype);
  const modes = (name: string, data: () => FloatArray) => row(name, data, [config.state / 2, 2]);
  const tensor = (name: string) => () => need(tensors, name).data;
  const steps = () => Float64Array.from(need(tensors, "logDt").data, Math.exp);
  const shared = {
    u,
    C: modes("C", tensor("C")),
    D: row("D", tensor("D"), []),
    x0: carried(options.state?.["x"], dtype),
  };
  if (options.dtScale === undefined) {
    const system = () => derived(params, "system", () => discreteOf(params, steps()));
    const A = modes("Abar", () => system().Abar);
    const B = modes("Bbar", () => system().Bbar);
    return runOp(device, linearScan, { ...shared, A, B }, { variant: "lti" });
  }
  const factor = derived(params, "steps", () => perProduct(config, steps(), []));
  const dt = spreadSteps(options.dtScale, factor.data, u.shape, dtype);
  const inputs = {
    ...shared,
    A: modes("A", () => lambdaOf(params)),
    B: modes("B", tensor("B")),
    dt,
  };
  return runOp(device, linearScan, inputs, { variant: "perStep", discretization: "bilinear" });
}

/** The discrete diagonal systems of all heads. */
function discreteOf(params: LayerParams<H3Config>, steps: Float64Array) {
  const half = params.config.state / 2;
  const B = Float64Array.from(need(params.tensors, "B").data);
  const each = Float64Array.from({ length: B.length / 2 }, (_, i) => steps[Math.floor(i / half)]!);
  return discretizeDiagonal(lambdaOf(params), B, each, { method: "bilinear" });
}

/**
 * Matrices of zeros and ones around the outer products. Feature h·d + i of s and q, feature h·d + j
 * of v, and feature j·head + h of the output meet in product (h·d + i)·d + j.
 */
function outerMatrices({ feature, headSize: d }: H3Config) {
  const products = feature * d;
  const head = feature / d;
  const rowOf = (p: number) => Math.floor(p / d);
  const columnOf = (p: number) => Math.floor(p / (d * d)) * d + p % d;
  const outputOf = (p: number) => (p % d) * head + Math.floor(p / (d * d));
  const spread = (of: (p: number) => number) =>
    filled([feature, products], (i) => of(i % products) === Math.floor(i / products) ? 1 : 0);
  return {
    rows: spread(rowOf),
    columns: spread(columnOf),
    sums: filled(
      [products, feature],
      (i) => outputOf(Math.floor(i / feature)) === i % feature ? 1 : 0,
    ),
  };
}

function forward(
  device: Device,
  params: LayerParams<H3Config>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const scope = openScope(device);
  const project = (name: string, a: OpInput) => {
    const b = asDtype(need(tensors, `${name}Proj`), dtype);
    const bias = asDtype(need(tensors, `${name}Bias`), dtype);
    return runOp(scope, matmul, { a, b, bias }, { transposeB: true }).c;
  };
  const times = (y: DeviceTensor, z: DeviceTensor) =>
    runOp(scope, gate, { y, z }, { activation: "identity" }).out;
  const through = (a: DeviceTensor, matrix: Tensor) =>
    runOp(scope, matmul, { a, b: asDtype(matrix, dtype) }, {}).c;
  try {
    const shifted = runOp(scope, conv1d, {
      u: project("k", u),
      weight: asDtype(derived(params, "shift", () => shiftWeights(params)), dtype),
      x0: carried(options.state?.["conv"], dtype),
    }, { activation: "identity" });
    const [q, v] = [project("q", u), project("v", u)];
    let remembered: { y: DeviceTensor; state: DeviceTensor };
    let mixed: DeviceTensor;
    if (config.headSize === 1) {
      remembered = remember(scope, params, times(shifted.y, v), options);
      mixed = times(q, remembered.y);
    } else {
      const { rows, columns, sums } = derived(params, "outer", () => outerMatrices(config));
      const outer = times(through(shifted.y, rows), through(v, columns));
      remembered = remember(scope, params, outer, options);
      mixed = through(times(through(q, rows), remembered.y), sums);
    }
    const y = project("out", mixed);
    return {
      y: scope.keep(y),
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

const EXAMPLE: H3Config = { feature: 4, state: 6, headSize: 1, dtMin: 0.01, dtMax: 0.2 };

/** H3; see the head of this file. */
export const h3: Layer<H3Config> = {
  name: "h3",
  validate,
  init,
  forward,
  initialState,
  // Over one sample the ops are the recurrences.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the shift system counts samples, whatever time has passed",
  examples: [EXAMPLE, { ...EXAMPLE, headSize: 2 }],
};
