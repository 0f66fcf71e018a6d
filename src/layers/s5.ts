/**
 * S5: one diagonal system with many inputs and outputs instead of one system a feature.
 *
 *   dx/dt = diag(lambda)·x + B·u(t)        y(t) = 2·Re(C·x(t)) + D∘u(t)
 *   x[k] = Abar∘x[k−1] + Bbar·u[k],   Abar = exp(dt∘lambda),   Bbar = (Abar − 1)/lambda∘B
 *
 * Smith, Warrington and Linderman, "Simplified State Space Layers for Sequence Modeling" (arXiv
 * 2208.04933). Each state has its own learned step size dt, and B and C are dense, so the state is
 * the smallest of the family. The parallel form multiplies by B, scans the states (op
 * `diagonal_scan`) and multiplies by C. An irregular sample only has another dt: its elapsed time
 * in sampling periods times the learned ones, exact for a held input.
 *
 * `bidirectional` adds a scan from the end with its own C; both see the current sample. It is for
 * training and for whole recordings: it has no recurrent form, and `step` refuses it.
 *
 * Difference from the published code: C starts as complex normal (its `complex_normal` option).
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, add, conv1d, diagonalScan, gate, matmul, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { discretizeDiagonal } from "../ssm/discretize.ts";
import { nplr } from "../ssm/nplr.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { reshape, zeros } from "../tensor/tensor.ts";
import { derived } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult } from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

/** What follows the system; GELU is the tanh form, W and b are learned. */
export const S5_ACTIVATIONS = ["identity", "gelu", "half_glu1", "half_glu2", "full_glu"] as const;

/**
 * One of {@linkcode S5_ACTIVATIONS}, with g = gelu(y):
 *
 *   half_glu1  g·sigmoid(W·g + b)      half_glu2  y·sigmoid(W·g + b)
 *   full_glu   (W1·g + b1)·sigmoid(W2·g + b2)
 */
export type S5Activation = (typeof S5_ACTIVATIONS)[number];

/** Configuration of an S5 layer. */
export interface S5Config {
  /** Width of input and output. */
  readonly feature: number;
  /** Real states, even; half as many complex modes where `conjugatePairs`. */
  readonly state: number;
  /** HiPPO blocks on the diagonal of the first transition. */
  readonly block: number;
  /** One of each conjugate pair is stored and y takes 2·Re; else all are, and y takes Re. */
  readonly conjugatePairs: boolean;
  readonly discretization: "zoh" | "bilinear";
  /** Keeps the real parts of lambda at or below −1e-4. */
  readonly clip: boolean;
  readonly bidirectional: boolean;
  readonly activation: S5Activation;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
}

function validate(config: S5Config): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  checkSize("block", config.block);
  if (config.state % (2 * config.block) !== 0) {
    throw new InvalidValueError("state", config.state, `a multiple of ${2 * config.block}`);
  }
  checkSteps(config.dtMin, config.dtMax);
  if (config.discretization !== "zoh" && config.discretization !== "bilinear") {
    throw new InvalidValueError("discretization", config.discretization, "zoh or bilinear");
  }
  if (!S5_ACTIVATIONS.includes(config.activation)) {
    throw new InvalidValueError(
      "activation",
      config.activation,
      `one of ${S5_ACTIVATIONS.join(", ")}`,
    );
  }
}

function modesOf({ state, conjugatePairs }: S5Config): number {
  return conjugatePairs ? state / 2 : state;
}

/**
 * Parameters:
 *
 *   logDt, lambdaRe, lambdaIm     step size and pole of each mode       [mode]
 *   B                             input                                 [mode, feature] c64
 *   C, Creverse                   output (reverse: `bidirectional`)     [feature, mode] c64
 *   D                             skip                                  [feature]
 *   gateWeight, gateBias          of the gate        [feature | 2·feature, feature], [..]
 *
 * lambda starts as the spectrum of HiPPO-LegS's normal part, once for each block; B as a real
 * normal matrix in the eigenbasis of that block.
 */
function init(config: S5Config, random: RandomState): LayerParams<S5Config> {
  validate(config);
  const { feature } = config;
  const modes = modesOf(config);
  const { W, B } = blockStart(config, random);
  const gates = gateRows(config);
  return {
    config,
    tensors: {
      logDt: filled([modes], () => Math.log(drawStep(random, config.dtMin, config.dtMax))),
      lambdaRe: filled([modes], (i) => W[2 * i]!),
      lambdaIm: filled([modes], (i) => W[2 * i + 1]!),
      B: tensorOf([modes, feature, 2], B),
      C: normal(random, [feature, modes, 2], Math.SQRT1_2),
      D: normal(random, [feature]),
      ...(config.bidirectional &&
        { Creverse: normal(random, [feature, modes, 2], Math.SQRT1_2) }),
      ...(gates > 0 && {
        gateWeight: uniform(random, [gates, feature], 1 / Math.sqrt(feature)),
        gateBias: filled([gates], () => 0),
      }),
    },
  };
}

