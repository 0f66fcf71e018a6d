/**
 * State-space duality: the recurrence of Mamba-2, whose decay is one number a head and step.
 *
 *   a[k] = delta[k]·A                              logarithm of the decay
 *   x[k] = exp(a[k])·x[k−1] + delta[k]·u[k]⊗B[k]   state, one row for each feature of a head
 *   y[k] = x[k]·C[k] + D·u[k]
 *
 * Dao and Gu, "Transformers are SSMs" (arXiv 2405.21060), sections 5 to 7, listing 1. Without `A`
 * the inputs are discrete already: `delta` is the logarithm of the decay and u enters as it is (as
 * in the listing; RetNet and gated linear attention are of this form). Group g of B and C serves
 * the heads g·head/group … (g+1)·head/group − 1.
 *
 * The same function has three forms. Over a whole length it is masked attention, quadratic in it:
 *
 *   y = (L ∘ C·Bᵀ)·(delta·u),   L[k, j] = exp(a[j+1] + … + a[k]) for j ≤ k, else 0
 *
 * In chunks, only a chunk's own samples are paired and a state carries the chunks before; step by
 * step it is the recurrence. The twin is the recurrence, or with `chunk` the chunked form; the
 * quadratic one is `ssdQuadraticInto` of `src/ssm/ssd.ts`. A GPU always runs the chunked form, in
 * chunks of its own choice, since its sums are matrix products; `shaders/ssd.wgsl` has its passes.
 *
 * Tolerance: f32 exp is off by some ULP (WGSL allows 3 + 2|x|) and a state sums its memory's
 * errors; 2e-5 of the largest output.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { SimdPlan } from "../device/device.ts";
import { ssdChunkedInto, ssdRecurrenceInto, type SsdSizes } from "../ssm/ssd.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal, uniform } from "./_helpers/cases.ts";
import { SIMD_TILE, singlePass, sumColumns, tiledTasks } from "./_helpers/simd.ts";
import { type SsdGeometry, ssdGeometry, ssdPasses } from "./_helpers/ssd_passes.ts";
import { ssdBackward, ssdBackwardPlan } from "./_helpers/ssd_backward.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode ssd}. */
export interface SsdParams {
  /** Samples of a chunk of the twin; a GPU takes its own. The result is the same. */
  readonly chunk?: number;
}

type Input = "u" | "delta" | "B" | "C";
type OptionalInput = "A" | "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

function sizesOf(shapes: Shapes, params: SsdParams): SsdSizes {
  expectRank("u", 4, shapes.u);
  expectRank("B", 4, shapes.B);
  const [batch, length, head, feature] = shapes.u as [number, number, number, number];
  const [, , group, state] = shapes.B as [number, number, number, number];
  expectShape("delta", ["batch", "length", "head"], [batch, length, head], shapes.delta);
  expectShape("B", ["batch", "length", "group", "state"], [batch, length, group, state], shapes.B);
  expectShape("C", ["batch", "length", "group", "state"], shapes.B, shapes.C);
  if (group < 1 || head % group !== 0) {
    throw new InvalidValueError("B.group", group, `a divisor of the ${head} heads`);
  }
  if (shapes.A) expectShape("A", ["head"], [head], shapes.A);
  if (shapes.D) expectShape("D", ["head"], [head], shapes.D);
  if (shapes.x0) {
    const axes = ["batch", "head", "feature", "state"];
    expectShape("x0", axes, [batch, head, feature, state], shapes.x0);
  }
  const { chunk } = params;
  if (chunk !== undefined && !(Number.isInteger(chunk) && chunk >= 1)) {
    throw new InvalidValueError("chunk", chunk, "an integer of at least 1");
  }
  return { batch, length, head, feature, group, state };
}

/**
 * The twin; equations in `src/ssm/ssd.ts`, which has the quadratic form, too.
 *
 *   u      input                                [batch, length, head, feature]
 *   delta  step sizes                           [batch, length, head]
 *   A      transition, < 0                      [head]
 *   B, C   input, output matrix                 [batch, length, group, state]
 *   D      skip                                 [head]
 *   x0     carried state, 0 if left out         [batch, head, feature, state]
 *   y      output                               [batch, length, head, feature]
 *   state  state after the last sample          [batch, head, feature, state]
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  params: SsdParams,
): void {
  const sizes = sizesOf(shapes, params);
  if (params.chunk === undefined) ssdRecurrenceInto(outputs, inputs, sizes);
  else ssdChunkedInto(outputs, inputs, sizes, params.chunk);
}

/** The recurrence, whatever the chunk: about 0.6 ns a state's step. */
function simdPlan(shapes: Shapes, params: SsdParams): SimdPlan {
  const { batch, length, head, feature, group, state } = sizesOf(shapes, params);
  const sizes = [length, head, feature, group, state];
  return singlePass({
    entry: "ssd",
    args: ["u", "delta", "B", "C", "A", "D", "x0", "y", "state", ...sizes],
    tasks: tiledTasks(batch * head, feature),
    threadFloats: state * SIMD_TILE,
  }, 6e-7 * batch * length * head * feature * state);
}

