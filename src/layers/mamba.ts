/**
 * Mamba (S6): a state-space model whose step size, input and output matrices come from the input,
 * between a short convolution and a gate.
 *
 *   [x, z] = inProj·u
 *   x      = silu(conv1d(x))                        causal, depthwise
 *   [r, B, C] = xProj·x,   delta = softplus(dtProj·r + dtBias)
 *   h[k]   = exp(delta·A)·h[k−1] + delta·B[k]·x[k],   y[k] = C[k]·h[k] + D·x[k]
 *   out    = outProj·(y·silu(z))
 *
 * Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (arXiv
 * 2312.00752), section 3.4 and algorithm 2. As in the published code the input enters by Euler's
 * rule (delta·B), not by the exact hold of equation 4. A large delta lets the state forget and
 * take the sample in; a small one lets it pass the sample by: that is the selection.
 *
 * Irregular samples: delta is multiplied by the elapsed time in sampling periods, after softplus.
 *
 * The carried state is the last width − 1 inputs of the convolution, oldest first (the published
 * blocks keep `width` of them, the oldest never used again), and h. See `s4d.ts` for how the
 * parallel form of a recurrence works.
 */
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import { activation, conv1d, gate, runOp, selectiveScan } from "../ops/mod.ts";
import { timedSteps } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { floatArray, reshape, zeros } from "../tensor/tensor.ts";
import { checkSize, checkSteps, drawStep, filled } from "./_helpers/init.ts";
import { softplusInverse, uniform } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, parts, range } from "./_helpers/tensors.ts";
import { transitionOf, transitionOn } from "./_helpers/transition.ts";
import {
  bytesOfState,
  type ForwardOptions,
  type ForwardParams,
  type ForwardResult,
  timed,
} from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a Mamba block. */
export interface MambaConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** States of each inner feature. */
  readonly state: number;
  /** Taps of the convolution. */
  readonly width: number;
  /** Inner features per feature. */
  readonly expand: number;
  /** Rank of the projection that makes the step sizes. */
  readonly dtRank: number;
  /** Biases on the input and output projections. */
  readonly bias: boolean;
  /** Range of the first step sizes. */
  readonly dtMin: number;
  readonly dtMax: number;
}

function validate(config: MambaConfig): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
  checkSize("width", config.width, 64);
  checkSize("expand", config.expand, 64);
  checkSize("dtRank", config.dtRank);
  checkSteps(config.dtMin, config.dtMax);
}

function innerOf({ feature, expand }: MambaConfig): number {
  return feature * expand;
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   inProj [2·inner, feature], inBias       convWeight [inner, width], convBias [inner]
 *   xProj [rank + 2·state, inner]           dtProj [inner, rank], dtBias [inner]
 *   logA [inner, state], A = −exp(logA)     D [inner]
 *   outProj [feature, inner], outBias       (inBias, outBias only with `bias`)
 *
 * A starts as S4D-Real, −1 ... −state; dtBias so that softplus gives a log-uniform step.
 */
function init(config: MambaConfig, random: RandomState): LayerParams<MambaConfig> {
  validate(config);
  const { feature, state, width, dtRank } = config;
  const inner = innerOf(config);
  const linear = (out: number, fanIn: number) =>
    uniform(random, [out, fanIn], 1 / Math.sqrt(fanIn));
  const bias = config.bias
    ? { inBias: filled([2 * inner], () => 0), outBias: filled([feature], () => 0) }
    : {};
  return {
    config,
    tensors: {
      inProj: linear(2 * inner, feature),
      convWeight: uniform(random, [inner, width], 1 / Math.sqrt(width)),
      convBias: uniform(random, [inner], 1 / Math.sqrt(width)),
      xProj: linear(dtRank + 2 * state, inner),
      dtProj: linear(inner, dtRank),
      dtBias: filled([inner], () => softplusInverse(drawStep(random, config.dtMin, config.dtMax))),
      logA: filled([inner, state], (i) => Math.log(1 + (i % state))),
      D: filled([inner], () => 1),
      outProj: linear(feature, inner),
      ...bias,
    },
  };
}

type Params = ForwardParams<MambaConfig>;

/** A parameter that every configuration has. */
function needed(params: Params, name: string, dtype: Dtype): OpInput {
  return operand(need(params.tensors, name), dtype);
}

/** A parameter in the dtype of the computation; undefined where the configuration has none. */
function param(params: Params, name: string, dtype: Dtype): OpInput | undefined {
  return carried(params.tensors[name], dtype);
}

/** The projection into the block or out of it, with `bias` also its bias. */
function project(
  device: Device,
  { config, tensors }: Params,
  a: OpInput,
  name: "in" | "out",
): DeviceTensor {
  return linear(device, tensors, a, `${name}Proj`, config.bias ? `${name}Bias` : undefined);
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config } = params;
  const { dtype } = u;
  const [batch = 0, length = 0] = u.shape;
  const inner = innerOf(config);
  const scope = openScope(device);
  try {
    const projected = project(scope, params, u, "in");
    const [x, z] = parts(scope, projected, [inner, inner]);
    const convolved = runOp(scope, conv1d, {
      u: x!,
      weight: needed(params, "convWeight", dtype),
      bias: param(params, "convBias", dtype),
      x0: carried(options.state?.["conv"], dtype),
    }, { activation: "silu" });
    const selected = linear(scope, params.tensors, convolved.y, "xProj");
    const [low, B, C] = parts(scope, selected, [config.dtRank, config.state, config.state]);
    const grouped = [batch, length, 1, config.state];
    const scanned = runOp(scope, selectiveScan, {
      u: convolved.y,
      ...stepsOf(scope, params, low!, options),
      A: transitionOn(scope, need(params.tensors, "logA"), dtype),
      B: reshape(B!, grouped),
      C: reshape(C!, grouped),
      D: param(params, "D", dtype),
      z,
      x0: carried(options.state?.["ssm"], dtype),
    }, { softplus: options.dtScale === undefined });
    const y = project(scope, params, scanned.y, "out");
    return {
      y: scope.keep(y),
      state: { conv: scope.keep(convolved.state), ssm: scope.keep(scanned.state) },
    };
  } finally {
    scope.release();
  }
}