function gateRows({ activation, feature }: S5Config): number {
  if (activation === "full_glu") return 2 * feature;
  return activation === "half_glu1" || activation === "half_glu2" ? feature : 0;
}

/** Poles and input matrix of all blocks.          W [mode] c64, B [mode, feature] c64 */
function blockStart(config: S5Config, random: RandomState) {
  const { feature, state, block, conjugatePairs } = config;
  const size = state / block;
  const modes = modesOf(config);
  const { W: halfW, V, half } = nplr("legs", size);
  const W = new Float64Array(2 * modes);
  const B = new Float64Array(2 * modes * feature);
  const perBlock = modes / block;
  for (let j = 0; j < block; j++) {
    const rows = normal(random, [size, feature], 1 / Math.sqrt(state)).data;
    for (let m = 0; m < perBlock; m++) {
      const mode = j * perBlock + m;
      // Without pairs the second half of the block holds the conjugates.
      const [n, sign] = m < half || conjugatePairs ? [m, 1] : [m - half, -1];
      W[2 * mode] = halfW[2 * n]!;
      W[2 * mode + 1] = sign * halfW[2 * n + 1]!;
      for (let d = 0; d < feature; d++) {
        for (let i = 0; i < size; i++) {
          const value = rows[i * feature + d]!;
          const at = 2 * (mode * feature + d);
          B[at] = B[at]! + V[2 * (i * half + n)]! * value;
          B[at + 1] = B[at + 1]! - sign * V[2 * (i * half + n) + 1]! * value;
        }
      }
    }
  }
  return { W, B };
}

/** Real part that `clip` keeps lambda under. */
const DECAY_MIN = 1e-4;

/** Poles.                                                                       [mode] c64 */
function lambdaOf({ config, tensors }: LayerParams<S5Config>): Float64Array {
  const re = need(tensors, "lambdaRe").data;
  const im = need(tensors, "lambdaIm").data;
  return Float64Array.from({ length: 2 * re.length }, (_, i) => {
    if (i % 2 === 1) return im[i >> 1]!;
    return config.clip ? Math.min(re[i >> 1]!, -DECAY_MIN) : re[i >> 1]!;
  });
}

/**
 * The discrete system for samples one sampling period apart.
 *
 * @returns Abar [mode] c64, Bbar [mode, feature] c64
 */
export function s5Discrete(
  params: LayerParams<S5Config>,
): { Abar: Float64Array; Bbar: Float64Array } {
  const { config, tensors } = params;
  const lambda = lambdaOf(params);
  const ones = lambda.map((_, i) => 1 - (i % 2));
  const dt = Float64Array.from(need(tensors, "logDt").data, Math.exp);
  // With B = 1 the discrete input weight is the factor of every column of B.
  const { Abar, Bbar: factor } = discretizeDiagonal(lambda, ones, dt, {
    method: config.discretization,
  });
  const B = need(tensors, "B").data;
  const Bbar = new Float64Array(B.length);
  for (let i = 0; i < B.length; i += 2) {
    const n = 2 * Math.floor(i / (2 * config.feature));
    Bbar[i] = factor[n]! * B[i]! - factor[n + 1]! * B[i + 1]!;
    Bbar[i + 1] = factor[n]! * B[i + 1]! + factor[n + 1]! * B[i]!;
  }
  return { Abar, Bbar };
}

/** A complex matrix that real inputs pass: rows (mode, part).      [2·mode, feature] */
function inputMatrix(B: FloatArray, modes: number, feature: number): Tensor {
  const out = new Float64Array(2 * modes * feature);
  for (let n = 0; n < modes; n++) {
    for (let d = 0; d < feature; d++) {
      out[2 * n * feature + d] = B[2 * (n * feature + d)]!;
      out[(2 * n + 1) * feature + d] = B[2 * (n * feature + d) + 1]!;
    }
  }
  return tensorOf([2 * modes, feature], out);
}

/** scale·Re(C·x) as a real matrix on (re, im) pairs.                [feature, 2·mode] */
function outputMatrix(C: Tensor, scale: number): Tensor {
  const [feature = 0, modes = 0] = C.shape;
  const data = Float64Array.from(
    C.data,
    (value, i) => i % 2 === 0 ? scale * value : -scale * value,
  );
  return tensorOf([feature, 2 * modes], data);
}

/** Steps of a scan from the end: a sample's elapsed time is the one to the next; 1 at the end. */
function reversedScale(scale: Tensor): Tensor {
  const [batch = 0, length = 0] = scale.shape;
  const data = new Float64Array(batch * length).fill(1);
  for (let b = 0; b < batch; b++) {
    for (let k = 0; k + 1 < length; k++) data[b * length + k] = scale.data[b * length + k + 1]!;
  }
  return tensorOf(scale.shape, data);
}

