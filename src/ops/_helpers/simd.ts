/** What the SIMD plans of the ops share. */
import type { SimdPass, SimdPlan } from "../../device/device.ts";

/** Features that a task of a scan takes: `TILE` in simd/assembly/lanes.ts. */
export const SIMD_TILE = 16;

/** Elements of a task of the elementwise kernels. */
export const SIMD_BLOCK = 4096;

/** Rows whose shares of a weight's gradient one task adds in f32. */
export const SIMD_ROWS = 64;

/** Tasks of the kernels that take a row of the batch and a tile of features each. */
export function tiledTasks(rows: number, feature: number): number {
  return rows * Math.ceil(feature / SIMD_TILE);
}

/** A plan of one kernel without scratch that passes share. */
export function singlePass(pass: SimdPass, coreMs: number): SimdPlan {
  return { scratch: {}, passes: [pass], coreMs };
}

/** Columns of a task of the sums: one cache line. */
const SUM_COLUMNS = 16;

/** target[c] = Σ_r left[r, c], in f64 and in the order of the rows. */
export function sumColumns(sums: {
  readonly target: string;
  readonly left: string;
  readonly rows: number;
  readonly columns: number;
}): SimdPass {
  const { target, left, rows, columns } = sums;
  return {
    entry: "column_sums",
    args: [left, target, rows, columns, SUM_COLUMNS],
    tasks: Math.ceil(columns / SUM_COLUMNS),
  };
}

/** Code of a step's discretisation: none, zero-order hold, bilinear, none with logarithms. */
export function simdRule(params: {
  readonly variant: "lti" | "perStep" | "logs";
  readonly discretization?: "zoh" | "bilinear" | undefined;
}): number {
  if (params.variant === "logs") return 3;
  return params.variant === "lti" ? 0 : params.discretization === "bilinear" ? 2 : 1;
}

/** A flag of a kernel. */
export function flag(value: unknown): number {
  return value ? 1 : 0;
}
