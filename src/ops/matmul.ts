/**
 * Matrix product with optional transposes and, in the same pass, bias and activation.
 *
 *   s[i, j] = Σ_k a[i, k]·b[k, j] + bias[j],   c = act(s),   gradS = gradC·act'(s)
 *   gradA = gradS·bᵀ,  gradB = aᵀ·gradS,  gradBias = Σ_i gradS[i, j]
 *
 * With a matrix `b` all leading axes of `a` are rows (a linear layer over a sequence; torch's
 * `nn.Linear` weight is `b` with `transposeB`). With more axes, `b` has the leading axes of `a` and
 * each pair of matrices is multiplied.
 *
 * With an activation the way back takes the product once more, since s is not kept: no memory is
 * spent on it, at a third more multiply-adds than without. Where a training run has the memory, the
 * product and the op `activation` apart are faster.
 *
 * The shader is the classic two-level tile: a workgroup stages K steps of both operands in
 * workgroup memory, an invocation keeps a block of outputs in registers. Where there are too few
 * outputs to fill a GPU, workgroups share the inner axis (split-K) and a second pass adds. The
 * tiles and what chose them are in `_helpers/matmul_plan.ts`.
 *
 * Tolerance: an f32 sum of K products is off by about √K·6e-8 of the norms; 1e-5 covers K ≤ 4096.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectAxis, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { type Activation, activationCode, activationOf, slopeOf } from "./_helpers/activation.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { multiplyPlan } from "./_helpers/matmul_plan.ts";
import type { Product } from "./_helpers/matmul_tiles.ts";
import { multiplyInto } from "./_helpers/matmul_twin.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { SIMD_BLOCK, sumColumns } from "./_helpers/simd.ts";
import { multiplyPasses } from "./_helpers/simd_matmul.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Some,
} from "./op.ts";

/** Parameters of {@linkcode matmul}. */
export interface MatmulParams {
  /** `a` is [.., k, m]. */
  readonly transposeA?: boolean;
  /** `b` is [.., n, k]. */
  readonly transposeB?: boolean;
  /** Applied to each sum; default the identity. Softplus is the one of beta = 1. */
  readonly activation?: Activation;
}

type Shapes = Named<"a" | "b", "bias", Shape>;

/** Sizes of a call, checked; `pairs` matrices of m×k and k×n. */
interface Sizes {
  readonly pairs: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly out: Shape;
}

function sizesOf(shapes: Shapes, params: MatmulParams): Sizes {
  const { a, b, bias } = shapes;
  activationCode(kindOf(params));
  if (a.length < 2) throw new InvalidValueError("a.rank", a.length, "at least 2");
  if (b.length < 2) throw new InvalidValueError("b.rank", b.length, "at least 2");
  const [aRows, aColumns] = a.slice(-2) as [number, number];
  const [bRows, bColumns] = b.slice(-2) as [number, number];
  const rows = params.transposeA ? aColumns : aRows;
  const k = params.transposeA ? aRows : aColumns;
  const n = params.transposeB ? bRows : bColumns;
  expectAxis("b.k", k, params.transposeB ? bColumns : bRows);
  if (bias) expectShape("bias", ["n"], [n], bias);
  const leading = a.slice(0, -2);
  const out = [...leading, rows, n];
  if (b.length === 2) {
    if (params.transposeA && leading.length > 0) {
      throw new InvalidValueError("a.rank", a.length, "2 with transposeA and a matrix b");
    }
    return { pairs: 1, m: sizeOf(leading) * rows, n, k, out };
  }
  expectShape("b", leading.map((_, i) => `leading ${i}`).concat("k", "n"), [
    ...leading,
    bRows,
    bColumns,
  ], b);
  return { pairs: sizeOf(leading), m: rows, n, k, out };
}

/** The function that is applied to the sums. */
function kindOf({ activation = "identity" }: MatmulParams): Activation {
  return activation;
}

function productOf(shapes: Shapes, params: MatmulParams): Product {
  const { pairs, m, n, k } = sizesOf(shapes, params);
  const { transposeA = false, transposeB = false } = params;
  return { pairs, m, n, k, transposeA, transposeB };
}

/**
 * The twin.
 *
 *   a     [.., m, k], transposed [.., k, m]
 *   b     [k, n] or [.., k, n], transposed [n, k]
 *   bias  [n]
 *   c     [.., m, n]
 */
function cpu(
  { a, b, bias }: Named<"a" | "b", "bias", FloatArray>,
  { c }: { readonly c: FloatArray },
  shapes: Shapes,
  params: MatmulParams,
): void {
  multiplyInto(c, a, b, productOf(shapes, params), bias);
  if (params.activation === undefined) return;
  const act = activationOf(params.activation);
  for (let i = 0; i < c.length; i++) c[i] = act(c[i]!);
}

function launch(shapes: Shapes, params: MatmulParams, limits: GpuLimits): LaunchPlan {
  const names = { a: "a", b: "b", bias: shapes.bias && "bias", target: "c" };
  return multiplyPlan(
    productOf(shapes, params),
    names,
    { kind: activationCode(kindOf(params)) },
    limits,
  );
}