/** Raw step sizes, whose softplus the scan takes; or, scaled by elapsed time, the final ones. */
function stepsOf(
  device: Device,
  params: Params,
  low: DeviceTensor,
  { dtScale }: ForwardOptions,
): { delta: DeviceTensor; deltaBias?: OpInput | undefined } {
  if (dtScale === undefined) {
    return {
      delta: linear(device, params.tensors, low, "dtProj"),
      deltaBias: param(params, "dtBias", low.dtype),
    };
  }
  const raw = linear(device, params.tensors, low, "dtProj", "dtBias");
  return {
    delta: runOp(device, timedSteps, { raw, scale: asDtype(dtScale, low.dtype) }, {}).delta,
  };
}

function initialState(config: MambaConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  const inner = innerOf(config);
  return {
    conv: zeros([batch, inner, config.width - 1], dtype),
    ssm: zeros([batch, inner, config.state], dtype),
  };
}

/** The projections and pointwise parts of a step run as the twins of their ops. */
const host = openCpu({ collected: true });

function step(
  params: LayerParams<MambaConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config } = params;
  const inner = innerOf(config);
  const conv = need(state, "conv");
  const ssm = need(state, "ssm");
  const batch = ssm.shape[0]!;
  const { dtype } = ssm;
  const sample = tensorOf([batch, config.feature], u);
  const projected = project(host, params, asDtype(sample, dtype), "in");
  const x = floatArray(dtype, batch * inner);
  convolveInto(x, conv.data, host.dataOf(range(host, projected, 0, inner)), params);
  const rows: Tensor = tensorOf([batch, inner], x);
  const active = runOp(host, activation, { x: rows }, { kind: "silu" }).y;
  const selected = linear(host, params.tensors, active, "xProj");
  const raw = linear(
    host,
    params.tensors,
    range(host, selected, 0, config.dtRank),
    "dtProj",
    "dtBias",
  );
  const delta = host.dataOf(runOp(host, activation, { x: raw }, { kind: "softplus" }).y);
  const y = floatArray(dtype, batch * inner);
  const sizes = { inner, state: config.state, rank: config.dtRank, dtScale };
  selectInto(y, ssm.data, host.dataOf(active), delta, host.dataOf(selected), params, sizes);
  const z = range(host, projected, inner, inner);
  const gated = runOp(host, gate, { y: tensorOf([batch, inner], y), z }, { activation: "silu" });
  return host.dataOf(project(host, params, gated.out, "out"));
}

/** y = Σ weight·window + bias, and the window moves on by one sample. */
function convolveInto(
  y: FloatArray,
  window: FloatArray,
  x: FloatArray,
  { config, tensors }: LayerParams<MambaConfig>,
): void {
  const past = config.width - 1;
  const weight = need(tensors, "convWeight").data;
  const bias = tensors["convBias"]?.data;
  const inner = innerOf(config);
  for (let i = 0; i < x.length; i++) {
    const d = i % inner;
    let sum = bias ? bias[d]! : 0;
    for (let j = 0; j < past; j++) sum += weight[d * config.width + j]! * window[i * past + j]!;
    y[i] = sum + weight[d * config.width + past]! * x[i]!;
    if (past === 0) continue;
    window.copyWithin(i * past, i * past + 1, (i + 1) * past);
    window[(i + 1) * past - 1] = x[i]!;
  }
}

/** h ← exp(delta·A)·h + delta·B·x and y = C·h + D·x. */
function selectInto(
  y: FloatArray,
  h: FloatArray,
  x: FloatArray,
  delta: FloatArray,
  selected: FloatArray,
  params: LayerParams<MambaConfig>,
  sizes: { inner: number; state: number; rank: number; dtScale: number },
): void {
  const { inner, state, rank, dtScale } = sizes;
  const A = transitionOf(need(params.tensors, "logA")).data;
  const D = need(params.tensors, "D").data;
  const row = rank + 2 * state;
  for (let i = 0; i < y.length; i++) {
    const d = i % inner;
    const at = Math.floor(i / inner) * row + rank;
    const dt = delta[i]! * dtScale;
    let sum = D[d]! * x[i]!;
    for (let n = 0; n < state; n++) {
      const next = Math.exp(dt * A[d * state + n]!) * h[i * state + n]! +
        dt * selected[at + n]! * x[i]!;
      h[i * state + n] = next;
      sum += selected[at + state + n]! * next;
    }
    y[i] = sum;
  }
}

const EXAMPLE: MambaConfig = {
  feature: 4,
  state: 3,
  width: 4,
  expand: 2,
  dtRank: 2,
  bias: false,
  dtMin: 0.001,
  dtMax: 0.1,
};

/** Mamba; see the head of this file. */
export const mamba: Layer<MambaConfig> = timed({
  name: "mamba",
  papers: [
    {
      title: "Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
      arxiv: "2312.00752",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "the published block adds the input by Euler's rule, delta·B",
  examples: [EXAMPLE, { ...EXAMPLE, width: 1, expand: 3, dtRank: 1, bias: true }],
});
