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
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import { activation, add, conv1d, diagonalScan, gate, matmul } from "../ops/mod.ts";
import { mimoSystem, runOp, skip } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { discretizeDiagonal } from "../ssm/discretize.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { floatArray, reshape, transpose, zeros } from "../tensor/tensor.ts";
import { blockStart } from "./_helpers/block_start.ts";
import { derived, madeFor, madeOnHost, numbersOf, stepsAfter } from "./_helpers/derived.ts";
import { checkSize, checkSteps, drawStep, filled, normal, uniform } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, spreadLearnedSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

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
  const { W, B } = blockStart({ ...config, modes }, random);
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

/** Real part that `clip` keeps lambda under. */
const DECAY_MIN = 1e-4;

type Params = ForwardParams<S5Config>;

/**
 * Poles and input matrix by a method; the matrix takes real inputs to (re, im) pairs.
 *
 * @returns A [mode] c64, B [2·mode, feature]
 */
function systemBy(params: Params, method: S5Config["discretization"] | "continuous") {
  return (device: Device, dtype: Dtype) => {
    const of = (name: string) => operand(need(params.tensors, name), dtype);
    const { Abar, Bbar } = runOp(device, mimoSystem, {
      logDt: of("logDt"),
      lambdaRe: of("lambdaRe"),
      lambdaIm: of("lambdaIm"),
      B: of("B"),
    }, { method, ...(params.config.clip && { decayMin: DECAY_MIN }) });
    return { A: Abar, B: reshape(Bbar, [2 * modesOf(params.config), params.config.feature]) };
  };
}

/**
 * y = 2·Re(C·x) as a real matrix on (re, im) pairs: a convolution of one tap multiplies the real
 * parts by 2, the imaginary ones by −2. Without conjugate pairs by 1 and −1.
 *
 * @returns matrix [feature, 2·mode]
 */
function readoutOf({ config, tensors }: Params, name: string) {
  return (device: Device, dtype: Dtype) => {
    const pairs = 2 * modesOf(config);
    const scale = config.conjugatePairs ? 2 : 1;
    const weight = asDtype(filled([pairs, 1], (i) => i % 2 === 0 ? scale : -scale), dtype);
    const u = reshape(operand(need(tensors, name), dtype), [1, config.feature, pairs]);
    const { y } = runOp(device, conv1d, { u, weight }, { activation: "identity" });
    return { matrix: reshape(y, [config.feature, pairs]) };
  };
}

/**
 * The discrete system for samples one sampling period apart.
 *
 * @returns Abar [mode] c64, Bbar [mode, feature] c64
 */
export function s5Discrete(params: LayerParams<S5Config>): { Abar: FloatArray; Bbar: FloatArray } {
  const { A, B } = madeOnHost(params, "discrete", systemBy(params, params.config.discretization));
  const rows = reshape(B, [modesOf(params.config), 2, params.config.feature]);
  return { Abar: A.data, Bbar: transpose(rows, [0, 2, 1]).data };
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
  params: Params,
  u: OpInput,
  dtScale: Tensor | undefined,
  x0: OpInput | undefined,
  reverse: boolean,
): { x: DeviceTensor; state: DeviceTensor } {
  const { discretization } = params.config;
  const { dtype } = u;
  const [batch = 0, length = 0] = u.shape;
  const drive = (b: OpInput) => {
    const v = runOp(device, matmul, { a: u, b }, { transposeB: true }).c;
    return reshape(v, [batch, length, modesOf(params.config), 2]);
  };
  if (dtScale === undefined) {
    const make = systemBy(params, discretization);
    const { A, B } = madeFor(device, params, "discrete", dtype, make);
    return runOp(device, diagonalScan, { v: drive(B), A, x0 }, { variant: "lti", reverse });
  }
  const make = systemBy(params, "continuous");
  const { A, B } = madeFor(device, params, "continuous", dtype, make);
  const logDt = need(params.tensors, "logDt");
  const dt = spreadLearnedSteps(device, dtScale, logDt, dtype);
  const options = { variant: "perStep", discretization, reverse } as const;
  return runOp(device, diagonalScan, { v: drive(B), A, dt, x0 }, options);
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
  const readout = (x: DeviceTensor, name: string) => {
    const { matrix: b } = madeFor(scope, params, name, dtype, readoutOf(params, name));
    const a = reshape(x, [...x.shape.slice(0, 2), 2 * modesOf(config)]);
    return runOp(scope, matmul, { a, b }, { transposeB: true }).c;
  };
  try {
    const x0 = carried(options.state?.["x"], dtype);
    const { x, state } = scan(scope, params, u, dtScale, x0, false);
    let y = readout(x, "C");
    if (config.bidirectional) {
      const back = scan(scope, params, u, dtScale && reversedScale(dtScale), undefined, true);
      y = runOp(scope, add, { a: y, b: readout(back.x, "Creverse") }, {}).out;
    }
    const weight = operand(need(tensors, "D"), dtype);
    const isPlain = config.activation === "identity";
    const kind = isPlain ? "identity" : "gelu_tanh";
    const skipped = runOp(scope, skip, { a: y, u, weight }, { activation: kind });
    const out = isPlain ? skipped.y : gated(scope, params, skipped.y, skipped.g);
    return { y: scope.keep(out), state: { x: scope.keep(state) } };
  } finally {
    scope.release();
  }
}

