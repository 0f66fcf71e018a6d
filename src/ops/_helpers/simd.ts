/** What the SIMD plans of the ops share. */
import type { SimdPass, SimdPlan } from "../../device/device.ts";

/** Features that a task of a scan takes: `TILE` in simd/assembly/lanes.ts. */
export const SIMD_TILE = 16;

/** Elements of a task of the elementwise kernels. */
export const SIMD_BLOCK = 4096;

/** Tasks of the kernels that take a row of the batch and a tile of features each. */
export function tiledTasks(rows: number, feature: number): number {
  return rows * Math.ceil(feature / SIMD_TILE);
}

/** A plan of one kernel without scratch that passes share. */
export function singlePass(pass: SimdPass, coreMs: number): SimdPlan {
  return { scratch: {}, passes: [pass], coreMs };
}

/** A flag of a kernel. */
export function flag(value: unknown): number {
  return value ? 1 : 0;
}
