import { legsBasis, legtBasis, projectLegs, projectLegt } from "../../ssm/projection.ts";
import { reconstruct } from "../../ssm/projection.ts";
import { methodOf } from "./discretization.ts";
import { numberOf, tensorOfCase, textOf, valuesOf } from "./golden_file.ts";
import type { GroupRunner } from "./group.ts";

/** Online coefficients of a signal, and the history drawn again from them. */
export const hippoProjectionGroup: GroupRunner = {
  group: "hippo_projection",
  onGpu: false,
  run(golden) {
    const { shape, values: signal } = tensorOfCase(golden, "f");
    const [length = 0, channels = 0] = shape;
    const stateSize = numberOf(golden, "N");
    const method = methodOf(textOf(golden, "discretization"), golden);
    if (method === undefined) {
      return { unsupported: `discretization "${golden.scalars["discretization"]}"` };
    }
    const options = { ...method, stateSize, channels };
    // A window has a length, so its cases name a step; LegS has neither.
    const sliding = golden.scalars["dt"] !== undefined;
    const dt = sliding ? numberOf(golden, "dt") : 0;
    const coef = sliding ? projectLegt(signal, { ...options, dt }) : projectLegs(signal, options);
    const basis = sliding ? legtBasis(stateSize, dt) : legsBasis(stateSize, length);
    const picks = valuesOf(golden, "recon_steps");
    const points = basis.length / stateSize;
    const recon = new Float64Array(picks.length * channels * points);
    picks.forEach((step, i) => {
      const row = coef.subarray(
        step * channels * stateSize,
        (step + 1) * channels * stateSize,
      );
      recon.set(reconstruct(row, basis, stateSize), i * channels * points);
    });
    return { values: { coef, recon, eval_matrix: basis } };
  },
};
