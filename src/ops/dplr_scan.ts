/**
 * Recurrence of a diagonal-plus-low-rank system, S4's recurrent form over a whole length.
 *
 *   (I − dt/2·A)·x[k] = (I + dt/2·A)·x[k−1] + dt·B·u[k],   A = diag(lambda) − P·P*
 *   y[k] = 2·Re(Σ C·x[k]) + D·u[k]
 *
 * S4 (arXiv 2111.00396) appendix C.2; the solve is Woodbury's (`src/ssm/dplr.ts`), so that no dense
 * matrix occurs. One of each conjugate pair of modes is stored. `dt` is one step size a feature, or
 * one for each sample.
 *
 * On a GPU a mode has an invocation; the low-rank term couples them all at each step, where they
 * meet in a sum, so the length is not cut. Long training sequences use the convolution
 * (`dplr_kernel`).
 *
 * With W = (I − dt/2·A)⁻¹ a step is x[k] = W·(2·x[k−1] + dt·B·u[k]) − x[k−1]. Back, with the
 * gradient's flow through the states (which starts at gradState),
 *
 *   flow += 2·gradY[k]·conj(C),   q = Wᵀ·flow,   s = x[k] + x[k−1]
 *   gradU = dt·(B, q) + D·gradY        gradC = Σ 2·gradY·conj(x[k])      gradB = Σ dt·u·q
 *   gradLambda = Σ dt/2·q∘conj(s)      gradP = −Σ dt·(q·(P, s) + s·(P, q))
 *   gradDt = Σ ((q, A·s)/2 + u·(B, q)),   and on to the sample before, flow ← 2·q − flow
 *
 * where ( , ) is the real inner product of stored pairs. The states are found again in chunks.
 *
 * Tolerance: as in `linear_scan`, 2e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { dplrAdvanceInto, dplrRecurrence, dplrStep, type DplrSystem } from "../ssm/dplr.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { dplrBackwardPlan, dplrLanes, dplrScanBackward } from "./_helpers/dplr_scan_backward.ts";
import { groupsFor, spreadGroups } from "./_helpers/plan.ts";
import { flag, singlePass } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `dplr_scan` takes no parameters. */
export type DplrScanParams = Record<string, never>;

/** Largest rank of the shaders, which solve systems of this size in closed form. */
export const DPLR_RANK_MAX = 2;

type Input = "u" | "lambda" | "P" | "B" | "C" | "dt";
type OptionalInput = "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

function outputShapes(shapes: Shapes): { y: Shape; state: Shape } {
  expectRank("u", 3, shapes.u);
  expectRank("P", 4, shapes.P);
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  expectShape("P", ["feature", "rank", "half", "complex"], [feature, rank, half, 2], shapes.P);
  if (rank < 1 || rank > DPLR_RANK_MAX) {
    throw new InvalidValueError("P.rank", rank, `1 to ${DPLR_RANK_MAX}`);
  }
  const bank = ["feature", "half", "complex"];
  expectShape("lambda", bank, [feature, half, 2], shapes.lambda);
  expectShape("B", bank, [feature, half, 2], shapes.B);
  expectShape("C", bank, [feature, half, 2], shapes.C);
  if (shapes.dt.length === 1) expectShape("dt", ["feature"], [feature], shapes.dt);
  else expectShape("dt", ["batch", "length", "feature"], shapes.u, shapes.dt);
  if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
  if (shapes.x0) expectShape("x0", ["batch", ...bank], [batch, feature, half, 2], shapes.x0);
  return { y: [batch, length, feature], state: [batch, feature, half, 2] };
}

