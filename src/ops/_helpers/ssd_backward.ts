/** The backward of `ssd`: its twin and its passes on a GPU; equations in that file. */
import type { SsdSizes } from "../../ssm/ssd.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { GradientOf, LaunchPlan, Pass, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { COLUMNS_MAX, columnsFor, LANES, ROWS } from "./ssd_tiles.ts";

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

/** Samples of a chunk on a GPU: two matrices of all its pairs lie in workgroup memory. */
export const SSD_BACKWARD_CHUNK = 32;
const GROUP = SSD_BACKWARD_CHUNK / ROWS * LANES;
/** Planes of `steps`, one number a sample and head each; the shader's order. */
const STEP_PLANES = 5;

/**
 * The passes on a GPU: the chunks' starting states as in the op itself, the pairs of samples of
 * each chunk, the gradient's flow across the chunks, and from these the gradients, as matrix
 * products. Every pass binds at most eight buffers.
 *
 * @param forward  the op's own plan with chunks of {@linkcode SSD_BACKWARD_CHUNK}
 */
export function ssdBackwardPlan(
  forward: LaunchPlan,
  sizes: SsdSizes,
  shapes: Some<Input, Shape>,
): LaunchPlan {
  const { batch, length, head, feature, group, state } = sizes;
  const chunks = groupsFor(length, SSD_BACKWARD_CHUNK);
  const places = batch * chunks * head;
  const width = feature * state;
  const [reduce, carry] = forward.passes as readonly [Pass, Pass];
  const named = (...names: Input[]) => names.filter((name) => shapes[name]);
  const pass = (
    entry: string,
    bindings: readonly string[],
    columns = 1,
    change: Record<string, number> = {},
  ): Pass => ({
    shader: "backward/ssd",
    entry,
    constants: {
      GROUP,
      CHUNK: SSD_BACKWARD_CHUNK,
      LANES,
      ROW_GROUPS: SSD_BACKWARD_CHUNK / ROWS,
      COLUMNS: columns,
      OF_C: 0,
      HAS_A: shapes.A ? 1 : 0,
      HAS_D: shapes.D ? 1 : 0,
      HAS_X0: shapes.x0 ? 1 : 0,
      ...change,
    },
    dims: { batch, length, head, feature, group, state, chunks },
    bindings,
    workgroups: [chunks, head, batch],
  });
  const perGroup = head / group;
  const rowsOf = (name: "B" | "C") => perGroup > 1 ? `sharesOf${name}` : `grad${name}`;
  const passes: Pass[] = [
    reduce,
    { ...carry, bindings: carry.bindings.map((name) => name === "state" ? "state=last" : name) },
    pass("stage_rates", ["delta", ...named("A"), "rates"]),
    pass("pair_samples", ["samples=u", "B", "C", "gradY", "rates", "pairs", "steps"], 2),
    pass("reduce_flows", ["C", "gradY", "rates", "flows"], columnsFor(state, COLUMNS_MAX)),
    {
      ...pass("carry_flows", ["gradState", "spans", "flows", ...(shapes.x0 ? ["gradX0"] : [])]),
      workgroups: [groupsFor(width, GROUP), head, batch],
    },
    pass(
      "reach_inputs",
      ["B", ...named("D"), "gradY", "rates", "pairs", "flows", "gradU"],
      columnsFor(feature, COLUMNS_MAX / 2),
    ),
    pass("reach_rows", [
      ...["samples=u", "own=B", "other=C", "states=flows", "rates", "pairs", "steps"],
      `rows=${rowsOf("B")}`,
    ], columnsFor(state, COLUMNS_MAX)),
    pass(
      "reach_rows",
      [
        ...["samples=gradY", "own=C", "other=B", "states=ends", "rates", "pairs", "steps"],
        `rows=${rowsOf("C")}`,
      ],
      columnsFor(state, COLUMNS_MAX),
      { OF_C: 1 },
    ),
    pass("reach_steps", [
      ...[...named("A"), "rates", "steps", "flows", "ends", "gradDelta"],
      ...(shapes.A || shapes.D ? ["sums"] : []),
    ]),
  ];
  const rows = batch * length * group * state;
  const shared = perGroup > 1;
  const sum = (target: string, offset: number) =>
    columnSums({
      target,
      left: "sums",
      rows: batch * chunks,
      columns: head,
      stride: 2 * head,
      offset,
    });
  const shares = (name: "B" | "C") =>
    columnSums({ target: `grad${name}`, left: `sharesOf${name}`, rows: perGroup, columns: rows });
  return joinPlans(
    {
      scratch: {
        ...forward.scratch,
        last: batch * head * width,
        rates: 4 * places * SSD_BACKWARD_CHUNK,
        pairs: 2 * places * SSD_BACKWARD_CHUNK ** 2,
        steps: STEP_PLANES * places * SSD_BACKWARD_CHUNK,
        flows: places * width,
        ...(shared && { sharesOfB: perGroup * rows, sharesOfC: perGroup * rows }),
        ...((shapes.A || shapes.D) && { sums: 2 * batch * chunks * head }),
      },
      passes,
    },
    ...(shared ? [shares("B"), shares("C")] : []),
    ...(shapes.A ? [sum("gradA", 0)] : []),
    ...(shapes.D ? [sum("gradD", head)] : []),
  );
}
