/**
 * Recurrence of one dense system that all features share, each with a state of its own: the memory
 * of a HiPPO window over a whole length.
 *
 *   x_k[d] = A_k·x_{k−1}[d] + B_k·u_k[d]
 *
 * HiPPO (arXiv 2008.07669), section 2.3, after discretisation. Unlike `dense_scan`, whose features
 * have systems of their own and whose output is a product with the state, the states are the
 * output. A and B are one system for the whole length, or one a sample for irregular samples.
 *
 *   λ_k[d] = gradStates_k[d] + A_{k+1}ᵀ·λ_{k+1}[d]        gradU = Bᵀ·λ
 *   gradA  = Σ λ_k[d]·x_{k−1}[d]ᵀ        gradB = Σ λ_k[d]·u_k[d]        (over what shares them)
 *
 * Tolerance: sums of products in f32 along the length of the cases; 2e-5, as of the other scans.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { flag, SIMD_TILE, singlePass, sumColumns, tiledTasks } from "./_helpers/simd.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** `shared_scan` takes no parameters. */
export type SharedScanParams = Record<string, never>;

/** States that fit into a workgroup's memory. */
export const SHARED_STATES_MAX = 1024;

type Input = "u" | "A" | "B";
type Output = "states" | "state";
type Shapes = Named<Input, "x0", Shape>;

function outputShapes(shapes: Shapes): { readonly [key in Output]: Shape } {
  expectRank("u", 3, shapes.u);
  const [batch, length, feature] = shapes.u as [number, number, number];
  const rows = shapes.A.length > 2 ? [batch, length] : [];
  const axes = shapes.A.length > 2 ? ["batch", "length"] : [];
  const state = shapes.A.at(-1) ?? 0;
  if (!(state >= 1 && state <= SHARED_STATES_MAX)) {
    throw new InvalidValueError("A.state", state, `1 to ${SHARED_STATES_MAX}`);
  }
  expectShape("A", [...axes, "state", "state"], [...rows, state, state], shapes.A);
  expectShape("B", [...axes, "state"], [...rows, state], shapes.B);
  const carried = [batch, feature, state];
  if (shapes.x0) expectShape("x0", ["batch", "feature", "state"], carried, shapes.x0);
  return { states: [batch, length, feature, state], state: carried };
}

function sizesOf(shapes: Shapes) {
  const [batch, length, feature] = shapes.u as [number, number, number];
  return { batch, length, feature, state: shapes.A.at(-1)!, perStep: shapes.A.length > 2 };
}

/**
 * The twin.
 *
 *   u       input                      [batch, length, feature]
 *   A       Abar         [state, state] or [batch, length, state, state]
 *   B       Bbar                [state] or [batch, length, state]
 *   x0      carried state              [batch, feature, state]
 *   states  after each sample          [batch, length, feature, state]
 *   state   after the last sample      [batch, feature, state]
 */
function cpu(
  { u, A, B, x0 }: Named<Input, "x0", FloatArray>,
  outputs: { readonly [key in Output]: FloatArray },
  shapes: Shapes,
): void {
  const { batch, length, feature, state, perStep } = sizesOf(shapes);
  const x = new Float64Array(feature * state);
  const next = new Float64Array(state);
  for (let b = 0; b < batch; b++) {
    const carried = b * x.length;
    for (let i = 0; i < x.length; i++) x[i] = x0 ? x0[carried + i]! : 0;
    for (let k = 0; k < length; k++) {
      const row = b * length + k;
      const system = perStep ? row * state : 0;
      for (let d = 0; d < feature; d++) {
        const own = x.subarray(d * state, (d + 1) * state);
        const input = u[row * feature + d]!;
        for (let i = 0; i < state; i++) {
          let sum = B[system + i]! * input;
          const at = (system + i) * state;
          for (let j = 0; j < state; j++) sum += A[at + j]! * own[j]!;
          next[i] = sum;
        }
        own.set(next);
      }
      outputs.states.set(x, row * x.length);
    }
    outputs.state.set(x, carried);
  }
}

