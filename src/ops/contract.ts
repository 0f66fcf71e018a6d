/**
 * Sums of products over the features of each head: what queries read from the matrix states of H3.
 *
 *   out[j, h] = Σ_i q[h, i]·s[h, i, j]
 *   gradQ[h, i] = Σ_j gradOut[j, h]·s[h, i, j]      gradS[h, i, j] = q[h, i]·gradOut[j, h]
 *
 * A head is a run of `size` features of `q` and of size² of `s`, in the order of `outer`; the heads
 * of the result are its fastest axis, as in the published code of H3 (arXiv 2212.14052).
 *
 * Tolerance: sums of `size` products, 1e-6.
 */
import type { GpuLimits } from "../device/device.ts";
import { expectShape, lastAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { expectHeads } from "./_helpers/heads.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode contract}. */
export interface ContractParams {
  /** Features of a head, a divisor of all. */
  readonly size: number;
}

type Shapes = Named<"q" | "s", never, Shape>;

function plan(
  shapes: Shapes,
  { size }: ContractParams,
  limits: GpuLimits,
  entry: string,
  bindings: readonly string[],
): LaunchPlan {
  const count = sizeOf(shapes.q);
  return {
    scratch: {},
    passes: [{
      entry,
      constants: { GROUP: POINTWISE_GROUP },
      dims: { count, size, feature: lastAxis("q", shapes.q) },
      bindings,
      workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
    }],
  };
}

const backward: Backward<ContractParams, "q" | "s", never, "out"> = {
  needs: ["q", "s"],
  cpu({ q, s, gradOut }, { gradQ, gradS }, shapes, { size }) {
    const feature = lastAxis("q", shapes.q);
    const head = feature / size;
    for (let f = 0; f < q!.length; f++) {
      const row = f - f % feature;
      const h = Math.floor(f % feature / size);
      let ofQ = 0;
      for (let j = 0; j < size; j++) {
        const gradient = gradOut![row + j * head + h]!;
        ofQ += gradient * s![f * size + j]!;
        gradS![f * size + j] = q![f]! * gradient;
      }
      gradQ![f] = ofQ;
    }
  },
  launch: (shapes, params, limits) =>
    plan(shapes, params, limits, "sum_back", ["q", "s", "gradOut", "gradQ", "gradS"]),
  tolerance: 1e-6,
};

function heads(
  name: string,
  shape: readonly [...number[], number],
  size: number,
  quick = false,
): OpCase<ContractParams, "q" | "s", never> {
  return {
    name,
    quick,
    params: { size },
    inputs: (random) => ({
      q: normal(random, shape),
      s: normal(random, [...shape.slice(0, -1), shape.at(-1)! * size]),
    }),
  };
}

/** Contraction within heads: q, out [.., feature], s [.., feature·size]. */
export const contract = defineOp<ContractParams, "q" | "s", never, "out">({
  name: "contract",
  inputs: ["q", "s"],
  optional: [],
  outputs: ["out"],
  outputShapes(shapes, { size }): { out: Shape } {
    const feature = lastAxis("q", shapes.q);
    expectHeads("size", size, feature);
    const products = [...shapes.q.slice(0, -1), feature * size];
    expectShape("s", products.map((_, i) => `${i}`), products, shapes.s);
    return { out: shapes.q };
  },
  cpu({ q, s }, { out }, shapes, { size }) {
    const feature = lastAxis("q", shapes.q);
    const head = feature / size;
    for (let at = 0; at < q.length; at++) {
      const row = at - at % feature;
      const [h, j] = [at % head, Math.floor(at % feature / head)];
      const first = row + h * size;
      let sum = 0;
      for (let i = 0; i < size; i++) sum += q[first + i]! * s[(first + i) * size + j]!;
      out[at] = sum;
    }
  },
  launch: (shapes, params, limits) => plan(shapes, params, limits, "sum", ["q", "s", "out"]),
  work: (shapes) => sizeOf(shapes.s),
  sized: (work) => heads(`${work} products`, [Math.max(1, Math.round(work / 256)), 32], 8),
  cases: [
    heads("one feature a head", [3, 7], 1),
    heads("some heads", [2, 5, 6], 3, true),
    heads("one head", [9, 8], 8),
    heads("several workgroups", [3, 17, 10], 5),
    {
      name: "zeros and denormals",
      params: { size: 2 },
      inputs: (random) => ({ q: denormal(random, [3, 4]), s: normal(random, [3, 8]) }),
    },
  ],
  tolerance: 1e-6,
  backward,
});
