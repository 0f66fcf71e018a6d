/** The backward of `linear_scan`, as a twin and as a plan; equations in that file. */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, LaunchPlan, Named, Pass, Some } from "../op.ts";
import { adjointTimes, discretizeMode, dot, slopesOfMode, times } from "./discretize_mode.ts";
import type { Complex } from "./discretize_mode.ts";
import { groupsFor, powerOfTwoAtLeast } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { BACKWARD_CHUNK } from "./scan_backward.ts";

type Input = "u" | "A" | "B" | "C";
type OptionalInput = "D" | "dt" | "x0";
type Output = "y" | "state";

interface Params {
  readonly variant: "lti" | "perStep";
  readonly discretization?: "zoh" | "bilinear";
  readonly conjugatePairs?: boolean;
}

function at(array: FloatArray, index: number): Complex {
  return { re: array[2 * index]!, im: array[2 * index + 1]! };
}

function addTo(array: FloatArray, index: number, value: Complex): void {
  array[2 * index]! += value.re;
  array[2 * index + 1]! += value.im;
}

/** Abar and Bbar of a mode at a step, and the factor f where they are made there. */
function modeAt(A: Complex, B: Complex, dt: number | undefined, bilinear: boolean) {
  if (dt === undefined) return { Abar: A, Bbar: B, factor: undefined };
  const { Abar, factor } = discretizeMode(A, dt, bilinear);
  return { Abar, Bbar: times(factor, B), factor };
}

type Given = Some<Input | OptionalInput | Output | GradientOf<Output>, FloatArray>;

/** One mode of one feature of one row. */
interface Mode {
  readonly A: Complex;
  readonly B: Complex;
  readonly C: Complex;
  /** Its place among all modes of all features. */
  readonly place: number;
  /** Where a sample lies in u, y and dt. */
  readonly indexOf: (k: number) => number;
}

/** What modes add to: over rows, and over the modes of a feature. */
interface Sums {
  readonly A: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly D: Float64Array;
  /** Gradients of a feature's samples.                                            [length] */
  readonly inputs: Float64Array;
  /** Gradients of a feature's steps.                                             [length] */
  readonly steps: Float64Array;
}

/**
 * The way back through one mode: adds to the sums, and gives the flow before the first sample.
 *
 * @param x      states before every sample and after the last               [length + 1]
 * @param flow   the gradient of the last state
 * @param scale  how often the mode counts in an output
 */
function modeBack(
  sums: Sums,
  { u, dt, gradY }: Given,
  { mode, x, scale, bilinear }: {
    readonly mode: Mode;
    readonly x: readonly Complex[];
    readonly scale: number;
    readonly bilinear: boolean;
  },
  flow: Complex,
): Complex {
  const { A, B, C, place, indexOf } = mode;
  for (let k = sums.inputs.length - 1; k >= 0; k--) {
    const step = dt?.[indexOf(k)];
    const sample = u![indexOf(k)]!;
    const gradient = scale * gradY![indexOf(k)]!;
    const { Abar, Bbar, factor } = modeAt(A, B, step, bilinear);
    flow = { re: flow.re + gradient * C.re, im: flow.im - gradient * C.im };
    addTo(sums.C, place, { re: gradient * x[k + 1]!.re, im: -gradient * x[k + 1]!.im });
    sums.inputs[k]! += dot(Bbar, flow);
    const ofAbar = adjointTimes(x[k]!, flow);
    const ofBbar = { re: flow.re * sample, im: flow.im * sample };
    if (factor === undefined) {
      addTo(sums.A, place, ofAbar);
      addTo(sums.B, place, ofBbar);
    } else {
      const slopes = slopesOfMode(A, step!, bilinear);
      const ofFactor = adjointTimes(B, ofBbar);
      addTo(sums.B, place, adjointTimes(factor, ofBbar));
      addTo(sums.A, place, adjointTimes(slopes.AbarByLambda, ofAbar));
      addTo(sums.A, place, adjointTimes(slopes.factorByLambda, ofFactor));
      sums.steps[k]! += dot(slopes.AbarByDt, ofAbar) + dot(slopes.factorByDt, ofFactor);
    }
    flow = adjointTimes(Abar, flow);
  }
  return flow;
}

/** Gradients of all inputs: one mode of one feature after another, forward and back again. */
export function linearScanBackward(
  given: Given,
  gradients: Some<GradientOf<Input | OptionalInput>, FloatArray>,
  shapes: Named<Input, OptionalInput, Shape>,
  params: Params,
): void {
  const { u, A, B, C, D, dt, x0, gradY, gradState } = given;
  const { gradU, gradDt, gradX0 } = gradients;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const scale = params.conjugatePairs === false ? 1 : 2;
  const bilinear = params.discretization === "bilinear";
  const sums: Sums = {
    A: new Float64Array(A!.length),
    B: new Float64Array(A!.length),
    C: new Float64Array(A!.length),
    D: new Float64Array(feature),
    inputs: new Float64Array(length),
    steps: new Float64Array(length),
  };
  const x: Complex[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const indexOf = (k: number) => (b * length + k) * feature + d;
      for (let k = 0; k < length; k++) {
        const gradient = gradY![indexOf(k)]!;
        sums.inputs[k] = D ? D[d]! * gradient : 0;
        sums.steps[k] = 0;
        sums.D[d]! += gradient * u![indexOf(k)]!;
      }
      for (let n = 0; n < states; n++) {
        const place = d * states + n;
        const carried = b * feature * states + place;
        const mode = { A: at(A!, place), B: at(B!, place), C: at(C!, place), place, indexOf };
        x[0] = x0 ? at(x0, carried) : { re: 0, im: 0 };
        for (let k = 0; k < length; k++) {
          const { Abar, Bbar } = modeAt(mode.A, mode.B, dt?.[indexOf(k)], bilinear);
          const moved = times(Abar, x[k]!);
          const sample = u![indexOf(k)]!;
          x[k + 1] = { re: moved.re + Bbar.re * sample, im: moved.im + Bbar.im * sample };
        }
        const last = at(gradState!, carried);
        const flow = modeBack(sums, given, { mode, x, scale, bilinear }, last);
        gradX0?.set([flow.re, flow.im], 2 * carried);
      }
      for (let k = 0; k < length; k++) {
        gradU![indexOf(k)] = sums.inputs[k]!;
        if (gradDt) gradDt[indexOf(k)] = sums.steps[k]!;
      }
    }
  }
  gradients.gradA!.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
}

