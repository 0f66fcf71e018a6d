/** The backward of `dplr_scan`, as a twin and as passes; equations in that file. */
import { dplrAdvanceInto, type DplrRecurrence, dplrRecurrence } from "../../ssm/dplr.ts";
import { type DplrStep, dplrStep, type DplrSystem } from "../../ssm/dplr.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, LaunchPlan, Named, Pass, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { type ColumnSums, columnSums, joinPlans } from "./reduce.ts";
import { BACKWARD_CHUNK } from "./scan_backward.ts";

type Input = "u" | "lambda" | "P" | "B" | "C" | "dt";
type OptionalInput = "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;
type Given = Some<Input | OptionalInput | GradientOf<"y" | "state">, FloatArray>;
type Gradients = Some<GradientOf<Input | OptionalInput>, FloatArray>;

/** Sums of one feature over all samples of all rows. */
interface Sums {
  readonly lambda: Float64Array;
  readonly P: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  D: number;
  /** Of a step that all samples share. */
  dt: number;
}

/** The flow before a step, Abarᵀ·flow = conj(diagonal)∘flow − Σ right·(left, flow). */
function stepBackInto(
  out: Float64Array,
  { diagonal, left, right }: DplrRecurrence,
  flow: Float64Array,
): void {
  const width = flow.length;
  for (let n = 0; n < width; n += 2) {
    out[n] = diagonal[n]! * flow[n]! + diagonal[n + 1]! * flow[n + 1]!;
    out[n + 1] = diagonal[n]! * flow[n + 1]! - diagonal[n + 1]! * flow[n]!;
  }
  for (let from = 0; from < left.length; from += width) {
    let weight = 0;
    for (let n = 0; n < width; n++) weight += left[from + n]! * flow[n]!;
    for (let n = 0; n < width; n++) out[n] = out[n]! - weight * right[from + n]!;
  }
}

/** Adds the gradients of a step to the sums and gives those of its input and of its size. */
function addStep(
  sums: Sums,
  { system, dt }: Pick<DplrStep, "system" | "dt">,
  { q, s }: { readonly q: Float64Array; readonly s: Float64Array },
  u: number,
): { ofInput: number; ofStep: number } {
  const { lambda, B, P, rank } = system;
  const width = q.length;
  let [turned, ofInput] = [0, 0];
  for (let n = 0; n < width; n += 2) {
    const re = q[n]! * s[n]! + q[n + 1]! * s[n + 1]!;
    const im = q[n + 1]! * s[n]! - q[n]! * s[n + 1]!;
    sums.lambda[n] = sums.lambda[n]! + dt / 2 * re;
    sums.lambda[n + 1] = sums.lambda[n + 1]! + dt / 2 * im;
    turned += lambda[n]! * re + lambda[n + 1]! * im;
    sums.B[n] = sums.B[n]! + dt * u * q[n]!;
    sums.B[n + 1] = sums.B[n + 1]! + dt * u * q[n + 1]!;
    ofInput += B[n]! * q[n]! + B[n + 1]! * q[n + 1]!;
  }
  for (let from = 0; from < rank * width; from += width) {
    let [ofQ, ofS] = [0, 0];
    for (let n = 0; n < width; n++) {
      ofQ += P[from + n]! * q[n]!;
      ofS += P[from + n]! * s[n]!;
    }
    turned -= 2 * ofQ * ofS;
    for (let n = 0; n < width; n++) {
      sums.P[from + n] = sums.P[from + n]! - dt * (q[n]! * ofS + s[n]! * ofQ);
    }
  }
  return { ofInput: dt * ofInput, ofStep: turned / 2 + u * ofInput };
}

/** A step's size, and the step worked out. */
interface Step {
  readonly dt: number;
  readonly recurrence: DplrRecurrence;
}

/** One feature of one row. */
interface Series {
  readonly system: DplrSystem;
  /** Of the feature. */
  readonly C: FloatArray;
  readonly D: number;
  readonly steps: readonly Step[];
  /** Each sample has a step of its own. */
  readonly perStep: boolean;
  /** Where a sample lies in u, y and dt. */
  readonly indexOf: (k: number) => number;
}

/** The states after every sample behind the one before the first, which `states` begins with. */
function advanceInto(states: Float64Array, { steps, indexOf }: Series, u: FloatArray): void {
  const width = states.length / (steps.length + 1);
  for (let k = 0; k < steps.length; k++) {
    states.copyWithin((k + 1) * width, k * width, (k + 1) * width);
    const x = states.subarray((k + 1) * width, (k + 2) * width);
    dplrAdvanceInto(x, steps[k]!.recurrence, u[indexOf(k)]!);
  }
}

/**
 * The way back through one feature of one row: adds to the sums, writes the gradients of samples
 * and of steps of their own, and turns the flow after the last sample into that before the first.
 *
 * @param states  before every sample and after the last                 [length + 1, 2·half]
 */
function seriesBackInto(
  flow: Float64Array,
  sums: Sums,
  { given, gradients, states }: {
    readonly given: Given;
    readonly gradients: Gradients;
    readonly states: Float64Array;
  },
  series: Series,
): void {
  const { system, C, D, steps, perStep, indexOf } = series;
  const width = flow.length;
  const before = new Float64Array(width);
  const q = new Float64Array(width);
  const s = new Float64Array(width);
  for (let k = steps.length - 1; k >= 0; k--) {
    const at = indexOf(k);
    const sample = given.u![at]!;
    const gradient = given.gradY![at]!;
    for (let n = 0; n < width; n++) {
      const weight = n % 2 === 0 ? 2 * gradient : -2 * gradient;
      const after = states[(k + 1) * width + n]!;
      flow[n] = flow[n]! + weight * C[n]!;
      sums.C[n] = sums.C[n]! + weight * after;
      s[n] = after + states[k * width + n]!;
    }
    stepBackInto(before, steps[k]!.recurrence, flow);
    // Abar = 2·W − I, so that q = Wᵀ·flow is the mean of the two flows.
    for (let n = 0; n < width; n++) q[n] = (before[n]! + flow[n]!) / 2;
    const { ofInput, ofStep } = addStep(sums, { system, dt: steps[k]!.dt }, { q, s }, sample);
    gradients.gradU![at] = ofInput + D * gradient;
    if (perStep) gradients.gradDt![at] = ofStep;
    sums.dt += ofStep;
    sums.D += gradient * sample;
    flow.set(before);
  }
}

