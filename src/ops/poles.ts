/**
 * The poles of a diagonal system from the two numbers in which a mode is learned.
 *
 *   lambda = −exp(logDecay) + i·frequency
 *
 * S4D (arXiv 2206.11893) section 3.4: the exponential keeps every mode in the left half plane.
 *
 * Back, gradLogDecay = Re(lambda)·Re(gradLambda) and gradFrequency = Im(gradLambda).
 *
 * Tolerance: an exponential within a rounding or two (`shaders/shared/exp.wgsl`); 1e-6.
 */
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { constant, normal, uniform } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import type { GpuLimits } from "../device/device.ts";
import { type Backward, defineOp, type OpCase, type Pass } from "./op.ts";

/** `poles` takes no parameters. */
export type PolesParams = Record<string, never>;

type Input = "logDecay" | "frequency";

function pass(entry: string, bindings: string[], shape: Shape, limits: GpuLimits): Pass {
  const count = sizeOf(shape);
  return {
    entry,
    constants: { GROUP: POINTWISE_GROUP },
    dims: { count },
    bindings,
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
  };
}

const backward: Backward<PolesParams, Input, never, "lambda"> = {
  needs: ["logDecay"],
  cpu({ logDecay, gradLambda }, { gradLogDecay, gradFrequency }) {
    for (let i = 0; i < logDecay!.length; i++) {
      gradLogDecay![i] = -Math.exp(logDecay![i]!) * gradLambda![2 * i]!;
      gradFrequency![i] = gradLambda![2 * i + 1]!;
    }
  },
  launch(shapes, _params, limits) {
    const bindings = ["logDecay", "gradLambda", "gradLogDecay", "gradFrequency"];
    return { scratch: {}, passes: [pass("part", bindings, shapes.logDecay, limits)] };
  },
  tolerance: 1e-6,
};

type Case = OpCase<PolesParams, Input, never>;

function modes(name: string, shape: Shape, quick = false): Case {
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      logDecay: uniform(random, shape, -6, 3),
      frequency: normal(random, shape, 8),
    }),
  };
}

/**
 * Poles from their parameters; equation at the head of this file.
 *
 *   logDecay, frequency   [..]
 *   lambda                [..] c64
 */
export const poles = defineOp<PolesParams, Input, never, "lambda">({
  name: "poles",
  inputs: ["logDecay", "frequency"],
  optional: [],
  outputs: ["lambda"],
  outputShapes({ logDecay, frequency }) {
    expectShape("frequency", logDecay.map((_, i) => `axis ${i}`), logDecay, frequency);
    return { lambda: [...logDecay, 2] };
  },
  cpu({ logDecay, frequency }, { lambda }) {
    for (let i = 0; i < logDecay.length; i++) {
      lambda[2 * i] = -Math.exp(logDecay[i]!);
      lambda[2 * i + 1] = frequency[i]!;
    }
  },
  launch(shapes, _params, limits) {
    const bindings = ["logDecay", "frequency", "lambda"];
    return { scratch: {}, passes: [pass("join", bindings, shapes.logDecay, limits)] };
  },
  work: (shapes) => sizeOf(shapes.logDecay),
  sized: (work) => modes(`${work} modes`, [Math.max(1, Math.round(work))]),
  cases: [
    modes("one mode", [1, 1]),
    modes("several workgroups", [5, 13], true),
    {
      name: "zeros",
      params: {},
      inputs: () => ({ logDecay: constant([63], 0), frequency: constant([63], 0) }),
    },
  ],
  tolerance: 1e-6,
  backward,
});
