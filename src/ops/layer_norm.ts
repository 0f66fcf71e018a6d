/**
 * Layer normalisation over the last axis.
 *
 *   out = (x − mean(x)) / √(var(x) + eps) · weight + bias
 *
 * arXiv 1607.06450 eq. 3, with the biased variance (divided by the count), as torch and flax have
 * it. The variance is taken around the mean, in a second sweep, so that an offset does not cancel.
 *
 * Tolerance: two means in f32 and one inverse square root, 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal, uniform } from "./_helpers/cases.ts";
import { groupsFor, ROW_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { rowLanes, rowTurns } from "./_helpers/row_lanes.ts";
import { SIMD_ROWS, singlePass, sumColumns } from "./_helpers/simd.ts";
import {
  type Backward,
  defineOp,
  gradientName,
  type LaunchPlan,
  type Named,
  type OpCase,
} from "./op.ts";

/** Parameters of {@linkcode layerNorm}. */
export interface LayerNormParams {
  /** Added to the variance, > 0. */
  readonly eps: number;
}

type Shapes = Named<"x", "weight" | "bias", Shape>;

function outputShapes(shapes: Shapes, params: LayerNormParams): { out: Shape } {
  const feature = lastAxis("x", shapes.x);
  if (shapes.weight) expectShape("weight", ["feature"], [feature], shapes.weight);
  if (shapes.bias) expectShape("bias", ["feature"], [feature], shapes.bias);
  if (!(params.eps > 0)) throw new InvalidValueError("eps", params.eps, "a number above 0");
  return { out: shapes.x };
}

/** The twin: x and out are [.., feature], weight and bias [feature]. */
function cpu(
  inputs: Named<"x", "weight" | "bias", FloatArray>,
  outputs: { readonly out: FloatArray },
  shapes: Shapes,
  params: LayerNormParams,
): void {
  const { x, weight, bias } = inputs;
  const feature = lastAxis("x", shapes.x);
  const rows = rowsOf(shapes.x);
  for (let row = 0; row < rows; row++) {
    const at = row * feature;
    let sum = 0;
    for (let i = 0; i < feature; i++) sum += x[at + i]!;
    const mean = sum / feature;
    let squares = 0;
    for (let i = 0; i < feature; i++) squares += (x[at + i]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / feature + params.eps);
    for (let i = 0; i < feature; i++) {
      const scaled = (x[at + i]! - mean) * inverse * (weight ? weight[i]! : 1);
      outputs.out[at + i] = scaled + (bias ? bias[i]! : 0);
    }
  }
}

/** What the passes of a call share; `lanes` where its rows are held in registers. */
function passOf(shapes: Shapes, params: LayerNormParams, limits: GpuLimits) {
  const rows = rowsOf(shapes.x);
  const feature = lastAxis("x", shapes.x);
  const lanes = rowLanes(feature, limits);
  const constants = {
    ...(lanes ?? { GROUP: ROW_GROUP }),
    VECTOR: lanes ? 4 : 1,
    HAS_WEIGHT: shapes.weight ? 1 : 0,
    HAS_BIAS: shapes.bias ? 1 : 0,
  };
  const dims = { rows, feature: lanes ? feature / 4 : feature, turns: 1, eps: params.eps };
  return { rows, feature, lanes, constants, dims };
}

function launch(shapes: Shapes, params: LayerNormParams, limits: GpuLimits): LaunchPlan {
  const { rows, lanes, constants, dims } = passOf(shapes, params, limits);
  const named = (name: "weight" | "bias") => shapes[name] ? [name] : [];
  return {
    scratch: {},
    passes: [{
      entry: lanes ? "normalize_rows" : "normalize",
      constants,
      dims,
      bindings: ["x", ...named("weight"), ...named("bias"), "out"],
      workgroups: spreadGroups(lanes ? groupsFor(rows, lanes.GROUP / lanes.LANES) : rows, limits),
    }],
  };
}

/** About 1.5 ns an element: three sweeps. */
function simdPlan(shapes: Shapes, { eps }: LayerNormParams): SimdPlan {
  const args = ["x", "weight", "bias", "out", lastAxis("x", shapes.x), eps];
  const pass = { entry: "layer_norm", args, tasks: rowsOf(shapes.x) };
  return singlePass(pass, 1.5e-6 * sizeOf(shapes.x));
}

/**
 * With v = (x − mean)/√(variance + eps) and g = gradOut·weight,
 *
 *   gradX = (g − mean(g) − v·mean(g·v))/√(variance + eps)
 *   gradWeight = Σ gradOut·v        gradBias = Σ gradOut        (over rows)
 */
