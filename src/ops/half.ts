/**
 * Rounding to half precision (IEEE 754 binary16), by which values may be stored in half the memory.
 *
 *   out = the binary16 number nearest to x, |out| ≤ 65504
 *
 * Larger numbers go to the largest, so that no infinity appears. The same shader packs two numbers
 * into a word and unpacks them: `_helpers/half_storage.ts`.
 *
 * Both round to the nearest, ties to even. Tolerance: WGSL allows zero for what is below 6.1e-5;
 * 1e-3.
 */
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { denormal, fill, normal } from "./_helpers/cases.ts";
import { halfVectorOf, roundedToHalf } from "./_helpers/half_storage.ts";
import { groupsFor, spreadGroups, WIDE_GROUP } from "./_helpers/plan.ts";
import { defineOp, type OpCase } from "./op.ts";

/** `half` takes no parameters. */
export type HalfParams = Record<string, never>;

const drawn = (name: string, shape: Shape): OpCase<HalfParams, "x", never> => ({
  name,
  params: {},
  inputs: (random) => ({ x: normal(random, shape) }),
});

/** Rounding to half precision; equation at the head of this file. */
export const half = defineOp<HalfParams, "x", never, "out">({
  name: "half",
  inputs: ["x"],
  optional: [],
  outputs: ["out"],
  outputShapes: ({ x }) => ({ out: x }),
  cpu({ x }, { out }) {
    for (let i = 0; i < x.length; i++) out[i] = roundedToHalf(x[i]!);
  },
  launch({ x }, _params, limits) {
    const vector = halfVectorOf(sizeOf(x));
    const count = sizeOf(x) / vector;
    return {
      scratch: {},
      passes: [{
        entry: "round_half",
        constants: { GROUP: WIDE_GROUP, VECTOR: vector },
        dims: { count },
        bindings: ["x", "out"],
        workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
      }],
    };
  },
  work: ({ x }) => sizeOf(x),
  sized: (work) => drawn(`${work} elements`, [Math.max(1, Math.round(work))]),
  cases: [
    { ...drawn("several axes", [3, 43]), quick: true },
    drawn("four at a time", [3, 44]),
    {
      name: "beyond the range",
      params: {},
      inputs: () => ({ x: fill([65], (i) => (i % 2 === 0 ? 1 : -1) * 10 ** (i / 4)) }),
    },
    { name: "denormals", params: {}, inputs: (random) => ({ x: denormal(random, [65]) }) },
  ],
  tolerance: 1e-3,
});
