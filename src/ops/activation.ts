/**
 * Pointwise nonlinearity.
 *
 *   y = act(x)                    gradX = gradY·act'(x)
 *
 * SiLU x·σ(x) (arXiv 1702.03118), GELU x·Φ(x) and its tanh form (arXiv 1606.08415), softplus
 * log(1 + exp(beta·x))/beta, exactly linear where beta·x > 20 as in torch, sigmoid, tanh, ReLU, and
 * log σ(x). −exp(x) keeps the transition matrices of state-space models negative.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|x| ULP, and the erf of the shader to 1.5e-7; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import {
  type Activation,
  activationCode,
  activationOf,
  ACTIVATIONS,
  slopeOf,
} from "./_helpers/activation.ts";
import { constant, denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { SIMD_BLOCK, singlePass } from "./_helpers/simd.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode activation}. */
export interface ActivationParams {
  readonly kind: Activation;
  /** Sharpness of softplus, > 0; default 1, no other function takes it. */
  readonly beta?: number;
}

type Shapes = Named<"x", never, Shape>;

function outputShapes(shapes: Shapes, params: ActivationParams): { y: Shape } {
  activationCode(params.kind);
  if (params.beta !== undefined && !(params.beta > 0)) {
    throw new InvalidValueError("beta", params.beta, "a number above 0");
  }
  return { y: shapes.x };
}

/** The twin: x and y are [..]. */
function cpu(
  inputs: Named<"x", never, FloatArray>,
  outputs: { readonly y: FloatArray },
  _shapes: Shapes,
  params: ActivationParams,
): void {
  const { x } = inputs;
  const act = activationOf(params.kind, params.beta);
  for (let i = 0; i < x.length; i++) outputs.y[i] = act(x[i]!);
}

function launch(shapes: Shapes, params: ActivationParams, limits: GpuLimits): LaunchPlan {
  const vector = vectorOf(sizeOf(shapes.x));
  const count = sizeOf(shapes.x) / vector;
  return {
    scratch: {},
    passes: [{
      entry: "activate",
      constants: {
        KIND: activationCode(params.kind),
        GROUP: WIDE_GROUP,
        VECTOR: vector,
      },
      dims: { count, beta: params.beta ?? 1 },
      bindings: ["x", "y"],
      workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
    }],
  };
}

/** About 4 ns an element: an exponential and a division for four of them. */
function simdPlan(
  entry: string,
  tensors: readonly string[],
  shapes: Shapes,
  { kind, beta = 1 }: ActivationParams,
): SimdPlan {
  const count = sizeOf(shapes.x);
  const args = [...tensors, count, SIMD_BLOCK, activationCode(kind), beta];
  return singlePass({ entry, args, tasks: Math.ceil(count / SIMD_BLOCK) }, 4e-6 * count);
}

const backward: Backward<ActivationParams, "x", never, "y"> = {
  needs: ["x"],
  cpu({ x, gradY }, { gradX }, _shapes, params) {
    const slope = slopeOf(params.kind, params.beta);
    for (let i = 0; i < x!.length; i++) gradX![i] = gradY![i]! * slope(x![i]!);
  },
  launch(shapes, params, limits) {
    const [pass] = launch(shapes, params, limits).passes;
    return {
      scratch: {},
      passes: [{ ...pass!, entry: "activate_backward", bindings: ["x", "gradY", "gradX"] }],
    };
  },
  simd: (shapes, params) =>
    simdPlan("activation_backward", ["x", "gradY", "gradX"], shapes, params),
  tolerance: 5e-6,
};

type Case = OpCase<ActivationParams, "x", never>;

const cases: readonly Case[] = [
  ...ACTIVATIONS.map((kind): Case => ({
    name: kind,
    quick: kind === "gelu",
    params: { kind },
    inputs: (random) => ({ x: normal(random, [3, 43], 3) }),
  })),
  {
    name: "softplus on both sides of its linear part",
    params: { kind: "softplus", beta: 2.5 },
    inputs: () => ({ x: fill([64], (i) => i - 32) }),
  },
  ...(["silu", "gelu", "gelu_tanh", "sigmoid", "tanh", "softplus", "log_sigmoid"] as const).map((
    kind,
  ): Case => ({
    name: `${kind} far out`,
    params: { kind },
    inputs: () => ({ x: fill([65], (i) => 5 * (i - 32)) }),
  })),
  ...(["silu", "gelu_tanh", "sigmoid"] as const).map((kind): Case => ({
    name: `${kind} where an exponential is all but infinite`,
    params: { kind },
    // Twice gelu's inner argument, and that of the others, lie between −88.9 and −88.2; the first
    // value is for the size of what the others vanish beside.
    inputs: () => ({
      x: fill(
        [65],
        (i) => i === 0 ? 1 : kind === "gelu_tanh" ? -10.07 + 4e-4 * i : -88.9 + 0.011 * i,
      ),
    }),
  })),
  {
    name: "in fours, several workgroups",
    params: { kind: "silu" },
    inputs: (random) => ({ x: normal(random, [3, 100], 3) }),
  },
  {
    name: "in pairs",
    params: { kind: "gelu" },
    inputs: (random) => ({ x: normal(random, [3, 50], 3) }),
  },
  {
    name: "one element",
    params: { kind: "silu" },
    inputs: () => ({ x: constant([1], 0) }),
  },
  {
    name: "denormals",
    params: { kind: "relu" },
    inputs: (random) => ({ x: denormal(random, [63]) }),
  },
];

/** Pointwise nonlinearity; equations at the head of this file. */
export const activation = defineOp<ActivationParams, "x", never, "y">({
  name: "activation",
  inputs: ["x"],
  optional: [],
  outputs: ["y"],
  outputShapes,
  cpu,
  launch,
  simd: (shapes, params) => simdPlan("activation", ["x", "y"], shapes, params),
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) => ({
    name: `${work} elements`,
    params: { kind: "silu" },
    inputs: (random) => ({ x: normal(random, [Math.max(1, Math.round(work))]) }),
  }),
  cases,
  tolerance: 5e-6,
  backward,
});
