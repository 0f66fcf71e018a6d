/**
 * Diagonal complex linear scan: the recurrence of S4D, S5 and DSS over a whole length.
 *
 *   x[k] = Abar[k]·x[k−1] + Bbar[k]·u[k]        y[k] = scale·Re(Σ C·x[k]) + D·u[k]
 *
 * S4D (arXiv 2206.11893) section 3; the recurrent view of S4 (arXiv 2111.00396) eq. 3. Each
 * feature has its own bank of states; one of each conjugate pair is stored, so `scale` is 2 unless
 * `conjugatePairs` is false.
 *
 * Two variants. `lti`: `A` and `B` are Abar and Bbar, the same for every step. `perStep`: `A` and
 * `B` are lambda and B of the continuous system, and `dt` gives each step its own size:
 *
 *   zoh       Abar = exp(dt·lambda)                    Bbar = (Abar − 1)/lambda·B
 *   bilinear  Abar = (1 + dt·lambda/2)/(1 − dt·lambda/2)   Bbar = dt·B/(1 − dt·lambda/2)
 *
 * On a GPU the length is cut into chunks where rows are too few to fill it: every chunk finds its
 * end state from zero, a scan over the chunks carries the states across, and every chunk runs again
 * from its true start (reduce, then scan; three dispatches, no order between workgroups is
 * assumed). Systems of variant `lti` go several steps at a time, by products with their powers:
 * `shaders/shared/lti_scan.wgsl`. Steps of sizes of their own go one by one:
 * `shaders/linear_scan.wgsl`.
 *
 * Tolerance: rounding Abar to f32 turns each state by up to 6e-8 a step, and a state remembers
 * about 1/(1 − |Abar|) steps; 2e-5 holds for memories of some hundred steps.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { decays, denormal, fill, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { discretizeModeInto } from "./_helpers/discretize_mode.ts";
import { linearBackwardPlan, linearScanBackward } from "./_helpers/linear_scan_backward.ts";
import { ltiBackwardPlan } from "./_helpers/lti_gradients_plan.ts";
import { ltiScanPlan, type LtiSizes } from "./_helpers/lti_scan_plan.ts";
import { BACKWARD_CHUNK } from "./_helpers/scan_backward.ts";
import { chunkOf, groupsFor } from "./_helpers/plan.ts";
import { SIMD_TILE, simdRule, singlePass, tiledTasks } from "./_helpers/simd.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode linearScan}. */
export interface LinearScanParams {
  /** `lti`: A, B are discretized. `perStep`: A, B are continuous and `dt` is given. */
  readonly variant: "lti" | "perStep";
  /** Rule of the `perStep` variant. */
  readonly discretization?: "zoh" | "bilinear";
  /** One of each conjugate pair is stored, so y takes 2·Re; default true. */
  readonly conjugatePairs?: boolean;
}

type Input = "u" | "A" | "B" | "C";
type OptionalInput = "D" | "dt" | "x0";
type Output = "y" | "state";
type Shapes = Named<Input, OptionalInput, Shape>;

function outputShapes(shapes: Shapes, params: LinearScanParams): { y: Shape; state: Shape } {
  expectRank("u", 3, shapes.u);
  const [batch, , feature] = shapes.u as [number, number, number];
  expectRank("A", 3, shapes.A);
  const state = shapes.A[1]!;
  const bank = ["feature", "state", "complex"];
  expectShape("A", bank, [feature, state, 2], shapes.A);
  expectShape("B", bank, [feature, state, 2], shapes.B);
  expectShape("C", bank, [feature, state, 2], shapes.C);
  if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
  if (shapes.x0) {
    expectShape("x0", ["batch", ...bank], [batch, feature, state, 2], shapes.x0);
  }
  if (params.variant === "perStep") {
    if (!shapes.dt) throw new InvalidValueError("dt", undefined, "step sizes for variant perStep");
    expectShape("dt", ["batch", "length", "feature"], shapes.u, shapes.dt);
  } else if (shapes.dt) {
    throw new InvalidValueError("dt", "given", "none for variant lti");
  }
  return { y: shapes.u, state: [batch, feature, state, 2] };
}

