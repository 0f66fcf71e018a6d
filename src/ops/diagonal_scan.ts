/**
 * Scan of a diagonal complex system whose drive is given: the associative scan of S5, where every
 * state sees all features through a dense input matrix applied before.
 *
 *   x[k] = Abar[k]·x[k−1] + factor[k]·v[k]
 *
 * S5 (arXiv 2208.04933) section 2.2 and appendix A. Three variants. `lti`: `A` is Abar, the same
 * for every step, and factor is 1 (v = Bbar·u). `perStep`: `A` is lambda, `dt` gives each state its
 * own step size at each sample, and v = B·u:
 *
 *   zoh       Abar = exp(dt·lambda)                        factor = (Abar − 1)/lambda
 *   bilinear  Abar = (1 + dt·lambda/2)/(1 − dt·lambda/2)   factor = dt/(1 − dt·lambda/2)
 *
 * `logs`: `A` has the logarithm of every step's own Abar, and factor is 1: the data-controlled
 * transitions of GateLoop (arXiv 2311.01927), whose size and angle come from the input.
 *
 * `reverse` runs from the last sample to the first; `state` then is the state after the first.
 *
 * On a GPU the length is cut into chunks as in `linear_scan`: reduce, carry, apply.
 *
 * Tolerance: as in `linear_scan`, 2e-5 for memories of some hundred steps.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { SimdPlan } from "../device/device.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { decays, denormal, fill, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { diagonalScanBackward } from "./_helpers/diagonal_scan_backward.ts";
import { discretizeModeInto } from "./_helpers/discretize_mode.ts";
import { chunkOf, groupsFor, POINTWISE_GROUP } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { flag, SIMD_TILE, simdRule, singlePass, tiledTasks } from "./_helpers/simd.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode diagonalScan}. */
export interface DiagonalScanParams {
  /**
   * `lti`: A is discretized. `perStep`: A is continuous and `dt` is given. `logs`: A is log Abar of
   * every step.
   */
  readonly variant: "lti" | "perStep" | "logs";
  /** Rule of the `perStep` variant; default zoh. */
  readonly discretization?: "zoh" | "bilinear";
  /** From the last sample to the first; default false. */
  readonly reverse?: boolean;
}

type Input = "v" | "A";
type OptionalInput = "dt" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

function outputShapes(shapes: Shapes, params: DiagonalScanParams): { x: Shape; state: Shape } {
  expectRank("v", 4, shapes.v);
  const [batch, length, state] = shapes.v as [number, number, number, number];
  expectShape("v", ["batch", "length", "state", "complex"], [batch, length, state, 2], shapes.v);
  if (params.variant === "logs") {
    expectShape("A", ["batch", "length", "state", "complex"], shapes.v, shapes.A);
  } else {
    expectShape("A", ["state", "complex"], [state, 2], shapes.A);
  }
  if (shapes.x0) expectShape("x0", ["batch", "state", "complex"], [batch, state, 2], shapes.x0);
  if (params.variant === "perStep") {
    if (!shapes.dt) throw new InvalidValueError("dt", undefined, "step sizes for variant perStep");
    expectShape("dt", ["batch", "length", "state"], [batch, length, state], shapes.dt);
  } else if (shapes.dt) {
    throw new InvalidValueError("dt", "given", `none for variant ${params.variant}`);
  }
  return { x: shapes.v, state: [batch, state, 2] };
}

