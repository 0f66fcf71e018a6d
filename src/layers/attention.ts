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
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import { ATTENTION_SIZE_MAX, ATTENTION_WINDOW_MAX } from "../ops/attention.ts";
import { attention as attentionOp, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { plainDot, rotaryTable, rotatedDot } from "../ssm/rotary.ts";
import {
  asDtype,
  type Dtype,
  type FloatArray,
  floatArray,
  reshape,
  tensorOf,
  zeros,
} from "../tensor/tensor.ts";
import { derived } from "./_helpers/derived.ts";
import { checkSize, filled, uniform } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, parts } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

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

/** a·Wᵀ, and with `bias` its bias, `name` being in or out. */
function project(
  device: Device,
  { config, tensors }: ForwardParams<AttentionConfig>,
  a: OpInput,
  name: "in" | "out",
): DeviceTensor {
  return linear(device, tensors, a, `${name}Proj`, config.bias ? `${name}Bias` : undefined);
}

function forward(
  device: Device,
  params: ForwardParams<AttentionConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config } = params;
  const { dtype } = u;
  const { head, group, window } = config;
  const [batch = 0, length = 0] = u.shape;
  const size = sizeOfHead(config);
  const scope = openScope(device);
  try {
    const x = project(scope, params, u, "in");
    const heads = [head, group, group];
    const [q, k, v] = parts(scope, x, heads.map((each) => each * size)).map((part, i) =>
      reshape(part, [batch, length, heads[i]!, size])
    );
    const attended = runOp(scope, attentionOp, {
      q: q!,
      k: k!,
      v: v!,
      keys0: carried(options.state?.["keys"], dtype),
      values0: carried(options.state?.["values"], dtype),
      seen0: carried(options.state?.["seen"], dtype),
    }, { window, ...(config.rotary && { rotaryBase: config.rotaryBase }) });
    const rows = reshape(attended.y, [batch, length, config.feature]);
    const y = project(scope, params, rows, "out");
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

/** The projections of a step run as the twins of their ops. */
const host = openCpu({ collected: true });

/** One sample: O(seen) products, and the cache moves on by one row. */
function step(
  params: LayerParams<AttentionConfig>,
  u: FloatArray,
  state: LayerState,
): FloatArray {
  const { config } = params;
  const { head, group, window } = config;
  const size = sizeOfHead(config);
  const cache = {
    keys: need(state, "keys").data,
    values: need(state, "values").data,
    seen: need(state, "seen").data,
  };
  const batch = cache.seen.length;
  const { dtype } = need(state, "keys");
  const sample = asDtype(tensorOf([batch, config.feature], u), dtype);
  const x = host.dataOf(project(host, params, sample, "in"));
  const width = (head + 2 * group) * size;
  const turns = config.rotary
    ? derived(params, "turns", () => rotaryTable(window, size, config.rotaryBase))
    : undefined;
  const y = floatArray(dtype, batch * config.feature);
  for (let b = 0; b < batch; b++) {
    attendInto(y, cache, x.subarray(b * width, (b + 1) * width), config, b, turns);
    advance(cache, x.subarray(b * width + head * size, (b + 1) * width), config, b);
  }
  return host.dataOf(project(host, params, tensorOf([batch, config.feature], y), "out"));
}

/** The carried rows, and how many of them are samples. */
interface Cache {
  readonly keys: FloatArray;
  readonly values: FloatArray;
  readonly seen: FloatArray;
}

/** Attends from one sample, x = [q, k, v], to itself and to the carried ones. */
function attendInto(
  y: FloatArray,
  cache: Cache,
  x: FloatArray,
  config: AttentionConfig,
  b: number,
  turns: Float64Array | undefined,
): void {
  const { head, group, window } = config;
  const size = sizeOfHead(config);
  const past = window - 1;
  const seen = cache.seen[b]!;
  const weights = new Float64Array(seen + 1);
  const sums = new Float64Array(size);
  for (let h = 0; h < head; h++) {
    const g = Math.floor(h * group / head);
    // From this sample itself back to the oldest carried one.
    const rowAt = (distance: number) => (((b + 1) * past - distance) * group + g) * size;
    let top = -Infinity;
    for (let distance = 0; distance <= seen; distance++) {
      const k = distance === 0 ? x : cache.keys;
      const from = distance === 0 ? (head + g) * size : rowAt(distance);
      const dot = turns
        ? rotatedDot(x, h * size, k, from, size, turns, distance)
        : plainDot(x, h * size, k, from, size);
      weights[distance] = dot / Math.sqrt(size);
      top = Math.max(top, weights[distance]!);
    }
    let total = 0;
    sums.fill(0);
    for (let distance = 0; distance <= seen; distance++) {
      const v = distance === 0 ? x : cache.values;
      const from = distance === 0 ? (head + group + g) * size : rowAt(distance);
      const weight = Math.exp(weights[distance]! - top);
      total += weight;
      for (let s = 0; s < size; s++) sums[s] = sums[s]! + weight * v[from + s]!;
    }
    const at = (b * head + h) * size;
    for (let s = 0; s < size; s++) y[at + s] = sums[s]! / total;
  }
}

/** Takes the key and the value of a sample, row = [k, v], into the cache; the oldest leave it. */
function advance(cache: Cache, row: FloatArray, config: AttentionConfig, b: number): void {
  const past = config.window - 1;
  const width = config.group * sizeOfHead(config);
  if (past === 0) return;
  const [start, end] = [b * past * width, (b + 1) * past * width];
  cache.keys.copyWithin(start, start + width, end);
  cache.values.copyWithin(start, start + width, end);
  cache.keys.set(row.subarray(0, width), end - width);
  cache.values.set(row.subarray(width), end - width);
  cache.seen[b] = Math.min(cache.seen[b]! + 1, past);
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
export const attention: Layer<AttentionConfig> = timed({
  name: "attention",
  papers: [
    { title: "Attention Is All You Need", arxiv: "1706.03762" },
    {
      title: "GQA: Training Generalized Multi-Query Transformer Models from Multi-Head " +
        "Checkpoints",
      arxiv: "2305.13245",
    },
    { title: "RoFormer: Enhanced Transformer with Rotary Position Embedding", arxiv: "2104.09864" },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "attention counts samples, whatever time has passed",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, feature: 8, head: 4, group: 2, window: 9, rotary: true, bias: false },
  ],
});