/**
 * The twin.
 *
 *   u      input                                [batch, length, feature]
 *   A      Abar, or lambda                      [feature, state] c64
 *   B      Bbar, or B                           [feature, state] c64
 *   C      output matrix                        [feature, state] c64
 *   D      skip                                 [feature]
 *   dt     step sizes (perStep)                 [batch, length, feature]
 *   x0     carried state, 0 if left out         [batch, feature, state] c64
 *   y      output                               [batch, length, feature]
 *   state  state after the last sample          [batch, feature, state] c64
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  params: LinearScanParams,
): void {
  const { u, A, B, C, D, dt, x0 } = inputs;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const scale = params.conjugatePairs === false ? 1 : 2;
  const bilinear = params.discretization === "bilinear";
  const perStep = params.variant === "perStep";
  const x = new Float64Array(2 * states);
  const mode = new Float64Array(4);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const bank = 2 * d * states;
      const carried = 2 * (b * feature + d) * states;
      for (let i = 0; i < 2 * states; i++) x[i] = x0 ? x0[carried + i]! : 0;
      const skip = D ? D[d]! : 0;
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        const input = u[at]!;
        let sum = 0;
        for (let n = 0; n < 2 * states; n += 2) {
          let ar = A[bank + n]!;
          let ai = A[bank + n + 1]!;
          let br = B[bank + n]!;
          let bi = B[bank + n + 1]!;
          if (perStep) {
            discretizeModeInto(mode, ar, ai, dt![at]!, bilinear);
            const real = br;
            ar = mode[0]!;
            ai = mode[1]!;
            br = mode[2]! * real - mode[3]! * bi;
            bi = mode[2]! * bi + mode[3]! * real;
          }
          const xr = x[n]!;
          const xi = x[n + 1]!;
          const nextR = ar * xr - ai * xi + br * input;
          const nextI = ar * xi + ai * xr + bi * input;
          x[n] = nextR;
          x[n + 1] = nextI;
          sum += C[bank + n]! * nextR - C[bank + n + 1]! * nextI;
        }
        outputs.y[at] = scale * sum + skip * input;
      }
      for (let i = 0; i < 2 * states; i++) outputs.state[carried + i] = x[i]!;
    }
  }
}

/** Steps that a workgroup stages at once. */
const TILE = 8;
/** Complex states of one invocation; more of them are split over invocations. */
const STATES_PER_THREAD = 8;
const STATE_GROUPS_MAX = 8;
const INVOCATIONS_MAX = 256;
const CARRY_GROUP = 64;

function launch(shapes: Shapes, params: LinearScanParams, limits: GpuLimits): LaunchPlan {
  if (params.variant === "perStep") {
    const [batch, length, feature] = shapes.u as [number, number, number];
    return perStepPlan(shapes, params, chunkOf(length, batch * feature));
  }
  return ltiScanPlan(
    ltiSizes(shapes, params),
    {
      ...{ u: "u", A: "A", B: "B", C: "C", y: "y", state: "state", ends: "ends" },
      D: shapes.D && "D",
      x0: shapes.x0 && "x0",
    },
    limits,
  );
}

function ltiSizes(shapes: Shapes, params: LinearScanParams): LtiSizes {
  const [batch, length, feature] = shapes.u as [number, number, number];
  return { batch, length, feature, states: shapes.A[1]!, scale: conjugateScale(params) };
}

/** The passes for steps of sizes of their own, in chunks of so many. */
function perStepPlan(shapes: Shapes, params: LinearScanParams, chunk: number): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const chunks = Math.max(1, Math.ceil(length / chunk));
  let groups = 1;
  while (groups < STATE_GROUPS_MAX && groups * STATES_PER_THREAD < states) groups *= 2;
  let tileFeatures = feature >= 32 ? 32 : 8;
  while (tileFeatures * groups > INVOCATIONS_MAX) tileFeatures /= 2;
  const constants = {
    STATES: states,
    STATE_GROUPS: groups,
    STATES_PER_THREAD: Math.max(1, Math.ceil(states / groups)),
    FEATURES: tileFeatures,
    TILE,
    CARRY_GROUP,
    CHUNKED: chunks > 1 ? 1 : 0,
    BILINEAR: params.discretization === "bilinear" ? 1 : 0,
    HAS_D: shapes.D ? 1 : 0,
    HAS_X0: shapes.x0 ? 1 : 0,
  };
  const dims = { batch, length, feature, chunk, chunks, scale: conjugateScale(params) };
  const tiles = groupsFor(feature, tileFeatures);
  const x0 = shapes.x0 ? ["x0"] : [];
  const passes: Pass[] = [];
  if (chunks > 1) {
    passes.push({
      entry: "reduce_chunks",
      constants,
      dims,
      bindings: ["u", "A", "B", "dt", "ends", "decays"],
      workgroups: [tiles, chunks - 1, batch],
    }, {
      entry: "carry_chunks",
      constants,
      dims,
      bindings: [...x0, "ends", "decays"],
      workgroups: [groupsFor(feature * states, CARRY_GROUP), batch, 1],
    });
  }
  passes.push({
    entry: "apply_chunks",
    constants,
    dims,
    bindings: [
      ...["u", "A", "B", "C", ...(shapes.D ? ["D"] : []), "dt", ...x0],
      ...[...(chunks > 1 ? ["ends"] : []), "y", "state"],
    ],
    workgroups: [tiles, chunks, batch],
  });
  const ends = batch * (chunks - 1) * feature * states * 2;
  const scratch = chunks === 1 ? {} : { ends, decays: ends };
  return { scratch, passes };
}

