/**
 * Recurrence of dense state-space systems, one for each feature: the recurrent form of LSSL.
 *
 *   x[k] = Abar·x[k−1] + Bbar·u[k]        y[k] = C·x[k] + D·u[k]
 *
 * LSSL (arXiv 2110.13985) eq. 4 and 5. `A` and `B` are the same for every sample, or given for each
 * (irregular samples). A feature has `channel` outputs, which lie side by side in y. With C the
 * identity and an impulse as input, y is the Krylov matrix [Bbar, Abar·Bbar, Abar²·Bbar, …].
 *
 * On a GPU a workgroup runs one feature of one row, an invocation some rows of A. For small states:
 * the work is quadratic in them.
 *
 * Back, with the gradient's flow through the states, which starts at gradState:
 *
 *   flow += Cᵀ·gradY[k],   gradU = B·flow + D·gradY,   gradC = Σ gradY·x[k]ᵀ,   gradD = Σ gradY·u
 *   gradA = Σ flow·x[k−1]ᵀ,   gradB = Σ flow·u,   and on to the sample before, flow ← Aᵀ·flow
 *
 * The states are found again in chunks, from the one that each chunk starts at.
 *
 * Tolerance: as in `linear_scan`, 2e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { SimdPlan } from "../device/device.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { denseBackwardPlan, denseScanBackward } from "./_helpers/dense_scan_backward.ts";
import { groupsFor } from "./_helpers/plan.ts";
import { flag, SIMD_ROWS, singlePass } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `dense_scan` takes no parameters. */
export type DenseScanParams = Record<string, never>;

/** Largest state, which the shader keeps twice in workgroup memory. */
export const DENSE_STATES_MAX = 1024;

type Input = "u" | "A" | "B" | "C";
type OptionalInput = "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

function outputShapes(shapes: Shapes): { y: Shape; state: Shape } {
  expectRank("u", 3, shapes.u);
  expectRank("C", 3, shapes.C);
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, state] = shapes.C as [number, number, number];
  expectShape("C", ["feature", "channel", "state"], [feature, channel, state], shapes.C);
  if (state < 1 || state > DENSE_STATES_MAX) {
    throw new InvalidValueError("C.state", state, `1 to ${DENSE_STATES_MAX}`);
  }
  const rows = shapes.A.length === 3 ? [] : [batch, length];
  const named = shapes.A.length === 3 ? [] : ["batch", "length"];
  expectShape(
    "A",
    [...named, "feature", "state", "state"],
    [...rows, feature, state, state],
    shapes.A,
  );
  expectShape("B", [...named, "feature", "state"], [...rows, feature, state], shapes.B);
  if (shapes.D) expectShape("D", ["feature", "channel"], [feature, channel], shapes.D);
  if (shapes.x0) {
    expectShape("x0", ["batch", "feature", "state"], [batch, feature, state], shapes.x0);
  }
  return { y: [batch, length, feature * channel], state: [batch, feature, state] };
}

/**
 * The twin.
 *
 *   u      input                        [batch, length, feature]
 *   A      Abar     [feature, state, state] or [batch, length, feature, state, state]
 *   B      Bbar            [feature, state] or [batch, length, feature, state]
 *   C      output                       [feature, channel, state]
 *   D      skip                         [feature, channel]
 *   x0     carried state                [batch, feature, state]
 *   y      output                       [batch, length, feature·channel]
 *   state  state after the last sample  [batch, feature, state]
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
): void {
  const { u, A, B, C, D, x0 } = inputs;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, states] = shapes.C as [number, number, number];
  const perStep = shapes.A.length > 3;
  let x = new Float64Array(states);
  let next = new Float64Array(states);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * states;
      for (let n = 0; n < states; n++) x[n] = x0 ? x0[carried + n]! : 0;
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        const system = perStep ? at : d;
        const input = u[at]!;
        for (let i = 0; i < states; i++) {
          const row = (system * states + i) * states;
          let sum = B[system * states + i]! * input;
          for (let j = 0; j < states; j++) sum += A[row + j]! * x[j]!;
          next[i] = sum;
        }
        [x, next] = [next, x];
        for (let m = 0; m < channel; m++) {
          const row = (d * channel + m) * states;
          let sum = D ? D[d * channel + m]! * input : 0;
          for (let n = 0; n < states; n++) sum += C[row + n]! * x[n]!;
          outputs.y[at * channel + m] = sum;
        }
      }
      outputs.state.set(x, carried);
    }
  }
}

/** Features of a task: `FEATURES` in simd/assembly/dense_scan.ts. */
const FEATURES = 4;

/**
 * Most states of a system whose features go through the kernel in the lanes of vectors: with 8
 * states 512 samples take half as long as in turns, with 16 two thirds, with 32 as long where
 * features are no multiple of four, and one sample alone, whose systems are laid out for it, 1.7
 * times as long (AMD EPYC).
 */
const LANES_STATES_MAX = 16;

/** About 0.15 ns a product; a task is a row of the batch and up to four features. */
function simdPlan(shapes: Shapes): SimdPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, states] = shapes.C as [number, number, number];
  const isPerStep = shapes.A.length > 3;
  const isInLanes = !isPerStep && feature >= FEATURES && states <= LANES_STATES_MAX;
  const sizes = [length, feature, states, channel, flag(isPerStep), flag(isInLanes)];
  const inLanes = FEATURES * (3 * states + states * states + channel * (states + 2));
  const inTurns = 2 * FEATURES * 4 * Math.ceil(states / 4);
  return singlePass({
    entry: "dense_scan",
    args: ["u", "A", "B", "C", "D", "x0", "y", "state", ...sizes],
    tasks: batch * groupsFor(feature, FEATURES),
    threadFloats: isInLanes ? inLanes : inTurns,
  }, 1.5e-7 * batch * length * feature * states * (states + channel));
}

