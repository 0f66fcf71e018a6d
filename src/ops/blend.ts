/**
 * Moves one tensor a share of the way to another: a step of an exponential moving average.
 *
 *   out = a + share·(b − a)
 *
 * Tolerance: three roundings of values of the size of a and b, 5e-7.
 */
import { InvalidValueError } from "../base/errors.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { defineOp, type OpCase } from "./op.ts";

/** Parameters of {@linkcode blend}. */
export interface BlendParams {
  /** 0 gives a, 1 gives b. */
  readonly share: number;
}

const drawn = (
  name: string,
  shape: Shape,
  share: number,
): OpCase<BlendParams, "a" | "b", never> => ({
  name,
  params: { share },
  inputs: (random) => ({ a: normal(random, shape), b: normal(random, shape) }),
});

/** A blend of two tensors of one shape; equation at the head of this file. */
export const blend = defineOp<BlendParams, "a" | "b", never, "out">({
  name: "blend",
  inputs: ["a", "b"],
  optional: [],
  outputs: ["out"],
  outputShapes({ a, b }, { share }) {
    expectShape("b", a.map((_, i) => `${i}`), a, b);
    if (!(share >= 0 && share <= 1)) throw new InvalidValueError("share", share, "0 to 1");
    return { out: a };
  },
  cpu({ a, b }, { out }, _shapes, { share }) {
    for (let i = 0; i < a.length; i++) out[i] = a[i]! + share * (b[i]! - a[i]!);
  },
  launch({ a }, { share }, limits) {
    const vector = vectorOf(sizeOf(a));
    const count = sizeOf(a) / vector;
    return {
      scratch: {},
      passes: [{
        entry: "blend",
        constants: { GROUP: WIDE_GROUP, VECTOR: vector },
        dims: { count, share },
        bindings: ["a", "b", "out"],
        workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
      }],
    };
  },
  work: ({ a }) => sizeOf(a),
  sized: (work) => drawn(`${work} elements`, [Math.max(1, Math.round(work))], 0.001),
  cases: [
    { ...drawn("an average's step", [3, 43], 0.001), quick: true },
    drawn("half way", [65], 0.5),
    drawn("all the way", [64], 1),
    {
      name: "denormals",
      params: { share: 0.25 },
      inputs: (random) => ({ a: denormal(random, [65]), b: denormal(random, [65]) }),
    },
  ],
  tolerance: 5e-7,
});