/** The shader of these passes. */
const SHADER = "backward/linear_scan";
const CARRY_GROUP = 64;
/** Invocations of a workgroup. */
const GROUP = 128;
/** Modes of an invocation: discretising each of its steps is enough for it. */
const MODES_PER_LANE = 1;
/** Steps whose states an invocation finds again at once. */
const TILE = 8;
/** Bytes of workgroup memory for each step of a tile: a row of a feature, a share of a lane. */
const ROW_BYTES = 16;
const SHARE_BYTES = 8;

/** More modes than this would spill an invocation's registers to memory many times over. */
const MODES_PER_LANE_MAX = 8;

/**
 * LANES invocations for the modes of a feature, FEATURES features a workgroup. A feature that does
 * not fit into one workgroup gives its invocations more modes.
 */
function tileOf(
  states: number,
  perLane: number,
  feature: number,
  limits: GpuLimits,
): { LANES: number; PER_LANE: number; FEATURES: number } {
  const lanes = powerOfTwoAtLeast(Math.ceil(states / perLane));
  const most = Math.max(lanes, Math.min(GROUP, limits.invocationsMax));
  let features = Math.min(most / lanes, powerOfTwoAtLeast(feature));
  const bytes = () => TILE * features * (ROW_BYTES + SHARE_BYTES * lanes);
  while (bytes() > limits.workgroupBytesMax && features > 1) features /= 2;
  if (bytes() <= limits.workgroupBytesMax && lanes <= limits.invocationsMax) {
    return { LANES: lanes, PER_LANE: perLane, FEATURES: features };
  }
  if (perLane < MODES_PER_LANE_MAX) return tileOf(states, 2 * perLane, feature, limits);
  const room = limits.workgroupBytesMax;
  throw new InvalidValueError("A.state", states, `at most what ${room} B hold for gradients`);
}

/**
 * The passes on a GPU for steps of sizes of their own: the scan's own up to the chunks' starts, the
 * same for the gradient's flow from the end, all gradients of each chunk, and the sums over chunks.
 *
 * @param forward  the scan's plan with chunks of {@linkcode BACKWARD_CHUNK}
 */
export function linearBackwardPlan(
  forward: LaunchPlan,
  shapes: Named<Input, OptionalInput, Shape>,
  limits: GpuLimits,
): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const chunks = Math.max(1, Math.ceil(length / BACKWARD_CHUNK));
  const tile = tileOf(states, MODES_PER_LANE, feature, limits);
  const first = forward.passes[0]!;
  const constants = {
    ...first.constants,
    ...tile,
    BACK_TILE: TILE,
    BACK_TILES: BACKWARD_CHUNK / TILE,
  };
  const pass = (entry: string, bindings: string[], workgroups: Pass["workgroups"]): Pass => ({
    shader: SHADER,
    entry,
    constants: { ...constants, STAGE_U: entry === "apply_flows" ? 1 : 0 },
    dims: first.dims,
    bindings,
    workgroups,
  });
  const bank = feature * states;
  const rows = batch * chunks;
  // A row of sums of a chunk: gradients of A, B and C, then of D.
  const stride = 6 * bank + feature;
  const several = chunks > 1;
  const x0 = shapes.x0 ? ["x0", "gradX0"] : [];
  const D = shapes.D ? ["D"] : [];
  const tiles = groupsFor(feature, tile.FEATURES);
  const reduce = pass(
    "reduce_flows",
    ["A", "C", "dt", "gradY", "flows", "flowDecays"],
    [tiles, chunks - 1, batch],
  );
  const passes = [
    ...forward.passes.slice(0, -1),
    ...(several ? [reduce] : []),
    pass(
      "carry_flows",
      ["gradState", "flows", ...(several ? ["flowDecays"] : [])],
      [groupsFor(bank, CARRY_GROUP), batch, 1],
    ),
    pass("apply_flows", [
      ...["u", "A", "B", "C", ...D, "dt", ...x0, "gradY", "flows", "gradU", "gradDt"],
      ...["sums", ...(several ? ["ends"] : [])],
    ], [tiles, chunks, batch]),
  ];
  const sum = (target: string, offset: number, columns: number) =>
    columnSums({ target, left: "sums", rows, columns, stride, offset });
  const flows = 2 * rows * bank;
  return joinPlans(
    {
      scratch: {
        ...forward.scratch,
        flows,
        ...(several ? { flowDecays: flows } : {}),
        sums: rows * stride,
      },
      passes,
    },
    sum("gradA", 0, 2 * bank),
    sum("gradB", 2 * bank, 2 * bank),
    sum("gradC", 4 * bank, 2 * bank),
    ...(shapes.D ? [sum("gradD", 6 * bank, feature)] : []),
  );
}
