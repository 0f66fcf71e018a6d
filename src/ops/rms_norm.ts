/**
 * Root-mean-square normalisation, optionally gated and in groups.
 *
 *   v   = x                    or, with z and not `normBeforeGate`, x·silu(z)
 *   out = v / √(mean(v²) + eps) · weight      (mean over each group of `groupSize` features)
 *   out = out · silu(z)        with z and `normBeforeGate`
 *
 * RMSNorm (arXiv 1910.07467) eq. 4; the gated forms are Mamba-2's (arXiv 2405.21060, section 7.2).
 *
 * Tolerance: a mean of squares in f32 and one inverse square root, 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { silu, siluSlope } from "./_helpers/activation.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { normalizeBackwardPlan, normalizePlan, type RmsCall } from "./_helpers/rms_norm_plan.ts";
import { SIMD_ROWS, singlePass, sumColumns } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode rmsNorm}. */
export interface RmsNormParams {
  /** Added to the mean of squares, > 0. */
  readonly eps: number;
  /** Features normalised together, a divisor of the last axis; default all. */
  readonly groupSize?: number;
  /** With z: gate after the norm (true) or before it; default false. */
  readonly normBeforeGate?: boolean;
}

type Shapes = Named<"x", "weight" | "z", Shape>;

function outputShapes(shapes: Shapes, params: RmsNormParams): { out: Shape } {
  const feature = lastAxis("x", shapes.x);
  if (shapes.weight) expectShape("weight", ["feature"], [feature], shapes.weight);
  if (shapes.z) expectShape("z", shapes.x.map((_, i) => `${i}`), shapes.x, shapes.z);
  if (!(params.eps > 0)) throw new InvalidValueError("eps", params.eps, "a number above 0");
  const { groupSize } = params;
  if (groupSize !== undefined && !(groupSize >= 1 && feature % groupSize === 0)) {
    throw new InvalidValueError("groupSize", groupSize, `a divisor of ${feature}`);
  }
  return { out: shapes.x };
}

/** The twin: x, z and out are [.., feature], weight [feature]. */
function cpu(
  inputs: Named<"x", "weight" | "z", FloatArray>,
  outputs: { readonly out: FloatArray },
  shapes: Shapes,
  params: RmsNormParams,
): void {
  const { x, weight, z } = inputs;
  const feature = lastAxis("x", shapes.x);
  const size = params.groupSize ?? feature;
  const gateFirst = z !== undefined && !params.normBeforeGate;
  const gateLast = z !== undefined && !gateFirst;
  for (let start = 0; start < x.length; start += size) {
    let sum = 0;
    for (let i = start; i < start + size; i++) {
      const v = gateFirst ? x[i]! * silu(z[i]!) : x[i]!;
      sum += v * v;
    }
    const inverse = 1 / Math.sqrt(sum / size + params.eps);
    for (let i = start; i < start + size; i++) {
      const v = gateFirst ? x[i]! * silu(z[i]!) : x[i]!;
      const scaled = v * inverse * (weight ? weight[i % feature]! : 1);
      outputs.out[i] = gateLast ? scaled * silu(z[i]!) : scaled;
    }
  }
}

function callOf(shapes: Shapes, params: RmsNormParams): RmsCall {
  const feature = lastAxis("x", shapes.x);
  const { groupSize = feature, normBeforeGate = false, eps } = params;
  return { rows: rowsOf(shapes.x), feature, groupSize, normBeforeGate, eps };
}

function launch(shapes: Shapes, params: RmsNormParams, limits: GpuLimits): LaunchPlan {
  const names = { x: "x", weight: shapes.weight && "weight", z: shapes.z && "z", out: "out" };
  return normalizePlan(callOf(shapes, params), names, limits);
}

/** About 1 ns an element, 6 with a gate. */
function simdPlan(shapes: Shapes, params: RmsNormParams): SimdPlan {
  const feature = lastAxis("x", shapes.x);
  const size = params.groupSize ?? feature;
  const gate = shapes.z ? params.normBeforeGate ? GATE_LAST : GATE_FIRST : 0;
  const args = ["x", "weight", "z", "out", size, feature, gate, params.eps];
  const tasks = rowsOf(shapes.x) * (size > 0 ? feature / size : 0);
  const coreMs = (gate === 0 ? 1e-6 : 6e-6) * sizeOf(shapes.x);
  return singlePass({ entry: "rms_norm", args, tasks }, coreMs);
}

/** Codes of simd/assembly/norm.ts. */
const GATE_FIRST = 1;
const GATE_LAST = 2;

/**
 * With r = 1/√(mean(v²) + eps), h = gradOut (times silu(z) where the gate is last), g = h·weight,
 *
 *   gradV = r·(g − v·r²·mean(g·v))        gradWeight = Σ h·v·r        (over rows)
 *
 * and from there through the gate: last, gradZ = gradOut·v·r·weight·silu'(z); first,
 * gradX = gradV·silu(z), gradZ = gradV·x·silu'(z).
 */