/**
 * The twin.
 *
 *   u       input                        [batch, length, feature]
 *   lambda  poles of the diagonal part   [feature, half] c64
 *   P       low-rank factor              [feature, rank, half] c64
 *   B, C    input, output                [feature, half] c64
 *   dt      step sizes                   [feature] or [batch, length, feature]
 *   D       skip                         [feature]
 *   x0      carried state                [batch, feature, half] c64
 *   y       output                       [batch, length, feature]
 *   state   state after the last sample  [batch, feature, half] c64
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
): void {
  const { u, C, dt, D, x0 } = inputs;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const perStep = shapes.dt.length > 1;
  const x = new Float64Array(2 * half);
  for (let d = 0; d < feature; d++) {
    const of = (array: FloatArray, width: number) => array.subarray(d * width, (d + 1) * width);
    const system: DplrSystem = {
      lambda: of(inputs.lambda, 2 * half),
      P: of(inputs.P, 2 * half * rank),
      B: of(inputs.B, 2 * half),
      half,
      rank,
    };
    const stepOf = (size: number) => dplrRecurrence(dplrStep(system, size));
    let step = stepOf(perStep ? 1 : dt[d]!);
    for (let b = 0; b < batch; b++) {
      const carried = 2 * (b * feature + d) * half;
      for (let i = 0; i < 2 * half; i++) x[i] = x0 ? x0[carried + i]! : 0;
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        if (perStep) step = stepOf(dt[at]!);
        dplrAdvanceInto(x, step, u[at]!);
        let sum = 0;
        for (let n = 0; n < 2 * half; n += 2) {
          sum += C[2 * d * half + n]! * x[n]! - C[2 * d * half + n + 1]! * x[n + 1]!;
        }
        outputs.y[at] = 2 * sum + (D ? D[d]! * u[at]! : 0);
      }
      outputs.state.set(x, carried);
    }
  }
}

/** Features of a task: `FEATURES` in simd/assembly/dplr_scan.ts. */
const FEATURES = 4;
/** Floats of a mode in a task's scratch: 24 vectors, and two in f64. */
const MODE_FLOATS = 4 * (24 + 2);

/** About 0.5 ns a mode's step, 10 where the step is prepared for it. */
function simdPlan(shapes: Shapes): SimdPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const perStep = shapes.dt.length > 1;
  return singlePass({
    entry: "dplr_scan",
    args: [
      ...["u", "lambda", "P", "B", "C", "dt", "D", "x0", "y", "state"],
      ...[length, feature, half, rank, flag(perStep)],
    ],
    tasks: batch * groupsFor(feature, FEATURES),
    threadFloats: MODE_FLOATS * half,
  }, (perStep ? 1e-5 : 5e-7) * batch * length * feature * half);
}

function launch(shapes: Shapes, _params: DplrScanParams, limits: GpuLimits): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  const perStep = shapes.dt.length > 1 ? 1 : 0;
  const lanes = dplrLanes(half);
  return {
    scratch: {},
    passes: [{
      entry: "recur",
      constants: {
        ...lanes,
        HALF: half,
        RANK: rank,
        SHARES: 1 + perStep,
        PER_STEP: perStep,
        HAS_D: shapes.D ? 1 : 0,
        HAS_X0: shapes.x0 ? 1 : 0,
        BACKWARD: 0,
      },
      dims: { length, feature, rows: batch * feature, chunks: 1, stride: 0 },
      bindings: [
        ...["u", "lambda", "P", "B", "C", "dt", ...named("D"), ...named("x0")],
        ...["y", "state"],
      ],
      workgroups: spreadGroups(groupsFor(batch * feature, lanes.SLOTS), limits),
    }],
  };
}

