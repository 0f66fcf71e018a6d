/**
 * Selective scan: the recurrence of Mamba (S6), whose B, C and step size come from the input.
 *
 *   delta' = softplus(delta + deltaBias)       (softplus only where `softplus` is set)
 *   x[k]   = exp(delta'[k]·A)·x[k−1] + delta'[k]·B[k]·u[k]
 *   y[k]   = (Σ C[k]·x[k] + D·u[k]) · silu(z[k])
 *
 * Mamba (arXiv 2312.00752) section 3.2 and algorithm 2. Bbar is delta·B, the Euler form that the
 * published code uses, not the zero-order hold of the paper's eq. 4. With a complex `A` the output
 * takes 2·Re(Σ C·x). `B` and `C` are per step and group (feature d belongs to group
 * ⌊d·group/feature⌋), or fixed `[feature, state]`.
 *
 * On a GPU few rows are cut into chunks as in `linear_scan`; the decay over a chunk is
 * exp(A·Σdelta'), so the first pass stores the end state and one sum. Real states that come by
 * fours, with B and C by the step, take the tiled passes (`shaders/fast`), whose form goes by rows,
 * length and states (`_helpers/selective_scan_forms.ts`); all others, and devices without
 * subgroups, take the general ones.
 *
 * Tolerance: f32 exp is off by some ULP a step (WGSL allows 3 + 2|x| ULP) and a state sums its
 * memory's errors; 2e-5 of the largest output.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectAxis, expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { silu, softplus } from "./_helpers/activation.ts";
import { constant, denormal, fill, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { chunkOf } from "./_helpers/plan.ts";
import { offsetOf, selectiveScanBackward, type Sizes } from "./_helpers/selective_scan_backward.ts";
import { backwardPlan, SELECTIVE_CHUNK } from "./_helpers/selective_scan_backward_plan.ts";
import { backwardForms, forwardForms } from "./_helpers/selective_scan_forms.ts";
import { generalPlan } from "./_helpers/selective_scan_general.ts";
import { selectiveSimd, selectiveSimdBackward } from "./_helpers/selective_scan_simd.ts";
import { tiledBackwardPlan, tiledPlan } from "./_helpers/selective_scan_tiled.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode selectiveScan}. */
export interface SelectiveScanParams {
  /** delta goes through softplus after its bias. */
  readonly softplus: boolean;
  /** A, B, C and the state are complex (last axis 2); default false. */
  readonly complex?: boolean;
}

type Input = "u" | "delta" | "A" | "B" | "C";
type OptionalInput = "D" | "z" | "deltaBias" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

function groupsOf(name: string, shape: Shape, sizes: Omit<Sizes, "groupB" | "groupC">): number {
  const { batch, length, feature, state, parts } = sizes;
  const pair = parts === 2 ? [2] : [];
  if (shape.length === 2 + pair.length) {
    expectShape(name, ["feature", "state", "complex"], [feature, state, ...pair], shape);
    return 0;
  }
  expectRank(name, 4 + pair.length, shape);
  const group = shape[2]!;
  const axes = ["batch", "length", "group", "state", "complex"];
  expectShape(name, axes, [batch, length, group, state, ...pair], shape);
  if (group < 1 || feature % group !== 0) {
    throw new InvalidValueError(`${name}.group`, group, `a divisor of the ${feature} features`);
  }
  return group;
}

function sizesOf(shapes: Shapes, params: SelectiveScanParams): Sizes {
  expectRank("u", 3, shapes.u);
  const [batch, length, feature] = shapes.u as [number, number, number];
  const parts = params.complex ? 2 : 1;
  expectRank("A", params.complex ? 3 : 2, shapes.A);
  expectAxis("A.feature", feature, shapes.A[0]);
  const state = shapes.A[1]!;
  if (params.complex) expectAxis("A.complex", 2, shapes.A[2]);
  const base = { batch, length, feature, state, parts };
  return {
    ...base,
    groupB: groupsOf("B", shapes.B, base),
    groupC: groupsOf("C", shapes.C, base),
  };
}