/** About 0.4 ns a product; a task is a row of the batch and up to 16 features. */
function simdPlan(shapes: Shapes): SimdPlan {
  const { batch, length, feature, state, perStep } = sizesOf(shapes);
  const padded = 4 * Math.ceil(state / 4);
  return singlePass({
    entry: "shared_scan",
    args: ["u", "A", "B", "x0", "states", "state", length, feature, state, flag(perStep)],
    tasks: tiledTasks(batch, feature),
    threadFloats: (state + 1 + 2 * SIMD_TILE) * padded + SIMD_TILE,
  }, 4e-7 * batch * length * feature * state * state);
}

const GROUP = 64;
/** Parts that the sums over samples of a shared system are taken in. */
const PARTS_MAX = 256;

function commonOf(shapes: Shapes) {
  const { batch, length, feature, state, perStep } = sizesOf(shapes);
  const rows = batch * length;
  const rowsPerPart = perStep ? 1 : Math.max(1, Math.ceil(rows / PARTS_MAX));
  const parts = Math.ceil(rows / rowsPerPart);
  return {
    parts,
    common: {
      constants: {
        GROUP,
        STATES: state,
        PER_STEP: perStep ? 1 : 0,
        HAS_X0: shapes.x0 ? 1 : 0,
      },
      dims: { batch, length, feature, rowsPerPart, parts },
    },
  };
}

function launch(shapes: Shapes): LaunchPlan {
  const { batch, feature } = sizesOf(shapes);
  return {
    scratch: {},
    passes: [{
      ...commonOf(shapes).common,
      entry: "recur",
      bindings: ["u", "A", "B", ...(shapes.x0 ? ["x0"] : []), "states", "state"],
      workgroups: [feature, batch, 1],
    }],
  };
}

const backward: Backward<SharedScanParams, Input, "x0", Output> = {
  needs: ["u", "A", "B", "x0", "states"],
  cpu(given, { gradU, gradA, gradB, gradX0 }, shapes) {
    const { u, A, B, x0, states, gradStates, gradState } = given;
    const { batch, length, feature, state, perStep } = sizesOf(shapes);
    const sumsA = new Float64Array(gradA!.length);
    const sumsB = new Float64Array(gradB!.length);
    const lambda = new Float64Array(feature * state);
    const carry = new Float64Array(feature * state);
    for (let b = 0; b < batch; b++) {
      carry.set(gradState!.subarray(b * carry.length, (b + 1) * carry.length));
      for (let k = length - 1; k >= 0; k--) {
        const row = b * length + k;
        const system = perStep ? row * state : 0;
        for (let i = 0; i < lambda.length; i++) {
          lambda[i] = carry[i]! + gradStates![row * lambda.length + i]!;
        }
        carry.fill(0);
        for (let d = 0; d < feature; d++) {
          const own = d * state;
          const before = k > 0 ? (row - 1) * lambda.length + own : b * lambda.length + own;
          const x = k > 0 ? states : x0;
          let towardsU = 0;
          for (let i = 0; i < state; i++) {
            const weight = lambda[own + i]!;
            towardsU += B![system + i]! * weight;
            sumsB[system + i]! += weight * u![row * feature + d]!;
            const at = (system + i) * state;
            for (let j = 0; j < state; j++) {
              carry[own + j]! += A![at + j]! * weight;
              if (x !== undefined) sumsA[at + j]! += weight * x[before + j]!;
            }
          }
          gradU![row * feature + d] = towardsU;
        }
      }
      gradX0?.set(carry, b * carry.length);
    }
    gradA!.set(sumsA);
    gradB!.set(sumsB);
  },
  simd(shapes) {
    const { batch, length, feature, state, perStep } = sizesOf(shapes);
    const padded = 4 * Math.ceil(state / 4);
    const direct = perStep || batch === 1;
    const [toA, toB] = direct ? ["gradA", "gradB"] : ["partsA", "partsB"];
    const tensors = ["u", "A", "B", "x0", "states", "gradStates", "gradState"];
    const sums = (target: string, left: string, columns: number) =>
      sumColumns({ target, left, rows: batch, columns });
    return {
      scratch: direct ? {} : { partsA: batch * state * state, partsB: batch * state },
      passes: [{
        entry: "shared_scan_backward",
        args: [
          ...[...tensors, "gradU", toA!, toB!, "gradX0"],
          ...[length, feature, state, flag(perStep)],
        ],
        tasks: batch,
        // Sums in f64 and in f32, zeros, A, the flows and what they leave.
        threadFloats: 3 * (state + 1) * padded + 4 + state * padded +
          8 * Math.ceil(feature / 4) * padded,
      }, ...(direct ? [] : [sums("gradA", toA!, state * state), sums("gradB", toB!, state)])],
      coreMs: 6e-7 * batch * length * feature * state * state,
    };
  },
  launch(shapes, _params, limits: GpuLimits) {
    const { batch, feature, state, perStep } = sizesOf(shapes);
    const { common, parts } = commonOf(shapes);
    const x0 = shapes.x0 ? ["x0"] : [];
    const count = sizeOf(shapes.u);
    const pointwise = (size: number) => spreadGroups(groupsFor(size, POINTWISE_GROUP), limits);
    const direct = perStep || parts === 1;
    const [toA, toB] = direct ? ["gradA", "gradB"] : ["partsA", "partsB"];
    const passes: Pass[] = [{
      ...common,
      entry: "recur_backward",
      bindings: [
        ...["A", "gradStates", "gradState", "lambda"],
        ...(shapes.x0 ? ["gradX0"] : []),
      ],
      workgroups: [feature, batch, 1],
    }, {
      ...common,
      entry: "gradients_of_inputs",
      bindings: ["B", "lambda", "gradU"],
      workgroups: pointwise(count),
    }, {
      ...common,
      entry: "gradients_of_systems",
      bindings: ["u", ...x0, "states", "lambda", `gradA=${toA}`, `gradB=${toB}`],
      workgroups: pointwise(parts * state * (state + 1)),
    }];
    const own: LaunchPlan = { scratch: { lambda: count * state }, passes };
    if (direct) return own;
    const scratch = { partsA: parts * state * state, partsB: parts * state };
    return joinPlans(
      { ...own, scratch: { ...own.scratch, ...scratch } },
      columnSums({ target: "gradA", left: "partsA", rows: parts, columns: state * state }),
      columnSums({ target: "gradB", left: "partsB", rows: parts, columns: state }),
    );
  },
  tolerance: 5e-5,
};

