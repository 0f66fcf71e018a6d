/** The backward of `ssd`: its twin and its passes on a GPU; equations in that file. */
import type { SsdSizes } from "../../ssm/ssd.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { GradientOf, LaunchPlan, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { ssdBackwardPasses, type SsdGeometry, ssdPasses } from "./ssd_passes.ts";

type Input = "u" | "delta" | "B" | "C" | "A" | "D" | "x0";
type Given = Some<Input | GradientOf<"y" | "state">, FloatArray>;
type Gradients = Some<GradientOf<Input>, FloatArray>;

/** Samples between states that the twin keeps. */
const TWIN_CHUNK = 64;

/** Sums of gradients that many samples or heads share, in f64. */
interface Sums {
  readonly A: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly D: Float64Array;
}

/** One head of one row: the samples before it in the arrays, and its group. */
interface Row {
  readonly b: number;
  readonly h: number;
  readonly g: number;
}

/** Gradients of all inputs by the recurrence, one head of one row after another. */
export function ssdBackward(given: Given, gradients: Gradients, sizes: SsdSizes): void {
  const { batch, length, head, feature, group, state } = sizes;
  const width = feature * state;
  const chunks = groupsFor(length, TWIN_CHUNK);
  const starts = new Float64Array(Math.max(1, chunks) * width);
  const states = new Float64Array((TWIN_CHUNK + 1) * width);
  const flow = new Float64Array(width);
  const sums: Sums = {
    A: new Float64Array(head),
    B: new Float64Array(given.B!.length),
    C: new Float64Array(given.C!.length),
    D: new Float64Array(head),
  };
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < head; h++) {
      const row: Row = { b, h, g: Math.floor(h * group / head) };
      const carried = (b * head + h) * width;
      for (let i = 0; i < width; i++) states[i] = given.x0 ? given.x0[carried + i]! : 0;
      for (let c = 0; c < chunks; c++) {
        starts.set(states.subarray(0, width), c * width);
        const steps = Math.min(TWIN_CHUNK, length - c * TWIN_CHUNK);
        statesInto(states, given, sizes, row, c * TWIN_CHUNK, steps);
        states.copyWithin(0, steps * width, (steps + 1) * width);
      }
      for (let i = 0; i < width; i++) flow[i] = given.gradState![carried + i]!;
      for (let c = chunks - 1; c >= 0; c--) {
        const steps = Math.min(TWIN_CHUNK, length - c * TWIN_CHUNK);
        states.set(starts.subarray(c * width, (c + 1) * width));
        statesInto(states, given, sizes, row, c * TWIN_CHUNK, steps);
        flowBack(flow, states, given, gradients, sums, sizes, row, c * TWIN_CHUNK, steps);
      }
      gradients.gradX0?.set(flow, carried);
    }
  }
  gradients.gradA?.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
}

/** The states after each sample of a chunk, from states[0], the one before it. */
function statesInto(
  states: Float64Array,
  { u, delta, A, B }: Given,
  sizes: SsdSizes,
  { b, h, g }: Row,
  start: number,
  steps: number,
): void {
  const { length, head, feature, group, state } = sizes;
  const width = feature * state;
  for (let k = 0; k < steps; k++) {
    const sample = b * length + start + k;
    const dt = delta![sample * head + h]!;
    const decay = Math.exp(A ? dt * A[h]! : dt);
    const weight = A ? dt : 1;
    const row = (sample * group + g) * state;
    const at = (sample * head + h) * feature;
    for (let p = 0; p < feature; p++) {
      const input = weight * u![at + p]!;
      const before = k * width + p * state;
      for (let n = 0; n < state; n++) {
        states[before + width + n] = decay * states[before + n]! + input * B![row + n]!;
      }
    }
  }
}