function outputShapes(shapes: Shapes, params: SelectiveScanParams): { y: Shape; state: Shape } {
  const { batch, feature, state } = sizesOf(shapes, params);
  const axes = ["batch", "length", "feature"];
  expectShape("delta", axes, shapes.u, shapes.delta);
  if (shapes.z) expectShape("z", axes, shapes.u, shapes.z);
  if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
  if (shapes.deltaBias) expectShape("deltaBias", ["feature"], [feature], shapes.deltaBias);
  const stateShape = [batch, feature, state, ...(params.complex ? [2] : [])];
  if (shapes.x0) {
    expectShape("x0", ["batch", "feature", "state", "complex"], stateShape, shapes.x0);
  }
  return { y: shapes.u, state: stateShape };
}

/**
 * The twin.
 *
 *   u, delta   input, raw step size             [batch, length, feature]
 *   A          transition, Re < 0               [feature, state], complex: c64
 *   B, C       input, output matrix             [batch, length, group, state] or [feature, state]
 *   D          skip                             [feature]
 *   z          gate branch                      [batch, length, feature]
 *   deltaBias  added to delta                   [feature]
 *   x0         carried state, 0 if left out     [batch, feature, state]
 *   y          output                           [batch, length, feature]
 *   state      state after the last sample      [batch, feature, state]
 */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly y: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  params: SelectiveScanParams,
): void {
  const sizes = sizesOf(shapes, params);
  const { batch, length, feature } = sizes;
  const { u, delta, D, z, deltaBias, x0 } = inputs;
  const width = sizes.state * sizes.parts;
  const x = new Float64Array(width);
  const stepOf = params.complex ? stepComplexInto : stepRealInto;
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * width;
      for (let i = 0; i < width; i++) x[i] = x0 ? x0[carried + i]! : 0;
      const bias = deltaBias ? deltaBias[d]! : 0;
      const skip = D ? D[d]! : 0;
      for (let k = 0; k < length; k++) {
        const at = (b * length + k) * feature + d;
        const raw = delta[at]! + bias;
        const dt = params.softplus ? softplus(raw) : raw;
        const offB = offsetOf(sizes, sizes.groupB, b, k, d);
        const offC = offsetOf(sizes, sizes.groupC, b, k, d);
        const input = u[at]!;
        let y = stepOf(x, inputs.A, d * width, inputs.B, offB, inputs.C, offC, dt, dt * input);
        y += skip * input;
        outputs.y[at] = z ? y * silu(z[at]!) : y;
      }
      for (let i = 0; i < width; i++) outputs.state[carried + i] = x[i]!;
    }
  }
}

/** One step of one feature with real states; `scaled` is dt·u. Returns Σ C·x. */
function stepRealInto(
  x: Float64Array,
  A: FloatArray,
  offA: number,
  B: FloatArray,
  offB: number,
  C: FloatArray,
  offC: number,
  dt: number,
  scaled: number,
): number {
  let y = 0;
  for (let n = 0; n < x.length; n++) {
    const next = Math.exp(dt * A[offA + n]!) * x[n]! + scaled * B[offB + n]!;
    x[n] = next;
    y += C[offC + n]! * next;
  }
  return y;
}

/** The same with complex states, interleaved. Returns 2·Re(Σ C·x). */
function stepComplexInto(
  x: Float64Array,
  A: FloatArray,
  offA: number,
  B: FloatArray,
  offB: number,
  C: FloatArray,
  offC: number,
  dt: number,
  scaled: number,
): number {
  let y = 0;
  for (let n = 0; n < x.length; n += 2) {
    const modulus = Math.exp(dt * A[offA + n]!);
    const angle = dt * A[offA + n + 1]!;
    const ar = modulus * Math.cos(angle);
    const ai = modulus * Math.sin(angle);
    const xr = ar * x[n]! - ai * x[n + 1]! + scaled * B[offB + n]!;
    const xi = ar * x[n + 1]! + ai * x[n]! + scaled * B[offB + n + 1]!;
    x[n] = xr;
    x[n + 1] = xi;
    y += C[offC + n]! * xr - C[offC + n + 1]! * xi;
  }
  return 2 * y;
}

