/**
 * Discrete systems of one dense continuous system, for any number of step sizes: what puts the
 * discretisation of LSSL on the way of its gradients, and on the device of its training.
 *
 *   gbt   Abar = (I − α·dt·A)⁻¹·(I + (1−α)·dt·A),   Bbar = dt·(I − α·dt·A)⁻¹·B
 *   zoh   [Abar, Bbar; 0, I] = exp(dt·[A, B; 0, 0])
 *
 * LSSL (arXiv 2110.13985) section 2. Back, for `gbt` with M = I − α·dt·A, Z = [Abar − I, Bbar] and
 * Y = M⁻ᵀ·[gradAbar, gradBbar], the gradient of dt·[A, B] is
 *
 *   g = Y + [α·Y·Zᵀ, 0],   gradA, gradB = Σ dt·g,   gradDt = (g, [A, B])
 *
 * and for `zoh` g is the derivative of the exponential at the transposed matrix in the direction of
 * the gradient (Higham, "Functions of Matrices" (2008), section 3.2: the adjoint of a derivative).
 * Its gradDt is (gradAbar, A·Abar) + (gradBbar, Abar·B), since (g, [A, B]) cancels over long steps.
 *
 * On a GPU a workgroup makes one system: Gauss and Jordan's elimination with partial pivots; or the
 * exponential by its series of degree 8 and squarings. The series gives exp − I, so that small
 * steps keep their digits; what has to be squared is exp itself, so that long ones keep those of
 * what has all but decayed. A singular M gives what is not finite there; the twin throws.
 *
 * Tolerance: a solve or some ten products of matrices in f32, on well-conditioned M; 2e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import { nextNormal, type RandomState } from "../base/random.ts";
import type { GpuLimits } from "../device/device.ts";
import { type DiscreteSystem, discretizeDense as discretizeOne } from "../ssm/discretize.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { constant, fill, normal, uniform } from "./_helpers/cases.ts";
import { discretizeDenseBackward } from "./_helpers/discretize_dense_backward.ts";
import { spreadGroups } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode discretizeDense}. */
export interface DiscretizeDenseParams {
  readonly method: "gbt" | "zoh";
  /** Weight of the end of a step in `gbt`, 0 to 1; `zoh` does not look at it. */
  readonly alpha: number;
}

/** Largest state, whose square is held for every step size. */
export const DISCRETIZE_STATES_MAX = 1024;

type Input = "A" | "B" | "dt";
type Shapes = Named<Input, never, Shape>;

function outputShapes(
  { A, B, dt }: Shapes,
  { method, alpha }: DiscretizeDenseParams,
): { Abar: Shape; Bbar: Shape } {
  expectRank("A", 2, A);
  const state = A[0]!;
  expectShape("A", ["state", "state"], [state, state], A);
  expectShape("B", ["state"], [state], B);
  if (state < 1 || state > DISCRETIZE_STATES_MAX) {
    throw new InvalidValueError("A.state", state, `1 to ${DISCRETIZE_STATES_MAX}`);
  }
  if (method !== "gbt" && method !== "zoh") {
    throw new InvalidValueError("method", method, "gbt or zoh");
  }
  if (!(alpha >= 0 && alpha <= 1)) throw new InvalidValueError("alpha", alpha, "from 0 to 1");
  return { Abar: [...dt, state, state], Bbar: [...dt, state] };
}

/**
 * The twin.
 *
 *   A, B   transition, input   [state, state], [state]
 *   dt     step sizes, ≥ 0     [..]
 *   Abar                       [.., state, state]
 *   Bbar                       [.., state]
 */
function cpu(
  { A, B, dt }: Named<Input, never, FloatArray>,
  { Abar, Bbar }: { readonly Abar: FloatArray; readonly Bbar: FloatArray },
  shapes: Shapes,
  params: DiscretizeDenseParams,
): void {
  const state = shapes.B[0]!;
  const [transition, input] = [Float64Array.from(A), Float64Array.from(B)];
  // Equal steps are worked out once.
  const known = new Map<number, DiscreteSystem>();
  for (let s = 0; s < dt.length; s++) {
    let system = known.get(dt[s]!);
    if (system === undefined) {
      system = discretizeOne(transition, input, { stateSize: state, dt: dt[s]!, ...params });
      known.set(dt[s]!, system);
    }
    Abar.set(system.Abar, s * state * state);
    Bbar.set(system.Bbar, s * state);
  }
}

const GROUP = 64;
/** Products that the shader's loops take at a time. */
const RUN = 8;

/** Numbers of a system's own memory on a GPU. */
function workOf(state: number, { method }: DiscretizeDenseParams, isBackward: boolean): number {
  // gbt: the matrix beside its right sides. zoh: scaled matrix, series and next, or all in pairs.
  if (method === "gbt") return state * (2 * state + 1);
  return (isBackward ? 6 : 3) * (state + 1) ** 2;
}

