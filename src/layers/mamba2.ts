/**
 * Mamba-2: a selective state-space model with one decay a head, so that it is masked attention.
 *
 *   [z, x, B, C, r] = inProj·u
 *   [x, B, C] = silu(conv1d([x, B, C]))             causal, depthwise
 *   delta     = softplus(r + dtBias)                one a head
 *   h[k]      = exp(delta·A)·h[k−1] + delta·x[k]⊗B[k],   y[k] = h[k]·C[k] + D·x[k]
 *   out       = outProj·norm(y·silu(z))             or norm(y)·silu(z) with `normBeforeGate`
 *
 * Dao and Gu, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through
 * Structured State Space Duality" (arXiv 2405.21060), section 7.1 and figure 6. Groups of heads
 * share B and C (multi-value attention's pattern); the norm takes its mean within each group. As
 * in Mamba the input enters by Euler's rule. The scan is the op `ssd`, in chunks of `chunk`.
 *
 * Irregular samples: delta is multiplied by the elapsed time in sampling periods, after softplus.
 *
 * The carried state is the last width − 1 inputs of the convolution over [x, B, C], oldest first
 * (the published block keeps `width` of them, the oldest never used again), and h.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { nextUniform } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, add, conv1d, gate, rmsNorm, runOp } from "../ops/mod.ts";
import { type OpInput, ssd } from "../ops/mod.ts";
import { type Dtype, reshape, zeros } from "../tensor/tensor.ts";
import { checkSize, checkSteps, drawStep, filled } from "./_helpers/init.ts";
import { softplusInverse, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, parts, spreadSteps } from "./_helpers/tensors.ts";
import { transitionOn } from "./_helpers/transition.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a Mamba-2 block. */
export interface Mamba2Config {
  /** Width of input and output. */
  readonly feature: number;
  /** States of each inner feature. */
  readonly state: number;
  /** Taps of the convolution. */
  readonly width: number;
  /** Inner features per feature. */
  readonly expand: number;
  /** Inner features of a head. */
  readonly headSize: number;
  /** Groups of heads that share B and C. */
  readonly group: number;
  /** Samples of a chunk of the scan. */
  readonly chunk: number;
  /** Gate after the norm instead of before it. */
  readonly normBeforeGate: boolean;
  /** Biases on the input and output projections; default none. */
  readonly bias?: boolean;
  /** Added to the mean of squares in the norm. */
  readonly eps: number;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
}

function validate(config: Mamba2Config): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  checkSize("width", config.width, 64);
  checkSize("expand", config.expand, 64);
  checkSize("headSize", config.headSize);
  checkSize("group", config.group);
  checkSize("chunk", config.chunk);
  checkSteps(config.dtMin, config.dtMax);
  if (!(config.eps > 0)) throw new InvalidValueError("eps", config.eps, "a number above 0");
  const inner = innerOf(config);
  if (inner % config.headSize !== 0) {
    throw new InvalidValueError("headSize", config.headSize, `a divisor of ${inner}`);
  }
  const heads = inner / config.headSize;
  if (heads % config.group !== 0) {
    throw new InvalidValueError("group", config.group, `a divisor of the ${heads} heads`);
  }
}

function innerOf({ feature, expand }: Mamba2Config): number {
  return feature * expand;
}

function headsOf(config: Mamba2Config): number {
  return innerOf(config) / config.headSize;
}

