/** The geometry of the matrix products of `ssd` and of its backward on a GPU. */
import { groupsFor } from "./plan.ts";

/** Columns that an invocation's neighbours take, side by side in memory. */
export const LANES = 16;
/** Rows of an invocation: those of a vec4. */
export const ROWS = 4;
/** Most columns of an invocation; of those whose right side is staged, half. */
export const COLUMNS_MAX = 4;

/** Columns of an invocation for so many columns in all. */
export function columnsFor(count: number, most: number): number {
  return Math.min(most, Math.max(1, groupsFor(count, LANES)));
}
