/**
 * RMS normalisation and the matrix product of what comes of it: a block's norm and its projection.
 *
 *   r[i] = 1/√(mean_k(x[i, k]²) + eps),     c[i, j] = Σ_k x[i, k]·r[i]·weight[k]·b[j, k] + bias[j]
 *
 *   gradN = gradC·b,   from which gradX and gradWeight as in `rms_norm`
 *   gradB = gradCᵀ·(x·r·weight),   gradBias = Σ_i gradC[i, j]
 *
 * RMSNorm (arXiv 1910.07467) eq. 4 before a linear layer. The normalised rows live for the run
 * only: the way back makes them again, and a tape keeps x alone. They do go through a GPU's
 * memory: summing the squares in the product's own pass, the root being a factor of a row of
 * sums, took 1.005 ms for 65,536 rows of 256 features to 1,024 on an H100, the two passes 0.874
 * (0.051 of it the norm), since the squares take registers from the sums.
 *
 * Tolerance: that of a product, 1e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectShape, lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { normal } from "./_helpers/cases.ts";
import { multiplyPlan } from "./_helpers/matmul_plan.ts";
import type { Product } from "./_helpers/matmul_tiles.ts";
import { multiplyInto } from "./_helpers/matmul_twin.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { normalizeBackwardPlan, normalizePlan, type RmsCall } from "./_helpers/rms_norm_plan.ts";
import { SIMD_ROWS, sumColumns } from "./_helpers/simd.ts";
import { multiplyPasses } from "./_helpers/simd_matmul.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode normMatmul}. */
export interface NormMatmulParams {
  /** Added to the mean of squares, > 0. */
  readonly eps: number;
}

type Shapes = Named<"x" | "weight" | "b", "bias", Shape>;

function outputShapes({ x, weight, b, bias }: Shapes, { eps }: NormMatmulParams): { c: Shape } {
  const k = lastAxis("x", x);
  expectShape("weight", ["feature"], [k], weight);
  const n = b[0] ?? 0;
  expectShape("b", ["n", "feature"], [n, k], b);
  if (bias) expectShape("bias", ["n"], [n], bias);
  if (!(eps > 0)) throw new InvalidValueError("eps", eps, "a number above 0");
  return { c: [...x.slice(0, -1), n] };
}

/** The product of normalised rows and the matrix, which is stored as a linear layer's weight. */
function productOf({ x, b }: Shapes): Product {
  const [n, k] = b as [number, number];
  return { pairs: 1, m: rowsOf(x), n, k, transposeA: false, transposeB: true };
}

function callOf({ x }: Shapes, { eps }: NormMatmulParams): RmsCall {
  const feature = lastAxis("x", x);
  return { rows: rowsOf(x), feature, groupSize: feature, normBeforeGate: false, eps };
}

/** r of each row. */
function inversesOf(x: FloatArray, k: number, eps: number): Float64Array {
  const inverses = new Float64Array(k === 0 ? 0 : x.length / k);
  for (let row = 0; row < inverses.length; row++) {
    let sum = 0;
    for (let i = row * k; i < (row + 1) * k; i++) sum += x[i]! * x[i]!;
    inverses[row] = 1 / Math.sqrt(sum / k + eps);
  }
  return inverses;
}

/** x·r·weight. */
function normedOf(x: FloatArray, weight: FloatArray, inverses: Float64Array): Float64Array {
  const k = weight.length;
  const normed = new Float64Array(x.length);
  for (let row = 0; row < inverses.length; row++) {
    const inverse = inverses[row]!;
    for (let i = 0; i < k; i++) normed[row * k + i] = x[row * k + i]! * inverse * weight[i]!;
  }
  return normed;
}

/**
 * The twin.
 *
 *   x       [.., feature]     weight  [feature]
 *   b       [n, feature]      bias    [n]
 *   c       [.., n]
 */
function cpu(
  { x, weight, b, bias }: Named<"x" | "weight" | "b", "bias", FloatArray>,
  { c }: { readonly c: FloatArray },
  shapes: Shapes,
  { eps }: NormMatmulParams,
): void {
  const normed = normedOf(x, weight, inversesOf(x, weight.length, eps));
  multiplyInto(c, normed, b, productOf(shapes), bias);
}

function launch(shapes: Shapes, params: NormMatmulParams, limits: GpuLimits): LaunchPlan {
  const { m, k } = productOf(shapes);
  const norm = { x: "x", weight: "weight", out: "normed" };
  const names = { a: "normed", b: "b", bias: shapes.bias && "bias", target: "c" };
  return joinPlans(
    { scratch: { normed: m * k }, passes: [] },
    normalizePlan(callOf(shapes, params), norm, limits),
    multiplyPlan(productOf(shapes), names, {}, limits),
  );
}

/** About 0.08 ns a multiply-add, and 1 ns a value that is normalised. */
function simdPlan(shapes: Shapes, { eps }: NormMatmulParams): SimdPlan {
  const product = productOf(shapes);
  const { m, n, k } = product;
  const names = { a: "normed", b: "b", c: "c", bias: "bias" };
  const { scratch, passes } = multiplyPasses(product, names);
  return {
    scratch: { ...scratch, normed: m * k },
    passes: [normalizeSimd("normed", m, k, eps), ...passes],
    coreMs: 8e-8 * m * n * k + 1e-6 * m * k,
  };
}

function normalizeSimd(out: string, rows: number, k: number, eps: number) {
  return { entry: "rms_norm", args: ["x", "weight", "", out, k, k, 0, eps], tasks: rows };
}

