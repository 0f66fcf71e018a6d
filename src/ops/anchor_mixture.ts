/**
 * Quantiles around a mixture of candidate forecasts: the head of the neural forecaster.
 *
 *   z = [logits (anchor), spread, raw (level)]
 *   w    = softmax of the logits over the anchors that are valid
 *   base = Σ w·anchor                                   g = exp(min(max(spread, −5), 5))
 *   r[m] = raw[m]                                       m the middle level
 *   r[k] = r[m] ± Σ softplus(raw[j] − 1/2)              over the j from beyond m to k
 *   q[k] = base + scale·g·r[k]
 *
 * z is [.., anchor + 1 + level], anchors and valid (above 1/2: there) are [.., anchor], scale is
 * [..], q is [.., level]. Quantiles cannot cross where scale ≥ 0. An anchor that is not valid has
 * no part in anything, whatever it is; where none is valid, base is 0. There is no gradient of
 * `valid`, nor of the spread beyond its bounds.
 *
 * Back, with G = gradQ, s = scale·g and σ the slope of softplus:
 *
 *   gradAnchor = w·ΣG      gradLogit = w·(anchor − base)·ΣG      gradScale = g·Σ G·r
 *   gradSpread = s·Σ G·r   gradRaw[m] = s·ΣG    gradRaw[j] = ±s·σ(raw[j] − 1/2)·Σ G over k beyond j
 *
 * Tolerance: sums of some ten products, a few exponentials good to 3 + 2|x| ULP; 1e-5.
 */
