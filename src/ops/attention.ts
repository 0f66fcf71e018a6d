/**
 * Causal softmax attention over a window, with carried keys and values.
 *
 *   score[i, j] = scale·⟨R(i)·q[i], R(j)·k[j]⟩      i − window < j ≤ i
 *   y[i] = Σ_j softmax_j(score[i, j])·v[j]
 *
 * Attention (arXiv 1706.03762, eq. 1), with groups of heads that share keys and values (grouped
 * queries, arXiv 2305.13245) and rotary positions (RoFormer, arXiv 2104.09864, eq. 13 to 16): R(i)
 * turns the pair (2p, 2p + 1) by i·base^(−2p/size). A score needs only the difference i − j, so
 * keys are kept as they came, no position is carried, and angles stay below the window's.
 *
 * The carried state is the last window − 1 keys and values, oldest first, and in `seen` how many of
 * them are samples; so a step takes constant time and memory.
 *
 * On a GPU a workgroup takes a tile of queries of one head: it walks over their keys in tiles with
 * a running maximum and sum (the online softmax of FlashAttention, arXiv 2205.14135), so that no
 * matrix of weights is stored.
 *
 * Tolerance: exp is off by 3 + 2|x| ULP, scores are sums over a head; 1e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { plainDot, rotaryTable, rotatedDot } from "../ssm/rotary.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { attentionBackward, attentionBackwardPlan } from "./_helpers/attention_backward.ts";
import { rowOf, type Sizes } from "./_helpers/attention_rows.ts";
import { attentionTiles, UNREAD_BY_COPIES } from "./_helpers/attention_tiles.ts";
import { constant, denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode attention}. */
export interface AttentionParams {
  /** Samples that a query sees, its own included; at least 1. */
  readonly window: number;
  /** Multiplies the scores; default 1/√size. */
  readonly scale?: number;
  /** Base of the rotary angles; no rotation where left out. Needs an even head size. */
  readonly rotaryBase?: number;
}

/** Longest window. */
export const ATTENTION_WINDOW_MAX = 1 << 16;
/** Largest head: each workgroup of a wider one finds the scores of its queries again. */
export const ATTENTION_SIZE_MAX = 512;

type Input = "q" | "k" | "v";
type OptionalInput = "keys0" | "values0" | "seen0";
type Output = "y" | "keys" | "values" | "seen";
type Shapes = Named<Input, OptionalInput, Shape>;
type Arrays = Named<Input, OptionalInput, FloatArray>;

function sizesOf(shapes: Shapes, params: AttentionParams): Sizes {
  expectRank("q", 4, shapes.q);
  expectRank("k", 4, shapes.k);
  const [batch, length, head, size] = shapes.q as [number, number, number, number];
  const group = shapes.k[2]!;
  const axes = ["batch", "length", "group", "size"];
  expectShape("k", axes, [batch, length, group, size], shapes.k);
  expectShape("v", axes, shapes.k, shapes.v);
  if (group < 1 || head % group !== 0) {
    throw new InvalidValueError("k.group", group, `a divisor of the ${head} heads`);
  }
  if (size < 1 || size > ATTENTION_SIZE_MAX) {
    throw new InvalidValueError("q.size", size, `1 to ${ATTENTION_SIZE_MAX}`);
  }
  const { window, scale, rotaryBase } = params;
  if (!(Number.isInteger(window) && window >= 1 && window <= ATTENTION_WINDOW_MAX)) {
    throw new InvalidValueError("window", window, `an integer from 1 to ${ATTENTION_WINDOW_MAX}`);
  }
  if (scale !== undefined && !(scale > 0 && Number.isFinite(scale))) {
    throw new InvalidValueError("scale", scale, "a finite number above 0");
  }
  if (rotaryBase !== undefined) {
    if (!(rotaryBase > 1 && Number.isFinite(rotaryBase))) {
      throw new InvalidValueError("rotaryBase", rotaryBase, "a finite number above 1");
    }
    if (size % 2 !== 0) throw new InvalidValueError("q.size", size, "even for rotary positions");
  }
  const past = window - 1;
  const given = [shapes.keys0, shapes.values0, shapes.seen0].filter((shape) => shape !== undefined);
  if (given.length > 0) {
    if (!shapes.keys0 || !shapes.values0 || !shapes.seen0) {
      throw new InvalidValueError(
        "keys0",
        given.length,
        "keys0, values0 and seen0, or none of them",
      );
    }
    const carried = [batch, past, group, size];
    expectShape("keys0", ["batch", "past", "group", "size"], carried, shapes.keys0);
    expectShape("values0", ["batch", "past", "group", "size"], carried, shapes.values0);
    expectShape("seen0", ["batch"], [batch], shapes.seen0);
  }
  return { batch, length, head, group, size, past };
}