/**
 * The twin.
 *
 *   v      drive                        [batch, length, state] c64
 *   A      Abar, or lambda              [state] c64
 *          log Abar (logs)              [batch, length, state] c64
 *   dt     step sizes (perStep)         [batch, length, state]
 *   x0     carried state                [batch, state] c64
 *   x      states                       [batch, length, state] c64
 *   state  state after the last sample  [batch, state] c64
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly x: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  params: DiagonalScanParams,
): void {
  const { v, A, dt, x0 } = inputs;
  const [batch, length, states] = shapes.v as [number, number, number, number];
  const bilinear = params.discretization === "bilinear";
  const logs = params.variant === "logs";
  const mode = Float64Array.from([0, 0, 1, 0]);
  for (let b = 0; b < batch; b++) {
    for (let n = 0; n < states; n++) {
      const carried = 2 * (b * states + n);
      let re = x0 ? x0[carried]! : 0;
      let im = x0 ? x0[carried + 1]! : 0;
      if (!logs) mode.set([A[2 * n]!, A[2 * n + 1]!]);
      for (let step = 0; step < length; step++) {
        const k = params.reverse ? length - 1 - step : step;
        const at = (b * length + k) * states + n;
        if (dt) discretizeModeInto(mode, A[2 * n]!, A[2 * n + 1]!, dt[at]!, bilinear);
        if (logs) exponentialInto(mode, A[2 * at]!, A[2 * at + 1]!);
        const vr = v[2 * at]!;
        const vi = v[2 * at + 1]!;
        const next = mode[0]! * re - mode[1]! * im + (mode[2]! * vr - mode[3]! * vi);
        im = mode[0]! * im + mode[1]! * re + (mode[2]! * vi + mode[3]! * vr);
        re = next;
        outputs.x[2 * at] = re;
        outputs.x[2 * at + 1] = im;
      }
      outputs.state[carried] = re;
      outputs.state[carried + 1] = im;
    }
  }
}

/** exp(re + i·im) as the first two numbers of `mode`. */
function exponentialInto(mode: Float64Array, re: number, im: number): void {
  const size = Math.exp(re);
  mode[0] = size * Math.cos(im);
  mode[1] = size * Math.sin(im);
}

/** Steps whose values are loaded before the first of them is taken. */
const AHEAD = 8;
/** The same where the system of every step is made of them: its values fill the registers. */
const AHEAD_MADE = 4;

/** What the passes of both directions share. */
function geometryOf(shapes: Shapes, params: DiagonalScanParams) {
  const [batch, length, states] = shapes.v as [number, number, number, number];
  const rows = batch * states;
  const chunk = chunkOf(length, rows);
  const chunks = Math.max(1, groupsFor(length, chunk));
  const constants = {
    GROUP: POINTWISE_GROUP,
    AHEAD: params.variant === "lti" ? AHEAD : AHEAD_MADE,
    CHUNKED: chunks > 1 ? 1 : 0,
    PER_STEP: params.variant === "perStep" ? 1 : 0,
    LOGS: params.variant === "logs" ? 1 : 0,
    BILINEAR: params.discretization === "bilinear" ? 1 : 0,
    REVERSE: params.reverse ? 1 : 0,
    HAS_X0: shapes.x0 ? 1 : 0,
  };
  const dims = { length, states, rows, chunk, chunks };
  const tiles = groupsFor(rows, POINTWISE_GROUP);
  const pass = (entry: string, bindings: string[], groups: number): Pass => ({
    entry,
    constants,
    dims,
    bindings,
    workgroups: [tiles, groups, 1],
  });
  const dt = params.variant === "perStep" ? ["dt"] : [];
  return { rows, chunks, pass, dt, x0: shapes.x0 ? ["x0"] : [] };
}

function launch(shapes: Shapes, params: DiagonalScanParams): LaunchPlan {
  const { rows, chunks, pass, dt, x0 } = geometryOf(shapes, params);
  const passes = chunks === 1 ? [] : [
    pass("reduce_chunks", ["v", "A", ...dt, "ends"], chunks - 1),
    pass("carry_chunks", [...x0, "ends"], 1),
  ];
  const ends = chunks === 1 ? {} : { ends: rows * (chunks - 1) * 4 };
  return {
    scratch: ends,
    passes: [
      ...passes,
      pass(
        "apply_chunks",
        ["v", "A", ...dt, ...x0, ...Object.keys(ends), "x", "state"],
        chunks,
      ),
    ],
  };
}