/** Features of the convolution: x, B and C. */
function convolvedOf(config: Mamba2Config): number {
  return innerOf(config) + 2 * config.group * config.state;
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   inProj [2·inner + 2·group·state + head, feature], in the order z, x, B, C, delta
 *   convWeight [inner + 2·group·state, width], convBias
 *   dtBias [head]     logA [head], A = −exp(logA)     D [head]
 *   normWeight [inner]     outProj [feature, inner]
 *   inBias, outBias        of the projections, only with `bias`
 *
 * −A starts uniform in [1, 16], as in the published code; dtBias so that softplus gives a
 * log-uniform step.
 */
function init(config: Mamba2Config, random: RandomState): LayerParams<Mamba2Config> {
  validate(config);
  const { feature, width, dtMin, dtMax } = config;
  const inner = innerOf(config);
  const heads = headsOf(config);
  const convolved = convolvedOf(config);
  return {
    config,
    tensors: {
      inProj: uniform(random, [inner + convolved + heads, feature], 1 / Math.sqrt(feature)),
      convWeight: uniform(random, [convolved, width], 1 / Math.sqrt(width)),
      convBias: uniform(random, [convolved], 1 / Math.sqrt(width)),
      dtBias: filled([heads], () => {
        const dt = drawStep(random, dtMin, dtMax);
        // The x with softplus(x) = dt.
        return softplusInverse(dt);
      }),
      logA: filled([heads], () => Math.log(1 + 15 * nextUniform(random))),
      D: filled([heads], () => 1),
      normWeight: filled([inner], () => 1),
      outProj: uniform(random, [feature, inner], 1 / Math.sqrt(inner)),
      ...(config.bias && {
        inBias: filled([inner + convolved + heads], () => 0),
        outBias: filled([feature], () => 0),
      }),
    },
  };
}

/** softplus(raw + dtBias), times the elapsed time.                    [batch, length, head] */
function stepSizes(
  device: Device,
  { tensors }: ForwardParams<Mamba2Config>,
  raw: DeviceTensor,
  { dtScale }: ForwardOptions,
): DeviceTensor {
  const dtBias = operand(need(tensors, "dtBias"), raw.dtype);
  const shifted = runOp(device, add, { a: raw, b: dtBias }, {}).out;
  const positive = runOp(device, activation, { x: shifted }, { kind: "softplus" }).y;
  if (dtScale === undefined) return positive;
  const ones = new Float64Array(raw.shape[2]!).fill(1);
  const z = spreadSteps(dtScale, ones, raw.dtype);
  return runOp(device, gate, { y: positive, z }, { activation: "identity" }).out;
}

function forward(
  device: Device,
  params: ForwardParams<Mamba2Config>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config } = params;
  const { dtype } = u;
  const [batch = 0, length = 0] = u.shape;
  const inner = innerOf(config);
  const heads = headsOf(config);
  const convolvedSize = convolvedOf(config);
  const param = (name: string) => operand(need(params.tensors, name), dtype);
  const scope = openScope(device);
  const project = (a: OpInput, name: "in" | "out") =>
    linear(scope, params.tensors, a, `${name}Proj`, config.bias ? `${name}Bias` : undefined);
  try {
    const projected = project(u, "in");
    const [z, x, raw] = parts(scope, projected, [inner, convolvedSize, heads]);
    const convolved = runOp(scope, conv1d, {
      u: x!,
      weight: param("convWeight"),
      bias: param("convBias"),
      x0: carried(options.state?.["conv"], dtype),
    }, { activation: "silu" });
    const grouped = [batch, length, config.group, config.state];
    const width = config.group * config.state;
    const [v, B, C] = parts(scope, convolved.y, [inner, width, width]);
    const scanned = runOp(scope, ssd, {
      u: reshape(v!, [batch, length, heads, config.headSize]),
      delta: stepSizes(scope, params, raw!, options),
      A: transitionOn(scope, need(params.tensors, "logA"), dtype),
      B: reshape(B!, grouped),
      C: reshape(C!, grouped),
      D: param("D"),
      x0: carried(options.state?.["ssm"], dtype),
    }, { chunk: config.chunk });
    const normed = runOp(scope, rmsNorm, {
      x: reshape(scanned.y, [batch, length, inner]),
      weight: param("normWeight"),
      z,
    }, {
      eps: config.eps,
      groupSize: inner / config.group,
      normBeforeGate: config.normBeforeGate,
    }).out;
    const y = project(normed, "out");
    return {
      y: scope.keep(y),
      state: { conv: scope.keep(convolved.state), ssm: scope.keep(scanned.state) },
    };
  } finally {
    scope.release();
  }
}

function initialState(config: Mamba2Config, batch: number, dtype: Dtype = "f64"): LayerState {
  return {
    conv: zeros([batch, convolvedOf(config), config.width - 1], dtype),
    ssm: zeros([batch, headsOf(config), config.headSize, config.state], dtype),
  };
}

const EXAMPLE: Mamba2Config = {
  feature: 4,
  state: 3,
  width: 4,
  expand: 2,
  headSize: 2,
  group: 1,
  chunk: 16,
  normBeforeGate: false,
  eps: 1e-5,
  dtMin: 0.001,
  dtMax: 0.1,
};

/** Mamba-2; see the head of this file. */
export const mamba2: Layer<Mamba2Config> = timed({
  name: "mamba2",
  papers: [
    {
      title: "Transformers are SSMs: Generalized Models and Efficient Algorithms Through " +
        "Structured State Space Duality",
      arxiv: "2405.21060",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the published block adds the input by Euler's rule, delta·B",
  examples: [
    EXAMPLE,
    {
      ...EXAMPLE,
      width: 1,
      headSize: 3,
      feature: 6,
      group: 2,
      chunk: 5,
      normBeforeGate: true,
      bias: true,
    },
  ],
});
