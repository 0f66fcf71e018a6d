/**
 * A whole length as one row: its mean, or its last position.
 *
 *   mean  out[b, :] = Σ_k x[b, k, :] / length        gradX[b, k, :] = gradOut[b, :] / length
 *   last  out[b, :] = x[b, length − 1, :]          gradX[b, length − 1, :] = gradOut[b, :], else 0
 *
 * x is [batch, length, feature], out [batch, feature]. The mean is the pooling of S4's
 * classifiers (arXiv 2111.00396, appendix D.1).
 *
 * Tolerance: sums of runs, then the sum of those; 2e-6.
 */
import { InvalidValueError, ShapeError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectRank, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** What {@linkcode pool} keeps of a length. */
export const POOLS = ["mean", "last"] as const;

/** Parameters of {@linkcode pool}. */
export interface PoolParams {
  readonly kind: typeof POOLS[number];
}

type Shapes = Named<"x", never, Shape>;

function outputShapes({ x }: Shapes, { kind }: PoolParams): { out: Shape } {
  if (!POOLS.includes(kind)) throw new InvalidValueError("kind", kind, POOLS.join(" or "));
  expectRank("x", 3, x);
  const [batch, length, feature] = x as [number, number, number];
  if (length < 1) throw new ShapeError("x.length", 1, length);
  return { out: [batch, feature] };
}

function cpu(
  { x }: Named<"x", never, FloatArray>,
  { out }: { readonly out: FloatArray },
  shapes: Shapes,
  { kind }: PoolParams,
): void {
  const [batch, length, feature] = shapes.x as [number, number, number];
  const sums = new Float64Array(feature);
  for (let b = 0; b < batch; b++) {
    const at = b * length * feature;
    if (kind === "last") {
      for (let d = 0; d < feature; d++) out[b * feature + d] = x[at + (length - 1) * feature + d]!;
      continue;
    }
    sums.fill(0);
    for (let k = 0; k < length; k++) {
      for (let d = 0; d < feature; d++) sums[d]! += x[at + k * feature + d]!;
    }
    for (let d = 0; d < feature; d++) out[b * feature + d] = sums[d]! / length;
  }
}

/** Positions that one invocation adds; longer lengths are cut into runs, added in a second pass. */
const RUN = 64;
/** Runs of a length, so that the second pass stays short. */
const RUNS_MAX = 256;

function launch(shapes: Shapes, { kind }: PoolParams, limits: GpuLimits): LaunchPlan {
  const [batch, length, feature] = shapes.x as [number, number, number];
  const pass = (entry: string, bindings: readonly string[], count: number, sizes: object) => ({
    entry,
    constants: { GROUP: POINTWISE_GROUP, LAST: kind === "last" ? 1 : 0 },
    dims: { batch, length, feature, run: length, divisor: length, ...sizes },
    bindings,
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
  });
  const rows = batch * feature;
  if (kind === "last") return { scratch: {}, passes: [pass("last", ["x", "out"], rows, {})] };
  const run = Math.max(RUN, Math.ceil(length / RUNS_MAX));
  const runs = Math.ceil(length / run);
  if (runs === 1) return { scratch: {}, passes: [pass("sum_run", ["x", "out"], rows, {})] };
  return {
    scratch: { sums: runs * rows },
    passes: [
      pass("sum_run", ["x", "out=sums"], runs * rows, { run, divisor: 1 }),
      pass("sum_run", ["x=sums", "out"], rows, { length: runs, run: runs }),
    ],
  };
}

const backward: Backward<PoolParams, "x", never, "out"> = {
  needs: [],
  cpu({ gradOut }, { gradX }, shapes, { kind }) {
    const [batch, length, feature] = shapes.x as [number, number, number];
    for (let b = 0; b < batch; b++) {
      for (let k = 0; k < length; k++) {
        const share = kind === "mean" ? 1 / length : k === length - 1 ? 1 : 0;
        const at = (b * length + k) * feature;
        for (let d = 0; d < feature; d++) gradX![at + d] = share * gradOut![b * feature + d]!;
      }
    }
  },
  launch(shapes, { kind }, limits) {
    const [batch, length, feature] = shapes.x as [number, number, number];
    return {
      scratch: {},
      passes: [{
        entry: "spread",
        constants: { GROUP: POINTWISE_GROUP, LAST: kind === "last" ? 1 : 0 },
        dims: { batch, length, feature, run: length, divisor: length },
        bindings: ["gradOut", "gradX"],
        workgroups: spreadGroups(groupsFor(sizeOf(shapes.x), POINTWISE_GROUP), limits),
      }],
    };
  },
  tolerance: 1e-6,
};

type Case = OpCase<PoolParams, "x", never>;

const drawn = (name: string, shape: Shape, kind: PoolParams["kind"], quick = false): Case => ({
  name,
  quick,
  params: { kind },
  inputs: (random) => ({ x: normal(random, shape) }),
});

const cases: readonly Case[] = [
  drawn("one position", [2, 1, 3], "mean"),
  drawn("last of one position", [2, 1, 3], "last"),
  drawn("last", [3, 17, 5], "last", true),
  drawn("mean of a run", [3, RUN, 5], "mean", true),
  drawn("mean of a run and one", [2, RUN + 1, 5], "mean"),
  drawn("mean of several runs", [2, 3 * RUN + 7, 33], "mean"),
  { name: "zeros", params: { kind: "mean" }, inputs: () => ({ x: constant([1, 65, 2], 0) }) },
  {
    name: "denormals",
    params: { kind: "mean" },
    inputs: (random) => ({ x: denormal(random, [1, 65, 2]) }),
  },
];

/** Mean or last position of a length; equation at the head of this file. */
export const pool = defineOp<PoolParams, "x", never, "out">({
  name: "pool",
  inputs: ["x"],
  optional: [],
  outputs: ["out"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => drawn(`${work} elements`, [1, Math.max(1, Math.round(work / 8)), 8], "mean"),
  cases,
  tolerance: 2e-6,
  backward,
});
