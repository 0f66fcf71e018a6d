/**
 * Causal multi-head softmax attention: the baseline of the family, and the layer that hybrids mix
 * in. Its state is not a summary of the past but the past itself, as far as the window reaches.
 *
 *   q, k, v = projections of u,   y = outProj·softmax(scale·q·kᵀ)·v       for each head
 *
 * Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762), section 3.2; groups of heads that
 * share keys and values (arXiv 2305.13245); rotary positions (RoFormer, arXiv 2104.09864). A sample
 * sees itself and the window − 1 before it, so the carried keys and values are bounded and a step
 * costs O(window); training over lengths up to the window is full attention.
 *
 * The elapsed time of samples plays no part: positions are counts.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, openScope } from "../device/mod.ts";
import { ATTENTION_SIZE_MAX, ATTENTION_WINDOW_MAX } from "../ops/attention.ts";
import { attention as attentionOp, matmul, runOp, slice } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { expectShape } from "../tensor/shape.ts";
import { asDtype, type Dtype, reshape, zeros } from "../tensor/tensor.ts";
import { checkSize, filled, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { carried, need } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult } from "./layer.ts";
import type { Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of an attention layer. */
export interface AttentionConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Heads of the queries. */
  readonly head: number;
  /** Heads of the keys and values, a divisor of `head`. */
  readonly group: number;
  /** Samples that a sample sees, itself included. */
  readonly window: number;
  /** Turns queries and keys by their positions. */
  readonly rotary: boolean;
  /** Base of the rotary angles; 10 000 in the paper. */
  readonly rotaryBase: number;
  /** Biases on the projections. */
  readonly bias: boolean;
}

function validate(config: AttentionConfig): void {
  checkSize("feature", config.feature);
  checkSize("head", config.head);
  checkSize("group", config.group);
  checkSize("window", config.window, ATTENTION_WINDOW_MAX);
  const { feature, head, group, rotaryBase } = config;
  if (feature % head !== 0) throw new InvalidValueError("head", head, `a divisor of ${feature}`);
  if (head % group !== 0) throw new InvalidValueError("group", group, `a divisor of ${head}`);
  const size = feature / head;
  if (size > ATTENTION_SIZE_MAX) {
    throw new InvalidValueError("head", head, `at least ${feature / ATTENTION_SIZE_MAX}`);
  }
  if (config.rotary && size % 2 !== 0) {
    throw new InvalidValueError("head", head, "heads of an even size for rotary positions");
  }
  if (!(rotaryBase > 1 && Number.isFinite(rotaryBase))) {
    throw new InvalidValueError("rotaryBase", rotaryBase, "a finite number above 1");
  }
}

function sizeOfHead({ feature, head }: AttentionConfig): number {
  return feature / head;
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   inProj  [(head + 2·group)·size, feature], in the order q, k, v; inBias with `bias`
 *   outProj [feature, feature], outBias with `bias`
 *
 * inProj starts by Glorot and Bengio's uniform rule, as torch's attention does.
 */
function init(config: AttentionConfig, random: RandomState): LayerParams<AttentionConfig> {
  validate(config);
  const { feature, head, group } = config;
  const rows = (head + 2 * group) * sizeOfHead(config);
  return {
    config,
    tensors: {
      inProj: uniform(random, [rows, feature], Math.sqrt(6 / (rows + feature))),
      outProj: uniform(random, [feature, feature], 1 / Math.sqrt(feature)),
      ...(config.bias && {
        inBias: filled([rows], () => 0),
        outBias: filled([feature], () => 0),
      }),
    },
  };
}

function forward(
  device: Device,
  params: LayerParams<AttentionConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const { head, group, window } = config;
  const [batch = 0, length = 0] = u.shape;
  if (options.dtScale) {
    expectShape("dtScale", ["batch", "length"], [batch, length], options.dtScale.shape);
  }
  const size = sizeOfHead(config);
  const scope = openScope(device);
  const linear = (a: OpInput, name: string) => {
    const bias = tensors[`${name}Bias`];
    const weights = {
      b: asDtype(need(tensors, `${name}Proj`), dtype),
      bias: bias && asDtype(bias, dtype),
    };
    return runOp(scope, matmul, { a, ...weights }, { transposeB: true }).c;
  };
  try {
    const x = linear(u, "in");
    const part = (start: number, heads: number) => {
      const { out } = runOp(scope, slice, { x }, { start: start * size, count: heads * size });
      return reshape(out, [batch, length, heads, size]);
    };
    const attended = runOp(scope, attentionOp, {
      q: part(0, head),
      k: part(head, group),
      v: part(head + group, group),
      keys0: carried(options.state?.["keys"], dtype),
      values0: carried(options.state?.["values"], dtype),
      seen0: carried(options.state?.["seen"], dtype),
    }, { window, ...(config.rotary && { rotaryBase: config.rotaryBase }) });
    const y = linear(reshape(attended.y, [batch, length, config.feature]), "out");
    return {
      y: scope.keep(y),
      state: {
        keys: scope.keep(attended.keys),
        values: scope.keep(attended.values),
        seen: scope.keep(attended.seen),
      },
    };
  } finally {
    scope.release();
  }
}

/** Keys and values, oldest first, and how many of them are samples. */
function initialState(config: AttentionConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  const rows = [batch, config.window - 1, config.group, sizeOfHead(config)];
  return { keys: zeros(rows, dtype), values: zeros(rows, dtype), seen: zeros([batch], dtype) };
}

const EXAMPLE: AttentionConfig = {
  feature: 6,
  head: 3,
  group: 3,
  window: 64,
  rotary: false,
  rotaryBase: 10_000,
  bias: true,
};

/** Attention; see the head of this file. */
export const attention: Layer<AttentionConfig> = {
  name: "attention",
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is a step of the key-value cache.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "attention counts samples, whatever time has passed",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, feature: 8, head: 4, group: 2, window: 9, rotary: true, bias: false },
  ],
};
