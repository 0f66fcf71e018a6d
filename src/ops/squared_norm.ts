/**
 * Sum of squares of all elements: what clipping by the global norm needs from each gradient.
 *
 *   norm[0] = Σ x² + total[0]        total is the sum over other tensors, 0 if left out
 *
 * Tolerance: sums of runs, then the sum of those, all of one sign; 2e-6.
 */
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { defineOp, type LaunchPlan, type Named, type OpCase, type Pass } from "./op.ts";

/** `squared_norm` takes no parameters. */
export type SquaredNormParams = Record<string, never>;

/** Elements that one workgroup adds up, a multiple of four. */
const RUN = 4096;
/** Workgroups of the first pass; longer inputs get longer runs. */
const RUNS_MAX = 4096;

function launch({ x, total }: Named<"x", "total", Shape>): LaunchPlan {
  const count = sizeOf(x);
  const vector = vectorOf(count);
  const run = Math.max(RUN, vector * Math.ceil(count / vector / RUNS_MAX));
  const runs = Math.max(1, Math.ceil(count / run));
  const pass = (squares: boolean, last: boolean, bindings: string[]): Pass => ({
    entry: "sum_run",
    constants: {
      GROUP: WIDE_GROUP,
      VECTOR: squares ? vector : 1,
      SQUARES: squares ? 1 : 0,
      HAS_TOTAL: last && total ? 1 : 0,
    },
    dims: squares ? { count: count / vector, run: run / vector } : { count: runs, run: runs },
    bindings: [...bindings, ...(last && total ? ["total"] : [])],
    workgroups: [squares ? runs : 1, 1, 1],
  });
  if (runs === 1) return { scratch: {}, passes: [pass(true, true, ["x", "sums=norm"])] };
  return {
    scratch: { runs },
    passes: [pass(true, false, ["x", "sums=runs"]), pass(false, true, ["x=runs", "sums=norm"])],
  };
}

type Case = OpCase<SquaredNormParams, "x", "total">;

const drawn = (name: string, shape: Shape, quick = false): Case => ({
  name,
  quick,
  params: {},
  inputs: (random) => ({ x: normal(random, shape) }),
});

/** Sum of squares; equation at the head of this file. */
export const squaredNorm = defineOp<SquaredNormParams, "x", "total", "norm">({
  name: "squared_norm",
  inputs: ["x"],
  optional: ["total"],
  outputs: ["norm"],
  outputShapes({ total }: Named<"x", "total", Shape>) {
    if (total) expectShape("total", ["one"], [1], total);
    return { norm: [1] };
  },
  cpu({ x, total }: Named<"x", "total", FloatArray>, { norm }) {
    let sum = total ? total[0]! : 0;
    for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
    norm[0] = sum;
  },
  launch,
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => drawn(`${work} elements`, [Math.max(1, Math.round(work))]),
  cases: [
    drawn("one element", [1]),
    drawn("several axes", [3, 5, 7], true),
    drawn("an even count", [66]),
    drawn("a run and one", [RUN + 1]),
    {
      name: "after another tensor",
      params: {},
      inputs: (random) => ({ x: normal(random, [2, RUN]), total: constant([1], 1234) }),
    },
    {
      name: "one run after another tensor",
      params: {},
      inputs: (random) => ({ x: normal(random, [65]), total: constant([1], 12) }),
    },
    { name: "zeros", params: {}, inputs: () => ({ x: constant([65], 0) }) },
    { name: "denormals", params: {}, inputs: (random) => ({ x: denormal(random, [65]) }) },
  ],
  tolerance: 2e-6,
});