import { ShapeError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { fill, normal, uniform } from "./_helpers/cases.ts";
import { singlePass } from "./_helpers/simd.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Named, type OpCase, type Pass } from "./op.ts";

/** `anchorMixture` takes no parameters. */
export type AnchorMixtureParams = Record<string, never>;

/** Size of the spread beyond which it is cut: the fan is e^±5 times the scale at most. */
const SPREAD_MAX = 5;
/** Subtracted before softplus, so that offsets of zero give a fan of moderate width. */
const RAW_SHIFT = 0.5;

type Input = "z" | "anchors" | "valid" | "scale";
type Shapes = Named<Input, never, Shape>;

/** Rows, anchors and levels. */
function sizesOf({ z, anchors, scale }: Shapes) {
  const anchor = lastAxis("anchors", anchors);
  return { rows: sizeOf(scale), anchor, level: lastAxis("z", z) - anchor - 1 };
}

function outputShapes(shapes: Shapes): { q: Shape } {
  const { z, anchors, valid, scale } = shapes;
  const names = [...scale.map((_, i) => `${i}`)];
  expectShape("anchors", [...names, "anchor"], [...scale, anchors[anchors.length - 1]!], anchors);
  expectShape("valid", [...names, "anchor"], anchors, valid);
  expectShape("z", [...names, "column"], [...scale, z[z.length - 1]!], z);
  const { anchor, level } = sizesOf(shapes);
  if (anchor < 1) throw new ShapeError("anchors.anchor", 1, anchor);
  if (level < 1) throw new ShapeError("z.column", anchor + 2, z[z.length - 1]!);
  return { q: [...scale, level] };
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** What both directions need of a row. */
class Row {
  readonly #sizes: { readonly anchor: number; readonly level: number };
  /** Weights of the anchors, 0 where they are not valid. */
  readonly weights: Float64Array;
  /** Offsets of the levels, before the scale. */
  readonly offsets: Float64Array;
  base = 0;
  gain = 1;

  constructor(sizes: { readonly anchor: number; readonly level: number }) {
    this.#sizes = sizes;
    this.weights = new Float64Array(sizes.anchor);
    this.offsets = new Float64Array(sizes.level);
  }

  take(z: FloatArray, anchors: FloatArray, valid: FloatArray, row: number): void {
    const { anchor, level } = this.#sizes;
    const { weights, offsets } = this;
    const at = row * (anchor + 1 + level);
    const first = row * anchor;
    let most = -Infinity;
    for (let i = 0; i < anchor; i++) {
      if (valid[first + i]! > 0.5) most = Math.max(most, z[at + i]!);
    }
    let total = 0;
    this.base = 0;
    for (let i = 0; i < anchor; i++) {
      weights[i] = valid[first + i]! > 0.5 ? Math.exp(z[at + i]! - most) : 0;
      total += weights[i]!;
    }
    for (let i = 0; i < anchor; i++) {
      if (weights[i] === 0) continue;
      weights[i] = weights[i]! / total;
      this.base += weights[i]! * anchors[first + i]!;
    }
    this.gain = Math.exp(Math.min(Math.max(z[at + anchor]!, -SPREAD_MAX), SPREAD_MAX));
    const raw = at + anchor + 1;
    const middle = level >> 1;
    offsets[middle] = z[raw + middle]!;
    for (let k = middle + 1; k < level; k++) {
      offsets[k] = offsets[k - 1]! + softplus(z[raw + k]! - RAW_SHIFT);
    }
    for (let k = middle - 1; k >= 0; k--) {
      offsets[k] = offsets[k + 1]! - softplus(z[raw + k]! - RAW_SHIFT);
    }
  }
}

/** A pass with an invocation for each row. */
function pass(
  entry: string,
  bindings: readonly string[],
  shapes: Shapes,
  limits: GpuLimits,
): Pass {
  const { rows, anchor, level } = sizesOf(shapes);
  return {
    entry,
    constants: {
      GROUP: POINTWISE_GROUP,
      ANCHORS: anchor,
      LEVELS: level,
      MIDDLE: level >> 1,
      BACK: entry === "mix" ? 0 : 1,
    },
    dims: { rows },
    bindings,
    workgroups: spreadGroups(groupsFor(rows, POINTWISE_GROUP), limits),
  };
}

/** About 1 ns a number of z; a task is a row, whose levels' offsets lie in scratch. */
function simdPlan(shapes: Shapes): SimdPlan {
  const { rows, anchor, level } = sizesOf(shapes);
  return singlePass({
    entry: "anchor_mixture",
    args: ["z", "anchors", "valid", "scale", "q", anchor, level],
    tasks: rows,
    threadFloats: level,
  }, 1e-6 * sizeOf(shapes.z));
}

const backward: Backward<AnchorMixtureParams, Input, never, "q"> = {
  needs: ["z", "anchors", "valid", "scale"],
  cpu({ z, anchors, valid, scale, gradQ }, gradients, shapes) {
    const { gradZ, gradAnchors, gradValid, gradScale } = gradients;
    const { rows, anchor, level } = sizesOf(shapes);
    const middle = level >> 1;
    const row = new Row({ anchor, level });
    gradValid!.fill(0);
    for (let i = 0; i < rows; i++) {
      row.take(z!, anchors!, valid!, i);
      const at = i * (anchor + 1 + level);
      const raw = at + anchor + 1;
      const spread = row.gain * scale![i]!;
      let sum = 0;
      let along = 0;
      for (let k = 0; k < level; k++) {
        sum += gradQ![i * level + k]!;
        along += gradQ![i * level + k]! * row.offsets[k]!;
      }
      for (let j = 0; j < anchor; j++) {
        const w = row.weights[j]!;
        gradAnchors![i * anchor + j] = w * sum;
        gradZ![at + j] = w === 0 ? 0 : w * (anchors![i * anchor + j]! - row.base) * sum;
      }
      gradZ![at + anchor] = Math.abs(z![at + anchor]!) < SPREAD_MAX ? spread * along : 0;
      gradScale![i] = row.gain * along;
      gradZ![raw + middle] = spread * sum;
      let beyond = 0;
      for (let k = level - 1; k > middle; k--) {
        beyond += gradQ![i * level + k]!;
        gradZ![raw + k] = spread * sigmoid(z![raw + k]! - RAW_SHIFT) * beyond;
      }
      beyond = 0;
      for (let k = 0; k < middle; k++) {
        beyond += gradQ![i * level + k]!;
        gradZ![raw + k] = -spread * sigmoid(z![raw + k]! - RAW_SHIFT) * beyond;
      }
    }
  },
  launch: (shapes, _params, limits) => ({
    scratch: {},
    passes: [
      pass("back_to_z", ["z", "anchors", "valid", "scale", "gradQ", "gradZ"], shapes, limits),
      pass(
        "back_to_anchors",
        ["z", "valid", "gradQ", "gradAnchors", "gradValid", "gradScale"],
        shapes,
        limits,
      ),
    ],
  }),
  tolerance: 2e-5,
};

type Case = OpCase<AnchorMixtureParams, Input, never>;

/** Rows whose every third anchor is absent; the first is always there. */
function mixture(
  name: string,
  rows: Shape,
  [anchor, level]: readonly [number, number],
  change: { readonly quick?: boolean; readonly spread?: number } = {},
): Case {
  const column = anchor + 1 + level;
  return {
    name,
    quick: change.quick ?? false,
    params: {},
    inputs: (random) => {
      const z = normal(random, [...rows, column]);
      if (change.spread !== undefined) {
        for (let i = anchor; i < z.data.length; i += column) z.data[i] = change.spread;
      }
      return {
        z,
        anchors: normal(random, [...rows, anchor], 2),
        valid: fill([...rows, anchor], (i) => i % anchor > 0 && i % 3 === 0 ? 0 : 1),
        scale: uniform(random, rows, 0.1, 2),
      };
    },
  };
}

const cases: readonly Case[] = [
  mixture("one row of one", [1], [1, 1]),
  mixture("several axes", [2, 3], [13, 11], { quick: true }),
  mixture("two levels, several workgroups", [71], [2, 2]),
  mixture("a spread below its least", [5], [4, 3], { spread: -7 }),
  mixture("a spread above its most", [5], [4, 3], { spread: 7 }),
  {
    name: "no anchor is there, and one that is not is huge",
    params: {},
    inputs: (random) => ({
      z: normal(random, [2, 2 + 1 + 3]),
      anchors: fill([2, 2], (i) => i === 3 ? 1e30 : 1),
      valid: fill([2, 2], (i) => i === 2 ? 1 : 0),
      scale: uniform(random, [2], 0.5, 1),
    }),
  },
  {
    name: "logits far apart",
    params: {},
    inputs: (random) => ({
      z: fill([3, 3 + 1 + 3], (i) => i % 7 === 1 ? 90 : -90 + i % 5),
      anchors: normal(random, [3, 3]),
      valid: fill([3, 3], () => 1),
      scale: uniform(random, [3], 0.5, 1),
    }),
  },
];

/** Quantiles around a mixture of anchors; equations and shapes at the head of this file. */
export const anchorMixture = defineOp<AnchorMixtureParams, Input, never, "q">({
  name: "anchor_mixture",
  inputs: ["z", "anchors", "valid", "scale"],
  optional: [],
  outputs: ["q"],
  outputShapes,
  cpu({ z, anchors, valid, scale }, { q }, shapes) {
    const { rows, anchor, level } = sizesOf(shapes);
    const row = new Row({ anchor, level });
    for (let i = 0; i < rows; i++) {
      row.take(z, anchors, valid, i);
      const spread = row.gain * scale[i]!;
      for (let k = 0; k < level; k++) q[i * level + k] = row.base + spread * row.offsets[k]!;
    }
  },
  launch: (shapes, _params, limits) => ({
    scratch: {},
    passes: [pass("mix", ["z", "anchors", "valid", "scale", "q"], shapes, limits)],
  }),
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.z),
  sized: (work) => mixture(`${work} elements`, [Math.max(1, Math.round(work / 25))], [13, 11]),
  cases,
  tolerance: 1e-5,
  backward,
});