/** What the configuration makes of y and g = gelu(y). */
function gated(
  device: Device,
  { config, tensors }: Params,
  y: DeviceTensor,
  g: DeviceTensor,
): DeviceTensor {
  if (config.activation === "gelu") return g;
  const z = linear(device, tensors, g, "gateWeight", "gateBias");
  const sigmoid = { activation: "sigmoid" } as const;
  if (config.activation === "full_glu") return runOp(device, gate, { y: z }, sigmoid).out;
  return runOp(device, gate, { y: config.activation === "half_glu1" ? g : y, z }, sigmoid).out;
}

function initialState(config: S5Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, modesOf(config), 2], dtype) };
}

/** What a step multiplies by: modes for its elapsed time, matrices for any. */
interface StepSystem {
  /** Abar, then the factor of the drive, by mode.                              [mode, 4] */
  readonly modes: Float64Array;
  /** On real inputs, and from (re, im) pairs.     [2·mode, feature], [feature, 2·mode] */
  readonly B: FloatArray;
  readonly readout: FloatArray;
  readonly D: FloatArray;
}

/** Abar and factor of every mode for samples `scale` sampling periods apart.     [mode, 4] */
function modesAfter(params: LayerParams<S5Config>, lambda: Float64Array, scale: number) {
  const ones = derived(params, "ones", () => lambda.map((_, i) => 1 - (i % 2)));
  const { Abar, Bbar } = discretizeDiagonal(lambda, ones, stepsAfter(params, scale, 1), {
    method: params.config.discretization,
  });
  const modes = new Float64Array(2 * lambda.length);
  for (let i = 0; i < lambda.length; i++) {
    const at = 4 * (i >> 1) + (i & 1);
    modes[at] = Abar[i]!;
    modes[at + 2] = Bbar[i]!;
  }
  return modes;
}

function stepSystem(params: LayerParams<S5Config>, scale: number): StepSystem {
  const { A, B } = madeOnHost(params, "continuous", systemBy(params, "continuous"));
  const after = () => modesAfter(params, numbersOf(A), scale);
  return {
    modes: scale === 1 ? derived(params, "modes", after) : after(),
    B: B.data,
    readout: madeOnHost(params, "C", readoutOf(params, "C")).matrix.data,
    D: need(params.tensors, "D").data,
  };
}

/** x ← Abar∘x + factor∘(B·u) and y = readout·x + D∘u for every row. */
function stepInto(
  y: FloatArray,
  x: FloatArray,
  { modes, B, readout, D }: StepSystem,
  u: FloatArray,
): void {
  const feature = D.length;
  const pairs = B.length / feature;
  for (let row = 0; row < y.length / feature; row++) {
    const first = row * feature;
    const state = row * pairs;
    for (let n = 0; n < pairs; n += 2) {
      let vr = 0;
      let vi = 0;
      for (let d = 0; d < feature; d++) {
        vr += B[n * feature + d]! * u[first + d]!;
        vi += B[(n + 1) * feature + d]! * u[first + d]!;
      }
      const [ar, ai, fr, fi] = [
        modes[2 * n]!,
        modes[2 * n + 1]!,
        modes[2 * n + 2]!,
        modes[2 * n + 3]!,
      ];
      const xr = x[state + n]!;
      const xi = x[state + n + 1]!;
      x[state + n] = ar * xr - ai * xi + fr * vr - fi * vi;
      x[state + n + 1] = ar * xi + ai * xr + fr * vi + fi * vr;
    }
    for (let d = 0; d < feature; d++) {
      let sum = D[d]! * u[first + d]!;
      for (let n = 0; n < pairs; n++) sum += readout[d * pairs + n]! * x[state + n]!;
      y[first + d] = sum;
    }
  }
}

/** The activation after a step runs as the twins of its ops. */
const host = openCpu({ collected: true });

function step(
  params: LayerParams<S5Config>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config } = params;
  if (config.bidirectional) {
    throw new InvalidValueError("bidirectional", true, "false where samples come one by one");
  }
  const x = need(state, "x");
  const y = floatArray(x.dtype, x.shape[0]! * config.feature);
  stepInto(y, x.data, stepSystem(params, dtScale), u);
  if (config.activation === "identity") return y;
  const rows = host.upload(tensorOf([x.shape[0]!, config.feature], y));
  const g = runOp(host, activation, { x: rows }, { kind: "gelu_tanh" }).y;
  return host.dataOf(gated(host, params, rows, g));
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
export const s5: Layer<S5Config> = timed({
  name: "s5",
  papers: [
    { title: "Simplified State Space Layers for Sequence Modeling", arxiv: "2208.04933" },
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
    { ...EXAMPLE, block: 2, conjugatePairs: false, activation: "half_glu1", clip: true },
    { ...EXAMPLE, discretization: "bilinear", activation: "full_glu" },
  ],
});