/**
 * The twin.
 *
 *   q       queries                                   [batch, length, head, size]
 *   k, v    keys, values                              [batch, length, group, size]
 *   keys0, values0       those before, oldest first   [batch, window − 1, group, size]
 *   seen0                how many of them are samples [batch]
 *   y       output                                    [batch, length, head, size]
 *   keys, values, seen   the state to go on from      as keys0, values0, seen0
 */
function cpu(
  inputs: Arrays,
  outputs: { readonly [key in Output]: FloatArray },
  shapes: Shapes,
  params: AttentionParams,
): void {
  const sizes = sizesOf(shapes, params);
  const { batch, length, head, group, size, past } = sizes;
  const scale = params.scale ?? 1 / Math.sqrt(size);
  const table = params.rotaryBase === undefined
    ? undefined
    : rotaryTable(params.window, size, params.rotaryBase);
  const weights = new Float64Array(params.window);
  const sums = new Float64Array(size);
  for (let b = 0; b < batch; b++) {
    const seen = inputs.seen0 ? Math.min(inputs.seen0[b]!, past) : 0;
    for (let h = 0; h < head; h++) {
      const g = Math.floor(h * group / head);
      for (let i = 0; i < length; i++) {
        const first = Math.max(i - past, -seen);
        const at = ((b * length + i) * head + h) * size;
        let top = -Infinity;
        for (let j = first; j <= i; j++) {
          const [keys, from] = rowOf(inputs, sizes, "k", b, j, g);
          const dot = table
            ? rotatedDot(inputs.q, at, keys, from, size, table, i - j)
            : plainDot(inputs.q, at, keys, from, size);
          weights[j - first] = scale * dot;
          top = Math.max(top, scale * dot);
        }
        let total = 0;
        sums.fill(0);
        for (let j = first; j <= i; j++) {
          const weight = Math.exp(weights[j - first]! - top);
          const [values, from] = rowOf(inputs, sizes, "v", b, j, g);
          total += weight;
          for (let s = 0; s < size; s++) sums[s] = sums[s]! + weight * values[from + s]!;
        }
        for (let s = 0; s < size; s++) outputs.y[at + s] = sums[s]! / total;
      }
    }
    carryInto(outputs, inputs, sizes, b);
    outputs.seen[b] = Math.min(seen + length, past);
  }
}

/** The last window − 1 keys and values, 0 where there was no sample yet. */
function carryInto(
  outputs: { readonly [key in Output]: FloatArray },
  inputs: Arrays,
  sizes: Sizes,
  b: number,
): void {
  const { length, group, size, past } = sizes;
  const width = group * size;
  for (const [kind, name] of [["k", "keys"], ["v", "values"]] as const) {
    for (let p = 0; p < past; p++) {
      const to = (b * past + p) * width;
      const j = length - past + p;
      if (j < 0 && !inputs.keys0) {
        outputs[name].fill(0, to, to + width);
      } else {
        const [rows, from] = rowOf(inputs, sizes, kind, b, j, 0);
        outputs[name].set(rows.subarray(from, from + width), to);
      }
    }
  }
}

function launch(shapes: Shapes, params: AttentionParams, limits: GpuLimits): LaunchPlan {
  const sizes = sizesOf(shapes, params);
  const { batch, head, group, past } = sizes;
  const isCarried = shapes.keys0 !== undefined;
  const tiles = attentionTiles(sizes, params, isCarried);
  const { dims, parts, queryTiles, tables, turns } = tiles;
  const constants = { ...tiles.constants, QUERIES: 1 };
  const before = isCarried ? ["before0=keys0", "before1=values0", "seen0"] : [];
  const copied = Math.max(batch * past * group * dims.row, batch);
  return {
    scratch: {},
    ...tables,
    passes: [{
      entry: "attend",
      constants,
      dims,
      bindings: ["queries0=q", "rows0=k", "rows1=v", ...before, ...turns, "y"],
      workgroups: [queryTiles, head * parts, batch],
    }, {
      entry: "carry_state",
      constants: { ...constants, ...UNREAD_BY_COPIES },
      dims,
      bindings: ["rows0=k", "rows1=v", ...before, "carried0=keys", "carried1=values", "seen"],
      workgroups: spreadGroups(groupsFor(copied, POINTWISE_GROUP), limits),
    }],
  };
}

