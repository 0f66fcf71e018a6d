/**
 * How rows are held in registers: which invocations share a row, and how they exchange sums.
 *
 * A row of up to 8,192 values, a multiple of four, is read once into named vec4f registers of
 * neighbouring invocations (`shaders/shared/row_lanes.wgsl`), summed across them, and written: what
 * is moved is what has to be. Other rows are swept by a workgroup each, a value at a time.
 */
import type { GpuLimits } from "../../device/device.ts";
import { groupsFor, powerOfTwoAtLeast } from "./plan.ts";

/** Invocations of a workgroup. */
const GROUP = 256;
/** Invocations of a row, while a row is short: neighbours then read 512 bytes in one go. */
const LANES_MIN_OF_LONG = 32;
/**
 * Fours of values that an invocation holds of a row. Rows of 1,024 held by 32 invocations, 8 fours
 * each, took rms_norm 0.055 ms and its gradients 0.117 on an H100 (16,384 rows); held by 64 through
 * workgroup memory, 4 fours each, 0.052 and 0.092.
 */
const VECTORS_ENOUGH = 4;
/** The same for rows that take a whole workgroup. */
const VECTORS_MAX = 8;
/** Workgroups that fill a GPU several times over. */
const GROUPS_ENOUGH = 1024;

/** Constants of a shader that holds rows in registers. */
export interface RowLanes {
  readonly GROUP: number;
  /** Invocations of a row, 2^LANE_BITS. */
  readonly LANES: number;
  readonly LANE_BITS: number;
  /** Fours of values that each of them holds. */
  readonly VECTORS: number;
  /** Sums are exchanged within subgroups, not through workgroup memory. */
  readonly SUBGROUPS: number;
}

/**
 * The constants for rows of `size` values; undefined where rows are not held in registers, since
 * they are too long or no multiple of four.
 */
export function rowLanes(size: number, limits: GpuLimits): RowLanes | undefined {
  if (size < 4 || size % 4 !== 0 || limits.invocationsMax < GROUP) return undefined;
  const vectors = size / 4;
  const most = Math.min(limits.subgroupSize, LANES_MIN_OF_LONG);
  const lanesOf = (lanes: number, subgroups: boolean): RowLanes => ({
    GROUP,
    LANES: lanes,
    LANE_BITS: Math.log2(lanes),
    VECTORS: groupsFor(vectors, lanes),
    SUBGROUPS: subgroups ? 1 : 0,
  });
  if (most > 0 && vectors <= most * VECTORS_ENOUGH) {
    return lanesOf(Math.min(most, powerOfTwoAtLeast(vectors)), true);
  }
  const short = Math.min(LANES_MIN_OF_LONG, powerOfTwoAtLeast(vectors));
  const lanes = Math.max(short, powerOfTwoAtLeast(groupsFor(vectors, VECTORS_ENOUGH)));
  if (lanes <= GROUP) return lanesOf(lanes, false);
  return vectors <= GROUP * VECTORS_MAX ? lanesOf(GROUP, false) : undefined;
}

/** Rows of one workgroup of a pass that sums over rows, and how many such workgroups there are. */
export function rowTurns(rows: number, { LANES }: RowLanes): { turns: number; groups: number } {
  const atOnce = GROUP / LANES;
  const turns = Math.max(1, groupsFor(groupsFor(rows, atOnce), GROUPS_ENOUGH));
  return { turns, groups: Math.max(1, groupsFor(rows, atOnce * turns)) };
}