/** Passes the gradient of the state back through a chunk, and leaves what its samples receive. */
function flowBack(
  flow: Float64Array,
  states: Float64Array,
  given: Given,
  { gradU, gradDelta }: Gradients,
  sums: Sums,
  sizes: SsdSizes,
  { b, h, g }: Row,
  start: number,
  steps: number,
): void {
  const { length, head, feature, group, state } = sizes;
  const { A, D } = given;
  const [u, B, C, gradY] = [given.u!, given.B!, given.C!, given.gradY!];
  const width = feature * state;
  for (let k = steps - 1; k >= 0; k--) {
    const sample = b * length + start + k;
    const dt = given.delta![sample * head + h]!;
    const decay = Math.exp(A ? dt * A[h]! : dt);
    const weight = A ? dt : 1;
    const row = (sample * group + g) * state;
    const at = (sample * head + h) * feature;
    let ofLog = 0;
    let ofWeight = 0;
    for (let p = 0; p < feature; p++) {
      const gradient = gradY[at + p]!;
      const input = u[at + p]!;
      const before = k * width + p * state;
      let ofInput = 0;
      for (let n = 0; n < state; n++) {
        const reached = flow[p * state + n]! + gradient * C[row + n]!;
        const back = decay * reached;
        sums.C[row + n] = sums.C[row + n]! + gradient * states[before + width + n]!;
        sums.B[row + n] = sums.B[row + n]! + weight * input * reached;
        ofInput += reached * B[row + n]!;
        ofLog += back * states[before + n]!;
        flow[p * state + n] = back;
      }
      ofWeight += input * ofInput;
      gradU![at + p] = weight * ofInput + (D ? D[h]! * gradient : 0);
      sums.D[h] = sums.D[h]! + gradient * input;
    }
    gradDelta![sample * head + h] = A ? A[h]! * ofLog + ofWeight : ofLog;
    sums.A[h] = sums.A[h]! + dt * ofLog;
  }
}

/**
 * The passes on a GPU: the states before the chunks as in the op itself, the gradient's flow across
 * the chunks by the same passes walked backwards, the pairs of samples of each chunk, and from
 * these the gradients, as matrix products. Every pass binds at most eight buffers.
 */
export function ssdBackwardPlan(
  sizes: SsdSizes,
  shapes: Some<Input, Shape>,
  geometry: SsdGeometry,
): LaunchPlan {
  const { batch, head } = sizes;
  const given = { A: shapes.A !== undefined, D: shapes.D !== undefined };
  const { chunks, scratch, ...forward } = ssdPasses(sizes, given, geometry);
  const back = ssdBackwardPasses(sizes, geometry, given);
  const hasSums = given.A || given.D;
  const x0 = shapes.x0 === undefined ? {} : { x0: "x0" };
  const gradX0 = shapes.x0 === undefined ? {} : { state: "gradX0" };
  const sum = (target: string, offset: number) =>
    columnSums({
      target,
      left: "sums",
      rows: batch * chunks,
      columns: head,
      stride: 2 * head,
      offset,
    });
  return joinPlans(
    {
      scratch: {
        rates: scratch.rates,
        turnedB: scratch.turned,
        turnedC: scratch.turned,
        pairs: scratch.scores,
        weights: scratch.scores,
        ends: scratch.ends,
        flows: scratch.ends,
        ofBefore: scratch.dots,
        ofAfter: scratch.dots,
        steps: back.planes * batch * chunks * head * geometry.chunk,
        ...(hasSums && { sums: 2 * batch * chunks * head }),
      },
      passes: [
        forward.turn("B"),
        forward.turn("C"),
        forward.rates(),
        forward.scores("pairs", true),
        ...forward.reduce({ u: "u", B: "B", ends: "ends", ...x0 }),
        ...forward.reduce(
          { u: "gradY", B: "C", ends: "flows", x0: "gradState", ...gradX0 },
          true,
        ),
        back.pairs(),
        forward.apply({
          turnedC: "turnedC",
          befores: "ends",
          dots: { samples1: "gradY", dots: "ofBefore" },
        }),
        forward.apply({
          turnedC: "turnedB",
          befores: "flows",
          near: { samples0: "gradY", pairs: "pairs", y: "gradU" },
          dots: { samples1: "u", dots: "ofAfter" },
        }, true),
        back.rows("B", { samples0: "u", rows0: "C", befores: "flows" }),
        back.rows("C", { samples0: "gradY", rows0: "B", befores: "ends" }),
        back.steps(hasSums),
      ],
    },
    ...(given.A ? [sum("gradA", 0)] : []),
    ...(given.D ? [sum("gradD", head)] : []),
  );
}
