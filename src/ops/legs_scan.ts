/**
 * The LegS memory over a whole length: after each sample, the coefficients of all of the past in
 * shifted Legendre polynomials.
 *
 *   dx/dt = (A·x + B·u)/t,   A[n,k] = −√(2n+1)·√(2k+1) (k < n), −(n+1) (k = n),   B[n] = √(2n+1)
 *   x_k   = exp(A·log(1/(1 − κ)))·x_{k−1} + h(κ)·u_k            κ = dt_k/times_k
 *
 * HiPPO (arXiv 2008.07669) equation 3, exact for an input held over each sample: see
 * `src/ssm/legs_step.ts`. `times` is the time at the end of a sample, in any unit; where
 * dt = times nothing came before, and the coefficients are those of the constant u.
 *
 * The system depends on time, so no two samples have the same step and there is no convolution;
 * rows and coefficients run side by side, samples in order.
 *
 *   gradU   = hᵀ·λ          λ_k = gradCoefficients_k + (adjoint of the next step)·λ_{k+1}
 *   gradDt  = γ/(times·(1 − κ))        gradTimes = −κ·gradDt        γ = Σ λᵀ·(A·x + B·u)
 *
 * (Where dt = times both are given as 0.)
 *
 * Tolerance: a step is two orthogonal products, so its rounding does not grow; 2e-5 over the
 * lengths of the cases, as of the other scans. Gradients sum products of two such; 1e-4.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import {
  legsAdjointInto,
  legsHeldInto,
  type LegsQuadrature,
  legsQuadrature,
  legsStepInto,
} from "../ssm/legs_step.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { SIMD_TILE, singlePass, tiledTasks } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode legsScan}. */
export interface LegsScanParams {
  /** Coefficients of each row, 1 to {@linkcode LEGS_STATES_MAX}. */
  readonly state: number;
}

/** Coefficients that fit into a workgroup's memory. */
export const LEGS_STATES_MAX = 256;

type Input = "u" | "dt" | "times";
type Shapes = Named<Input, "x0", Shape>;
type Output = "coefficients" | "state";

function outputShapes(shapes: Shapes, { state }: LegsScanParams): { [key in Output]: Shape } {
  if (!(Number.isInteger(state) && state >= 1 && state <= LEGS_STATES_MAX)) {
    throw new InvalidValueError("state", state, `an integer from 1 to ${LEGS_STATES_MAX}`);
  }
  expectRank("u", 3, shapes.u);
  const [batch, length, feature] = shapes.u as [number, number, number];
  expectShape("dt", ["length", "batch"], [length, batch], shapes.dt);
  expectShape("times", ["length", "batch"], [length, batch], shapes.times);
  const carried = [batch, feature, state];
  if (shapes.x0) expectShape("x0", ["batch", "feature", "state"], carried, shapes.x0);
  return { coefficients: [batch, length, feature, state], state: carried };
}

/**
 * The twin.
 *
 *   u             input                                       [batch, length, feature]
 *   dt, times     elapsed time, and time at the end                    [length, batch]
 *   x0            carried coefficients                         [batch, feature, state]
 *   coefficients  after each sample                    [batch, length, feature, state]
 *   state         after the last sample                        [batch, feature, state]
 */
function cpu(
  { u, dt, times, x0 }: Named<Input, "x0", FloatArray>,
  outputs: { readonly [key in Output]: FloatArray },
  shapes: Shapes,
  { state }: LegsScanParams,
): void {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const quadrature = legsQuadrature(state);
  const held = new Float64Array(state);
  const next = new Float64Array(state);
  const x = new Float64Array(feature * state);
  for (let b = 0; b < batch; b++) {
    const row = b * feature * state;
    for (let i = 0; i < x.length; i++) x[i] = x0 ? x0[row + i]! : 0;
    for (let k = 0; k < length; k++) {
      const share = dt[k * batch + b]! / times[k * batch + b]!;
      legsHeldInto(held, share);
      for (let d = 0; d < feature; d++) {
        const own = x.subarray(d * state, (d + 1) * state);
        legsStepInto(next, own, u[(b * length + k) * feature + d]!, held, share, quadrature);
        own.set(next);
      }
      outputs.coefficients.set(x, (b * length + k) * feature * state);
    }
    outputs.state.set(x, row);
  }
}

const GROUP = 64;
/** Coefficients whose sums over the nodes a workgroup takes at a time. */
const TILE = 8;

/** Of each node: σ, w, and the polynomials there. */
function tableOf({ stateSize, nodes, weights, basis }: LegsQuadrature): Float32Array {
  const table = new Float32Array(stateSize * (stateSize + 2));
  for (let i = 0; i < stateSize; i++) {
    const at = i * (stateSize + 2);
    table[at] = nodes[i]!;
    table[at + 1] = weights[i]!;
    table.set(basis.subarray(i * stateSize, (i + 1) * stateSize), at + 2);
  }
  return table;
}

