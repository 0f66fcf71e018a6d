/** The backward of `dplr_scan`, as a twin and as passes; equations in that file. */
import { type DplrStep, dplrStep, dplrStepInto, type DplrSystem } from "../../ssm/dplr.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, LaunchPlan, Named, Pass, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { type ColumnSums, columnSums, joinPlans } from "./reduce.ts";
import { BACKWARD_CHUNK } from "./scan_backward.ts";

type Input = "u" | "lambda" | "P" | "B" | "C" | "dt";
type OptionalInput = "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

/** Sums of one feature over all samples of all rows. */
interface Sums {
  readonly lambda: Float64Array;
  readonly P: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
}

/** Σ a·b. */
function dot(a: FloatArray, b: FloatArray): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** out = conj(inverse)∘v, pair by pair. */
function conjugateInto(out: Float64Array, inverse: Float64Array, v: Float64Array): void {
  for (let n = 0; n < v.length; n += 2) {
    const re = inverse[n]! * v[n]! + inverse[n + 1]! * v[n + 1]!;
    out[n + 1] = inverse[n]! * v[n + 1]! - inverse[n + 1]! * v[n]!;
    out[n] = re;
  }
}

/** Row `r` of the low-rank factor. */
function rowOf({ P, half }: DplrSystem, r: number): FloatArray {
  return P.subarray(2 * r * half, 2 * (r + 1) * half);
}

/** q = Wᵀ·flow, W = (I − dt/2·A)⁻¹ by Woodbury's identity. */
function adjointSolve({ system, dt, inverse, small }: DplrStep, flow: Float64Array): Float64Array {
  const { rank } = system;
  const q = new Float64Array(flow.length);
  conjugateInto(q, inverse, flow);
  const products = Array.from({ length: rank }, (_, r) => dt * dot(rowOf(system, r), q));
  const rows = new Float64Array(flow.length);
  for (let r = 0; r < rank; r++) {
    let weight = 0;
    for (let s = 0; s < rank; s++) weight += small[s * rank + r]! * products[s]!;
    rowOf(system, r).forEach((value, n) => rows[n]! += weight * value);
  }
  conjugateInto(rows, inverse, rows);
  return q.map((value, n) => value - rows[n]!);
}

/** Adds the gradients of a step to the sums and gives that of its size. */
function addStep(sums: Sums, step: DplrStep, q: Float64Array, s: Float64Array, u: number): number {
  const { system, dt } = step;
  let turned = 0;
  for (let n = 0; n < q.length; n += 2) {
    const re = q[n]! * s[n]! + q[n + 1]! * s[n + 1]!;
    const im = q[n + 1]! * s[n]! - q[n]! * s[n + 1]!;
    sums.lambda[n]! += dt / 2 * re;
    sums.lambda[n + 1]! += dt / 2 * im;
    turned += system.lambda[n]! * re + system.lambda[n + 1]! * im;
    sums.B[n]! += dt * u * q[n]!;
    sums.B[n + 1]! += dt * u * q[n + 1]!;
  }
  for (let r = 0; r < system.rank; r++) {
    const row = rowOf(system, r);
    const [ofQ, ofS] = [dot(row, q), dot(row, s)];
    turned -= 2 * ofQ * ofS;
    for (let n = 0; n < q.length; n++) {
      sums.P[r * q.length + n]! -= dt * (q[n]! * ofS + s[n]! * ofQ);
    }
  }
  return turned / 2 + u * dot(system.B, q);
}

/** Gradients of all inputs: one feature of one row after another, forward and back again. */
export function dplrScanBackward(
  given: Some<Input | OptionalInput | GradientOf<"y" | "state">, FloatArray>,
  gradients: Some<GradientOf<Input | OptionalInput>, FloatArray>,
  shapes: Shapes,
): void {
  const { D, x0, gradY, gradState } = given;
  const [u, C, dt] = [given.u!, given.C!, given.dt!];
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, rank, half] = shapes.P as [number, number, number, number];
  const perStep = shapes.dt.length > 1;
  const width = 2 * half;
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
    };
    let [sumD, sumDt] = [0, 0];
    const fixed = dplrStep(system, perStep ? 1 : dt[d]!);
    for (let b = 0; b < batch; b++) {
      const carried = (b * feature + d) * width;
      const indexOf = (k: number) => (b * length + k) * feature + d;
      const steps = Array.from(
        { length },
        (_, k) => perStep ? dplrStep(system, dt[indexOf(k)]!) : fixed,
      );
      const states = [x0 ? Float64Array.from(of(x0.subarray(b * feature * width), width)) : null];
      let x = states[0] ??= new Float64Array(width);
      for (let k = 0; k < length; k++) {
        x = x.slice();
        dplrStepInto(x, steps[k]!, u[indexOf(k)]!);
        states.push(x);
      }
      let flow = Float64Array.from(gradState!.subarray(carried, carried + width));
      for (let k = length - 1; k >= 0; k--) {
        const at = indexOf(k);
        const gradient = gradY![at]!;
        const after = states[k + 1]!;
        for (let n = 0; n < width; n++) {
          const sign = n % 2 === 0 ? 2 : -2;
          flow[n]! += sign * gradient * C[d * width + n]!;
          sums.C[n]! += sign * gradient * after[n]!;
        }
        const q = adjointSolve(steps[k]!, flow);
        const s = after.map((value, n) => value + states[k]![n]!);
        const ofStep = addStep(sums, steps[k]!, q, s, u[at]!);
        gradients.gradU![at] = steps[k]!.dt * dot(system.B, q) + (D ? D[d]! * gradient : 0);
        if (perStep) gradients.gradDt![at] = ofStep;
        sumDt += ofStep;
        sumD += gradient * u[at]!;
        flow = flow.map((value, n) => 2 * q[n]! - value);
      }
      gradients.gradX0?.set(flow, carried);
    }
    gradients.gradLambda!.set(sums.lambda, d * width);
    gradients.gradP!.set(sums.P, d * width * rank);
    gradients.gradB!.set(sums.B, d * width);
    gradients.gradC!.set(sums.C, d * width);
    if (gradients.gradD) gradients.gradD[d] = sumD;
    if (!perStep) gradients.gradDt![d] = sumDt;
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
