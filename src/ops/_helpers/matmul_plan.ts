/** Passes of `shaders/matmul.wgsl`: which tile a product takes, where its inner axis is split. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";

/** One product of matrices, or of `pairs` of them. */
export interface Product {
  readonly pairs: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** The left operand is stored as [k, m]. */
  readonly transposeA: boolean;
  /** The right operand is stored as [n, k]. */
  readonly transposeB: boolean;
}

/** Names of the tensors of a product; of what is absent there is none. */
export interface ProductNames {
  readonly a: string;
  readonly b: string;
  readonly bias?: string | undefined;
  /** The gradient of act(a·b + bias): the output is then that of a·b + bias. */
  readonly gradC?: string | undefined;
  /** Receives the product. */
  readonly target: string;
}

/** Sizes of a tile: constants of the shader, whose head says what they mean. */
interface Tile {
  readonly ROWS: number;
  readonly COLUMNS: number;
  readonly STEPS: number;
  readonly BLOCK_ROWS: number;
  readonly BLOCK_COLUMNS: number;
  readonly PATCH_ROWS: number;
  readonly PATCH_COLUMNS: number;
}

/** 32×32 outputs, 4×4 an invocation: for the smallest matrices. */
const SMALL: Tile = {
  ROWS: 32,
  COLUMNS: 32,
  STEPS: 8,
  BLOCK_ROWS: 4,
  BLOCK_COLUMNS: 4,
  PATCH_ROWS: 4,
  PATCH_COLUMNS: 8,
};
/** 64×64 outputs, 4×4 an invocation. */
const MIDDLE: Tile = {
  ROWS: 64,
  COLUMNS: 64,
  STEPS: 16,
  BLOCK_ROWS: 4,
  BLOCK_COLUMNS: 4,
  PATCH_ROWS: 4,
  PATCH_COLUMNS: 8,
};
/** 128×128 outputs, 8×8 an invocation. */
const LARGE: Tile = {
  ROWS: 128,
  COLUMNS: 128,
  STEPS: 16,
  BLOCK_ROWS: 8,
  BLOCK_COLUMNS: 8,
  PATCH_ROWS: 4,
  PATCH_COLUMNS: 8,
};

/** From this many outputs on, large tiles still fill a GPU. */
const LARGE_OUTPUTS_MIN = 1 << 20;
/** Narrower matrices waste the larger tiles. */
const MIDDLE_SIDE_MIN = 33;
const LARGE_SIDE_MIN = 65;
/** Workgroups that fill a GPU: with fewer tiles of outputs the inner axis is split, too. */
const GROUPS_ENOUGH = 1024;
/** The shortest part of a split inner axis. */
const PART_STEPS_MIN = 256;

/** The tile for a product of m×n outputs. */
function tileOf(m: number, n: number, limits: GpuLimits): Tile {
  const side = Math.min(m, n);
  const fits = limits.workgroupBytesMax >= 16_384 && limits.invocationsMax >= 256;
  if (!fits || side < MIDDLE_SIDE_MIN) return SMALL;
  if (side >= LARGE_SIDE_MIN && m * n >= LARGE_OUTPUTS_MIN) return LARGE;
  return MIDDLE;
}

/** Vectors that one store of a warp to a turned operand's tile spans, and the banks hold. */
const BANK_VECTORS = 8;

/**
 * By how many vectors the next four steps of a turned operand are swapped: a warp stores values of
 * of each of STEPS / 4 such steps at once. None where a tile is too narrow for the swap to stay
 * among the vectors that lie side by side.
 */
function swizzleOf(side: number, steps: number): number {
  return side % BANK_VECTORS === 0 ? 4 * BANK_VECTORS / steps : 0;
}

/**
 * The passes of one product. Few outputs with a long inner axis (the gradient of a weight: as long
 * as batch times length) take parts of it in parallel, whose sums are added in a fixed order;
 * where more is done to a sum than adding the bias, it is taken whole.
 *
 * @param kind  code of the activation that is applied to the sums; 0 is the identity
 */
export function multiplyPlan(
  product: Product,
  names: ProductNames,
  kind: number,
  limits: GpuLimits,
): Pick<LaunchPlan, "scratch" | "passes"> {
  const { pairs, m, n, k, transposeA, transposeB } = product;
  const { a, b, bias, gradC, target } = names;
  const tile = tileOf(m, n, limits);
  const invocations = tile.ROWS / tile.BLOCK_ROWS * (tile.COLUMNS / tile.BLOCK_COLUMNS);
  const groups = [groupsFor(n, tile.COLUMNS), groupsFor(m, tile.ROWS)] as const;
  const isWhole = kind !== 0 || gradC !== undefined;
  const wanted = Math.floor(GROUPS_ENOUGH / Math.max(1, groups[0] * groups[1] * pairs));
  const most = isWhole ? 1 : Math.max(1, Math.min(wanted, Math.floor(k / PART_STEPS_MIN)));
  const kOfPart = Math.max(1, groupsFor(groupsFor(k, most), tile.STEPS) * tile.STEPS);
  const parts = Math.max(1, groupsFor(k, kOfPart));
  const scratch = `${target}OfParts`;
  const named = Object.entries({ a, b, bias, gradC });
  const pass: Pass = {
    shader: "matmul",
    entry: "multiply",
    constants: {
      ...tile,
      SWIZZLE_A: transposeA ? 0 : swizzleOf(tile.ROWS / tile.BLOCK_ROWS, tile.STEPS),
      SWIZZLE_B: transposeB ? swizzleOf(tile.COLUMNS / tile.BLOCK_COLUMNS, tile.STEPS) : 0,
      INVOCATIONS: invocations,
      LOADS_A: groupsFor(tile.ROWS * tile.STEPS / 4, invocations),
      LOADS_B: groupsFor(tile.COLUMNS * tile.STEPS / 4, invocations),
      TRANSPOSE_A: transposeA ? 1 : 0,
      TRANSPOSE_B: transposeB ? 1 : 0,
      WIDE_A: (transposeA ? m : k) % 4 === 0 ? 1 : 0,
      WIDE_B: (transposeB ? k : n) % 4 === 0 ? 1 : 0,
      WIDE_C: n % 4 === 0 ? 1 : 0,
      EVEN: k % tile.STEPS === 0 ? 1 : 0,
      HAS_BIAS: bias === undefined ? 0 : 1,
      SLOPE: gradC === undefined ? 0 : 1,
      KIND: kind,
    },
    dims: { m, n, k, kOfPart, pairs },
    bindings: [
      ...named.flatMap(([variable, name]) => name === undefined ? [] : [`${variable}=${name}`]),
      `c=${parts > 1 ? scratch : target}`,
    ],
    workgroups: [...groups, pairs * parts],
  };
  if (parts === 1) return { scratch: {}, passes: [pass] };
  const columns = pairs * m * n;
  return joinPlans(
    { scratch: { [scratch]: parts * columns }, passes: [pass] },
    columnSums({ target, left: scratch, rows: parts, columns }),
  );
}
