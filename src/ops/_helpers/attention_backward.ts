/** The backward of `attention`: its twin and its passes on a GPU; equations in that file. */
import type { GpuLimits } from "../../device/device.ts";
import { plainDot, rotaryTable, rotatedDot } from "../../ssm/rotary.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, LaunchPlan, Pass, Some } from "../op.ts";
import { rowOf, type Rows, type Sizes } from "./attention_rows.ts";
import { attentionTiles, type TileParams, UNREAD_BY_COPIES } from "./attention_tiles.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./plan.ts";

type Input = "q" | "k" | "v" | "keys0" | "values0" | "seen0";
type Output = "y" | "keys" | "values" | "seen";
type Given = Some<Input | "y" | GradientOf<Output>, FloatArray>;
type Gradients = Some<GradientOf<Input>, FloatArray>;

/** Gradients of all inputs, one query after another. */
export function attentionBackward(
  given: Given,
  gradients: Gradients,
  sizes: Sizes,
  params: TileParams,
): void {
  const { batch, length, head, group, size, past } = sizes;
  const { rotaryBase } = params;
  const table = rotaryBase === undefined ? undefined : rotaryTable(params.window, size, rotaryBase);
  const zerosLike = (array: FloatArray | undefined) => array && new Float64Array(array.length);
  const sums: Rows = {
    k: zerosLike(given.k),
    v: zerosLike(given.v),
    keys0: zerosLike(given.keys0),
    values0: zerosLike(given.values0),
  };
  const gradQ = new Float64Array(given.q!.length);
  const weights = new Float64Array(params.window);
  const slopes = new Float64Array(params.window);
  const scale = params.scale ?? 1 / Math.sqrt(size);
  for (let b = 0; b < batch; b++) {
    const seen = given.seen0 ? Math.min(given.seen0[b]!, past) : 0;
    for (let h = 0; h < head; h++) {
      const g = Math.floor(h * group / head);
      for (let i = 0; i < length; i++) {
        const first = Math.max(i - past, -seen);
        const at = ((b * length + i) * head + h) * size;
        weighInto(weights, slopes, given, sizes, { b, g, i, first, at }, table, scale);
        for (let j = first; j <= i; j++) {
          const weight = weights[j - first]!;
          const slope = scale * slopes[j - first]!;
          const [keys, from] = rowOf(given, sizes, "k", b, j, g);
          const [keySums] = rowOf(sums, sizes, "k", b, j, g);
          const [valueSums] = rowOf(sums, sizes, "v", b, j, g);
          for (let s = 0; s < size; s++) {
            valueSums[from + s] = valueSums[from + s]! + weight * given.gradY![at + s]!;
          }
          addTurned(gradQ, at, keys, from, slope, size, table, j - i);
          addTurned(keySums, from, given.q!, at, slope, size, table, i - j);
        }
      }
    }
    addCopies(sums, given, sizes, b);
  }
  gradients.gradQ!.set(gradQ);
  gradients.gradK!.set(sums.k!);
  gradients.gradV!.set(sums.v!);
  if (sums.keys0) gradients.gradKeys0!.set(sums.keys0);
  if (sums.values0) gradients.gradValues0!.set(sums.values0);
  gradients.gradSeen0?.fill(0);
}

/** A query: its row, group and sample, its first key, and where it begins. */
interface Query {
  readonly b: number;
  readonly g: number;
  readonly i: number;
  readonly first: number;
  readonly at: number;
}

/** The weights of a query's keys, and the gradients of their scores. */
function weighInto(
  weights: Float64Array,
  slopes: Float64Array,
  given: Given,
  sizes: Sizes,
  { b, g, i, first, at }: Query,
  table: Float64Array | undefined,
  scale: number,
): void {
  const { size } = sizes;
  const q = given.q!;
  let top = -Infinity;
  for (let j = first; j <= i; j++) {
    const [keys, from] = rowOf(given, sizes, "k", b, j, g);
    const dot = table
      ? rotatedDot(q, at, keys, from, size, table, i - j)
      : plainDot(q, at, keys, from, size);
    weights[j - first] = scale * dot;
    top = Math.max(top, scale * dot);
  }
  let total = 0;
  for (let j = first; j <= i; j++) {
    weights[j - first] = Math.exp(weights[j - first]! - top);
    total += weights[j - first]!;
  }
  let mean = 0;
  for (let j = first; j <= i; j++) {
    const [values, from] = rowOf(given, sizes, "v", b, j, g);
    const weight = weights[j - first]! / total;
    weights[j - first] = weight;
    slopes[j - first] = plainDot(given.gradY!, at, values, from, size);
    mean += weight * slopes[j - first]!;
  }
  for (let j = first; j <= i; j++) {
    slopes[j - first] = weights[j - first]! * (slopes[j - first]! - mean);
  }
}

/** out += factor·R(distance)·row. */
function addTurned(
  out: FloatArray,
  to: number,
  row: FloatArray,
  from: number,
  factor: number,
  size: number,
  table: Float64Array | undefined,
  distance: number,
): void {
  if (table === undefined) {
    for (let s = 0; s < size; s++) out[to + s] = out[to + s]! + factor * row[from + s]!;
    return;
  }
  const at = Math.abs(distance) * size;
  for (let s = 0; s < size; s += 2) {
    const cos = factor * table[at + s]!;
    const sin = factor * Math.sign(distance) * table[at + s + 1]!;
    const [x, y] = [row[from + s]!, row[from + s + 1]!];
    out[to + s] = out[to + s]! + cos * x - sin * y;
    out[to + s + 1] = out[to + s + 1]! + sin * x + cos * y;
  }
}

