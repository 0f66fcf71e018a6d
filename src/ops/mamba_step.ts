/**
 * One sample of a whole Mamba block for many streams whose states stay where they are: norm,
 * projections, convolution, recurrence, gate, output and residual in one run.
 *
 *   [a, z] = inProj·norm(x) + inBias      v = silu(convWeight·[window, a] + convBias)
 *   [r, B, C] = xProj·v                   dt = softplus(dtProj·r + dtBias)·elapsed
 *   nextState = exp(dt·A)·state + dt·B·v
 *   out = x + outProj·((C·nextState + D·v)·silu(z)) + outBias
 *
 * The layer `mamba` (`src/layers/mamba.ts`) behind a norm and in front of a residual, as
 * `src/models/backbone.ts` places it; norm(x) = x/√(mean(x²) + eps), its weight being in inProj.
 *
 * Row b of x belongs to the stream of `rows` b: in which row of the tables its state and its window
 * lie, which of the window's width − 1 inputs is the oldest (the new one takes its place, so that
 * the others need not move), and its elapsed time. A slot that is no row of the tables is padding,
 * its out is 0. The slots of a run differ from one another. States lie as lanes
 * (`_helpers/lanes.ts`), weights as `_helpers/mamba_weights.ts` says.
 *
 * Tolerance: sums of f32 products over the inner features, and exp; 2e-5 of the largest output.
 */
import type { GpuLimits } from "../device/device.ts";
import { LANE } from "./_helpers/lanes.ts";
import {
  MAMBA_CASES,
  type MambaInput,
  mambaOutputShapes,
  mambaSized,
  type MambaStepParams,
  mambaTwin,
  mambaWork,
} from "./_helpers/mamba_step_block.ts";
import { mambaStepPlan, mambaTiles } from "./_helpers/mamba_step_plan.ts";
import { mambaStepSimd } from "./_helpers/mamba_step_simd.ts";
import { type MambaParts, type MambaSizes, packMambaWeights } from "./_helpers/mamba_weights.ts";
import { defineOp } from "./op.ts";

export { type MambaParts, type MambaSizes, type MambaStepParams, packMambaWeights };

/** Whether a GPU with these limits can run a block of these sizes in one dispatch. */
export function canStepFused(sizes: MambaSizes, limits: GpuLimits): boolean {
  const isVector = [sizes.feature, sizes.inner, sizes.state].every((size) => size % LANE === 0);
  return isVector && mambaTiles(sizes, limits, 1) !== undefined;
}

/** One sample of a Mamba block for many streams; equation at the head of this file. */
export const mambaStep = defineOp<
  MambaStepParams,
  MambaInput,
  never,
  "out" | "nextState" | "nextWindow"
>({
  name: "mamba_step",
  inputs: ["x", "rows", "weights", "state", "window"],
  optional: [],
  outputs: ["out", "nextState", "nextWindow"],
  resident: { nextState: "state", nextWindow: "window" },
  outputShapes: mambaOutputShapes,
  cpu: (inputs, outputs, shapes, params) => mambaTwin(inputs, outputs, shapes, params),
  launch: (shapes, params, limits) =>
    mambaStepPlan(
      { batch: shapes.x[0]!, rows: shapes.state[0]!, fields: shapes.rows[1]! },
      params,
      limits,
    ),
  simd: (shapes, params) =>
    mambaStepSimd(
      { batch: shapes.x[0]!, rows: shapes.state[0]!, fields: shapes.rows[1]! },
      params,
    ),
  work: mambaWork,
  sized: mambaSized,
  cases: MAMBA_CASES,
  tolerance: 2e-5,
});