/**
 * The two products of the way back, gradA = gradS·bᵀ and gradB = aᵀ·gradS, each with the operands
 * and transposes that give the gradient in the order in which its operand is stored.
 */
function gradientProducts(shapes: Shapes, params: MatmulParams): Record<GradientTarget, Share> {
  const { pairs, m, n, k, transposeA, transposeB } = productOf(shapes, params);
  const a = { pairs, left: "a", right: "gradS" } as const;
  const b = { pairs, left: "b", right: "gradS" } as const;
  const gradS = { pairs, left: "gradS" } as const;
  return {
    gradA: transposeA
      ? { ...b, m: k, n: m, k: n, transposeA: transposeB, transposeB: true }
      : { ...gradS, right: "b", m, n: k, k: n, transposeA: false, transposeB: !transposeB },
    gradB: transposeB
      ? { ...gradS, right: "a", m: n, n: k, k: m, transposeA: true, transposeB: transposeA }
      : { ...a, m: k, n, k: m, transposeA: !transposeA, transposeB: false },
  };
}

/** About 0.08 ns a multiply-add, and 4 ns an activation. */
function simdPlan(shapes: Shapes, params: MatmulParams): SimdPlan {
  const product = productOf(shapes, params);
  const { scratch, passes } = multiplyPasses(product, { a: "a", b: "b", c: "c", bias: "bias" });
  const coreMs = 8e-8 * sizeOfProduct(product);
  if (params.activation === undefined) return { scratch, passes, coreMs };
  const count = product.pairs * product.m * product.n;
  const args = ["c", "c", count, SIMD_BLOCK, activationCode(params.activation), 1];
  const activate = { entry: "activation", args, tasks: Math.ceil(count / SIMD_BLOCK) };
  return { scratch, passes: [...passes, activate], coreMs: coreMs + 4e-6 * count };
}

function sizeOfProduct({ pairs, m, n, k }: Product): number {
  return pairs * m * n * k;
}

type GradientTarget = "gradA" | "gradB";

/** A product and the names of its operands. */
type Share = Product & Record<"left" | "right", Operand>;

type Operand = "a" | "b" | "gradS";

const backward: Backward<MatmulParams, "a" | "b", "bias", "c"> = {
  needs: ["a", "b", "bias"],
  needsWith: ({ activation }) => activation === undefined ? ["a", "b"] : ["a", "b", "bias"],
  cpu(given, { gradA, gradB, gradBias }, shapes, params) {
    const gradS = sumGradient(given, shapes, params);
    const products = gradientProducts(shapes, params);
    const operands = { a: given.a!, b: given.b!, gradS };
    const multiply = (out: FloatArray, share: Share) =>
      multiplyInto(out, operands[share.left], operands[share.right], share);
    multiply(gradA!, products.gradA);
    multiply(gradB!, products.gradB);
    if (gradBias === undefined) return;
    const sums = new Float64Array(gradBias.length);
    for (let i = 0; i < gradS.length; i++) sums[i % sums.length]! += gradS[i]!;
    gradBias.set(sums);
  },
  launch(shapes, params, limits) {
    const whole = productOf(shapes, params);
    const { pairs, m, n } = whole;
    const products = gradientProducts(shapes, params);
    const isPlain = params.activation === undefined;
    const gradS = isPlain ? "gradC" : "gradS";
    const nameOf = (name: Operand) => name === "gradS" ? gradS : name;
    const plans = (["gradA", "gradB"] as const).map((target) => {
      const { left, right } = products[target];
      const names = { a: nameOf(left), b: nameOf(right), target };
      return multiplyPlan(products[target], names, {}, limits);
    });
    if (shapes.bias) {
      plans.push(
        columnSums({ target: "gradBias", left: gradS, rows: pairs * m, columns: n }),
      );
    }
    if (isPlain) return joinPlans(...plans);
    const names = { a: "a", b: "b", bias: shapes.bias && "bias", gradC: "gradC", target: gradS };
    const again = multiplyPlan(whole, names, { kind: activationCode(kindOf(params)) }, limits);
    return joinPlans({ scratch: { gradS: pairs * m * n }, passes: again.passes }, ...plans);
  },
  simd(shapes, params) {
    const whole = productOf(shapes, params);
    const { pairs, m, n } = whole;
    const products = gradientProducts(shapes, params);
    const isPlain = params.activation === undefined;
    const gradS = isPlain ? "gradC" : "gradS";
    const nameOf = (name: Operand) => name === "gradS" ? gradS : name;
    const plans = (["gradA", "gradB"] as const).map((target) => {
      const { left, right } = products[target];
      return multiplyPasses(products[target], { a: nameOf(left), b: nameOf(right), c: target });
    });
    const count = pairs * m * n;
    const again = multiplyPasses(whole, { a: "a", b: "b", c: "sums", bias: "bias" });
    const code = activationCode(kindOf(params));
    const slope = {
      entry: "activation_backward",
      args: ["sums", "gradC", "gradS", count, SIMD_BLOCK, code, 1],
      tasks: Math.ceil(count / SIMD_BLOCK),
    };
    const before = isPlain ? [] : [...again.passes, slope];
    const sums = sumColumns({ target: "gradBias", left: gradS, rows: pairs * m, columns: n });
    // One after the other, so the packed operands share their places.
    const packed = largest([...plans, ...(isPlain ? [] : [again])].map(({ scratch }) => scratch));
    return {
      scratch: { ...packed, ...(isPlain ? {} : { sums: count, gradS: count }) },
      passes: [
        ...before,
        ...plans.flatMap(({ passes }) => passes),
        ...(shapes.bias ? [sums] : []),
      ],
      coreMs: (isPlain ? 16e-8 : 24e-8) * sizeOfProduct(whole),
    };
  },
  tolerance: 1e-5,
};