const backward: Backward<DplrScanParams, Input, OptionalInput, "y" | "state"> = {
  needs: ["u", "lambda", "P", "B", "C", "dt", "D", "x0"],
  cpu: dplrScanBackward,
  simd(shapes) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const [, rank, half] = shapes.P as [number, number, number, number];
    const perStep = shapes.dt.length > 1;
    const tensors = ["u", "lambda", "P", "B", "C", "dt", "D", "x0", "gradY", "gradState"];
    const gradients = ["gradU", "gradLambda", "gradP", "gradB", "gradC", "gradDt", "gradD"];
    return singlePass({
      entry: "dplr_scan_backward",
      args: [
        ...[...tensors, ...gradients, "gradX0"],
        ...[batch, length, feature, half, rank, flag(perStep)],
      ],
      tasks: groupsFor(feature, FEATURES),
      // Modes with flows and sums, sums of D and dt, the states before and after each sample.
      threadFloats: (MODE_FLOATS + 4 * (14 + 20)) * half + 8 + 16 + 8 * (length + 1) * half,
    }, (perStep ? 2e-5 : 2e-6) * batch * length * feature * half);
  },
  launch: (shapes, params, limits) =>
    dplrBackwardPlan(launch(shapes, params, limits).passes[0]!, shapes),
  // Sums over the length of products of two recurrences, each with the tolerance of one.
  tolerance: 5e-5,
};

type ScanCase = OpCase<DplrScanParams, Input, OptionalInput>;
type CaseSizes = readonly [batch: number, length: number, feature: number, half: number];

function fullCase(
  name: string,
  [batch, length, feature, half]: CaseSizes,
  rank: number,
  change: { perStep?: boolean; quick?: boolean; denormals?: boolean } = {},
): ScanCase {
  const rows = [batch, length, feature];
  return {
    name,
    quick: change.quick ?? false,
    params: {},
    inputs: (random) => ({
      u: change.denormals ? denormal(random, rows) : normal(random, rows),
      lambda: leftHalfPlane(random, [feature, half], 2, 8),
      P: normal(random, [feature, rank, half, 2], 0.7),
      B: normal(random, [feature, half, 2]),
      C: normal(random, [feature, half, 2]),
      dt: uniform(random, change.perStep ? rows : [feature], 0.02, 0.4),
      D: normal(random, [feature]),
      x0: normal(random, [batch, feature, half, 2]),
    }),
  };
}

/** Longest sequence of the sized cases. */
const SIZED_LENGTH_MAX = 1024;

const cases: readonly ScanCase[] = [
  fullCase("one sample", [2, 1, 3, 4], 1),
  fullCase("one workgroup less one", [3, 9, 5, 4], 1),
  fullCase("one workgroup and one", [1, 9, 17, 4], 2),
  fullCase("rank one", [2, 40, 3, 4], 1, { quick: true }),
  fullCase("rank two", [2, 40, 3, 4], 2, { quick: true }),
  fullCase("more modes than invocations", [1, 9, 2, 70], 2),
  fullCase("many modes over a long sequence", [1, 1100, 1, 22], 1),
  fullCase("several chunks back", [2, 149, 2, 4], 2),
  fullCase("steps of their own", [2, 33, 3, 4], 2, { perStep: true }),
  fullCase("denormals", [1, 40, 2, 4], 1, { denormals: true }),
  {
    name: "nothing optional, zeros",
    params: {},
    inputs: (random) => ({
      u: constant([1, 9, 2], 0),
      lambda: leftHalfPlane(random, [2, 3], 2, 8),
      P: normal(random, [2, 1, 3, 2]),
      B: normal(random, [2, 3, 2]),
      C: normal(random, [2, 3, 2]),
      dt: constant([2], 0.1),
    }),
  },
];

/** Recurrence of a diagonal-plus-low-rank system; equation at the head of this file. */
export const dplrScan = defineOp<DplrScanParams, Input, OptionalInput, "y" | "state">({
  name: "dplr_scan",
  inputs: ["u", "lambda", "P", "B", "C", "dt"],
  optional: ["D", "x0"],
  outputs: ["y", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.u) * shapes.P[2]!,
  sized: (work) => {
    // Features are what runs side by side, so they grow with the work, and the length only so far.
    const length = Math.min(SIZED_LENGTH_MAX, Math.max(1, Math.round(work / 64)));
    const feature = Math.max(8, Math.round(work / (8 * length)));
    return fullCase(`${work} mode updates`, [1, length, feature, 8], 1);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
