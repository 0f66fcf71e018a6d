/**
 * Linear attention and its kin with a decay: attention without softmax, whose past is a matrix a
 * head instead of all keys and values.
 *
 *   [z, v, k, q, g] = inProj·u
 *   S[t]  = α[t]·S[t−1] + v[t]⊗k[t],   y[t] = S[t]·q[t]            for each head
 *   out   = outProj·(norm(y)·silu(z))                               the norm within each head
 *
 * This is SSD with B = k, C = q and u = v (the op `ssd` with discrete inputs); the decay says which
 * member it is:
 *
 *   none   α = 1                          linear attention (arXiv 2006.16236, section 3.3)
 *   fixed  α = 1 − 2^(−5−head)            retention of RetNet (arXiv 2307.08621, eq. 5 to 8)
 *   gated  α = sigmoid(g + gateBias)^(1/16)  gated linear attention with one gate a head (arXiv
 *          2312.06635, section 4, whose full form has one gate a key feature)
 *
 * Differences: the norm (RetNet's and gated linear attention's) takes the place of linear
 * attention's feature map and normaliser, and of the scale of keys, which it undoes; retention's
 * rotation of queries and keys by their positions is left out, so that a state carries no position.
 * `tests/layers/identities_test.ts` has the papers' own forms, as configurations of the ops.
 *
 * Irregular samples: the decay over an elapsed time of s sampling periods is α^s.
 *
 * The carried state is S.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, add, gate, rmsNorm, runOp, ssd } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { type Dtype, reshape, type Tensor, tensorOf, zeros } from "../tensor/tensor.ts";
import { checkSize, filled, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, parts, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** How a head forgets. */
export type LinearAttentionDecay = "none" | "fixed" | "gated";

/** Kinds of decay. */
export const LINEAR_ATTENTION_DECAYS: readonly LinearAttentionDecay[] = ["none", "fixed", "gated"];

/** Configuration of a linear attention layer. */
export interface LinearAttentionConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Heads, a divisor of `feature`. */
  readonly head: number;
  /** Features of a key. */
  readonly state: number;
  readonly decay: LinearAttentionDecay;
  /** Samples of a chunk of the scan. */
  readonly chunk: number;
  /** Added to the mean of squares in the norm. */
  readonly eps: number;
}

/** Gates are this root of a sigmoid, so that they start near 1: τ of the paper. */
const GATE_ROOT = 16;

function validate(config: LinearAttentionConfig): void {
  checkSize("feature", config.feature);
  checkSize("head", config.head);
  checkSize("state", config.state);
  checkSize("chunk", config.chunk);
  const { feature, head, decay, eps } = config;
  if (feature % head !== 0) throw new InvalidValueError("head", head, `a divisor of ${feature}`);
  if (!LINEAR_ATTENTION_DECAYS.includes(decay)) {
    throw new InvalidValueError("decay", decay, `one of ${LINEAR_ATTENTION_DECAYS.join(", ")}`);
  }
  if (!(eps > 0)) throw new InvalidValueError("eps", eps, "a number above 0");
}

