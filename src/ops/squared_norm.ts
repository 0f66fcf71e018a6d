/**
 * Sum of squares of all elements: what clipping by the global norm needs from each gradient.
 *
 *   norm[0] = Σ x²
 *
 * Tolerance: sums of runs, then the sum of those, all of one sign; 2e-6.
 */
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { ROW_GROUP } from "./_helpers/plan.ts";
import { defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `squared_norm` takes no parameters. */
export type SquaredNormParams = Record<string, never>;

/** Elements that one workgroup adds up. */
const RUN = 4096;
/** Workgroups of the first pass; longer inputs get longer runs. */
const RUNS_MAX = 1024;

function launch({ x }: Named<"x", never, Shape>): LaunchPlan {
  const count = sizeOf(x);
  const run = Math.max(RUN, Math.ceil(count / RUNS_MAX));
  const runs = Math.max(1, Math.ceil(count / run));
  const constants = (squares: number) => ({ GROUP: ROW_GROUP, SQUARES: squares });
  return {
    scratch: { runs },
    passes: [{
      entry: "sum_run",
      constants: constants(1),
      dims: { count, run },
      bindings: ["x", "sums=runs"],
      workgroups: [runs, 1, 1],
    }, {
      entry: "sum_run",
      constants: constants(0),
      dims: { count: runs, run: runs },
      bindings: ["x=runs", "sums=norm"],
      workgroups: [1, 1, 1],
    }],
  };
}

type Case = OpCase<SquaredNormParams, "x", never>;

const drawn = (name: string, shape: Shape, quick = false): Case => ({
  name,
  quick,
  params: {},
  inputs: (random) => ({ x: normal(random, shape) }),
});

/** Sum of squares; equation at the head of this file. */
export const squaredNorm = defineOp<SquaredNormParams, "x", never, "norm">({
  name: "squared_norm",
  inputs: ["x"],
  optional: [],
  outputs: ["norm"],
  outputShapes: () => ({ norm: [1] }),
  cpu({ x }: Named<"x", never, FloatArray>, { norm }) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
    norm[0] = sum;
  },
  launch,
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => drawn(`${work} elements`, [Math.max(1, Math.round(work))]),
  cases: [
    drawn("one element", [1]),
    drawn("several axes", [3, 5, 7], true),
    drawn("a run and one", [RUN + 1]),
    { name: "zeros", params: {}, inputs: () => ({ x: constant([65], 0) }) },
    { name: "denormals", params: {}, inputs: (random) => ({ x: denormal(random, [65]) }) },
  ],
  tolerance: 2e-6,
});