/** The states of all samples, in one direction.            x [batch, length, mode] c64 */
function scan(
  device: Device,
  params: LayerParams<S5Config>,
  u: OpInput,
  dtScale: Tensor | undefined,
  x0: OpInput | undefined,
  reverse: boolean,
): { x: DeviceTensor; state: DeviceTensor } {
  const { config, tensors } = params;
  const { dtype } = u;
  const [batch = 0, length = 0] = u.shape;
  const modes = modesOf(config);
  const drive = (name: string, B: () => FloatArray) => {
    const matrix = derived(params, name, () => inputMatrix(B(), modes, config.feature));
    const b = asDtype(matrix, dtype);
    const v = runOp(device, matmul, { a: u, b }, { transposeB: true }).c;
    return reshape(v, [batch, length, modes, 2]);
  };
  const poles = (data: Float64Array) => asDtype(tensorOf([modes, 2], data), dtype);
  if (dtScale === undefined) {
    const system = () => derived(params, "system", () => s5Discrete(params));
    const inputs = { v: drive("Bbar", () => system().Bbar), A: poles(system().Abar), x0 };
    return runOp(device, diagonalScan, inputs, { variant: "lti", reverse });
  }
  const factor = Float64Array.from(need(tensors, "logDt").data, Math.exp);
  const dt = spreadSteps(dtScale, factor, u.shape, dtype);
  const v = drive("B", () => need(tensors, "B").data);
  const inputs = { v, A: poles(lambdaOf(params)), dt, x0 };
  const { discretization } = config;
  return runOp(device, diagonalScan, inputs, { variant: "perStep", discretization, reverse });
}

function forward(
  device: Device,
  params: LayerParams<S5Config>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const { dtScale } = options;
  const scope = openScope(device);
  const readout = (x: DeviceTensor, name: string) => {
    const scale = config.conjugatePairs ? 2 : 1;
    const matrix = derived(params, name, () => outputMatrix(need(tensors, name), scale));
    const a = reshape(x, [...x.shape.slice(0, 2), 2 * modesOf(config)]);
    return runOp(scope, matmul, { a, b: asDtype(matrix, dtype) }, { transposeB: true }).c;
  };
  try {
    const x0 = carried(options.state?.["x"], dtype);
    const { x, state } = scan(scope, params, u, dtScale, x0, false);
    let y = readout(x, "C");
    if (config.bidirectional) {
      const back = scan(scope, params, u, dtScale && reversedScale(dtScale), undefined, true);
      y = runOp(scope, add, { a: y, b: readout(back.x, "Creverse") }, {}).out;
    }
    // A convolution of one tap multiplies each feature by its own number.
    const weight = asDtype(reshape(need(tensors, "D"), [config.feature, 1]), dtype);
    const skip = runOp(scope, conv1d, { u, weight }, { activation: "identity" }).y;
    y = activated(scope, params, runOp(scope, add, { a: y, b: skip }, {}).out);
    return { y: scope.keep(y), state: { x: scope.keep(state) } };
  } finally {
    scope.release();
  }
}

function activated(
  device: Device,
  { config, tensors }: LayerParams<S5Config>,
  y: DeviceTensor,
): DeviceTensor {
  if (config.activation === "identity") return y;
  const g = runOp(device, activation, { x: y }, { kind: "gelu_tanh" }).y;
  if (config.activation === "gelu") return g;
  const b = asDtype(need(tensors, "gateWeight"), y.dtype);
  const bias = asDtype(need(tensors, "gateBias"), y.dtype);
  const z = runOp(device, matmul, { a: g, b, bias }, { transposeB: true }).c;
  const sigmoid = { activation: "sigmoid" } as const;
  if (config.activation === "full_glu") return runOp(device, gate, { y: z }, sigmoid).out;
  return runOp(device, gate, { y: config.activation === "half_glu1" ? g : y, z }, sigmoid).out;
}

function initialState(config: S5Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, modesOf(config), 2], dtype) };
}

function step(
  params: LayerParams<S5Config>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  if (params.config.bidirectional) {
    throw new InvalidValueError("bidirectional", true, "false where samples come one by one");
  }
  return stepByForward(forward, params, u, state, dtScale);
}

const EXAMPLE: S5Config = {
  feature: 3,
  state: 8,
  block: 1,
  conjugatePairs: true,
  discretization: "zoh",
  clip: false,
  bidirectional: false,
  activation: "identity",
  dtMin: 0.01,
  dtMax: 0.2,
};

/** S5; see the head of this file. */
export const s5: Layer<S5Config> = {
  name: "s5",
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
    { ...EXAMPLE, block: 2, conjugatePairs: false, activation: "half_glu1", clip: true },
    { ...EXAMPLE, discretization: "bilinear", activation: "full_glu" },
  ],
};