/**
 * Gradients, with the weights p found again from the largest score of a row and its sum (the
 * recomputation of FlashAttention, arXiv 2205.14135, section 3.1 and algorithm 4), so that no
 * matrix of weights is kept:
 *
 *   slope[i, j] = scale·p[i, j]·⟨gradY[i], v[j] − y[i]⟩
 *   gradQ[i] = Σ_j slope[i, j]·R(j − i)·k[j]
 *   gradK[j] = Σ_i slope[i, j]·R(i − j)·q[i]            gradV[j] = Σ_i p[i, j]·gradY[i]
 *
 * The carried keys and values are copies, whose gradients add to those of their samples. `seen0` is
 * a count: its gradient is 0.
 */
const backward: Backward<AttentionParams, Input, OptionalInput, Output> = {
  needs: ["q", "k", "v", "keys0", "values0", "seen0", "y"],
  cpu: (given, gradients, shapes, params) =>
    attentionBackward(given, gradients, sizesOf(shapes, params), params),
  launch: (shapes, params, limits) =>
    attentionBackwardPlan(sizesOf(shapes, params), params, shapes.keys0 !== undefined, limits),
  // Two sums over the window of what the op computes at its tolerance.
  tolerance: 2e-5,
};

type AttentionCase = OpCase<AttentionParams, Input, OptionalInput>;
type CaseSizes = readonly [
  batch: number,
  length: number,
  head: number,
  group: number,
  size: number,
];

function plainCase(
  name: string,
  [batch, length, head, group, size]: CaseSizes,
  params: AttentionParams,
  quick = false,
): AttentionCase {
  return {
    name,
    quick,
    params,
    inputs: (random) => ({
      q: normal(random, [batch, length, head, size]),
      k: normal(random, [batch, length, group, size]),
      v: normal(random, [batch, length, group, size]),
    }),
  };
}

/** The same with carried keys, of which row b has seen the last `seen[b]`. */
function carriedCase(
  name: string,
  sizes: CaseSizes,
  params: AttentionParams,
  seen: readonly number[],
): AttentionCase {
  const [batch, , , group, size] = sizes;
  const plain = plainCase(name, sizes, params);
  const past = [batch, params.window - 1, group, size];
  return {
    ...plain,
    inputs: (random) => ({
      ...plain.inputs(random),
      keys0: normal(random, past),
      values0: normal(random, past),
      seen0: fill([batch], (i) => seen[i]!),
    }),
  };
}

const cases: readonly AttentionCase[] = [
  plainCase("one sample", [2, 1, 2, 1, 4], { window: 8 }),
  plainCase("a window of one", [2, 5, 2, 2, 3], { window: 1 }),
  plainCase("one tile less one", [1, 63, 2, 1, 4], { window: 100 }),
  plainCase("one tile and one", [1, 65, 2, 2, 4], { window: 100 }, true),
  plainCase("several tiles, odd sizes", [1, 150, 3, 1, 5], { window: 140, scale: 0.3 }),
  plainCase("window shorter than the length", [2, 40, 4, 2, 6], { window: 7 }),
  plainCase("whole tiles", [1, 128, 2, 1, 32], { window: 100 }),
  plainCase("features over invocations", [1, 9, 1, 1, 130], { window: 16 }),
  plainCase("rotary", [2, 40, 4, 2, 6], { window: 23, rotaryBase: 10_000 }),
  carriedCase("carried", [2, 9, 4, 2, 6], { window: 12 }, [3, 11]),
  carriedCase("carried rows of vec4s", [2, 9, 2, 1, 8], { window: 12 }, [3, 11]),
  carriedCase("carried, rotary", [3, 5, 4, 2, 6], { window: 80, rotaryBase: 100 }, [0, 2, 79]),
  {
    ...plainCase("zeros and denormals", [1, 9, 1, 1, 4], { window: 8 }),
    inputs: (random) => ({
      q: denormal(random, [1, 9, 1, 4]),
      k: constant([1, 9, 1, 4], 0),
      v: denormal(random, [1, 9, 1, 4]),
    }),
  },
];

/** Causal softmax attention over a window; equation and shapes at the head of this file. */
export const attention = defineOp<AttentionParams, Input, OptionalInput, Output>({
  name: "attention",
  inputs: ["q", "k", "v"],
  optional: ["keys0", "values0", "seen0"],
  outputs: ["y", "keys", "values", "seen"],
  outputShapes(shapes, params) {
    const { batch, group, size, past } = sizesOf(shapes, params);
    const carried = [batch, past, group, size];
    return { y: shapes.q, keys: carried, values: carried, seen: [batch] };
  },
  cpu,
  launch,
  work: (shapes, { window }) => sizeOf(shapes.q) * Math.min(shapes.q[1]!, window),
  sized: (work) => {
    const length = Math.max(1, Math.round(Math.sqrt(work / 32)));
    return plainCase(`${work} products`, [1, length, 2, 1, 16], { window: length });
  },
  cases,
  tolerance: 1e-5,
  backward,
});
