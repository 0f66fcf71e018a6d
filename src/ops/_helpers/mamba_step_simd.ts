/** The SIMD plan of `mamba_step`. */
import type { SimdPlan } from "../../device/device.ts";
import { mambaOffsets, type MambaSizes, selectedOf, VECTOR } from "./mamba_weights.ts";
import { flag } from "./simd.ts";

/** Rows of a task, as in simd/assembly/mamba_step.ts. */
const TASK_ROWS = 8;
/** Rows that go through the products together. */
const BLOCK = 4;
/** Nanoseconds of a weight for a row, states and functions included; measured (docs/simd.md). */
const WEIGHT_NS = 0.15;

/** Sizes of a run. */
interface MambaRun {
  readonly batch: number;
  /** Rows of the tables of states. */
  readonly rows: number;
  /** Fields of a row of the batch. */
  readonly fields: number;
}

/** One kernel, a task for every 8 rows; states and windows are advanced where they lie. */
export function mambaStepSimd(
  { batch, rows, fields }: MambaRun,
  params: MambaSizes & { readonly norm: boolean; readonly eps: number },
): SimdPlan {
  const { feature, inner, state, width, rank, bias, norm, eps } = params;
  const sizes = [batch, fields, rows, feature, inner, state, width, rank, flag(bias), flag(norm)];
  const tensors = ["x", "rows", "weights", "nextState", "nextWindow", "out"];
  const perRow = 4 * inner + selectedOf(params) + feature;
  return {
    scratch: {},
    passes: [{
      entry: "mamba_step",
      args: [...tensors, ...sizes, eps],
      tasks: Math.ceil(batch / TASK_ROWS),
      threadFloats: BLOCK * perRow + (width + 5) * inner,
    }],
    coreMs: 1e-6 * WEIGHT_NS * batch * VECTOR * mambaOffsets(params).end,
    resident: ["nextState", "nextWindow"],
  };
}