function commonOf(shapes: Shapes, { state }: LegsScanParams, limits: GpuLimits) {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const constants = {
    GROUP,
    TILE,
    STATES: state,
    PER: Math.ceil(state / GROUP),
    HAS_X0: shapes.x0 ? 1 : 0,
  };
  const common = { constants, dims: { batch, length, feature } };
  const pointwise = (count: number) => spreadGroups(groupsFor(count, POINTWISE_GROUP), limits);
  return {
    common,
    tables: {
      table: { key: `legs/${state}`, make: () => tableOf(legsQuadrature(state)) },
    },
    /** The weights of a held input at every time. */
    weigh: {
      ...common,
      entry: "weigh_held",
      bindings: ["dt", "times", "held"],
      workgroups: pointwise(length * batch),
    },
    pointwise,
    rows: [feature, batch, 1] as const,
  };
}

function launch(shapes: Shapes, params: LegsScanParams, limits: GpuLimits): LaunchPlan {
  const { common, tables, weigh, rows } = commonOf(shapes, params, limits);
  const x0 = shapes.x0 ? ["x0"] : [];
  return {
    scratch: { held: sizeOf(shapes.dt) * params.state },
    tables,
    passes: [weigh, {
      ...common,
      entry: "recur",
      bindings: ["u", "dt", "times", ...x0, "table", "held", "coefficients", "state"],
      workgroups: rows,
    }],
  };
}

/**
 * The nodes [padded][3], each its place as the sum of two f32 and its weight, and the polynomials
 * there [padded, state]; zeros beyond the states.
 */
function simdTableOf({ stateSize, nodes, weights, basis }: LegsQuadrature): Float32Array {
  const padded = 4 * Math.ceil(stateSize / 4);
  const table = new Float32Array(padded * (3 + stateSize));
  for (let i = 0; i < stateSize; i++) {
    table[3 * i] = nodes[i]!;
    table[3 * i + 1] = nodes[i]! - table[3 * i]!;
    table[3 * i + 2] = weights[i]!;
  }
  table.set(basis, 3 * padded);
  return table;
}

/** About 0.15 ns a product; a task makes each sample's polynomials, then 16 features' steps. */
function simdPlan(shapes: Shapes, { state }: LegsScanParams): SimdPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const padded = 4 * Math.ceil(state / 4);
  const tasks = tiledTasks(batch, feature);
  const plan = singlePass({
    entry: "legs_scan",
    args: [
      ...["u", "dt", "times", "x0", "table", "coefficients", "state"],
      ...[batch, length, feature, state],
    ],
    tasks,
    threadFloats: padded * (8 + padded + 1 + 2 * SIMD_TILE),
  }, 1.5e-7 * length * state * state * (2 * batch * feature + 8 * tasks));
  return { ...plan, tables: { table: simdTableOf(legsQuadrature(state)) } };
}

/** λᵀ·h and λᵀ·(A·x + B·u) of one row at one sample. */
function gradientsOfRow(
  lambda: Float64Array,
  x: FloatArray,
  at: number,
  u: number,
  held: Float64Array,
): [gradU: number, flow: number] {
  let gradU = 0;
  let flow = 0;
  let before = 0;
  for (let n = 0; n < lambda.length; n++) {
    const root = Math.sqrt(2 * n + 1);
    gradU += lambda[n]! * held[n]!;
    flow += lambda[n]! * (root * (u - before) - (n + 1) * x[at + n]!);
    before += root * x[at + n]!;
  }
  return [gradU, flow];
}

