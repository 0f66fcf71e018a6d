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
  /** Weights of the RMS norm of a's rows, of which each is a factor of one step.          [k] */
  readonly norm?: string | undefined;
  /** Receives the product. */
  readonly target: string;
}

/** What else a product is told. */
export interface How {
  /** Code of the activation that is applied to the sums; 0, the default, is the identity. */
  readonly kind?: number;
  /** Added to the mean of squares where there is a norm. */
  readonly eps?: number;
  /** The tile, in place of the one that the sizes choose: for tests and measurements. */
  readonly tile?: Tile;
  readonly groups?: number;
}

/** Sizes of a tile: constants of the shader, whose head says what they mean. */
export interface Tile {
  readonly ROWS: number;
  readonly COLUMNS: number;
  readonly STEPS: number;
  readonly BLOCK_ROWS: number;
  readonly BLOCK_COLUMNS: number;
  readonly PATCH_ROWS: number;
  readonly PATCH_COLUMNS: number;
}

function tile(ROWS: number, COLUMNS: number, block: readonly [number, number], STEPS = 16): Tile {
  const [BLOCK_ROWS, BLOCK_COLUMNS] = block;
  const across = COLUMNS / BLOCK_COLUMNS;
  const PATCH_COLUMNS = Math.min(8, across & -across);
  return {
    ROWS,
    COLUMNS,
    STEPS,
    BLOCK_ROWS,
    BLOCK_COLUMNS,
    PATCH_ROWS: 32 / PATCH_COLUMNS,
    PATCH_COLUMNS,
  };
}

/** The tiles that products are cut into, by name. */
export const TILES = {
  largest: tile(128, 256, [8, 16]),
  large: tile(128, 128, [8, 8]),
  tall: tile(256, 64, [8, 8]),
  narrow: tile(256, 48, [8, 12]),
  strip: tile(128, 64, [8, 8]),
  middle: tile(64, 64, [4, 4]),
  flat: tile(64, 128, [8, 8]),
  block: tile(64, 64, [8, 8]),
  small: tile(32, 32, [4, 4], 8),
} as const;

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
  if (!fits || side < MIDDLE_SIDE_MIN) return TILES.small;
  if (side >= LARGE_SIDE_MIN && m * n >= LARGE_OUTPUTS_MIN) return TILES.large;
  return TILES.middle;
}

const VECTOR_BYTES = 16;

/**
 * Vectors of padding after each step's row of an operand's tile: one for operands that are turned,
 * as far as workgroup memory has room for it.
 */
function paddingOf({ transposeA, transposeB }: Product, tile: Tile, limits: GpuLimits) {
  const turned = (transposeA ? 0 : 1) + (transposeB ? 1 : 0);
  const vectors = (tile.ROWS + tile.COLUMNS) / 4 + turned;
  const hasRoom = vectors * tile.STEPS * VECTOR_BYTES <= limits.workgroupBytesMax;
  return { PAD_A: hasRoom && !transposeA ? 1 : 0, PAD_B: hasRoom && transposeB ? 1 : 0 };
}

/**
 * The passes of one product. Few outputs with a long inner axis (the gradient of a weight: as long
 * as batch times length) take parts of it in parallel, whose sums are added in a fixed order;
 * where more is done to a sum than adding the bias, it is taken whole.
 */
export function multiplyPlan(
  product: Product,
  names: ProductNames,
  { kind = 0, eps = 1, ...how }: How,
  limits: GpuLimits,
): Pick<LaunchPlan, "scratch" | "passes"> {
  const { pairs, m, n, k, transposeA, transposeB } = product;
  const { a, b, bias, gradC, norm, target } = names;
  const tile = how.tile ?? tileOf(m, n, limits);
  const invocations = tile.ROWS / tile.BLOCK_ROWS * (tile.COLUMNS / tile.BLOCK_COLUMNS);
  const groups = [groupsFor(n, tile.COLUMNS), groupsFor(m, tile.ROWS)] as const;
  const isWhole = [gradC, norm].some((name) => name !== undefined) || kind !== 0;
  const wanted = Math.floor(
    (how.groups ?? GROUPS_ENOUGH) / Math.max(1, groups[0] * groups[1] * pairs),
  );
  const most = isWhole ? 1 : Math.max(1, Math.min(wanted, Math.floor(k / PART_STEPS_MIN)));
  const kOfPart = Math.max(1, groupsFor(groupsFor(k, most), tile.STEPS) * tile.STEPS);
  const parts = Math.max(1, groupsFor(k, kOfPart));
  const scratch = `${target}OfParts`;
  const named = Object.entries({ a, b, bias, gradC, norm });
  const pass: Pass = {
    shader: "matmul",
    entry: "multiply",
    constants: {
      ...tile,
      ...paddingOf(product, tile, limits),
      INVOCATIONS: invocations,
      LOADS_A: groupsFor(tile.ROWS * tile.STEPS / 4, invocations),
      LOADS_B: groupsFor(tile.COLUMNS * tile.STEPS / 4, invocations),
      TRANSPOSE_A: transposeA ? 1 : 0,
      TRANSPOSE_B: transposeB ? 1 : 0,
      WIDE_A: transposeA && m % 4 === 0 ? 1 : 0,
      WIDE_B: !transposeB && n % 4 === 0 ? 1 : 0,
      WIDE_C: n % 4 === 0 ? 1 : 0,
      EVEN: k % tile.STEPS === 0 ? 1 : 0,
      HAS_BIAS: bias === undefined ? 0 : 1,
      NORM: norm === undefined ? 0 : 1,
      SLOPE: gradC === undefined ? 0 : 1,
      KIND: kind,
    },
    dims: { m, n, k, kOfPart, pairs, eps },
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