const GROUP = 64;
/** Products that a shader's loop takes at a time. */
const RUN = 8;

function launch(shapes: Shapes): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, state] = shapes.C as [number, number, number];
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  return {
    scratch: {},
    passes: [{
      entry: "recur",
      constants: {
        GROUP,
        RUN,
        STATES: state,
        PER_STEP: shapes.A.length > 3 ? 1 : 0,
        HAS_D: shapes.D ? 1 : 0,
        HAS_X0: shapes.x0 ? 1 : 0,
        BACKWARD: 0,
      },
      dims: { length, feature, channel, chunks: 1, stride: 0 },
      bindings: ["u", "A", "B", "C", ...named("D"), ...named("x0"), "y", "state"],
      workgroups: [feature, batch, 1],
    }],
  };
}

const backward: Backward<DenseScanParams, Input, OptionalInput, "y" | "state"> = {
  needs: ["u", "A", "B", "C", "D", "x0"],
  cpu: denseScanBackward,
  launch: (shapes) => denseBackwardPlan(launch(shapes).passes[0]!, shapes),
  simd(shapes) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const [, channel, states] = shapes.C as [number, number, number];
    const tensors = ["u", "A", "B", "C", "D", "x0", "gradY", "gradState"];
    const gradients = ["gradU", "gradA", "gradB", "gradC", "gradD", "gradX0"];
    const sizes = [batch, length, feature, states, channel, flag(shapes.A.length > 3)];
    const padded = 4 * Math.ceil(states / 4);
    return singlePass({
      entry: "dense_scan_backward",
      args: [...tensors, ...gradients, ...sizes],
      tasks: feature,
      // Sums in f64 and of a run in f32, flows of a run, the states before and after each sample.
      threadFloats: 3 * (states + 1 + channel) * padded + 2 * (channel + 1) +
        (SIMD_ROWS + length + 2) * padded,
    }, 6e-7 * batch * length * feature * states * (states + channel));
  },
  // Sums over the length of products of two recurrences, each with the tolerance of one.
  tolerance: 5e-5,
};

type ScanCase = OpCase<DenseScanParams, Input, OptionalInput>;
type CaseSizes = readonly [
  batch: number,
  length: number,
  feature: number,
  channel: number,
  state: number,
];

/** Everything optional given; the rows of A sum to less than one, so that states stay bounded. */
function fullCase(
  name: string,
  [batch, length, feature, channel, state]: CaseSizes,
  change: { perStep?: boolean; quick?: boolean; denormals?: boolean } = {},
): ScanCase {
  const rows = change.perStep ? [batch, length] : [];
  const shape = [batch, length, feature];
  return {
    name,
    quick: change.quick ?? false,
    params: {},
    inputs: (random) => ({
      u: change.denormals ? denormal(random, shape) : normal(random, shape),
      A: normal(random, [...rows, feature, state, state], 0.6 / Math.sqrt(state)),
      B: normal(random, [...rows, feature, state]),
      C: normal(random, [feature, channel, state]),
      D: normal(random, [feature, channel]),
      x0: normal(random, [batch, feature, state]),
    }),
  };
}

/** Longest sequence of the sized cases. */
const SIZED_LENGTH_MAX = 1024;

const cases: readonly ScanCase[] = [
  fullCase("one sample", [2, 1, 3, 2, 4]),
  fullCase("one channel", [2, 33, 3, 1, 4], { quick: true }),
  fullCase("several channels", [2, 33, 3, 5, 4]),
  fullCase("one workgroup less one", [1, 9, 2, 2, 63]),
  fullCase("one workgroup and one", [1, 9, 2, 70, 65]),
  fullCase("many states over several chunks", [1, 300, 1, 1, 65]),
  fullCase("several chunks back", [2, 149, 2, 2, 4]),
  fullCase("systems of their own, several chunks", [1, 70, 2, 1, 4], { perStep: true }),
  fullCase("systems of their own", [2, 17, 3, 2, 4], { perStep: true }),
  fullCase("features in vectors", [2, 33, 7, 1, 8], { quick: true }),
  fullCase("features in vectors, rows left over", [2, 9, 5, 6, 7]),
  fullCase("features that would be in vectors but for their states", [1, 9, 5, 2, 17]),
  fullCase("features with systems of their own, more than a task's", [1, 9, 6, 2, 4], {
    perStep: true,
  }),
  fullCase("denormals", [1, 17, 3, 2, 4], { denormals: true }),
  {
    name: "nothing optional, zeros",
    params: {},
    inputs: (random) => ({
      u: constant([1, 9, 2], 0),
      A: normal(random, [2, 3, 3], 0.2),
      B: normal(random, [2, 3]),
      C: normal(random, [2, 1, 3]),
    }),
  },
];

/** Recurrence of dense systems; equation at the head of this file. */
export const denseScan = defineOp<DenseScanParams, Input, OptionalInput, "y" | "state">({
  name: "dense_scan",
  inputs: ["u", "A", "B", "C"],
  optional: ["D", "x0"],
  outputs: ["y", "state"],
  outputShapes,
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.u) * shapes.C[2]! * (shapes.C[1]! + shapes.C[2]!),
  sized: (work) => {
    // Features are what runs side by side, so they grow with the work, and the length only so far.
    const length = Math.min(SIZED_LENGTH_MAX, Math.max(1, Math.round(work / 576)));
    const feature = Math.max(8, Math.round(work / (72 * length)));
    return fullCase(`${work} products`, [1, length, feature, 1, 8]);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