/** Gradients of all inputs: one feature of one row after another, forward and back again. */
export function dplrScanBackward(given: Given, gradients: Gradients, shapes: Shapes): void {
  const { u, dt, x0 } = given;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const perStep = shapes.dt.length > 1;
  const width = 2 * half;
  const states = new Float64Array((length + 1) * width);
  const flow = new Float64Array(width);
  for (let d = 0; d < feature; d++) {
    const of = (array: FloatArray, size: number) => array.subarray(d * size, (d + 1) * size);
    const system: DplrSystem = {
      lambda: of(given.lambda!, width),
      P: of(given.P!, width * rank),
      B: of(given.B!, width),
      half,
      rank,
    };
    const sums: Sums = {
      lambda: new Float64Array(width),
      P: new Float64Array(width * rank),
      B: new Float64Array(width),
      C: new Float64Array(width),
      D: 0,
      dt: 0,
    };
    const stepOf = (size: number): Step => ({
      dt: size,
      recurrence: dplrRecurrence(dplrStep(system, size)),
    });
    const fixed = stepOf(perStep ? 1 : dt![d]!);
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + d) * width;
      const indexOf = (k: number) => (b * length + k) * feature + d;
      const stepAt = (k: number) => perStep ? stepOf(dt![indexOf(k)]!) : fixed;
      const steps = Array.from({ length }, (_, k) => stepAt(k));
      const [C, D] = [of(given.C!, width), given.D?.[d] ?? 0];
      const series: Series = { system, C, D, steps, perStep, indexOf };
      if (x0) states.set(x0.subarray(carried, carried + width));
      else states.fill(0, 0, width);
      advanceInto(states, series, u!);
      flow.set(given.gradState!.subarray(carried, carried + width));
      seriesBackInto(flow, sums, { given, gradients, states }, series);
      gradients.gradX0?.set(flow, carried);
    }
    gradients.gradLambda!.set(sums.lambda, d * width);
    gradients.gradP!.set(sums.P, d * width * rank);
    gradients.gradB!.set(sums.B, d * width);
    gradients.gradC!.set(sums.C, d * width);
    if (gradients.gradD) gradients.gradD[d] = sums.D;
    if (!perStep) gradients.gradDt![d] = sums.dt;
  }
}

/** Invocations of a workgroup, and the most that share one feature of a row. */
const THREADS = 64;

/**
 * How the modes of a feature are spread over a workgroup: LANES invocations with PER modes each,
 * and SLOTS features beside one another.
 */
export function dplrLanes(half: number) {
  const PER = groupsFor(half, THREADS);
  const LANES = groupsFor(half, PER);
  const SLOTS = Math.floor(THREADS / LANES);
  return { PER, LANES, SLOTS, THREADS: LANES * SLOTS };
}

/**
 * The passes on a GPU: the states at the chunks' starts, then every row from its last sample to its
 * first, chunk by chunk, each with its states found again; and the sums over the batch.
 *
 * @param forward  the scan's own pass
 */
export function dplrBackwardPlan(forward: Pass, shapes: Shapes): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const perStep = shapes.dt.length > 1;
  const chunks = Math.max(1, groupsFor(length, BACKWARD_CHUNK));
  const rows = batch * feature;
  const bank = 2 * feature * half;
  // A row of sums of one row of the batch: gradients of lambda, B, C and P, then of D and of dt.
  const stride = (3 + rank) * bank + 2 * feature;
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  const pass = (entry: string, bindings: string[]): Pass => ({
    ...forward,
    entry,
    // One share more than forward, for what a sample leaves to the next.
    constants: {
      ...forward.constants,
      BACKWARD: 1,
      CHUNK: BACKWARD_CHUNK,
      SHARES: perStep ? 3 : 2,
    },
    dims: { ...forward.dims, chunks, stride },
    bindings,
  });
  const system = ["u", "lambda", "P", "B", "dt"];
  const sum = (target: string, offset: number, columns: number) => {
    const sums: ColumnSums = { target, left: "sums", rows: batch, columns, stride, offset };
    return columnSums(sums);
  };
  return joinPlans(
    {
      scratch: {
        starts: rows * chunks * 2 * half,
        states: rows * Math.min(BACKWARD_CHUNK, length) * 2 * half,
        sums: batch * stride,
      },
      passes: [
        pass("keep_starts", [...system, ...named("x0"), "starts"]),
        pass("flow_back", [
          ...[...system, "C", ...named("D"), "gradY", "gradState", "starts", "states", "sums"],
          ...["gradU", ...(perStep ? ["gradDt"] : []), ...(shapes.x0 ? ["gradX0"] : [])],
        ]),
      ],
    },
    sum("gradLambda", 0, bank),
    sum("gradB", bank, bank),
    sum("gradC", 2 * bank, bank),
    sum("gradP", 3 * bank, rank * bank),
    ...(shapes.D ? [sum("gradD", (3 + rank) * bank, feature)] : []),
    ...(perStep ? [] : [sum("gradDt", (3 + rank) * bank + feature, feature)]),
  );
}
