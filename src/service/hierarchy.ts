import { InvalidValueError, LimitError } from "../base/errors.ts";
import { solve } from "../ssm/dense.ts";

/** Sums of streams, and forecasts that add up. */

/** Streams of one hierarchy, sums and parts. */
export const HIERARCHY_NODES_MAX = 200;

/** How forecasts are made to add up. */
export const RECONCILIATIONS = ["bottom-up", "ols", "mint-diagonal"] as const;

/** One of {@linkcode RECONCILIATIONS}. */
export type Reconciliation = typeof RECONCILIATIONS[number];

/**
 * A forecast's variance is taken to be at least this share of the largest: one without any, at a
 * bound or of a constant, is as good as certain, and no more than the equations can be solved for.
 */
const VARIANCE_SHARE_MIN = 1e-8;

/** Which nodes are sums of which. */
export interface Hierarchy {
  /** Parts that are no sums, in the order in which they are named. */
  readonly bottoms: readonly string[];
  /** All nodes: sums as they are given, then the bottoms. */
  readonly nodes: readonly string[];
  /** How often each bottom counts in each node.                              [node, bottom] */
  readonly summing: Float64Array;
}

/**
 * Reads sums of sums.
 *
 * @param sums  parts by the name of their sum
 * @throws {InvalidValueError} a sum of nothing, of itself, or of a part twice
 * @throws {LimitError} {@linkcode HIERARCHY_NODES_MAX}
 */
export function readHierarchy(sums: ReadonlyMap<string, readonly string[]>): Hierarchy {
  if (sums.size === 0) throw new InvalidValueError("sums", "{}", "at least one sum");
  const bottoms = new Set<string>();
  for (const [name, parts] of sums) {
    if (parts.length === 0) throw new InvalidValueError(`sums.${name}`, "[]", "at least one part");
    parts.forEach((part, i) => {
      if (parts.indexOf(part) !== i) {
        throw new InvalidValueError(`sums.${name}[${i}]`, part, "each part once");
      }
      if (!sums.has(part)) bottoms.add(part);
    });
  }
  const nodes = [...sums.keys(), ...bottoms];
  if (nodes.length > HIERARCHY_NODES_MAX) {
    throw new LimitError("HIERARCHY_NODES_MAX", HIERARCHY_NODES_MAX, nodes.length, "sums");
  }
  const order = [...bottoms];
  const rows = new Map(order.map((name, b) => {
    const row = new Float64Array(order.length);
    row[b] = 1;
    return [name, row] as const;
  }));
  const open = new Set<string>();
  const rowOf = (name: string): Float64Array => {
    const known = rows.get(name);
    if (known !== undefined) return known;
    if (open.has(name)) throw new InvalidValueError(`sums.${name}`, name, "no sum of itself");
    open.add(name);
    const row = new Float64Array(order.length);
    for (const part of sums.get(name)!) {
      rowOf(part).forEach((count, b) => row[b] = row[b]! + count);
    }
    open.delete(name);
    rows.set(name, row);
    return row;
  };
  const summing = new Float64Array(nodes.length * order.length);
  nodes.forEach((name, i) => summing.set(rowOf(name), i * order.length));
  return { bottoms: order, nodes, summing };
}

/**
 * Points of the bottoms that suit the points of all nodes best.
 *
 *   b = (Sᵀ W⁻¹ S)⁻¹ Sᵀ W⁻¹ ŷ
 *
 * Hyndman et al. (2011) eq. 6 with W = 1 (`ols`); Wickramasuriya, Athanasopoulos and Hyndman (2019)
 * with the diagonal of the errors' variances (`mint-diagonal`). `bottom-up` takes them as they are.
 *
 * @param points     NaN where a node has no forecast of its own                    [node, time]
 * @param variances  of the nodes' errors                                                 [node]
 * @returns [bottom, time]
 */
export function reconcile(
  { nodes, bottoms, summing }: Hierarchy,
  points: Float64Array,
  variances: Float64Array,
  method: Reconciliation,
): Float64Array {
  const [n, m] = [nodes.length, bottoms.length];
  const times = points.length / n;
  const own = points.slice((n - m) * times);
  if (method === "bottom-up") return own;
  const isKnown = (i: number) => !Number.isNaN(points[i * times]!);
  const largest = variances.reduce((most, v, i) => isKnown(i) ? Math.max(most, v) : most, 0);
  const weights = Float64Array.from(nodes, (_, i) => {
    if (!isKnown(i)) return 0;
    if (method === "ols" || largest === 0) return 1;
    return 1 / Math.max(variances[i]! / largest, VARIANCE_SHARE_MIN);
  });
  const left = new Float64Array(m * m);
  const right = new Float64Array(m * times);
  for (let i = 0; i < n; i++) {
    if (weights[i] === 0) continue;
    const row = summing.subarray(i * m, (i + 1) * m);
    for (let a = 0; a < m; a++) {
      if (row[a] === 0) continue;
      const weighed = weights[i]! * row[a]!;
      for (let b = 0; b < m; b++) left[a * m + b] = left[a * m + b]! + weighed * row[b]!;
      for (let t = 0; t < times; t++) {
        right[a * times + t] = right[a * times + t]! + weighed * points[i * times + t]!;
      }
    }
  }
  return solve(left, right, m, times);
}

/** Points of all nodes from those of the bottoms.                                 [node, time] */
export function sumUp({ nodes, bottoms, summing }: Hierarchy, points: Float64Array): Float64Array {
  const m = bottoms.length;
  const times = points.length / m;
  const out = new Float64Array(nodes.length * times);
  for (let i = 0; i < nodes.length; i++) {
    for (let b = 0; b < m; b++) {
      const count = summing[i * m + b]!;
      if (count === 0) continue;
      for (let t = 0; t < times; t++) {
        out[i * times + t] = out[i * times + t]! + count * points[b * times + t]!;
      }
    }
  }
  return out;
}
