/**
 * `mamba_step` whose states are kept as binary16, in half the memory and with half the traffic:
 *
 *   nextState = the nearest binary16 numbers to those of `mamba_step`, |nextState| ≤ 65504
 *
 * All else is the same; y is read from the states before they are rounded. A state that decays
 * slowly takes increments in only down to 2^-11 of itself, so this is for models that were found to
 * bear it. A GPU packs two states into a word; serving keeps them so and runs the middle pass alone
 * (`mambaHalfPass`), while the op packs them before and unpacks them after.
 *
 * Tolerance: WGSL may round to either neighbour; 1e-3 of the largest state.
 */
import { sizeOf } from "../tensor/shape.ts";
import { halfVectorOf, roundedToHalf } from "./_helpers/half_storage.ts";
import {
  MAMBA_CASES,
  type MambaInput,
  mambaOutputShapes,
  mambaSized,
  type MambaStepParams,
  mambaTwin,
  mambaWork,
} from "./_helpers/mamba_step_block.ts";
import { mambaHalfPass } from "./_helpers/mamba_step_plan.ts";
import { groupsFor, spreadGroups, WIDE_GROUP } from "./_helpers/plan.ts";
import { defineOp, type Pass } from "./op.ts";

/** One sample of a Mamba block, states as binary16; equation at the head of this file. */
export const mambaStepHalf = defineOp<
  MambaStepParams,
  MambaInput,
  never,
  "out" | "nextState" | "nextWindow"
>({
  name: "mamba_step_half",
  inputs: ["x", "rows", "weights", "state", "window"],
  optional: [],
  outputs: ["out", "nextState", "nextWindow"],
  resident: { nextState: "state", nextWindow: "window" },
  outputShapes: mambaOutputShapes,
  cpu: (inputs, outputs, shapes, params) => {
    outputs.nextState.forEach((state, i) => outputs.nextState[i] = roundedToHalf(state));
    mambaTwin(inputs, outputs, shapes, params, roundedToHalf);
  },
  launch(shapes, params, limits) {
    const run = { batch: shapes.x[0]!, rows: shapes.state[0]!, fields: shapes.rows[1]! };
    const count = sizeOf(shapes.state);
    const vector = halfVectorOf(count);
    const invocations = vector === 4 ? count / 4 : Math.ceil(count / 2);
    const half = (entry: string, bindings: readonly string[]): Pass => ({
      shader: "half",
      entry,
      constants: { GROUP: WIDE_GROUP, VECTOR: vector },
      dims: { count: count / vector },
      bindings,
      workgroups: spreadGroups(groupsFor(invocations, WIDE_GROUP), limits),
    });
    return {
      scratch: { words: count / 2 },
      passes: [
        half("pack_half", ["x=nextState", "packed=words"]),
        mambaHalfPass(run, params, limits),
        half("unpack_half", ["words", "out=nextState"]),
      ],
    };
  },
  work: mambaWork,
  sized: mambaSized,
  cases: MAMBA_CASES,
  tolerance: 1e-3,
});