/** About 0.5 ns a state's step, 15 where the step is discretized. */
function simdPlan(shapes: Shapes, params: LinearScanParams): SimdPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const rule = simdRule(params);
  const sizes = [length, feature, states, rule, conjugateScale(params)];
  return singlePass({
    entry: "linear_scan",
    args: ["u", "A", "B", "C", "D", "dt", "x0", "y", "state", ...sizes],
    tasks: tiledTasks(batch, feature),
    // Eight banks of parts, inputs and sums of a run of samples.
    threadFloats: 8 * states * SIMD_TILE,
  }, (rule === 0 ? 5e-7 : 15e-6) * batch * length * feature * states);
}

/**
 * The adjoint of the recurrence runs from the end: with the gradient flow of the state,
 *
 *   flow[k] = scale·gradY[k]·conj(C) + conj(Abar[k + 1])·flow[k + 1]      (the last: + gradState)
 *   gradU = Re(conj(Bbar)·flow) + D·gradY     gradAbar[k] = flow[k]·conj(x[k − 1])
 *   gradC = Σ scale·gradY·conj(x)             gradBbar[k] = flow[k]·u[k]
 *
 * and from Abar[k], Bbar[k] to lambda, B and dt by the chain rule where they are made per step.
 *
 * On a GPU with equal steps gradU is the scan itself walked from the end, and the other gradients
 * are sums over a walk from the start: `shaders/shared/lti_gradients.wgsl`. With steps of their own
 * the states are found again, chunk by chunk from the chunks' starts (the first two passes of the
 * scan itself), and the flow crosses chunks as the state does, backwards.
 */
const backward: Backward<LinearScanParams, Input, OptionalInput, Output> = {
  needs: ["u", "A", "B", "C", "D", "dt", "x0"],
  cpu: linearScanBackward,
  launch(shapes, params, limits) {
    if (params.variant === "perStep") {
      return linearBackwardPlan(perStepPlan(shapes, params, BACKWARD_CHUNK), shapes, limits);
    }
    const given = { D: shapes.D !== undefined, x0: shapes.x0 !== undefined };
    return ltiBackwardPlan(ltiSizes(shapes, params), given, limits);
  },
  simd(shapes, params) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const states = shapes.A[1]!;
    const rule = simdRule(params);
    const tensors = ["u", "A", "B", "C", "D", "dt", "x0", "gradY", "gradState"];
    const gradients = ["gradU", "gradA", "gradB", "gradC", "gradD", "gradDt", "gradX0"];
    const sizes = [batch, length, feature, states, rule, conjugateScale(params)];
    const planes = rule === 0 ? 5 : 11;
    return singlePass({
      entry: "linear_scan_backward",
      args: [...tensors, ...gradients, ...sizes],
      tasks: tiledTasks(1, feature),
      // Planes of steps, banks of ten planes and columns, sums of six in f64.
      threadFloats: (planes * length + 2 + 23 * states + 2) * SIMD_TILE,
    }, (rule === 0 ? 2e-6 : 4e-5) * batch * length * feature * states);
  },
  // Sums over the length of products of two scans, each with the tolerance of one.
  tolerance: 5e-5,
};

function conjugateScale(params: LinearScanParams): number {
  return params.conjugatePairs === false ? 1 : 2;
}

interface CaseSizes {
  readonly batch: number;
  readonly length: number;
  readonly feature: number;
  readonly state: number;
}

/** The plain case: everything given, moduli below 0.98. */
function ltiCase(
  name: string,
  sizes: CaseSizes,
  change: Partial<OpCase<LinearScanParams, Input, OptionalInput>> & { zeros?: boolean } = {},
): OpCase<LinearScanParams, Input, OptionalInput> {
  const { batch, length, feature, state } = sizes;
  const { zeros, ...rest } = change;
  return {
    name,
    params: { variant: "lti" },
    inputs: (random) => ({
      u: zeros ? fill([batch, length, feature], () => 0) : normal(random, [batch, length, feature]),
      A: decays(random, [feature, state], 0.5, 0.98),
      B: normal(random, [feature, state, 2], 0.5),
      C: normal(random, [feature, state, 2], 0.5),
      D: normal(random, [feature]),
      x0: normal(random, [batch, feature, state, 2]),
    }),
    ...rest,
  };
}

