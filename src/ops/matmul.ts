/**
 * Matrix product with optional transposes and bias.
 *
 *   c[i, j] = Σ_k a[i, k]·b[k, j] + bias[j]
 *   gradA = gradC·bᵀ,  gradB = aᵀ·gradC,  gradBias = Σ_i gradC[i, j]
 *
 * With a matrix `b` all leading axes of `a` are rows (a linear layer over a sequence; torch's
 * `nn.Linear` weight is `b` with `transposeB`). With more axes, `b` has the leading axes of `a` and
 * each pair of matrices is multiplied.
 *
 * The shader is the classic two-level tile: a workgroup stages K steps of both operands in
 * workgroup memory, an invocation keeps a block of outputs in registers. Where there are too few
 * outputs to fill a GPU, workgroups share the inner axis (split-K) and a second pass adds.
 *
 * Tolerance: an f32 sum of K products is off by about √K·6e-8 of the norms; 1e-5 covers K ≤ 4096.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectAxis, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { sumColumns } from "./_helpers/simd.ts";
import { multiplyPasses } from "./_helpers/simd_matmul.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode matmul}. */
export interface MatmulParams {
  /** `a` is [.., k, m]. */
  readonly transposeA?: boolean;
  /** `b` is [.., n, k]. */
  readonly transposeB?: boolean;
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

/** One product of matrices, as the twin and the shader both take it. */
interface Product {
  readonly pairs: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
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
  inputs: Named<"a" | "b", "bias", FloatArray>,
  outputs: { readonly c: FloatArray },
  shapes: Shapes,
  params: MatmulParams,
): void {
  multiplyInto(outputs.c, inputs.a, inputs.b, productOf(shapes, params), inputs.bias);
}

function multiplyInto(
  c: FloatArray,
  a: FloatArray,
  b: FloatArray,
  { pairs, m, n, k, transposeA, transposeB }: Product,
  bias?: FloatArray,
): void {
  const row = new Float64Array(n);
  const strideRow = transposeA ? 1 : k;
  const strideK = transposeA ? m : 1;
  for (let pair = 0; pair < pairs; pair++) {
    const offA = pair * m * k;
    const offB = pair * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) row[j] = bias ? bias[j]! : 0;
      const at = offA + i * strideRow;
      if (transposeB) addDotsInto(row, a, at, strideK, b, offB, k);
      else addRowsInto(row, a, at, strideK, b, offB, k);
      c.set(row, (pair * m + i) * n);
    }
  }
}

/** row[j] += Σ a[k]·b[j, k]. */
function addDotsInto(
  row: Float64Array,
  a: FloatArray,
  at: number,
  stride: number,
  b: FloatArray,
  offB: number,
  k: number,
): void {
  for (let j = 0; j < row.length; j++) {
    let sum = 0;
    const bRow = offB + j * k;
    for (let p = 0; p < k; p++) sum += a[at + p * stride]! * b[bRow + p]!;
    row[j] = row[j]! + sum;
  }
}

/** row[j] += Σ a[k]·b[k, j], row of b by row, so that memory is read in order. */
function addRowsInto(
  row: Float64Array,
  a: FloatArray,
  at: number,
  stride: number,
  b: FloatArray,
  offB: number,
  k: number,
): void {
  const n = row.length;
  for (let p = 0; p < k; p++) {
    const factor = a[at + p * stride]!;
    const bRow = offB + p * n;
    for (let j = 0; j < n; j++) row[j] = row[j]! + factor * b[bRow + j]!;
  }
}

/** Tile settings; `ROWS`×`COLUMNS` outputs a workgroup, 4·`VECTORS` squared an invocation. */
const SMALL_TILE = { ROWS: 32, COLUMNS: 32, STEPS: 8, VECTORS: 1 } as const;
/** 64×64 outputs, 4×4 an invocation; 8 KiB of workgroup memory. */
const MIDDLE_TILE = { ROWS: 64, COLUMNS: 64, STEPS: 16, VECTORS: 1 } as const;
/** 128×128 outputs, 8×8 an invocation; 16 KiB of workgroup memory. */
const LARGE_TILE = { ROWS: 128, COLUMNS: 128, STEPS: 16, VECTORS: 2 } as const;
/** From this many outputs on, large tiles still fill a GPU. */
const LARGE_TILE_OUTPUTS_MIN = 1 << 20;
/** Narrower matrices waste the larger tiles. */
const MIDDLE_TILE_SIDE_MIN = 33;
const LARGE_TILE_SIDE_MIN = 65;
/** Workgroups that fill a GPU: with fewer tiles of outputs the inner axis is split, too. */
const GROUPS_ENOUGH = 1024;
/** The shortest part of a split inner axis. */
const PART_STEPS_MIN = 256;

function tileOf(m: number, n: number, limits: GpuLimits) {
  const side = Math.min(m, n);
  const fits = limits.workgroupBytesMax >= 16384 && limits.invocationsMax >= 256;
  if (!fits || side < MIDDLE_TILE_SIDE_MIN) return SMALL_TILE;
  if (side >= LARGE_TILE_SIDE_MIN && m * n >= LARGE_TILE_OUTPUTS_MIN) return LARGE_TILE;
  return MIDDLE_TILE;
}

function launch(shapes: Shapes, params: MatmulParams, limits: GpuLimits): LaunchPlan {
  const bias = shapes.bias ? ["bias"] : [];
  return multiplyPlan(productOf(shapes, params), ["a", "b", ...bias], "c", limits);
}

