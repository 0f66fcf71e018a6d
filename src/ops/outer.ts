/**
 * Outer products of the features of each head: the keys and values of H3.
 *
 *   out[h, i, j] = a[h, i]·b[h, j]
 *   gradA[h, i] = Σ_j gradOut[h, i, j]·b[h, j]      gradB[h, j] = Σ_i gradOut[h, i, j]·a[h, i]
 *
 * A head is a run of `size` features, and its size² products lie together, those of one feature of
 * `a` first. H3 (arXiv 2212.14052), algorithm 1.
 *
 * Tolerance: one product, 1e-7.
 */
import { expectShape, lastAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { expectHeads } from "./_helpers/heads.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import type { GpuLimits } from "../device/device.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode outer}. */
export interface OuterParams {
  /** Features of a head, a divisor of all. */
  readonly size: number;
}

type Shapes = Named<"a" | "b", never, Shape>;

function plan(
  shapes: Shapes,
  { size }: OuterParams,
  limits: GpuLimits,
  entry: string,
  bindings: readonly string[],
): LaunchPlan {
  // Forward an invocation a product, back an invocation a feature.
  const count = sizeOf(shapes.a) * (entry === "multiply" ? size : 1);
  return {
    scratch: {},
    passes: [{
      entry,
      constants: { GROUP: POINTWISE_GROUP },
      dims: { count, size },
      bindings,
      workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
    }],
  };
}

const backward: Backward<OuterParams, "a" | "b", never, "out"> = {
  needs: ["a", "b"],
  cpu({ a, b, gradOut }, { gradA, gradB }, _shapes, { size }) {
    for (let f = 0; f < a!.length; f++) {
      const head = f - f % size;
      let ofA = 0;
      let ofB = 0;
      for (let j = 0; j < size; j++) {
        ofA += gradOut![f * size + j]! * b![head + j]!;
        ofB += gradOut![(head + j) * size + f - head]! * a![head + j]!;
      }
      gradA![f] = ofA;
      gradB![f] = ofB;
    }
  },
  launch: (shapes, params, limits) =>
    plan(shapes, params, limits, "multiply_back", ["a", "b", "gradOut", "gradA", "gradB"]),
  // Sums of `size` products.
  tolerance: 1e-6,
};

function heads(
  name: string,
  shape: readonly number[],
  size: number,
  quick = false,
): OpCase<OuterParams, "a" | "b", never> {
  return {
    name,
    quick,
    params: { size },
    inputs: (random) => ({ a: normal(random, shape), b: normal(random, shape) }),
  };
}

/** Outer products within heads: a, b [.., feature], out [.., feature·size]. */
export const outer = defineOp<OuterParams, "a" | "b", never, "out">({
  name: "outer",
  inputs: ["a", "b"],
  optional: [],
  outputs: ["out"],
  outputShapes(shapes, { size }): { out: Shape } {
    const feature = lastAxis("a", shapes.a);
    expectHeads("size", size, feature);
    expectShape("b", shapes.a.map((_, i) => `${i}`), shapes.a, shapes.b);
    return { out: [...shapes.a.slice(0, -1), feature * size] };
  },
  cpu({ a, b }, { out }, _shapes, { size }) {
    for (let f = 0; f < a.length; f++) {
      const head = f - f % size;
      for (let j = 0; j < size; j++) out[f * size + j] = a[f]! * b[head + j]!;
    }
  },
  launch: (shapes, params, limits) => plan(shapes, params, limits, "multiply", ["a", "b", "out"]),
  work: (shapes, { size }) => sizeOf(shapes.a) * size,
  sized: (work) => heads(`${work} products`, [Math.max(1, Math.round(work / 256)), 32], 8),
  cases: [
    heads("one feature a head", [3, 7], 1),
    heads("some heads", [2, 5, 6], 3, true),
    heads("one head", [9, 8], 8),
    heads("several workgroups", [3, 17, 10], 5),
    {
      name: "zeros and denormals",
      params: { size: 2 },
      inputs: (random) => ({ a: denormal(random, [3, 4]), b: normal(random, [3, 4]) }),
    },
  ],
  tolerance: 1e-7,
  backward,
});