/** States of a task where A is discrete: `ROW` in simd/assembly/diagonal_scan.ts. */
const ROW = 64;

/** About 0.5 ns a state's step, 15 where the step is discretized. */
function simdPlan(shapes: Shapes, params: DiagonalScanParams): SimdPlan {
  const [batch, length, states] = shapes.v as [number, number, number, number];
  const rule = simdRule(params);
  return singlePass({
    entry: "diagonal_scan",
    args: ["v", "A", "dt", "x0", "x", "state", length, states, rule, flag(params.reverse)],
    tasks: rule === 0 ? batch * Math.ceil(states / ROW) : tiledTasks(batch, states),
    threadFloats: rule === 0 ? 4 * ROW : 4 * SIMD_TILE,
  }, (rule === 0 ? 5e-7 : 15e-6) * batch * length * states);
}

/**
 * The adjoint runs against the scan: with the gradient flow of the state,
 *
 *   flow[k] = gradX[k] + conj(Abar[k + 1])·flow[k + 1]      (the last: + gradState)
 *   gradV[k] = conj(factor[k])·flow[k]     gradAbar[k] = conj(x[k − 1])·flow[k]
 *
 * and from Abar[k] and factor[k] to lambda and dt, or to log Abar[k], by the chain rule where they
 * are made per step.
 * The states are the op's output, so nothing is stored for the way back.
 *
 * On a GPU the flow crosses chunks as the state does, backwards.
 */
const backward: Backward<DiagonalScanParams, Input, OptionalInput, "x" | "state"> = {
  needs: ["v", "A", "dt", "x0", "x"],
  needsWith: ({ variant }) => variant !== "perStep" ? ["A", "x0", "x"] : backward.needs,
  cpu: diagonalScanBackward,
  launch(shapes, params) {
    const { rows, chunks, pass, dt, x0 } = geometryOf(shapes, params);
    const [batch, , states] = shapes.v as [number, number, number, number];
    // What the first chunk passes on is wanted only where a state was carried in.
    const reduced = shapes.x0 ? chunks : chunks - 1;
    const logs = params.variant === "logs";
    const modes = logs
      ? ["A", "gradA"]
      : dt.length > 0
      ? ["v", "A", "dt", "gradDt", "sums"]
      : ["A", "sums"];
    const passes = [
      pass("carry_flows", ["gradState", "flows", ...(shapes.x0 ? ["gradX0"] : [])], 1),
      pass("apply_flows", [...modes, "gradX", "flows", "x", ...x0, "gradV"], chunks),
    ];
    if (reduced > 0) {
      passes.unshift(pass("reduce_flows", ["A", ...dt, "gradX", "flows"], reduced));
    }
    const flows = 4 * rows * chunks;
    if (logs) return { scratch: { flows }, passes };
    return joinPlans(
      { scratch: { flows, sums: 2 * rows * chunks }, passes },
      columnSums({ target: "gradA", left: "sums", rows: batch * chunks, columns: 2 * states }),
    );
  },
  simd(shapes, params) {
    const [batch, length, states] = shapes.v as [number, number, number, number];
    const tensors = ["v", "A", "dt", "x0", "x", "gradX", "gradState"];
    const gradients = ["gradV", "gradA", "gradDt", "gradX0"];
    const rule = simdRule(params);
    return singlePass({
      entry: "diagonal_scan_backward",
      args: [...tensors, ...gradients, batch, length, states, rule, flag(params.reverse)],
      tasks: tiledTasks(1, states),
      threadFloats: 5 * SIMD_TILE,
    }, (rule === 0 ? 1e-6 : 4e-5) * batch * length * states);
  },
  // Sums over the length of products of two scans, each with the tolerance of one.
  tolerance: 5e-5,
};

type ScanCase = OpCase<DiagonalScanParams, Input, OptionalInput>;
type CaseSizes = readonly [batch: number, length: number, state: number];