type Case = OpCase<SharedScanParams, Input, "x0">;

/** The rows of A sum to less than one, so that states stay bounded. */
function drawn(
  name: string,
  [batch, length, feature, state]: readonly [number, number, number, number],
  { perStep = false, fresh = false, quick = false, denormals = false } = {},
): Case {
  const rows = perStep ? [batch, length] : [];
  const shape = [batch, length, feature];
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      u: denormals ? denormal(random, shape) : normal(random, shape),
      A: normal(random, [...rows, state, state], 0.6 / Math.sqrt(state)),
      B: normal(random, [...rows, state]),
      ...(!fresh && { x0: normal(random, [batch, feature, state]) }),
    }),
  };
}

/** Longest sequence of the sized cases. */
const SIZED_LENGTH_MAX = 1024;

const cases: readonly Case[] = [
  drawn("one sample, one state", [2, 1, 3, 1], { fresh: true }),
  drawn("one system", [2, 33, 3, 5], { quick: true }),
  drawn("a system a sample", [2, 17, 3, 4], { perStep: true }),
  drawn("a workgroup less one", [1, 9, 2, GROUP - 1]),
  drawn("a workgroup and one", [1, 9, 2, GROUP + 1], { perStep: true, fresh: true }),
  drawn("more samples than parts", [2, PARTS_MAX, 2, 3]),
  drawn("denormals", [1, 17, 3, 4], { denormals: true, fresh: true }),
  {
    name: "zeros",
    params: {},
    inputs: (random) => ({
      u: constant([1, 9, 2], 0),
      A: normal(random, [3, 3], 0.2),
      B: normal(random, [3]),
    }),
  },
];

/** Recurrence of one shared dense system; equation at the head of this file. */
export const sharedScan = defineOp<SharedScanParams, Input, "x0", Output>({
  name: "shared_scan",
  inputs: ["u", "A", "B"],
  optional: ["x0"],
  outputs: ["states", "state"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.u) * shapes.A.at(-1)! ** 2,
  simd: simdPlan,
  sized: (work) => {
    // Features are what runs side by side, so they grow with the work, and the length only so far.
    const length = Math.min(SIZED_LENGTH_MAX, Math.max(1, Math.round(work / 512)));
    const feature = Math.max(1, Math.round(work / (64 * length)));
    return drawn(`${work} products`, [1, length, feature, 8]);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
