/**
 * The shift system of H3 as the taps of a causal convolution.
 *
 *   weight[state − 1 − l] = Σ_n C[n]·B[n − l], n from l to state − 1;  the newest (l = 0): + D
 *
 * A delay line x[k] = S·x[k − 1] + B·u[k], S a shift by one place, with the output C·x[k] + D·u[k]
 * answers an impulse l samples ago by the correlation of C and B at lag l. H3 (arXiv 2212.14052),
 * section 3.1. The order is that of `conv1d`: the newest tap last.
 *
 * Tolerance: sums of at most `state` products; 1e-6.
 */
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Named, type OpCase, type Pass } from "./op.ts";

/** `shift_taps` takes no parameters. */
export type ShiftTapsParams = Record<string, never>;

type Shapes = Named<"B" | "C", "D", Shape>;

/**
 * The twin.
 *
 *   B, C    [feature, state]
 *   D       [feature]
 *   weight  [feature, state]
 */
function cpu(
  { B, C, D }: Named<"B" | "C", "D", FloatArray>,
  { weight }: { readonly weight: FloatArray },
  shapes: Shapes,
): void {
  const [feature, state] = shapes.B as [number, number];
  for (let d = 0; d < feature; d++) {
    const first = d * state;
    for (let lag = 0; lag < state; lag++) {
      let sum = lag === 0 && D ? D[d]! : 0;
      for (let n = lag; n < state; n++) sum += C[first + n]! * B[first + n - lag]!;
      weight[first + state - 1 - lag] = sum;
    }
  }
}

function pass(shapes: Shapes, entry: string, bindings: string[]): Omit<Pass, "workgroups"> {
  const [feature, state] = shapes.B as [number, number];
  const constants = { GROUP: POINTWISE_GROUP, HAS_D: shapes.D ? 1 : 0 };
  return { entry, constants, dims: { feature, state }, bindings };
}

/** gradB is the correlation of C with the gradient, gradC the convolution of B with it. */
const backward: Backward<ShiftTapsParams, "B" | "C", "D", "weight"> = {
  needs: ["B", "C"],
  cpu({ B, C, gradWeight }, { gradB, gradC, gradD }, shapes) {
    const [feature, state] = shapes.B as [number, number];
    for (let d = 0; d < feature; d++) {
      const first = d * state;
      const last = first + state - 1;
      for (let n = 0; n < state; n++) {
        let ofB = 0;
        let ofC = 0;
        for (let lag = 0; lag < state - n; lag++) {
          ofB += gradWeight![last - lag]! * C![first + n + lag]!;
        }
        for (let lag = 0; lag <= n; lag++) ofC += gradWeight![last - lag]! * B![first + n - lag]!;
        gradB![first + n] = ofB;
        gradC![first + n] = ofC;
      }
      if (gradD) gradD[d] = gradWeight![last]!;
    }
  },
  launch(shapes, _params, limits) {
    const D = shapes.D ? ["gradD"] : [];
    const bindings = ["B", "C", "gradWeight", "gradB", "gradC", ...D];
    const workgroups = spreadGroups(groupsFor(sizeOf(shapes.B), POINTWISE_GROUP), limits);
    return {
      scratch: {},
      passes: [{ ...pass(shapes, "back_to_system", bindings), workgroups }],
    };
  },
  tolerance: 1e-6,
};

function system(
  name: string,
  shape: readonly [number, number],
  { quick = false, hasD = true } = {},
): OpCase<ShiftTapsParams, "B" | "C", "D"> {
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      B: normal(random, shape),
      C: normal(random, shape),
      ...(hasD && { D: normal(random, [shape[0]]) }),
    }),
  };
}

/** Taps of a shift system; equation and shapes at the head of this file. */
export const shiftTaps = defineOp<ShiftTapsParams, "B" | "C", "D", "weight">({
  name: "shift_taps",
  inputs: ["B", "C"],
  optional: ["D"],
  outputs: ["weight"],
  outputShapes(shapes): { weight: Shape } {
    expectRank("B", 2, shapes.B);
    const [feature, state] = shapes.B as [number, number];
    expectShape("C", ["feature", "state"], [feature, state], shapes.C);
    if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
    return { weight: shapes.B };
  },
  cpu,
  launch(shapes, _params, limits) {
    const D = shapes.D ? ["D"] : [];
    const workgroups = spreadGroups(groupsFor(sizeOf(shapes.B), POINTWISE_GROUP), limits);
    return {
      scratch: {},
      passes: [{ ...pass(shapes, "correlate", ["B", "C", ...D, "weight"]), workgroups }],
    };
  },
  work: (shapes) => sizeOf(shapes.B) * shapes.B[1]!,
  sized: (work) => system(`${work} products`, [Math.max(1, Math.round(work / 256)), 16]),
  cases: [
    system("one tap", [3, 1]),
    system("some taps", [7, 5], { quick: true }),
    system("no skip", [3, 8], { hasD: false }),
    system("more features than a workgroup", [71, 4]),
    system("long", [2, 64]),
    {
      name: "denormals",
      params: {},
      inputs: (random) => ({ B: denormal(random, [3, 4]), C: normal(random, [3, 4]) }),
    },
  ],
  tolerance: 1e-6,
  backward,
});
