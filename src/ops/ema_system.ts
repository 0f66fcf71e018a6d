/**
 * A damped moving average as a diagonal system, from its learned parameters.
 *
 *   p = σ(alpha)·σ(delta)      w = σ(alpha)·beta
 *   discrete      A = 1 − p              B = w
 *   continuous    A = log(1 − p)         B = w·A/(−p)
 *
 * h[k] = A·h[k−1] + B·u[k] with the discrete ones is the multi-head damped EMA of Mega (arXiv
 * 2209.10655, section 3.1). The continuous ones are the system that the zero-order hold turns
 * into the discrete ones at a step of 1, so that a sample may last longer or shorter.
 *
 * A and B are written as complex numbers without an imaginary part, as the scans take them; back,
 * gradients of imaginary parts reach nothing. 1 − p is taken as σ(−alpha) + σ(alpha)·σ(−delta) and
 * the quotient log(1 − p)/(−p) by its series below p = 1/2, neither of which cancels.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|x| ULP; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { sigmoid } from "./_helpers/activation.ts";
import { constant, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode emaSystem}. */
export interface EmaSystemParams {
  readonly form: "discrete" | "continuous";
}

type Input = "alpha" | "delta" | "beta";
type Shapes = Named<Input, never, Shape>;

function outputShapes(shapes: Shapes, { form }: EmaSystemParams): { A: Shape; B: Shape } {
  const { alpha } = shapes;
  const axes = alpha.map((_, i) => `axis ${i}`);
  expectShape("delta", axes, alpha, shapes.delta);
  expectShape("beta", axes, alpha, shapes.beta);
  if (form !== "discrete" && form !== "continuous") {
    throw new InvalidValueError("form", form, "discrete or continuous");
  }
  return { A: [...alpha, 2], B: [...alpha, 2] };
}

/** Terms of the series below p = 1/2: the last is 2^−52 of the first. */
const SERIES_TERMS = 52;

/** r = −log(1 − p)/p and dr/dp; `kept` is 1 − p. */
function holdOf(p: number, kept: number): { r: number; slope: number } {
  if (p >= 0.5) {
    const r = -Math.log(kept) / p;
    return { r, slope: (1 / kept - r) / p };
  }
  let r = 0;
  let slope = 0;
  for (let n = SERIES_TERMS; n >= 1; n--) {
    r = r * p + 1 / n;
    if (n > 1) slope = slope * p + (n - 1) / n;
  }
  return { r, slope };
}

/** What the parameters of one average come to. */
function averageOf(alpha: number, delta: number) {
  const share = sigmoid(alpha);
  const damping = sigmoid(delta);
  return { share, damping, p: share * damping, kept: sigmoid(-alpha) + share * sigmoid(-delta) };
}

function cpu(
  { alpha, delta, beta }: Named<Input, never, FloatArray>,
  { A, B }: { readonly A: FloatArray; readonly B: FloatArray },
  _shapes: Shapes,
  { form }: EmaSystemParams,
): void {
  for (let i = 0; i < alpha.length; i++) {
    const { share, p, kept } = averageOf(alpha[i]!, delta[i]!);
    const { r } = holdOf(p, kept);
    const discrete = form === "discrete";
    A[2 * i] = discrete ? kept : -p * r;
    B[2 * i] = share * beta[i]! * (discrete ? 1 : r);
    A[2 * i + 1] = 0;
    B[2 * i + 1] = 0;
  }
}

function passOver(
  entry: string,
  bindings: readonly string[],
  { alpha }: Shapes,
  { form }: EmaSystemParams,
  limits: GpuLimits,
): LaunchPlan {
  const count = sizeOf(alpha);
  return {
    scratch: {},
    passes: [{
      entry,
      constants: { GROUP: POINTWISE_GROUP, CONTINUOUS: form === "continuous" ? 1 : 0 },
      dims: { count },
      bindings,
      workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
    }],
  };
}

/** The chain rule through p and w, whose gradients `ofP` and `ofW` are. */
const backward: Backward<EmaSystemParams, Input, never, "A" | "B"> = {
  needs: ["alpha", "delta", "beta"],
  cpu({ alpha, delta, beta, gradA, gradB }, gradients, _shapes, { form }) {
    for (let i = 0; i < alpha!.length; i++) {
      const { share, damping, p, kept } = averageOf(alpha![i]!, delta![i]!);
      const { r, slope } = holdOf(p, kept);
      const ofA = gradA![2 * i]!;
      const ofB = gradB![2 * i]!;
      const discrete = form === "discrete";
      const ofP = discrete ? -ofA : -ofA / kept + ofB * share * beta![i]! * slope;
      const ofW = discrete ? ofB : ofB * r;
      const shareSlope = share * sigmoid(-alpha![i]!);
      gradients.gradAlpha![i] = shareSlope * (ofP * damping + ofW * beta![i]!);
      gradients.gradDelta![i] = ofP * share * damping * sigmoid(-delta![i]!);
      gradients.gradBeta![i] = ofW * share;
    }
  },
  launch: (shapes, params, limits) =>
    passOver(
      "ema_backward",
      ["alpha", "delta", "beta", "gradA", "gradB", "gradAlpha", "gradDelta", "gradBeta"],
      shapes,
      params,
      limits,
    ),
  tolerance: 1e-5,
};

type Case = OpCase<EmaSystemParams, Input, never>;

function averages(name: string, shape: Shape, form: EmaSystemParams["form"], scale = 1): Case {
  return {
    name,
    params: { form },
    inputs: (random) => ({
      alpha: normal(random, shape, scale),
      delta: normal(random, shape, scale),
      beta: normal(random, shape),
    }),
  };
}

/**
 * Damped averages as a diagonal system; equations at the head of this file.
 *
 *   alpha, delta, beta   [..]
 *   A, B                 [..] c64
 */
export const emaSystem = defineOp<EmaSystemParams, Input, never, "A" | "B">({
  name: "ema_system",
  inputs: ["alpha", "delta", "beta"],
  optional: [],
  outputs: ["A", "B"],
  outputShapes,
  cpu,
  launch: (shapes, params, limits) =>
    passOver("make_system", ["alpha", "delta", "beta", "A", "B"], shapes, params, limits),
  work: (shapes) => sizeOf(shapes.alpha),
  sized: (work) => averages(`${work} averages`, [Math.max(1, Math.round(work))], "discrete"),
  cases: [
    { ...averages("discrete", [5, 13], "discrete"), quick: true },
    averages("continuous", [5, 13], "continuous"),
    averages("continuous, far out", [3, 67], "continuous", 3),
    {
      name: "zeros",
      params: { form: "continuous" },
      inputs: () => ({
        alpha: constant([3], 0),
        delta: constant([3], 0),
        beta: constant([3], 1),
      }),
    },
  ],
  tolerance: 5e-6,
  backward,
});