/** The tiled passes where sizes and device allow them, else the general ones. */
function launch(shapes: Shapes, params: SelectiveScanParams, limits: GpuLimits): LaunchPlan {
  const sizes = sizesOf(shapes, params);
  const call = { sizes, shapes, softplus: params.softplus };
  const forms = forwardForms(sizes, limits);
  if (forms) return tiledPlan(call, forms);
  return generalPlan(call, limits, chunkOf(sizes.length, sizes.batch * sizes.feature));
}

function launchBackward(
  shapes: Shapes,
  params: SelectiveScanParams,
  limits: GpuLimits,
): LaunchPlan {
  const sizes = sizesOf(shapes, params);
  const call = { sizes, shapes, softplus: params.softplus };
  const forms = backwardForms(sizes, limits);
  if (forms) return tiledBackwardPlan(call, forms);
  return backwardPlan(generalPlan(call, limits, SELECTIVE_CHUNK), sizes, shapes, limits);
}

/**
 * Gradients, with the flow of the gradient through the states (2 for complex A, else 1, is r):
 *
 *   grad[k]  = gradY[k]·silu(z[k])      gradZ = gradY·(Σ C·x + D·u)·silu'(z)
 *   flow[k]  = r·grad[k]·conj(C[k]) + conj(exp(delta'[k+1]·A))·flow[k + 1]
 *   gradC[k] = r·grad[k]·conj(x[k])     gradB[k] = delta'·u·flow
 *   gradU    = delta'·Re(conj(B)·flow) + D·grad
 *   gradA    = Σ delta'·conj(exp(delta'·A))·flow·conj(x[k − 1])
 *   gradDelta = softplus'·Re(Σ conj(A·exp(delta'·A))·flow·conj(x[k − 1]) + u·conj(B)·flow)
 *
 * As in the paper's algorithm (section 3.3.2, recomputation) the states are not kept: the GPU finds
 * them again, one in eight (the tiled passes) or in 32 into scratch, those between in registers. B
 * and C belong to many features: a workgroup adds those it holds, a later pass the workgroups.
 */
const backward: Backward<SelectiveScanParams, Input, OptionalInput, "y" | "state"> = {
  needs: ["u", "delta", "A", "B", "C", "D", "z", "deltaBias", "x0"],
  cpu: (given, gradients, shapes, params) =>
    selectiveScanBackward(given, gradients, sizesOf(shapes, params), params.softplus),
  launch: launchBackward,
  simd: (shapes, params) =>
    params.complex ? undefined : selectiveSimdBackward(sizesOf(shapes, params), params.softplus),
  // Sums over the length of products of two scans, each with the tolerance of one.
  tolerance: 5e-5,
};

interface CaseSizes {
  readonly batch: number;
  readonly length: number;
  readonly feature: number;
  readonly state: number;
}

type ScanCase = OpCase<SelectiveScanParams, Input, OptionalInput>;

/** Everything optional given; B and C with `group` groups, fixed where 0. */
function fullCase(
  name: string,
  sizes: CaseSizes,
  group = 1,
  change: Partial<ScanCase> = {},
): ScanCase {
  const { batch, length, feature, state } = sizes;
  const complex = change.params?.complex ?? false;
  const pair = complex ? [2] : [];
  const rows = [batch, length, feature];
  const bc = group > 0 ? [batch, length, group, state, ...pair] : [feature, state, ...pair];
  return {
    name,
    params: { softplus: true },
    inputs: (random) => ({
      u: normal(random, rows),
      delta: normal(random, rows, 0.5),
      A: complex
        ? leftHalfPlane(random, [feature, state], 2, 3)
        : uniform(random, [feature, state], -4, -0.1),
      B: normal(random, bc),
      C: normal(random, bc),
      D: normal(random, [feature]),
      z: normal(random, rows),
      deltaBias: uniform(random, [feature], -4, -1),
      x0: normal(random, [batch, feature, state, ...pair]),
    }),
    ...change,
  };
}