/**
 * The passes of one product. Few outputs with a long inner axis (the gradient of a weight: as long
 * as batch times length) take parts of it in parallel, whose sums are added in a fixed order.
 *
 * @param operands bindings of `a`, `b` and perhaps `bias`
 * @param target   name of the tensor that receives the product
 */
function multiplyPlan(
  { pairs, m, n, k, transposeA, transposeB }: Product,
  operands: readonly string[],
  target: string,
  limits: GpuLimits,
): LaunchPlan {
  const tile = tileOf(m, n, limits);
  const side = 4 * tile.VECTORS;
  const groups = [groupsFor(n, tile.COLUMNS), groupsFor(m, tile.ROWS)] as const;
  const wanted = Math.floor(GROUPS_ENOUGH / Math.max(1, groups[0] * groups[1] * pairs));
  const most = Math.max(1, Math.min(wanted, Math.floor(k / PART_STEPS_MIN)));
  const kOfPart = Math.max(1, groupsFor(groupsFor(k, most), tile.STEPS) * tile.STEPS);
  const parts = Math.max(1, groupsFor(k, kOfPart));
  const scratch = `${target}OfParts`;
  const pass: Pass = {
    entry: "multiply",
    constants: {
      ...tile,
      INVOCATIONS: tile.ROWS / side * (tile.COLUMNS / side),
      TRANSPOSE_A: transposeA ? 1 : 0,
      TRANSPOSE_B: transposeB ? 1 : 0,
      HAS_BIAS: operands.length === 3 ? 1 : 0,
    },
    dims: { m, n, k, kOfPart, pairs },
    bindings: [...operands, `c=${parts > 1 ? scratch : target}`],
    workgroups: [...groups, pairs * parts],
  };
  const own = { scratch: {}, passes: [pass] };
  if (parts === 1) return own;
  const columns = pairs * m * n;
  return joinPlans(
    { scratch: { [scratch]: parts * columns }, passes: [pass] },
    columnSums({ target, left: scratch, rows: parts, columns }),
  );
}

/**
 * The two products of the way back, gradA = gradC·bᵀ and gradB = aᵀ·gradC, each with the operands
 * and transposes that give the gradient in the order in which its operand is stored.
 */
function gradientProducts(shapes: Shapes, params: MatmulParams): Record<GradientTarget, Share> {
  const { pairs, m, n, k, transposeA, transposeB } = productOf(shapes, params);
  const a = { pairs, left: "a", right: "gradC" } as const;
  const b = { pairs, left: "b", right: "gradC" } as const;
  const gradC = { pairs, left: "gradC" } as const;
  return {
    gradA: transposeA
      ? { ...b, m: k, n: m, k: n, transposeA: transposeB, transposeB: true }
      : { ...gradC, right: "b", m, n: k, k: n, transposeA: false, transposeB: !transposeB },
    gradB: transposeB
      ? { ...gradC, right: "a", m: n, n: k, k: m, transposeA: true, transposeB: transposeA }
      : { ...a, m: k, n, k: m, transposeA: !transposeA, transposeB: false },
  };
}

/** About 0.08 ns a multiply-add. */
function simdPlan(shapes: Shapes, params: MatmulParams): SimdPlan {
  const product = productOf(shapes, params);
  const { scratch, passes } = multiplyPasses(product, { a: "a", b: "b", c: "c", bias: "bias" });
  return { scratch, passes, coreMs: 8e-8 * sizeOfProduct(product) };
}

function sizeOfProduct({ pairs, m, n, k }: Product): number {
  return pairs * m * n * k;
}

type GradientTarget = "gradA" | "gradB";

/** A product and the names of its operands. */
type Share = Product & Record<"left" | "right", "a" | "b" | "gradC">;

const backward: Backward<MatmulParams, "a" | "b", "bias", "c"> = {
  needs: ["a", "b"],
  cpu(given, { gradA, gradB, gradBias }, shapes, params) {
    const products = gradientProducts(shapes, params);
    const multiply = (out: FloatArray, share: Share) =>
      multiplyInto(out, given[share.left]!, given[share.right]!, share);
    multiply(gradA!, products.gradA);
    multiply(gradB!, products.gradB);
    if (gradBias === undefined) return;
    const sums = new Float64Array(gradBias.length);
    const { gradC } = given;
    for (let i = 0; i < gradC!.length; i++) sums[i % sums.length]! += gradC![i]!;
    gradBias.set(sums);
  },
  launch(shapes, params, limits) {
    const products = gradientProducts(shapes, params);
    const plans = (["gradA", "gradB"] as const).map((target) => {
      const { left, right } = products[target];
      return multiplyPlan(products[target], [`a=${left}`, `b=${right}`], target, limits);
    });
    if (!shapes.bias) return joinPlans(...plans);
    const { pairs, m, n } = productOf(shapes, params);
    const sums = { target: "gradBias", left: "gradC", rows: pairs * m, columns: n };
    return joinPlans(...plans, columnSums(sums));
  },
  simd(shapes, params) {
    const products = gradientProducts(shapes, params);
    const plans = (["gradA", "gradB"] as const).map((target) => {
      const { left, right } = products[target];
      return multiplyPasses(products[target], { a: left, b: right, c: target });
    });
    const { pairs, m, n } = productOf(shapes, params);
    const sums = sumColumns({ target: "gradBias", left: "gradC", rows: pairs * m, columns: n });
    return {
      // One after the other, so the packed operands share their places.
      scratch: largest(plans.map(({ scratch }) => scratch)),
      passes: [...plans.flatMap(({ passes }) => passes), ...(shapes.bias ? [sums] : [])],
      coreMs: 16e-8 * sizeOfProduct(products.gradA),
    };
  },
  tolerance: 1e-5,
};

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