function systemPass(
  entry: string,
  bindings: string[],
  shapes: Shapes,
  params: DiscretizeDenseParams,
  limits: GpuLimits,
): Pass {
  const systems = sizeOf(shapes.dt);
  return {
    entry,
    constants: {
      GROUP,
      RUN,
      STATES: shapes.B[0]!,
      SIDE: shapes.B[0]! + 1,
      HOLD: params.method === "zoh" ? 1 : 0,
      BACKWARD: entry === "pass_back" ? 1 : 0,
    },
    dims: { systems, alpha: params.alpha },
    bindings,
    workgroups: spreadGroups(systems, limits),
  };
}

function launch(shapes: Shapes, params: DiscretizeDenseParams, limits: GpuLimits): LaunchPlan {
  const bindings = ["A", "B", "dt", "work", "Abar", "Bbar"];
  return {
    scratch: { work: sizeOf(shapes.dt) * workOf(shapes.B[0]!, params, false) },
    passes: [systemPass("make_systems", bindings, shapes, params, limits)],
  };
}

const backward: Backward<DiscretizeDenseParams, Input, never, "Abar" | "Bbar"> = {
  needs: ["A", "B", "dt", "Abar", "Bbar"],
  cpu: discretizeDenseBackward,
  launch(shapes, params, limits) {
    const state = shapes.B[0]!;
    const systems = sizeOf(shapes.dt);
    const bindings = [
      ...["A", "B", "dt", "work", "Abar", ...(params.method === "gbt" ? ["Bbar"] : [])],
      ...["gradAbar", "gradBbar", "sharesOfA", "sharesOfB", "gradDt"],
    ];
    return joinPlans(
      {
        scratch: {
          work: systems * workOf(state, params, true),
          sharesOfA: systems * state * state,
          sharesOfB: systems * state,
        },
        passes: [systemPass("pass_back", bindings, shapes, params, limits)],
      },
      columnSums({ target: "gradA", left: "sharesOfA", rows: systems, columns: state * state }),
      columnSums({ target: "gradB", left: "sharesOfB", rows: systems, columns: state }),
    );
  },
  // Two solves, or twice the products of the forward.
  tolerance: 5e-5,
};

type Case = OpCase<DiscretizeDenseParams, Input, never>;

/** A stable transition: −1 on the diagonal, and rows of random numbers of about `size` in all. */
function transition(random: RandomState, state: number, size: number): Tensor {
  const scale = size / Math.sqrt(state);
  return fill(
    [state, state],
    (i) => scale * nextNormal(random) - (i % (state + 1) === 0 ? 1 : 0),
  );
}

function system(
  name: string,
  dt: Shape,
  state: number,
  params: DiscretizeDenseParams,
  change: { quick?: boolean; size?: number; steps?: readonly [number, number] } = {},
): Case {
  const [low, high] = change.steps ?? [0.01, 0.5];
  return {
    name,
    quick: change.quick ?? false,
    params,
    inputs: (random) => ({
      A: transition(random, state, change.size ?? 0.7),
      B: normal(random, [state]),
      dt: uniform(random, dt, low, high),
    }),
  };
}

const BILINEAR: DiscretizeDenseParams = { method: "gbt", alpha: 0.5 };
const HOLD: DiscretizeDenseParams = { method: "zoh", alpha: 0.5 };

const cases: readonly Case[] = [
  system("one state", [1], 1, BILINEAR),
  system("bilinear", [3], 8, BILINEAR, { quick: true }),
  system("forward Euler", [2], 8, { method: "gbt", alpha: 0 }),
  system("backward Euler, a system a sample", [2, 5, 3], 8, { method: "gbt", alpha: 1 }),
  system("a weight of a third", [3], 8, { method: "gbt", alpha: 1 / 3 }),
  system("more states than invocations", [2], 67, BILINEAR),
  system("rows that change places", [3], 8, { method: "gbt", alpha: 1 }, {
    size: 8,
    steps: [0.8, 1],
  }),
  system("held input", [3], 8, HOLD, { quick: true }),
  system("held input, more states than a run", [2], 19, HOLD),
  system("held input, one state", [2], 1, HOLD),
  system("held input, large steps", [2, 2, 2], 8, HOLD, { steps: [5, 20], size: 0.4 }),
  system("held input, small steps", [3], 8, HOLD, { steps: [0.001, 0.002] }),
  {
    name: "an integrator",
    params: HOLD,
    inputs: (random) => ({
      A: constant([8, 8], 0),
      B: normal(random, [8]),
      dt: uniform(random, [2], 0.1, 1),
    }),
  },
  {
    name: "denormal steps",
    params: BILINEAR,
    inputs: (random) => ({
      A: normal(random, [8, 8]),
      B: normal(random, [8]),
      dt: constant([2], 1e-40),
    }),
  },
];

/** Discrete systems; equations and shapes at the head of this file. */
export const discretizeDense = defineOp<DiscretizeDenseParams, Input, never, "Abar" | "Bbar">({
  name: "discretize_dense",
  inputs: ["A", "B", "dt"],
  optional: [],
  outputs: ["Abar", "Bbar"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.dt) * shapes.B[0]! ** 3,
  sized: (work) => {
    const state = Math.max(1, Math.min(16, Math.round(Math.cbrt(work / 8))));
    return system(
      `${work} products`,
      [Math.max(1, Math.round(work / state ** 3))],
      state,
      BILINEAR,
    );
  },
  cases,
  tolerance: 2e-5,
  backward,
});