/** The carried rows are the last window − 1 samples: what reaches the copies reaches these. */
function addCopies(sums: Rows, given: Given, sizes: Sizes, b: number): void {
  const { length, group, size, past } = sizes;
  const width = group * size;
  for (const [kind, name] of [["k", "gradKeys"], ["v", "gradValues"]] as const) {
    for (let p = 0; p < past; p++) {
      const j = length - past + p;
      // Without a carried state the rows before the first sample are zeros.
      if (j < 0 && !given.keys0) continue;
      const [rows, to] = rowOf(sums, sizes, kind, b, j, 0);
      const from = (b * past + p) * width;
      for (let s = 0; s < width; s++) rows[to + s] = rows[to + s]! + given[name]![from + s]!;
    }
  }
}

type PassOf = (
  entry: string,
  bindings: string[],
  workgroups: Pass["workgroups"],
  flags?: Readonly<Record<string, number>>,
) => Pass;

type Tiles = ReturnType<typeof attentionTiles>;

/** Keys and values that the passes walk over: the carried ones, then those of the call. */
interface Joined {
  readonly isCarried: boolean;
  /** Carried keys. */
  readonly lead: number;
  /** Numbers of all keys. */
  readonly count: number;
}

/** The passes that only move numbers: keys and values behind the carried ones, and apart again. */
function copiesOf(pass: PassOf, { isCarried, count }: Joined, batch: number, limits: GpuLimits) {
  const copy = (entry: string, bindings: string[], elements = count) =>
    pass(
      entry,
      bindings,
      spreadGroups(groupsFor(elements, POINTWISE_GROUP), limits),
      UNREAD_BY_COPIES,
    );
  const before = (name: string) => isCarried ? [`before=${name}`] : [];
  return {
    join: [
      copy("join_rows", ["rows=k", ...before("keys0"), "joined=keys"]),
      copy("join_rows", ["rows=v", ...before("values0"), "joined=values"]),
    ],
    part: [
      ...(["Keys", "Values"] as const).map((name) =>
        copy("part_rows", [
          ...[`joinedGradients=${name === "Keys" ? "key" : "value"}Gradients`],
          ...[`copies=grad${name}`, `gradRows=grad${name === "Keys" ? "K" : "V"}`],
          ...(isCarried ? [`gradBefore=grad${name}0`] : []),
        ])
      ),
      ...(isCarried ? [copy("clear_counts", ["gradSeen0"], batch)] : []),
    ],
  };
}

/** The passes that weigh: each finds the scores of a tile again. */
function weighingsOf(
  pass: PassOf,
  { batch, head, group }: Sizes,
  { parts, queryTiles, tilesOf, turns }: Tiles,
  { isCarried, lead }: Joined,
): Pass[] {
  const held = ["queries0=q", "rows0=keys", ...turns];
  const keyTiles = tilesOf(lead) + queryTiles;
  return [
    pass(
      "sum_scores",
      [...held, "queries1=gradY", "queries2=y", ...(isCarried ? ["seen0"] : []), "sums"],
      [queryTiles, head, batch],
    ),
    pass(
      "reach",
      [...held, "queries1=gradY", "rows1=values", "summed=sums", "gradients=gradQ"],
      [queryTiles, head * parts, batch],
    ),
    pass(
      "reach",
      [...held, "queries1=gradY", "rows1=values", "summed=sums", "gradients=keyGradients"],
      [keyTiles, group * parts, batch],
      { OF_KEYS: 1 },
    ),
    pass(
      "reach",
      [...held, "queries1=gradY", "summed=sums", "gradients=valueGradients"],
      [keyTiles, group * parts, batch],
      { OF_VALUES: 1 },
    ),
  ];
}

/**
 * The passes on a GPU: keys and values of the call behind the carried ones, the sum of every row of
 * scores, the gradient of the queries by tiles of queries, those of keys and values by tiles of
 * keys, and these apart again. Every pass binds at most eight buffers.
 *
 * @param isCarried keys, values and their count are given
 */
export function attentionBackwardPlan(
  sizes: Sizes,
  params: TileParams,
  isCarried: boolean,
  limits: GpuLimits,
): LaunchPlan {
  const { batch, length, head, group, size, past } = sizes;
  const lead = isCarried ? past : 0;
  const tiles = attentionTiles(sizes, params, isCarried);
  const pass: PassOf = (entry, bindings, workgroups, flags = {}) => ({
    shader: "backward/attention",
    entry,
    constants: { ...tiles.constants, QUERIES: 3, OF_KEYS: 0, OF_VALUES: 0, ...flags },
    dims: { ...tiles.dims, lead },
    bindings,
    workgroups,
  });
  const joined = { isCarried, lead, count: batch * (lead + length) * group * size };
  const { join, part } = copiesOf(pass, joined, batch, limits);
  return {
    ...tiles.tables,
    scratch: {
      keys: joined.count,
      values: joined.count,
      keyGradients: joined.count,
      valueGradients: joined.count,
      sums: 4 * batch * length * head,
    },
    passes: [...join, ...weighingsOf(pass, sizes, tiles, joined), ...part],
  };
}