/** The passes on a GPU, for one way to cut a call into pieces. */
export function ssdPlan(shapes: Shapes, sizes: SsdSizes, geometry: SsdGeometry): LaunchPlan {
  const { A, D, x0 } = shapes;
  const { scratch, ...passes } = ssdPasses(
    sizes,
    { A: A !== undefined, D: D !== undefined },
    geometry,
  );
  return {
    scratch: {
      rates: scratch.rates,
      turnedC: scratch.turned,
      scores: scratch.scores,
      ends: scratch.ends,
    },
    passes: [
      passes.turn("C"),
      passes.rates(),
      passes.scores("scores"),
      ...passes.reduce({
        ...{ u: "u", B: "B", ends: "ends", state: "state" },
        ...(x0 && { x0: "x0" }),
      }),
      passes.apply({
        turnedC: "turnedC",
        befores: "ends",
        near: { samples0: "u", pairs: "scores", y: "y" },
      }),
    ],
  };
}

function launch(shapes: Shapes, params: SsdParams): LaunchPlan {
  const sizes = sizesOf(shapes, params);
  return ssdPlan(shapes, sizes, ssdGeometry(sizes));
}

/**
 * Gradients, with f the gradient of the state x, a the logarithm of the decay and w the weight of
 * an input (both made from delta and A as at the head of this file):
 *
 *   f[k]     = gradY[k]⊗C[k] + exp(a[k+1])·f[k+1]     f of the last sample adds gradState
 *   gradU[k] = w[k]·f[k]·B[k] + D·gradY[k]            gradX0 = exp(a[0])·f[0]
 *   gradB[k] = w[k]·f[k]ᵀ·u[k]                        gradC[k] = x[k]ᵀ·gradY[k]
 *   gradW[k] = ⟨u[k], f[k]·B[k]⟩                      gradLog[k] = exp(a[k])·⟨f[k], x[k−1]⟩
 *
 * The twin is this recurrence. A GPU takes the chunked form, whose equations are in the shader: it
 * keeps the state at chunk starts only, finds it again with the op's own passes, runs the same
 * passes backwards for f and gradU, and passes what is left inside a chunk through its pairs of
 * samples (paper, section 6 read backwards).
 */
const backward: Backward<SsdParams, Input, OptionalInput, "y" | "state"> = {
  needs: ["u", "delta", "B", "C", "A", "D", "x0"],
  cpu: (given, gradients, shapes, params) => ssdBackward(given, gradients, sizesOf(shapes, params)),
  launch(shapes, params) {
    const sizes = sizesOf(shapes, params);
    return ssdBackwardPlan(sizes, shapes, ssdGeometry(sizes));
  },
  simd(shapes, params) {
    const { batch, length, head, feature, group, state } = sizesOf(shapes, params);
    const tensors = ["u", "delta", "B", "C", "A", "D", "x0", "gradY", "gradState"];
    const gradients = ["gradU", "gradDelta", "gradX0"];
    const sizes = [batch, length, head, feature, group, state];
    const shares = ["sharesB", "sharesC", "sharesA", "sharesD"];
    const columns = batch * length * group * state;
    const sum = (name: string, rows: number, columns: number) =>
      sumColumns({ target: `grad${name}`, left: `shares${name}`, rows, columns });
    return {
      scratch: {
        sharesB: head / group * columns,
        sharesC: head / group * columns,
        sharesA: batch * head,
        sharesD: batch * head,
      },
      passes: [
        {
          entry: "ssd_backward",
          args: [...tensors, ...gradients, ...shares, ...sizes],
          tasks: batch * head,
          // Four planes of steps, four of lanes, decays, two banks and a sum.
          threadFloats: (5 * length + 2 * state + 2) * SIMD_TILE + length,
        },
        ...["B", "C"].map((name) => sum(name, head / group, columns)),
        ...(["A", "D"] as const).flatMap((name) => shapes[name] ? [sum(name, batch, head)] : []),
      ],
      coreMs: 1e-6 * batch * length * head * feature * state,
    };
  },
  // Sums of products of what the op computes at 2e-5; 1.5e-6 on software Vulkan.
  tolerance: 2e-5,
};