const SMALL: CaseSizes = { batch: 2, length: 7, feature: 6, state: 4 };
const COMPLEX: SelectiveScanParams = { softplus: true, complex: true };

const cases: readonly ScanCase[] = [
  fullCase("one sample", { ...SMALL, length: 1 }),
  fullCase("one tile less one", SMALL),
  fullCase("one tile", { ...SMALL, length: 8 }),
  fullCase("one tile and one", { ...SMALL, length: 9 }),
  fullCase("one chunk and one", { ...SMALL, length: 33 }, 1, { quick: true }),
  fullCase("two groups", { ...SMALL, length: 35 }, 2),
  fullCase("fixed B and C", { ...SMALL, length: 35 }, 0),
  fullCase("several chunks, odd sizes", { batch: 1, length: 149, feature: 37, state: 5 }),
  fullCase("long, wider chunks", { batch: 1, length: 4500, feature: 3, state: 2 }),
  fullCase("states over invocations", { batch: 1, length: 40, feature: 3, state: 19 }),
  fullCase("two quads of states", { batch: 1, length: 45, feature: 10, state: 8 }),
  fullCase("sixteen states", { batch: 2, length: 75, feature: 12, state: 16 }),
  fullCase("sixteen states, two groups", { batch: 1, length: 21, feature: 12, state: 16 }, 2),
  fullCase("four states, many features", { batch: 1, length: 20, feature: 16, state: 4 }),
  fullCase("many chunks", { batch: 1, length: 800, feature: 2, state: 4 }),
  fullCase("thirty-two states", { batch: 1, length: 37, feature: 5, state: 32 }),
  fullCase("complex", { ...SMALL, length: 67 }, 1, { params: COMPLEX }),
  fullCase("complex, fixed B and C", { ...SMALL, length: 35 }, 0, { params: COMPLEX }),
  {
    name: "nothing optional, no softplus",
    params: { softplus: false },
    inputs: (random) => ({
      u: normal(random, [1, 65, 3]),
      delta: uniform(random, [1, 65, 3], 0.001, 0.1),
      A: uniform(random, [3, 4], -4, -0.1),
      B: normal(random, [1, 65, 1, 4]),
      C: normal(random, [1, 65, 1, 4]),
    }),
  },
  {
    name: "zeros",
    params: { softplus: true },
    inputs: () => ({
      u: constant([1, 40, 3], 0),
      delta: constant([1, 40, 3], 0),
      A: constant([3, 4], -1),
      B: constant([1, 40, 1, 4], 0),
      C: constant([1, 40, 1, 4], 0),
      z: constant([1, 40, 3], 0),
    }),
  },
  {
    name: "large decay, large steps, denormals",
    params: { softplus: true },
    inputs: (random) => ({
      u: denormal(random, [1, 65, 3]),
      delta: fill([1, 65, 3], (i) => i % 7 === 0 ? 40 : -3),
      A: uniform(random, [3, 4], -400, -100),
      B: normal(random, [1, 65, 1, 4]),
      C: normal(random, [1, 65, 1, 4]),
      D: constant([3], 1),
      x0: normal(random, [1, 3, 4]),
    }),
  },
];

/** Selective scan; equation, options and shapes at the head of this file. */
export const selectiveScan = defineOp<
  SelectiveScanParams,
  Input,
  OptionalInput,
  "y" | "state"
>({
  name: "selective_scan",
  inputs: ["u", "delta", "A", "B", "C"],
  optional: ["D", "z", "deltaBias", "x0"],
  outputs: ["y", "state"],
  outputShapes,
  cpu,
  launch,
  simd: (shapes, params) =>
    params.complex ? undefined : selectiveSimd(sizesOf(shapes, params), params.softplus),
  work: (shapes) => shapes.u.reduce((a, b) => a * b, 1) * shapes.A[1]!,
  sized: (work) => {
    const sizes = { batch: 1, length: Math.max(1, Math.round(work / 512)), feature: 32, state: 16 };
    return fullCase(`${work} state updates`, sizes);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