/** Sizes of the parts of the input projection: z, v, k, q and, if gated, g. */
function sizesOf({ feature, head, state, decay }: LinearAttentionConfig): number[] {
  const own = [feature, feature, head * state, head * state];
  return decay === "gated" ? [...own, head] : own;
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   inProj [2·feature + 2·head·state, feature], in the order z, v, k, q; if gated, g [head]
 *   gateBias [head] with decay gated     normWeight [feature]     outProj [feature, feature]
 */
function init(
  config: LinearAttentionConfig,
  random: RandomState,
): LayerParams<LinearAttentionConfig> {
  validate(config);
  const { feature, head } = config;
  const bound = 1 / Math.sqrt(feature);
  const rows = sizesOf(config).reduce((a, b) => a + b, 0);
  return {
    config,
    tensors: {
      inProj: uniform(random, [rows, feature], bound),
      ...(config.decay === "gated" && { gateBias: filled([head], () => 0) }),
      normWeight: filled([feature], () => 1),
      outProj: uniform(random, [feature, feature], bound),
    },
  };
}

/**
 * Logarithms of RetNet's decays, log(1 − 2^(−5−h)) (arXiv 2307.08621, eq. 8).
 *
 * @returns                                                                          [head]
 */
export function retentionLogDecays(head: number): Float64Array {
  return Float64Array.from({ length: head }, (_, h) => Math.log1p(-(2 ** (-5 - h))));
}

function ones(shape: readonly number[]): Tensor {
  return tensorOf(shape, new Float64Array(shape[0]! * shape[1]!).fill(1));
}

/** Logarithms of the decays over the elapsed times.                   [batch, length, head] */
function logDecays(
  device: Device,
  { config, tensors }: ForwardParams<LinearAttentionConfig>,
  { g, shape: [batch, length] }: {
    readonly g: DeviceTensor | undefined;
    readonly shape: readonly [number, number];
  },
  dtype: Dtype,
  { dtScale }: ForwardOptions,
): OpInput {
  const { head, decay } = config;
  const elapsed = dtScale ?? ones([batch, length]);
  if (decay === "none") return spreadSteps(elapsed, new Float64Array(head), dtype);
  if (decay === "fixed") return spreadSteps(elapsed, retentionLogDecays(head), dtype);
  const b = operand(need(tensors, "gateBias"), dtype);
  const raw = runOp(device, add, { a: g!, b }, {}).out;
  const logs = runOp(device, activation, { x: raw }, { kind: "log_sigmoid" }).y;
  const roots = new Float64Array(head).fill(1 / GATE_ROOT);
  const z = spreadSteps(elapsed, roots, dtype);
  return runOp(device, gate, { y: logs, z }, { activation: "identity" }).out;
}

function forward(
  device: Device,
  params: ForwardParams<LinearAttentionConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config } = params;
  const { feature, head, state } = config;
  const { dtype } = u;
  const [batch = 0, length = 0] = u.shape;
  const param = (name: string) => operand(need(params.tensors, name), dtype);
  const scope = openScope(device);
  try {
    const projected = linear(scope, params.tensors, u, "inProj");
    const [z, v, k, q, g] = parts(scope, projected, sizesOf(config));
    const byHead = (x: DeviceTensor, size: number) => reshape(x, [batch, length, head, size]);
    const scanned = runOp(scope, ssd, {
      u: byHead(v!, feature / head),
      delta: logDecays(scope, params, { g, shape: [batch, length] }, dtype, options),
      B: byHead(k!, state),
      C: byHead(q!, state),
      x0: carried(options.state?.["ssm"], dtype),
    }, { chunk: config.chunk });
    const normed = runOp(scope, rmsNorm, {
      x: reshape(scanned.y, [batch, length, feature]),
      weight: param("normWeight"),
      z,
    }, { eps: config.eps, groupSize: feature / head, normBeforeGate: true }).out;
    const y = linear(scope, params.tensors, normed, "outProj");
    return { y: scope.keep(y), state: { ssm: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

function initialState(
  { feature, head, state }: LinearAttentionConfig,
  batch: number,
  dtype: Dtype = "f64",
): LayerState {
  return { ssm: zeros([batch, head, feature / head, state], dtype) };
}

const EXAMPLE: LinearAttentionConfig = {
  feature: 6,
  head: 3,
  state: 4,
  decay: "gated",
  chunk: 16,
  eps: 1e-5,
};

/** Linear attention, retention and gated linear attention; see the head of this file. */
export const linearAttention: Layer<LinearAttentionConfig> = timed({
  name: "linear_attention",
  papers: [
    {
      title: "Gated Linear Attention Transformers with Hardware-Efficient Training",
      arxiv: "2312.06635",
    },
    {
      title: "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention",
      arxiv: "2006.16236",
    },
    {
      title: "Retentive Network: A Successor to Transformer for Large Language Models",
      arxiv: "2307.08621",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "a sample adds its key and value whole, however long it lasts",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, decay: "fixed", head: 2, chunk: 7 },
    { ...EXAMPLE, decay: "none", head: 1, state: 3 },
  ],
});