const backward: Backward<RmsNormParams, "x", "weight" | "z", "out"> = {
  needs: ["x", "weight", "z"],
  cpu({ x, weight, z, gradOut }, { gradX, gradWeight, gradZ }, shapes, params) {
    const feature = lastAxis("x", shapes.x);
    const size = params.groupSize ?? feature;
    const gateFirst = z !== undefined && !params.normBeforeGate;
    const gateLast = z !== undefined && !gateFirst;
    const weightSums = new Float64Array(feature);
    const v = new Float64Array(size);
    const g = new Float64Array(size);
    for (let start = 0; start < x!.length; start += size) {
      let squares = 0;
      for (let i = 0; i < size; i++) {
        v[i] = gateFirst ? x![start + i]! * silu(z[start + i]!) : x![start + i]!;
        squares += v[i]! * v[i]!;
      }
      const inverse = 1 / Math.sqrt(squares / size + params.eps);
      let along = 0;
      for (let i = 0; i < size; i++) {
        const at = start + i;
        const scale = weight ? weight[at % feature]! : 1;
        const grad = gradOut![at]!;
        const inner = gateLast ? grad * silu(z[at]!) : grad;
        if (gateLast) gradZ![at] = grad * v[i]! * inverse * scale * siluSlope(z[at]!);
        weightSums[at % feature]! += inner * v[i]! * inverse;
        g[i] = inner * scale;
        along += g[i]! * v[i]!;
      }
      const pull = inverse * inverse * along / size;
      for (let i = 0; i < size; i++) {
        const at = start + i;
        const gradV = inverse * (g[i]! - v[i]! * pull);
        gradX![at] = gateFirst ? gradV * silu(z[at]!) : gradV;
        if (gateFirst) gradZ![at] = gradV * x![at]! * siluSlope(z[at]!);
      }
    }
    gradWeight?.set(weightSums);
  },
  launch(shapes, params, limits) {
    const weight = shapes.weight && { weight: "weight", gradWeight: "gradWeight" };
    const z = shapes.z && { z: "z", gradZ: "gradZ" };
    const names = { x: "x", gradOut: "gradOut", gradX: "gradX", ...weight, ...z };
    return normalizeBackwardPlan(callOf(shapes, params), names, limits);
  },
  simd(shapes, params) {
    const [own] = simdPlan(shapes, params).passes;
    const columns = lastAxis("x", shapes.x);
    const groups = own!.tasks;
    const block = SIMD_ROWS * columns / (params.groupSize ?? columns);
    const tasks = Math.ceil(groups / block);
    const tensors = ["x", "weight", "z", "gradOut", "gradX", "gradZ", "shares"];
    const args = [...tensors, groups, block, ...own!.args.slice(4)];
    const sums = { target: "gradWeight", left: "shares", rows: tasks, columns };
    return {
      scratch: shapes.weight ? { shares: tasks * columns } : {},
      passes: [
        { entry: "rms_norm_backward", args, tasks },
        ...(shapes.weight ? [sumColumns(sums)] : []),
      ],
      coreMs: (shapes.z ? 12e-6 : 3e-6) * sizeOf(shapes.x),
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<RmsNormParams, "x", "weight" | "z">;

function normed(name: string, shape: Shape, change: Partial<RmsNormParams> = {}): Case {
  return {
    name,
    params: { eps: 1e-5, ...change },
    inputs: (random) => ({
      x: normal(random, shape, 3),
      weight: normal(random, [shape.at(-1)!]),
      z: normal(random, shape),
    }),
  };
}

const cases: readonly Case[] = [
  // One feature keeps only eps/(v² + eps) of its gradient, a remainder that f32 finds by
  // cancelling: eps = 1 leaves enough of it to be measured.
  normed("one feature", [3, 1], { eps: 1 }),
  normed("row less one", [2, 3, 63]),
  normed("row", [2, 3, 64], { normBeforeGate: true }),
  { ...normed("row and one", [2, 3, 65]), quick: true },
  normed("groups", [3, 5, 12], { groupSize: 4 }),
  normed("groups, gate last", [3, 300], { groupSize: 100, normBeforeGate: true }),
  // Software Vulkan has subgroups of 8, so that these rows are held by 1, 8 and 64 invocations.
  normed("rows of four", [7, 4]),
  normed("rows in registers, several turns", [33_000, 32]),
  normed("long rows in registers, gate last", [3, 1028], { normBeforeGate: true }),
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
    inputs: (random) => ({ x: denormal(random, [2, 9]), weight: constant([9], 1) }),
  },
];

/** RMS normalisation; equations at the head of this file. */
export const rmsNorm = defineOp<RmsNormParams, "x", "weight" | "z", "out">({
  name: "rms_norm",
  inputs: ["x"],
  optional: ["weight", "z"],
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
