/**
 * Softmax over the last axis, optionally causal.
 *
 *   y[i, j] = exp(scale·x[i, j]) / Σ_j exp(scale·x[i, j])
 *   logSumExp[i] = log Σ_j exp(scale·x[i, j])
 *
 *   gradX[i, j]  = scale·y[i, j]·(gradY[i, j] − Σ_j gradY[i, j]·y[i, j] + gradLogSumExp[i])
 *
 * The weights of attention (arXiv 1706.03762, eq. 1). The largest value of the row is taken out
 * first, so that no exponential overflows. `causal`: row i of the second-last axis sees columns up
 * to i (with more columns than rows, the last row sees all); the others get weight exactly 0.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|x| ULP, and the sum adds its rounding; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, ROW_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { rowLanes } from "./_helpers/row_lanes.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode softmax}. */
export interface SoftmaxParams {
  /** Multiplies the input; default 1. */
  readonly scale?: number;
  /** Later columns are not seen; default false. */
  readonly causal?: boolean;
}

type Shapes = Named<"x", never, Shape>;

function outputShapes(shapes: Shapes, params: SoftmaxParams): { y: Shape; logSumExp: Shape } {
  const width = lastAxis("x", shapes.x);
  if (width < 1) throw new InvalidValueError("x.width", width, "at least 1");
  const { scale } = params;
  if (scale !== undefined && !(scale > 0 && Number.isFinite(scale))) {
    throw new InvalidValueError("scale", scale, "a finite number above 0");
  }
  if (params.causal) {
    const queries = shapes.x.at(-2) ?? 0;
    if (queries < 1 || queries > width) {
      throw new InvalidValueError("x.rows", queries, `1 to ${width} where causal`);
    }
  }
  return { y: shapes.x, logSumExp: shapes.x.slice(0, -1) };
}

/** The twin: x and y are [.., rows, width], logSumExp [.., rows]. */
function cpu(
  inputs: Named<"x", never, FloatArray>,
  outputs: { readonly y: FloatArray; readonly logSumExp: FloatArray },
  shapes: Shapes,
  params: SoftmaxParams,
): void {
  const { x } = inputs;
  const scale = params.scale ?? 1;
  const width = lastAxis("x", shapes.x);
  const queries = shapes.x.at(-2) ?? 1;
  const rows = rowsOf(shapes.x);
  const weights = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    const count = params.causal ? (row % queries) + 1 + width - queries : width;
    let top = -Infinity;
    for (let j = 0; j < count; j++) top = Math.max(top, scale * x[at + j]!);
    let sum = 0;
    for (let j = 0; j < count; j++) {
      weights[j] = Math.exp(scale * x[at + j]! - top);
      sum += weights[j]!;
    }
    for (let j = 0; j < width; j++) outputs.y[at + j] = j < count ? weights[j]! / sum : 0;
    outputs.logSumExp[row] = top + Math.log(sum);
  }
}

/** One pass over all rows, held in registers or swept. */
function rowPass(
  way: { readonly suffix: string; readonly bindings: readonly string[] },
  shapes: Shapes,
  params: SoftmaxParams,
  limits: GpuLimits,
): LaunchPlan {
  const rows = rowsOf(shapes.x);
  const width = lastAxis("x", shapes.x);
  const lanes = rowLanes(width, limits);
  const groups = lanes ? groupsFor(rows, lanes.GROUP / lanes.LANES) : rows;
  return {
    scratch: {},
    passes: [{
      entry: `${lanes ? "normalize_rows" : "normalize"}${way.suffix}`,
      constants: {
        ...(lanes ?? { GROUP: ROW_GROUP }),
        VECTOR: lanes ? 4 : 1,
        CAUSAL: params.causal ? 1 : 0,
      },
      dims: {
        rows,
        width: lanes ? width / 4 : width,
        queries: shapes.x.at(-2) ?? 1,
        scale: params.scale ?? 1,
      },
      bindings: way.bindings,
      workgroups: spreadGroups(groups, limits),
    }],
  };
}

function launch(shapes: Shapes, params: SoftmaxParams, limits: GpuLimits): LaunchPlan {
  return rowPass({ suffix: "", bindings: ["x", "y", "logSumExp"] }, shapes, params, limits);
}

const backward: Backward<SoftmaxParams, "x", never, "y" | "logSumExp"> = {
  needs: ["y"],
  cpu({ y, gradY, gradLogSumExp }, { gradX }, shapes, params) {
    const scale = params.scale ?? 1;
    const width = lastAxis("x", shapes.x);
    for (let row = 0; row < rowsOf(shapes.x); row++) {
      const at = row * width;
      let mean = 0;
      for (let j = at; j < at + width; j++) mean += gradY![j]! * y![j]!;
      const shift = gradLogSumExp![row]! - mean;
      for (let j = at; j < at + width; j++) gradX![j] = scale * y![j]! * (gradY![j]! + shift);
    }
  },
  launch(shapes, params, limits) {
    const bindings = ["y", "gradY", "gradLogSumExp", "gradX"];
    return rowPass({ suffix: "_backward", bindings }, shapes, params, limits);
  },
  tolerance: 5e-6,
};

type Case = OpCase<SoftmaxParams, "x", never>;

function rowsCase(name: string, shape: Shape, params: SoftmaxParams = {}, quick = false): Case {
  return { name, quick, params, inputs: (random) => ({ x: normal(random, shape, 3) }) };
}

const cases: readonly Case[] = [
  rowsCase("one column", [3, 1]),
  rowsCase("row less one", [2, 3, 63]),
  rowsCase("row", [2, 3, 64], { scale: 0.5 }),
  rowsCase("row and one, causal", [2, 65, 65], { causal: true }, true),
  rowsCase("more columns than rows, causal", [2, 3, 70], { causal: true }),
  rowsCase("several rows over", [3, 300]),
  // Software Vulkan has subgroups of 8, so that these rows are held by 1, 8 and 64 invocations.
  rowsCase("rows of four, causal", [7, 4, 4], { causal: true }),
  rowsCase("rows in registers, causal", [2, 9, 60], { causal: true, scale: 0.25 }),
  rowsCase("long rows in registers", [3, 1028]),
  {
    name: "far apart",
    params: {},
    inputs: () => ({ x: fill([4, 9], (i) => (i % 9 === 3 ? 80 : i % 2 === 0 ? -1e9 : 0)) }),
  },
  { name: "zeros", params: {}, inputs: () => ({ x: constant([2, 9], 0) }) },
  { name: "denormals", params: {}, inputs: (random) => ({ x: denormal(random, [2, 9]) }) },
];

/** Softmax; equation at the head of this file. */
export const softmax = defineOp<SoftmaxParams, "x", never, "y" | "logSumExp">({
  name: "softmax",
  inputs: ["x"],
  optional: [],
  outputs: ["y", "logSumExp"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => rowsCase(`${work} elements`, [Math.max(1, Math.round(work / 64)), 64]),
  cases,
  tolerance: 5e-6,
  backward,
});