const backward: Backward<NormMatmulParams, "x" | "weight" | "b", "bias", "c"> = {
  needs: ["x", "weight", "b"],
  cpu({ x, weight, b, gradC }, { gradX, gradWeight, gradB, gradBias }, shapes, { eps }) {
    const { m, n, k } = productOf(shapes);
    const inverses = inversesOf(x!, k, eps);
    const gradN = new Float64Array(m * k);
    const plain = { pairs: 1, transposeB: false };
    multiplyInto(gradN, gradC!, b!, { ...plain, m, n: k, k: n, transposeA: false });
    const normed = normedOf(x!, weight!, inverses);
    multiplyInto(gradB!, gradC!, normed, { ...plain, m: n, n: k, k: m, transposeA: true });
    const weightSums = new Float64Array(k);
    for (let row = 0; row < m; row++) {
      const inverse = inverses[row]!;
      let along = 0;
      for (let i = 0; i < k; i++) {
        const share = gradN[row * k + i]! * x![row * k + i]!;
        weightSums[i]! += share * inverse;
        along += share * weight![i]!;
      }
      const pull = inverse * inverse * along / k;
      for (let i = 0; i < k; i++) {
        const at = row * k + i;
        gradX![at] = inverse * (gradN[at]! * weight![i]! - x![at]! * pull);
      }
    }
    gradWeight!.set(weightSums);
    if (gradBias === undefined) return;
    const sums = new Float64Array(n);
    for (let i = 0; i < gradC!.length; i++) sums[i % n]! += gradC![i]!;
    gradBias.set(sums);
  },
  launch(shapes, params, limits) {
    const { m, n, k } = productOf(shapes);
    const call = callOf(shapes, params);
    const plain = { pairs: 1, transposeB: false };
    const names = { x: "x", weight: "weight" };
    const gradN = { a: "gradC", b: "b", target: "gradN" };
    const gradB = { a: "gradC", b: "normed", target: "gradB" };
    const backNames = { ...names, gradOut: "gradN", gradX: "gradX", gradWeight: "gradWeight" };
    const plans = [
      { scratch: { gradN: m * k, normed: m * k }, passes: [] },
      multiplyPlan({ ...plain, m, n: k, k: n, transposeA: false }, gradN, {}, limits),
      normalizeBackwardPlan(call, backNames, limits),
      normalizePlan(call, { ...names, out: "normed" }, limits),
      multiplyPlan({ ...plain, m: n, n: k, k: m, transposeA: true }, gradB, {}, limits),
    ];
    if (!shapes.bias) return joinPlans(...plans);
    const bias = { target: "gradBias", left: "gradC", rows: m, columns: n };
    return joinPlans(...plans, columnSums(bias));
  },
  simd(shapes, { eps }) {
    const { m, n, k } = productOf(shapes);
    const plain = { pairs: 1, transposeB: false };
    const back = { ...plain, m, n: k, k: n, transposeA: false };
    const gradN = multiplyPasses(back, { a: "gradC", b: "b", c: "gradN" });
    const across = { ...plain, m: n, n: k, k: m, transposeA: true };
    const gradB = multiplyPasses(across, { a: "gradC", b: "normed", c: "gradB" });
    const tasks = Math.ceil(m / SIMD_ROWS);
    const tensors = ["x", "weight", "", "gradN", "gradX", "", "shares"];
    const args = [...tensors, m, SIMD_ROWS, k, k, 0, eps];
    const weight = { target: "gradWeight", left: "shares", rows: tasks, columns: k };
    const bias = { target: "gradBias", left: "gradC", rows: m, columns: n };
    const most = (name: "packedA" | "packedB") =>
      Math.max(gradN.scratch[name]!, gradB.scratch[name]!);
    return {
      scratch: {
        // One after the other, so the packed operands share their places.
        packedA: most("packedA"),
        packedB: most("packedB"),
        gradN: m * k,
        normed: m * k,
        shares: tasks * k,
      },
      passes: [
        ...gradN.passes,
        { entry: "rms_norm_backward", args, tasks },
        sumColumns(weight),
        normalizeSimd("normed", m, k, eps),
        ...gradB.passes,
        ...(shapes.bias ? [sumColumns(bias)] : []),
      ],
      coreMs: 16e-8 * m * n * k + 4e-6 * m * k,
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<NormMatmulParams, "x" | "weight" | "b" | "bias", never>;

function projected(name: string, rows: Shape, k: number, n: number, quick = false): Case {
  return {
    name,
    quick,
    params: { eps: 1e-5 },
    inputs: (random) => ({
      x: normal(random, [...rows, k], 3),
      weight: normal(random, [k]),
      b: normal(random, [n, k]),
      bias: normal(random, [n]),
    }),
  };
}

const cases: readonly OpCase<NormMatmulParams, "x" | "weight" | "b", "bias">[] = [
  projected("one row", [1], 8, 5),
  projected("features no multiple of four", [2, 19], 13, 21, true),
  projected("a tile and one", [33], 32, 33),
  projected("several tiles", [5, 29], 68, 72),
  projected("large tiles", [1030], 20, 1028),
  {
    name: "no bias",
    params: { eps: 1 },
    inputs: (random) => ({
      x: normal(random, [40, 36]),
      weight: normal(random, [36]),
      b: normal(random, [44, 36]),
    }),
  },
];

/** RMS normalisation and a matrix product; equations and shapes at the head of this file. */
export const normMatmul = defineOp<NormMatmulParams, "x" | "weight" | "b", "bias", "c">({
  name: "norm_matmul",
  inputs: ["x", "weight", "b"],
  optional: ["bias"],
  outputs: ["c"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.x) * shapes.b[0]!,
  sized: (work) => {
    const side = Math.max(1, Math.round(Math.cbrt(work)));
    // Of few features the norm leaves little but what f32 loses by cancelling.
    return projected(`${work} multiply-adds`, [side], Math.max(8, side), side);
  },
  cases,
  tolerance: 1e-5,
  backward,
});