function ltiCase(
  name: string,
  [batch, length, state]: CaseSizes,
  change: Partial<ScanCase> = {},
): ScanCase {
  return {
    name,
    params: { variant: "lti" },
    inputs: (random) => ({
      v: normal(random, [batch, length, state, 2]),
      A: decays(random, [state], 0.5, 0.98),
      x0: normal(random, [batch, state, 2]),
    }),
    ...change,
  };
}

function perStepCase(
  name: string,
  [batch, length, state]: CaseSizes,
  params: Omit<DiagonalScanParams, "variant">,
  dtRange: readonly [number, number],
  hasX0 = true,
): ScanCase {
  return {
    name,
    params: { variant: "perStep", ...params },
    inputs: (random) => ({
      v: normal(random, [batch, length, state, 2]),
      A: leftHalfPlane(random, [state], 2, 8),
      dt: uniform(random, [batch, length, state], dtRange[0], dtRange[1]),
      ...(hasX0 && { x0: normal(random, [batch, state, 2]) }),
    }),
  };
}

/** Transitions of every step: sizes of exp(−2) to 1, any angle. */
function logsCase(
  name: string,
  [batch, length, state]: CaseSizes,
  change: Partial<ScanCase> = {},
): ScanCase {
  return {
    name,
    params: { variant: "logs" },
    inputs: (random) => ({
      v: normal(random, [batch, length, state, 2]),
      A: leftHalfPlane(random, [batch, length, state], 2, 8),
      x0: normal(random, [batch, state, 2]),
    }),
    ...change,
  };
}

const cases: readonly ScanCase[] = [
  ltiCase("one sample", [2, 1, 3]),
  ltiCase("one chunk less one", [2, 31, 3]),
  ltiCase("one chunk", [2, 32, 3]),
  ltiCase("one chunk and one", [2, 33, 3], { quick: true }),
  ltiCase("several chunks, odd sizes", [3, 149, 23]),
  ltiCase("long, wider chunks", [1, 4500, 2]),
  ltiCase("reverse", [2, 70, 3], { params: { variant: "lti", reverse: true } }),
  ltiCase("zero drive", [1, 40, 3], {
    inputs: (random) => ({
      v: fill([1, 40, 3, 2], () => 0),
      A: decays(random, [3], 0.5, 0.98),
    }),
  }),
  ltiCase("large decay and denormals", [1, 65, 3], {
    inputs: (random) => ({
      v: denormal(random, [1, 65, 3, 2]),
      A: decays(random, [3], 0, 1e-30),
      x0: normal(random, [1, 3, 2]),
    }),
  }),
  perStepCase("zero-order hold", [2, 67, 3], {}, [0.001, 0.1]),
  perStepCase("nothing carried in", [2, 67, 3], {}, [0.001, 0.1], false),
  perStepCase("zero-order hold, gaps, reverse", [2, 40, 3], { reverse: true }, [0.01, 30]),
  perStepCase("bilinear", [2, 67, 3], { discretization: "bilinear" }, [0.001, 0.5]),
  logsCase("transitions of every step", [2, 67, 5]),
  logsCase("one step of its own", [2, 1, 3]),
  logsCase("reverse, nothing carried in", [2, 40, 3], {
    params: { variant: "logs", reverse: true },
    inputs: (random) => ({
      v: normal(random, [2, 40, 3, 2]),
      A: leftHalfPlane(random, [2, 40, 3], 0.1, 3),
    }),
  }),
];

/** Scan of a diagonal system with a given drive; equation at the head of this file. */
export const diagonalScan = defineOp<DiagonalScanParams, Input, OptionalInput, "x" | "state">({
  name: "diagonal_scan",
  inputs: ["v", "A"],
  optional: ["dt", "x0"],
  outputs: ["x", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.v) / 2,
  sized: (work) => ltiCase(`${work} state updates`, [1, Math.max(1, Math.round(work / 64)), 64]),
  cases,
  tolerance: 2e-5,
  backward,
});
