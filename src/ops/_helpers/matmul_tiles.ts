/** Which tile a matrix product takes on a GPU, and in how many parts its inner axis. */
import { LimitError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import { groupsFor } from "./plan.ts";

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

/** Sizes of a tile: constants of `shaders/matmul.wgsl`, whose head says what they mean. */
export interface Tile {
  readonly ROWS: number;
  readonly COLUMNS: number;
  readonly STEPS: number;
  readonly BLOCK_ROWS: number;
  readonly BLOCK_COLUMNS: number;
  readonly PATCH_ROWS: number;
  readonly PATCH_COLUMNS: number;
}

/** How a product is cut: `parts` of `kOfPart` steps of the inner axis, each into tiles. */
export interface Cut {
  readonly tile: Tile;
  readonly parts: number;
  readonly kOfPart: number;
}

/** Invocations that exchange nothing but read together. */
const WARP = 32;
const PATCH_COLUMNS_MAX = 8;

function tile(ROWS: number, COLUMNS: number, block: readonly [number, number], STEPS = 16): Tile {
  const [BLOCK_ROWS, BLOCK_COLUMNS] = block;
  const across = COLUMNS / BLOCK_COLUMNS;
  // The largest power of two that divides the invocations of a row.
  const PATCH_COLUMNS = Math.min(PATCH_COLUMNS_MAX, across & -across);
  const PATCH_ROWS = WARP / PATCH_COLUMNS;
  return { ROWS, COLUMNS, STEPS, BLOCK_ROWS, BLOCK_COLUMNS, PATCH_ROWS, PATCH_COLUMNS };
}

/** The tiles, by name. */
export const TILES = {
  largest: tile(128, 256, [8, 16]),
  large: tile(128, 128, [8, 8]),
  strip: tile(128, 64, [8, 8]),
  narrow: tile(256, 48, [8, 12]),
  block: tile(64, 64, [8, 8]),
  middle: tile(64, 64, [4, 4]),
  small: tile(32, 32, [4, 4], 8),
} as const;

type TileName = keyof typeof TILES;

/** Rows of the tiles that every device takes. */
const ROWS_MOST = 128;

/** What a tile reaches on an H100. */
interface Rate {
  /** Multiply-adds a microsecond, in millions, where tiles are many and the inner axis is long. */
  readonly mega: number;
  /** Workgroups that a processor holds at once, by its registers and workgroup memory. */
  readonly held: number;
  /** Steps whose time a workgroup spends on beginning and on writing what it has. */
  readonly edges: number;
}

/**
 * Fitted to what was measured (GPU timestamps, one H100, ms; operands as in a linear layer's way
 * forward, or TN as in its weight's gradient, sums of parts included):
 *
 *   m, n, k             largest  large   strip   narrow  block   middle  small
 *   4096, 4096, 4096    2.79     3.08
 *   65536, 1024, 256    0.804    0.931
 *   65536, 256, 256     0.220    0.246
 *   65536, 512, 48      0.131    0.136   0.124                   0.113
 *   65536, 512, 16      0.087    0.077   0.077           0.076   0.066
 *   65536, 128, 64               0.052   0.051           0.052   0.044
 *   65536, 64, 256                       0.071           0.072   0.077
 *   65536, 48, 512                       0.123   0.101           0.145
 *   65536, 36, 128                               0.042           0.043   0.055
 *   1024, 1024, 1024    0.077    0.079                   0.070   0.077
 *   1024, 256, 65536 TN 0.702    0.785
 *   48, 512, 65536 TN                    0.216           0.117   0.146
 *   512, 16, 65536 TN                                            0.147   0.093
 *
 * On one H200, 147,456 rows of the neural forecaster (TFLOP/s):
 *
 *   n, k                largest  large   strip   128x192  64x192  192x192
 *   192, 192            31.3     27.6    39.3    36.5     37.5    37.6
 *   768, 192            43.0     37.9    42.1    38.9     40.4    40.3
 *   192, 384            33.6     28.9    41.2    39.1     40.5    41.6
 *
 * Best nowhere, and so left out: 256x64, 64x128 and 256x128 outputs; 8 or 32 steps; two tiles
 * in turns in twice the workgroup memory (46 against 49 TFLOP/s at 4096^3); operands that are
 * staged as they lie, along the inner axis (40); turned operands swapped by an exclusive or,
 * not padded (47).
 */
const RATES: Readonly<Record<TileName, Rate>> = {
  largest: { mega: 24.5, held: 1, edges: 48 },
  large: { mega: 22, held: 2, edges: 45 },
  strip: { mega: 19.5, held: 4, edges: 37 },
  narrow: { mega: 18, held: 2, edges: 80 },
  block: { mega: 18.3, held: 8, edges: 30 },
  middle: { mega: 16, held: 4, edges: 10 },
  small: { mega: 12.9, held: 8, edges: 30 },
};

/** Processors of the GPU that was measured. */
const PROCESSORS = 132;
/** Share of a processor's time that one workgroup takes alone, however many it could hold. */
const ALONE_SHARE = 0.25;
/** Parts are never shorter than this. */
const PART_STEPS_MIN = 256;
/** What another pass takes to begin, and how fast the sums of parts are written and added. */
const PASS_US = 3;
const SUM_BYTES_PER_US = 2.5e6;

/** Microseconds, about, that a cut takes on the GPU that was measured. */
function timeOf({ pairs, m, n }: Product, { tile, parts, kOfPart }: Cut, rate: Rate): number {
  const groups = groupsFor(m, tile.ROWS) * groupsFor(n, tile.COLUMNS) * pairs * parts;
  const atOnce = PROCESSORS * rate.held;
  const rest = groups % atOnce;
  const share = Math.max(ALONE_SHARE, groupsFor(rest, PROCESSORS) / rate.held);
  const turns = Math.floor(groups / atOnce) + (rest === 0 ? 0 : share);
  const products = turns * atOnce * tile.ROWS * tile.COLUMNS * (kOfPart + rate.edges);
  const sums = parts === 1 ? 0 : PASS_US + 8 * parts * pairs * m * n / SUM_BYTES_PER_US;
  return products / 1e6 / rate.mega + sums;
}

/** The cuts of a product into one tile: its inner axis whole, or in enough parts to fill a GPU. */
function cutsInto(tile: Tile, rate: Rate, { pairs, m, n, k }: Product, isWhole: boolean): Cut[] {
  const whole = { tile, parts: 1, kOfPart: Math.max(1, groupsFor(k, tile.STEPS) * tile.STEPS) };
  const groups = Math.max(1, groupsFor(m, tile.ROWS) * groupsFor(n, tile.COLUMNS) * pairs);
  const most = isWhole ? 1 : Math.floor(k / PART_STEPS_MIN);
  const turns = [1, 2, 4].map((turn) => Math.floor(turn * PROCESSORS * rate.held / groups));
  return [
    whole,
    ...turns.filter((parts) => parts > 1).map((wanted) => {
      const parts = Math.max(1, Math.min(wanted, most));
      const kOfPart = Math.max(1, groupsFor(groupsFor(k, parts), tile.STEPS) * tile.STEPS);
      return { tile, parts: Math.max(1, groupsFor(k, kOfPart)), kOfPart };
    }),
  ];
}

function fits({ m, n }: Product, tile: Tile, limits: GpuLimits): boolean {
  const { ROWS, COLUMNS, STEPS, BLOCK_ROWS, BLOCK_COLUMNS } = tile;
  return 4 * STEPS * (ROWS + COLUMNS) <= limits.workgroupBytesMax &&
    ROWS / BLOCK_ROWS * (COLUMNS / BLOCK_COLUMNS) <= limits.invocationsMax &&
    groupsFor(m, ROWS) <= limits.workgroupsPerAxisMax &&
    groupsFor(n, COLUMNS) <= limits.workgroupsPerAxisMax;
}

/**
 * The cut that would take an H100 least time; other GPUs rank tiles much the same. It depends on
 * sizes and limits alone, so that a product has the same bits on every run.
 *
 * @param isWhole  the inner axis must not be split
 * @throws {LimitError} more rows than one axis of workgroups reaches
 */
export function cutOf(product: Product, isWhole: boolean, limits: GpuLimits): Cut {
  const names = Object.keys(TILES) as TileName[];
  const cuts = names.filter((name) => fits(product, TILES[name], limits)).flatMap((name) =>
    cutsInto(TILES[name], RATES[name], product, isWhole).map((cut) => ({
      cut,
      us: timeOf(product, cut, RATES[name]),
    }))
  );
  const [first, ...others] = cuts;
  if (first === undefined) {
    const most = limits.workgroupsPerAxisMax * ROWS_MOST;
    throw new LimitError("workgroupsPerAxisMax", most, product.m, "rows of a product");
  }
  return others.reduce((best, each) => each.us < best.us ? each : best, first).cut;
}