/** gradC, or with an activation gradC·act'(s) with s computed again. */
function sumGradient(
  { a, b, bias, gradC }: Some<"a" | "b" | "bias" | "gradC", FloatArray>,
  shapes: Shapes,
  params: MatmulParams,
): FloatArray {
  if (params.activation === undefined) return gradC!;
  const sums = new Float64Array(gradC!.length);
  multiplyInto(sums, a!, b!, productOf(shapes, params), bias);
  const slope = slopeOf(params.activation);
  for (let i = 0; i < sums.length; i++) sums[i] = gradC![i]! * slope(sums[i]!);
  return sums;
}

function largest(scratches: readonly Record<string, number>[]): Record<string, number> {
  const most: Record<string, number> = {};
  for (const [name, floats] of scratches.flatMap((scratch) => Object.entries(scratch))) {
    most[name] = Math.max(floats, most[name] ?? 0);
  }
  return most;
}

type MatmulCase = OpCase<MatmulParams, "a" | "b", "bias">;

function product(name: string, a: Shape, b: Shape, change: Partial<MatmulCase> = {}): MatmulCase {
  return {
    name,
    params: {},
    inputs: (random) => ({ a: normal(random, a), b: normal(random, b) }),
    ...change,
  };
}

const cases: readonly MatmulCase[] = [
  product("one number", [1, 1], [1, 1]),
  product("one tile less one", [31, 31], [31, 31]),
  product("one tile", [32, 32], [32, 32]),
  product("one tile and one", [33, 33], [33, 33]),
  product("leading axes are rows", [2, 5, 7], [7, 9]),
  product("pairs", [3, 5, 7], [3, 7, 9]),
  product("pairs, both transposed", [3, 7, 5], [3, 9, 7], {
    params: { transposeA: true, transposeB: true },
  }),
  {
    name: "linear layer with bias",
    quick: true,
    params: { transposeB: true },
    inputs: (random) => ({
      a: normal(random, [2, 19, 12]),
      b: normal(random, [21, 12]),
      bias: normal(random, [21]),
    }),
  },
  product("transposed a", [40, 33], [40, 5], { params: { transposeA: true } }),
  product("several tiles", [70, 150], [150, 65]),
  product("inner axis in parts", [3, 1500], [1500, 5]),
  product("inner axis in more parts than are added at once", [2, 16_700], [16_700, 3]),
  product("inner axis in parts, pairs, transposed", [2, 700, 40], [2, 700, 35], {
    params: { transposeA: true },
  }),
  {
    name: "inner axis in parts, bias",
    params: {},
    inputs: (random) => ({
      a: normal(random, [4, 600]),
      b: normal(random, [600, 7]),
      bias: normal(random, [7]),
    }),
  },
  product("large tiles", [1030, 3], [3, 1027]),
  {
    name: "bias and gelu",
    params: { transposeB: true, activation: "gelu" },
    inputs: (random) => ({
      a: normal(random, [2, 19, 12], 0.3),
      b: normal(random, [21, 12]),
      bias: normal(random, [21]),
    }),
  },
  product("silu, in fours", [40, 36], [36, 44], { params: { activation: "silu" } }),
  product("zeros and denormals", [9, 5], [5, 9], {
    inputs: (random) => ({ a: denormal(random, [9, 5]), b: constant([5, 9], 0) }),
  }),
];

/** Matrix product; equation and shapes at the head of this file. */
export const matmul = defineOp<MatmulParams, "a" | "b", "bias", "c">({
  name: "matmul",
  inputs: ["a", "b"],
  optional: ["bias"],
  outputs: ["c"],
  outputShapes: (shapes, params) => ({ c: sizesOf(shapes, params).out }),
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes, params) => {
    const { pairs, m, n, k } = sizesOf(shapes, params);
    return pairs * m * n * k;
  },
  sized: (work) => {
    const side = Math.max(1, Math.round(Math.cbrt(work)));
    return product(`${work} multiply-adds`, [side, side], [side, side]);
  },
  cases,
  tolerance: 1e-5,
  backward,
});