type SsdCase = OpCase<SsdParams, Input, OptionalInput>;
type CaseSizes = readonly [batch: number, length: number, head: number, feature: number];

/** Everything optional given. */
function fullCase(
  name: string,
  [batch, length, head, feature]: CaseSizes,
  [group, state]: readonly [number, number],
  change: Partial<SsdCase> = {},
): SsdCase {
  return {
    name,
    params: { chunk: 16 },
    inputs: (random) => ({
      u: normal(random, [batch, length, head, feature]),
      delta: uniform(random, [batch, length, head], 0.001, 0.3),
      A: uniform(random, [head], -8, -0.5),
      B: normal(random, [batch, length, group, state]),
      C: normal(random, [batch, length, group, state]),
      D: normal(random, [head]),
      x0: normal(random, [batch, head, feature, state]),
    }),
    ...change,
  };
}

const cases: readonly SsdCase[] = [
  fullCase("one sample", [2, 1, 2, 3], [1, 4]),
  fullCase("one chunk less one", [2, 15, 2, 3], [1, 4]),
  fullCase("one chunk", [2, 16, 2, 3], [2, 4]),
  fullCase("one chunk and one", [2, 17, 4, 3], [2, 5], { quick: true }),
  fullCase("recurrence", [1, 70, 3, 5], [1, 7], { params: {} }),
  fullCase("quadratic", [1, 31, 3, 5], [3, 7], { params: { chunk: 64 } }),
  fullCase("several chunks, odd sizes", [1, 149, 3, 7], [1, 19], { params: { chunk: 13 } }),
  fullCase("many states", [1, 40, 1, 9], [1, 130]),
  fullCase("wide heads", [1, 35, 2, 70], [1, 33]),
  fullCase("several chunks of a GPU", [1, 270, 2, 5], [1, 6]),
  fullCase("rows of vec4s", [1, 70, 4, 8], [2, 20]),
  fullCase("whole tiles", [1, 128, 1, 32], [1, 32]),
  {
    name: "discrete, nothing optional",
    params: {},
    inputs: (random) => ({
      u: normal(random, [2, 65, 3, 4]),
      delta: uniform(random, [2, 65, 3], -0.6, -0.01),
      B: normal(random, [2, 65, 3, 5]),
      C: normal(random, [2, 65, 3, 5]),
    }),
  },
  fullCase("zeros", [1, 40, 2, 3], [1, 4], {
    inputs: () => ({
      u: constant([1, 40, 2, 3], 0),
      delta: constant([1, 40, 2], 0),
      A: constant([2], -1),
      B: constant([1, 40, 1, 4], 0),
      C: constant([1, 40, 1, 4], 0),
    }),
  }),
  fullCase("large decay and denormals", [1, 65, 2, 3], [1, 4], {
    inputs: (random) => ({
      u: denormal(random, [1, 65, 2, 3]),
      // Steps small enough that what a GPU flushes to zero is not lifted into view.
      delta: uniform(random, [1, 65, 2], 1, 4),
      A: constant([2], -1000),
      B: normal(random, [1, 65, 1, 4]),
      C: normal(random, [1, 65, 1, 4]),
      D: constant([2], 1),
      x0: normal(random, [1, 2, 3, 4]),
    }),
  }),
];

/** State-space duality; equation, forms and shapes at the head of this file. */
export const ssd = defineOp<SsdParams, Input, OptionalInput, "y" | "state">({
  name: "ssd",
  inputs: ["u", "delta", "B", "C"],
  optional: ["A", "D", "x0"],
  outputs: ["y", "state"],
  outputShapes(shapes, params) {
    const { batch, head, feature, state } = sizesOf(shapes, params);
    return { y: shapes.u, state: [batch, head, feature, state] };
  },
  cpu,
  launch,
  simd: simdPlan,
  work: (shapes) => sizeOf(shapes.u) * shapes.B[3]!,
  sized: (work) =>
    fullCase(`${work} state updates`, [1, Math.max(1, Math.round(work / 512)), 2, 16], [1, 16]),
  cases,
  tolerance: 2e-5,
  backward,
});