const backward: Backward<LayerNormParams, "x", "weight" | "bias", "out"> = {
  needs: ["x", "weight"],
  cpu({ x, weight, gradOut }, { gradX, gradWeight, gradBias }, shapes, { eps }) {
    const feature = lastAxis("x", shapes.x);
    const weightSums = new Float64Array(feature);
    const biasSums = new Float64Array(feature);
    const v = new Float64Array(feature);
    const g = new Float64Array(feature);
    for (let at = 0; at < x!.length; at += feature) {
      let sum = 0;
      for (let i = 0; i < feature; i++) sum += x![at + i]!;
      const mean = sum / feature;
      let squares = 0;
      for (let i = 0; i < feature; i++) squares += (x![at + i]! - mean) ** 2;
      const inverse = 1 / Math.sqrt(squares / feature + eps);
      let along = 0;
      let total = 0;
      for (let i = 0; i < feature; i++) {
        const grad = gradOut![at + i]!;
        v[i] = (x![at + i]! - mean) * inverse;
        g[i] = weight ? grad * weight[i]! : grad;
        weightSums[i]! += grad * v[i]!;
        biasSums[i]! += grad;
        along += g[i]! * v[i]!;
        total += g[i]!;
      }
      for (let i = 0; i < feature; i++) {
        gradX![at + i] = inverse * (g[i]! - total / feature - v[i]! * along / feature);
      }
    }
    gradWeight?.set(weightSums);
    gradBias?.set(biasSums);
  },
  launch(shapes, params, limits) {
    const { rows, feature: columns, lanes, constants, dims } = passOf(shapes, params, limits);
    const weight = shapes.weight ? ["weight"] : [];
    const sums = (target: string, left: string, rows: number) =>
      columnSums({ target, left, rows, columns });
    if (lanes === undefined) {
      const own = {
        scratch: shapes.weight ? { scaled: rows * columns } : {},
        passes: [{
          entry: "normalize_backward",
          constants,
          dims,
          bindings: ["x", "gradOut", "gradX", ...weight, ...weight.map(() => "scaled")],
          workgroups: spreadGroups(rows, limits),
        }],
      };
      return joinPlans(
        own,
        ...(shapes.weight ? [sums("gradWeight", "scaled", rows)] : []),
        ...(shapes.bias ? [sums("gradBias", "gradOut", rows)] : []),
      );
    }
    const { turns, groups } = rowTurns(rows, lanes);
    const shared = (["weight", "bias"] as const).filter((name) => shapes[name]);
    const shares = shared.map((name) => `${name}Shares`);
    const own = {
      scratch: Object.fromEntries(shares.map((name) => [name, groups * columns])),
      passes: [{
        entry: "normalize_rows_backward",
        constants,
        dims: { ...dims, turns },
        bindings: ["x", "gradOut", "gradX", ...weight, ...shares],
        workgroups: spreadGroups(groups, limits),
      }],
    };
    const added = shared.map((name) => sums(gradientName(name), `${name}Shares`, groups));
    return joinPlans(own, ...added);
  },
  simd(shapes, { eps }) {
    const [rows, columns] = [rowsOf(shapes.x), lastAxis("x", shapes.x)];
    const tasks = Math.ceil(rows / SIMD_ROWS);
    const shared = (["weight", "bias"] as const).filter((name) => shapes[name]);
    const tensors = ["x", "weight", "gradOut", "gradX", "weightShares", "biasShares"];
    return {
      scratch: Object.fromEntries(shared.map((name) => [`${name}Shares`, tasks * columns])),
      passes: [
        { entry: "layer_norm_backward", args: [...tensors, rows, SIMD_ROWS, columns, eps], tasks },
        ...shared.map((name) =>
          sumColumns({ target: gradientName(name), left: `${name}Shares`, rows: tasks, columns })
        ),
      ],
      coreMs: 3e-6 * rows * columns,
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<LayerNormParams, "x", "weight" | "bias">;

function normed(name: string, shape: Shape, quick = false): Case {
  return {
    name,
    quick,
    params: { eps: 1e-5 },
    inputs: (random) => ({
      x: uniform(random, shape, 1, 4),
      weight: normal(random, [shape.at(-1)!]),
      bias: normal(random, [shape.at(-1)!]),
    }),
  };
}

const cases: readonly Case[] = [
  // The output is the bias whatever x is; eps = 1 keeps the rounding of its zero gradient small.
  { ...normed("one feature", [3, 1]), params: { eps: 1 } },
  normed("row less one", [2, 3, 63]),
  normed("row", [2, 3, 64]),
  normed("row and one", [2, 3, 65], true),
  normed("several rows over", [3, 300]),
  // Software Vulkan has subgroups of 8, so that these rows are held by 1, 8 and 64 invocations.
  normed("rows of four", [7, 4]),
  normed("rows in registers, several turns", [33_000, 32]),
  normed("long rows in registers", [3, 1028]),
  {
    name: "plain",
    params: { eps: 1e-6 },
    inputs: (random) => ({ x: normal(random, [4, 130]) }),
  },
  {
    name: "plain, rows in registers",
    params: { eps: 1e-6 },
    inputs: (random) => ({ x: normal(random, [5, 132]) }),
  },
  {
    name: "zeros and denormals",
    // A GPU may flush denormals to zero; a smaller eps would lift that into view by 1/√eps.
    params: { eps: 1 },
    inputs: (random) => ({ x: denormal(random, [2, 9]), bias: constant([9], 0) }),
  },
];

/** Layer normalisation; equation at the head of this file. */
export const layerNorm = defineOp<LayerNormParams, "x", "weight" | "bias", "out">({
  name: "layer_norm",
  inputs: ["x"],
  optional: ["weight", "bias"],
  outputs: ["out"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => normed(`${work} elements`, [Math.max(1, Math.round(work / 64)), 64]),
  cases,
  tolerance: 5e-6,
  backward,
});
