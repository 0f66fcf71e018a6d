/**
 * Step sizes from their logarithms and the elapsed times of the samples.
 *
 *   dt[d] = exp(logDt[d])        dt[b, k, d] = scale[b, k]·exp(logDt[d])
 *
 * The learned step of S4 (arXiv 2111.00396) section 3; an irregular sample scales it by its elapsed
 * time in sampling periods.
 *
 * Back, gradLogDt = Σ gradDt·dt and gradScale = Σ_d gradDt·exp(logDt).
 *
 * Tolerance: an exponential within a rounding or two (`shaders/shared/exp.wgsl`); 1e-6.
 */
import type { GpuLimits } from "../device/device.ts";
import { expectRank, type Shape, sizeOf } from "../tensor/shape.ts";
import { constant, uniform } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { type Backward, defineOp, type Named, type OpCase, type Pass } from "./op.ts";

/** `step_sizes` takes no parameters. */
export type StepSizesParams = Record<string, never>;

type Shapes = Named<"logDt", "scale", Shape>;

function outputShapes({ logDt, scale }: Shapes): { dt: Shape } {
  expectRank("logDt", 1, logDt);
  if (scale === undefined) return { dt: logDt };
  expectRank("scale", 2, scale);
  return { dt: [...scale, logDt[0]!] };
}

function pass(
  entry: string,
  bindings: string[],
  shapes: Shapes,
  count: number,
  limits: GpuLimits,
): Pass {
  return {
    entry,
    constants: { GROUP: POINTWISE_GROUP, HAS_SCALE: shapes.scale ? 1 : 0 },
    dims: { count, feature: shapes.logDt[0]! },
    bindings,
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
  };
}

const backward: Backward<StepSizesParams, "logDt", "scale", "dt"> = {
  needs: ["logDt", "scale", "dt"],
  cpu({ logDt, scale, dt, gradDt }, { gradLogDt, gradScale }) {
    const feature = logDt!.length;
    const sums = new Float64Array(feature);
    for (let i = 0; i < dt!.length; i++) sums[i % feature]! += gradDt![i]! * dt![i]!;
    gradLogDt!.set(sums);
    if (gradScale === undefined) return;
    for (let row = 0; row < scale!.length; row++) {
      let sum = 0;
      for (let d = 0; d < feature; d++) sum += gradDt![row * feature + d]! * Math.exp(logDt![d]!);
      gradScale[row] = sum;
    }
  },
  launch(shapes, _params, limits) {
    const columns = shapes.logDt[0]!;
    const rows = shapes.scale ? sizeOf(shapes.scale) : 1;
    const sums = columnSums({ target: "gradLogDt", left: "gradDt", right: "dt", rows, columns });
    if (!shapes.scale) return sums;
    const bindings = ["logDt", "gradDt", "gradScale"];
    const own = pass("scale_backward", bindings, shapes, rows, limits);
    return joinPlans({ scratch: {}, passes: [own] }, sums);
  },
  tolerance: 1e-5,
};

type Case = OpCase<StepSizesParams, "logDt", "scale">;

function steps(name: string, rows: readonly [number, number], feature: number): Case {
  return {
    name,
    quick: name === "elapsed times",
    params: {},
    inputs: (random) => ({
      logDt: uniform(random, [feature], -6, 1),
      scale: uniform(random, rows, 0.1, 3),
    }),
  };
}

/**
 * Step sizes; equation at the head of this file.
 *
 *   logDt   [feature]
 *   scale   [batch, length]
 *   dt      [feature], or [batch, length, feature] with a scale
 */
export const stepSizes = defineOp<StepSizesParams, "logDt", "scale", "dt">({
  name: "step_sizes",
  inputs: ["logDt"],
  optional: ["scale"],
  outputs: ["dt"],
  outputShapes,
  cpu({ logDt, scale }, { dt }) {
    const feature = logDt.length;
    for (let i = 0; i < dt.length; i++) {
      const factor = scale ? scale[Math.floor(i / feature)]! : 1;
      dt[i] = factor * Math.exp(logDt[i % feature]!);
    }
  },
  launch(shapes, _params, limits) {
    const bindings = ["logDt", ...(shapes.scale ? ["scale"] : []), "dt"];
    const count = sizeOf(outputShapes(shapes).dt);
    return { scratch: {}, passes: [pass("spread_steps", bindings, shapes, count, limits)] };
  },
  work: (shapes) => sizeOf(outputShapes(shapes).dt),
  sized: (work) => steps(`${work} steps`, [1, Math.max(1, Math.round(work / 16))], 16),
  cases: [
    steps("one sample", [1, 1], 3),
    steps("elapsed times", [3, 43], 5),
    steps("more rows than one part", [2, 700], 2),
    {
      name: "equal steps",
      params: {},
      inputs: (random) => ({ logDt: uniform(random, [65], -6, 1) }),
    },
    {
      name: "zero elapsed",
      params: {},
      inputs: (random) => ({
        logDt: uniform(random, [3], -6, 1),
        scale: constant([1, 4], 0),
      }),
    },
  ],
  tolerance: 1e-6,
  backward,
});
