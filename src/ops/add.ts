/**
 * Sum of two tensors: the residual connection.
 *
 *   out = a + b
 *
 * Back, both take gradOut, `b` the sum over its repetitions.
 *
 * `b` may be smaller: its shape is then the trailing axes of `a`, repeated over the leading ones.
 *
 * Tolerance: one rounding, 1e-7.
 */
import type { GpuLimits } from "../device/device.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Named, type Pass } from "./op.ts";

/** `add` takes no parameters. */
export type AddParams = Record<string, never>;

/** A pass over a; b is whole Elements too, so that each of its repetitions begins with one. */
function pass(
  entry: string,
  bindings: readonly string[],
  { a, b }: Named<"a" | "b", never, Shape>,
  limits: GpuLimits,
): Pass {
  const vector = vectorOf(sizeOf(a), sizeOf(b));
  const count = sizeOf(a) / vector;
  const repeat = Math.max(1, sizeOf(b) / vector);
  return {
    entry,
    constants: { GROUP: WIDE_GROUP, VECTOR: vector, REPEATS: repeat === count ? 0 : 1 },
    dims: { count, repeat },
    bindings,
    workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
  };
}

const backward: Backward<AddParams, "a" | "b", never, "out"> = {
  needs: [],
  cpu({ gradOut }, { gradA, gradB }) {
    gradA!.set(gradOut!);
    const sums = new Float64Array(gradB!.length);
    for (let i = 0; i < gradOut!.length; i++) sums[i % sums.length]! += gradOut![i]!;
    gradB!.set(sums);
  },
  launch(shapes, _params, limits) {
    const count = sizeOf(shapes.a);
    const repeat = sizeOf(shapes.b);
    const copy = (target: string) => pass("copy", ["a=gradOut", `out=${target}`], shapes, limits);
    if (repeat === count) return { scratch: {}, passes: [copy("gradA"), copy("gradB")] };
    const rows = repeat === 0 ? 0 : count / repeat;
    const sums = columnSums({ target: "gradB", left: "gradOut", rows, columns: repeat });
    return joinPlans({ scratch: {}, passes: [copy("gradA")] }, sums);
  },
  handsOn: ({ a, b }) => sizeOf(a) === sizeOf(b) ? ["a", "b"] : ["a"],
  tolerance: 1e-6,
};

/** Sum; equation and shapes at the head of this file. */
export const add = defineOp<AddParams, "a" | "b", never, "out">({
  name: "add",
  inputs: ["a", "b"],
  optional: [],
  outputs: ["out"],
  outputShapes(shapes) {
    const trailing = shapes.a.slice(Math.max(0, shapes.a.length - shapes.b.length));
    expectShape("b", trailing.map((_, i) => `trailing ${i}`), trailing, shapes.b);
    return { out: shapes.a };
  },
  cpu({ a, b }, { out }) {
    const repeat = b.length;
    if (repeat === a.length) {
      for (let i = 0; i < a.length; i++) out[i] = a[i]! + b[i]!;
    } else {
      for (let i = 0; i < a.length; i++) out[i] = a[i]! + b[i % repeat]!;
    }
  },
  launch: (shapes, _params, limits) => ({
    scratch: {},
    passes: [pass("add", ["a", "b", "out"], shapes, limits)],
  }),
  work: (shapes) => sizeOf(shapes.a),
  sized: (work) => ({
    name: `${work} elements`,
    params: {},
    inputs: (random) => {
      const shape = [Math.max(1, Math.round(work))];
      return { a: normal(random, shape), b: normal(random, shape) };
    },
  }),
  cases: [
    {
      name: "same shape",
      quick: true,
      params: {},
      inputs: (random) => ({ a: normal(random, [3, 43]), b: normal(random, [3, 43]) }),
    },
    {
      name: "trailing axes, four at a time",
      params: {},
      inputs: (random) => ({ a: normal(random, [3, 5, 8]), b: normal(random, [5, 8]) }),
    },
    {
      name: "trailing axes",
      params: {},
      inputs: (random) => ({ a: normal(random, [2, 3, 5, 7]), b: normal(random, [5, 7]) }),
    },
    {
      name: "denormals",
      params: {},
      inputs: (random) => ({ a: denormal(random, [65]), b: denormal(random, [65]) }),
    },
  ],
  tolerance: 1e-7,
  backward,
});