function perStepCase(
  name: string,
  sizes: CaseSizes,
  discretization: "zoh" | "bilinear",
  dtRange: readonly [number, number],
  skipOnly = false,
): OpCase<LinearScanParams, Input, OptionalInput> {
  const { batch, length, feature, state } = sizes;
  return {
    name,
    params: { variant: "perStep", discretization, conjugatePairs: false },
    inputs: (random) => ({
      u: normal(random, [batch, length, feature]),
      A: leftHalfPlane(random, [feature, state], 2, 8),
      B: normal(random, [feature, state, 2], 0.5),
      C: normal(random, [feature, state, 2], 0.5),
      dt: uniform(random, [batch, length, feature], dtRange[0], dtRange[1]),
      ...(skipOnly
        ? { D: normal(random, [feature]) }
        : { x0: normal(random, [batch, feature, state, 2]) }),
    }),
  };
}

function plainCase(
  name: string,
  length: number,
): OpCase<LinearScanParams, Input, OptionalInput> {
  return {
    name,
    params: { variant: "lti", conjugatePairs: false },
    inputs: (random) => ({
      u: normal(random, [1, length, 3]),
      A: decays(random, [3, 2], 0.9, 0.999),
      B: normal(random, [3, 2, 2]),
      C: normal(random, [3, 2, 2]),
    }),
  };
}

const SMALL: CaseSizes = { batch: 2, length: 7, feature: 3, state: 4 };

const cases: readonly OpCase<LinearScanParams, Input, OptionalInput>[] = [
  ltiCase("one sample", { ...SMALL, length: 1 }),
  ltiCase("one tile less one", SMALL),
  ltiCase("one tile", { ...SMALL, length: 8 }),
  ltiCase("one tile and one", { ...SMALL, length: 9 }),
  ltiCase("one chunk", { ...SMALL, length: 32 }),
  ltiCase("one chunk and one", { ...SMALL, length: 33 }, { quick: true }),
  ltiCase("several chunks, odd sizes", { batch: 1, length: 149, feature: 5, state: 4 }),
  ltiCase("long, wider chunks", { batch: 1, length: 4500, feature: 2, state: 2 }),
  ltiCase("many features, one state", { batch: 1, length: 40, feature: 37, state: 1 }),
  ltiCase("states over invocations", { batch: 1, length: 70, feature: 2, state: 19 }),
  ltiCase("states over a large workgroup", { batch: 1, length: 17, feature: 2, state: 140 }),
  ltiCase("zero input", { ...SMALL, length: 33 }, { zeros: true }),
  plainCase("nothing optional, no pairs", 65),
  plainCase("nothing optional, less than a tile", 5),
  {
    name: "large decay and denormals",
    params: { variant: "lti" },
    inputs: (random) => ({
      u: denormal(random, [1, 65, 3]),
      A: decays(random, [3, 2], 0, 1e-30),
      B: normal(random, [3, 2, 2]),
      C: normal(random, [3, 2, 2]),
      x0: normal(random, [1, 3, 2, 2]),
    }),
  },
  perStepCase("zero-order hold, one chunk", { ...SMALL, length: 19 }, "zoh", [0.001, 0.1]),
  perStepCase("zero-order hold, tiny steps", { ...SMALL, length: 40 }, "zoh", [1e-7, 1e-5]),
  perStepCase("zero-order hold, gaps", { ...SMALL, length: 67 }, "zoh", [0.01, 30]),
  perStepCase("a skip, nothing carried in", { ...SMALL, length: 67 }, "zoh", [0.01, 0.3], true),
  perStepCase("bilinear, several chunks", { ...SMALL, length: 67 }, "bilinear", [0.001, 0.5]),
  perStepCase(
    "bilinear, states over a workgroup",
    { batch: 1, length: 17, feature: 1, state: 130 },
    "bilinear",
    [0.001, 0.1],
  ),
];

/** Diagonal complex linear scan; equation, variants and shapes at the head of this file. */
export const linearScan = defineOp<LinearScanParams, Input, OptionalInput, Output>({
  name: "linear_scan",
  inputs: ["u", "A", "B", "C"],
  optional: ["D", "dt", "x0"],
  outputs: ["y", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => shapes.u.reduce((a, b) => a * b, 1) * shapes.A[1]!,
  sized: (work) => {
    const sizes = { batch: 1, length: Math.max(1, Math.round(work / 512)), feature: 32, state: 16 };
    return ltiCase(`${work} state updates`, sizes);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