const backward: Backward<LegsScanParams, Input, "x0", Output> = {
  needs: ["u", "dt", "times", "coefficients"],
  cpu(given, { gradU, gradDt, gradTimes, gradX0 }, shapes, { state }) {
    const { u, dt, times, coefficients, gradCoefficients, gradState } = given;
    const [batch, length, feature] = shapes.u as [number, number, number];
    const quadrature = legsQuadrature(state);
    const held = new Float64Array(state);
    const lambda = new Float64Array(state);
    const carry = new Float64Array(feature * state);
    for (let b = 0; b < batch; b++) {
      carry.set(gradState!.subarray(b * carry.length, (b + 1) * carry.length));
      for (let k = length - 1; k >= 0; k--) {
        const share = dt![k * batch + b]! / times![k * batch + b]!;
        legsHeldInto(held, share);
        let flow = 0;
        for (let d = 0; d < feature; d++) {
          const own = carry.subarray(d * state, (d + 1) * state);
          const at = ((b * length + k) * feature + d) * state;
          for (let n = 0; n < state; n++) lambda[n] = own[n]! + gradCoefficients![at + n]!;
          const input = u![at / state]!;
          const [towardsU, along] = gradientsOfRow(lambda, coefficients!, at, input, held);
          gradU![at / state] = towardsU;
          flow += along;
          legsAdjointInto(own, lambda, share, quadrature);
        }
        const slope = share < 1 ? flow / (times![k * batch + b]! * (1 - share)) : 0;
        gradDt![k * batch + b] = slope;
        gradTimes![k * batch + b] = -share * slope;
      }
      gradX0?.set(carry, b * carry.length);
    }
  },
  simd(shapes, { state }) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const padded = 4 * Math.ceil(state / 4);
    const tensors = ["u", "dt", "times", "coefficients", "table", "gradCoefficients", "gradState"];
    const gradients = ["gradU", "gradDt", "gradTimes", "gradX0"];
    const tiles = Math.ceil(feature / SIMD_TILE);
    const plan = singlePass({
      entry: "legs_scan_backward",
      args: [...tensors, ...gradients, batch, length, feature, state],
      tasks: batch,
      threadFloats: padded * (8 + padded + 1 + (3 + tiles) * SIMD_TILE),
    }, 1.5e-7 * batch * length * state * state * (3 * feature + 8));
    return { ...plan, tables: { table: simdTableOf(legsQuadrature(state)) } };
  },
  launch(shapes, params, limits) {
    const { common, tables, weigh, pointwise, rows } = commonOf(shapes, params, limits);
    const count = sizeOf(shapes.u);
    const x0 = shapes.x0 ? ["gradX0"] : [];
    return {
      scratch: {
        held: sizeOf(shapes.dt) * params.state,
        lambda: count * params.state,
        flow: count,
      },
      tables,
      passes: [weigh, {
        ...common,
        entry: "recur_backward",
        bindings: ["dt", "times", "table", "gradCoefficients", "gradState", "lambda", ...x0],
        workgroups: rows,
      }, {
        ...common,
        entry: "gradients_of_rows",
        bindings: ["u", "held", "coefficients", "lambda", "gradU", "flow"],
        workgroups: pointwise(count),
      }, {
        ...common,
        entry: "gradients_of_times",
        bindings: ["dt", "times", "flow", "gradDt", "gradTimes"],
        workgroups: pointwise(sizeOf(shapes.dt)),
      }],
    };
  },
  tolerance: 1e-4,
};

type Case = OpCase<LegsScanParams, Input, "x0">;

/** Times in uneven steps that begin after `start`. */
function drawn(
  name: string,
  [batch, length, feature, state]: readonly [number, number, number, number],
  { start = 1, even = false, fresh = false, quick = false, denormals = false } = {},
): Case {
  return {
    name,
    quick,
    params: { state },
    inputs: (random) => {
      const dt = fill([length, batch], (i) => even ? 1 : 0.25 * (1 + (7 * i) % 9));
      const ends = new Float64Array(batch).fill(start);
      const times = fill([length, batch], (i) => ends[i % batch]! += dt.data[i]!);
      const shape = [batch, length, feature];
      return {
        u: denormals ? denormal(random, shape) : normal(random, shape),
        dt,
        times,
        ...(!fresh && { x0: normal(random, [batch, feature, state]) }),
      };
    },
  };
}

const cases: readonly Case[] = [
  drawn("one sample, one state", [2, 1, 3, 1]),
  drawn("even steps", [2, 17, 3, 6], { even: true, fresh: true, quick: true }),
  drawn("uneven steps", [2, 33, 3, 5]),
  drawn("a tile and one", [1, 9, 2, TILE + 1]),
  drawn("a workgroup less one", [1, 7, 2, GROUP - 1]),
  drawn("a workgroup and one", [1, 7, 2, GROUP + 1]),
  drawn("late in a stream", [1, 9, 2, 16], { start: 1000 }),
  drawn("denormals", [1, 9, 2, 4], { denormals: true, fresh: true }),
  {
    name: "zeros",
    params: { state: 3 },
    inputs: () => ({
      u: constant([1, 5, 2], 0),
      dt: constant([5, 1], 1),
      times: fill([5, 1], (i) => i + 2),
    }),
  },
];

/** Longest sequence of the sized cases. */
const SIZED_LENGTH_MAX = 256;

/** The LegS memory; equation at the head of this file. */
export const legsScan = defineOp<LegsScanParams, Input, "x0", Output>({
  name: "legs_scan",
  inputs: ["u", "dt", "times"],
  optional: ["x0"],
  outputs: ["coefficients", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes, { state }) => sizeOf(shapes.u) * state * state,
  sized: (work) => {
    const length = Math.min(SIZED_LENGTH_MAX, Math.max(1, Math.round(work / 64)));
    const feature = Math.max(1, Math.round(work / (64 * length)));
    return drawn(`${work} products`, [1, length, feature, 8]);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
