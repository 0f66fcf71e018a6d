/** Small arithmetic of launch plans. */
import { LimitError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";

/** Invocations of the pointwise shaders' workgroups. */
export const POINTWISE_GROUP = 64;

/** Invocations of the workgroups of shaders that only move memory. */
export const WIDE_GROUP = 256;

/** Invocations of a workgroup that reduces one row. */
export const ROW_GROUP = 64;

/** Floats that an invocation moves at a time: 4 or 2 where all the sizes are multiples, else 1. */
export function vectorOf(...sizes: readonly number[]): number {
  return [4, 2].find((vector) => sizes.every((size) => size % vector === 0)) ?? 1;
}

/** Groups of `size` that cover `count`. */
export function groupsFor(count: number, size: number): number {
  return Math.ceil(count / size);
}

/** The smallest power of two that is at least `value`. */
export function powerOfTwoAtLeast(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}

/**
 * Spreads a count of workgroups over two axes, since one axis has a limit; the shader's linear
 * group index is `id.y * num_workgroups.x + id.x`, and groups past the count must do nothing.
 *
 * @throws {LimitError} more groups than two axes hold
 */
export function spreadGroups(count: number, limits: GpuLimits): [number, number, number] {
  const most = limits.workgroupsPerAxisMax;
  if (count <= most) return [count, 1, 1];
  const y = Math.ceil(count / most);
  if (y > most) throw new LimitError("workgroupsPerAxisMax", most * most, count);
  return [Math.ceil(count / y), y, 1];
}

const CHUNK_MIN = 32;
const CHUNK_MAX = 512;
/** From this many independent rows on, the rows alone fill a GPU and chunks only cost work. */
const ROWS_SEQUENTIAL_MIN = 65_536;

/** Rows times chunks beyond which more chunks add only work. */
const PARALLEL_ENOUGH = 131_072;

/**
 * Steps of a chunk: about as many chunks as steps in one, so that the scan over the chunks stays
 * short, and longer where the rows already fill a GPU. A power of two, or the whole length.
 */
export function chunkOf(length: number, rows: number): number {
  if (rows >= ROWS_SEQUENTIAL_MIN) return Math.max(length, 1);
  let chunk = CHUNK_MIN;
  const isSmall = () => chunk * chunk < length || rows * length > PARALLEL_ENOUGH * chunk;
  while (chunk < CHUNK_MAX && isSmall()) chunk *= 2;
  return chunk;
}
