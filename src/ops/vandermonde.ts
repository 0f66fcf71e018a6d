/**
 * The convolution kernel of a diagonal system as a Vandermonde product.
 *
 *   kernel[d, l] = scale · Re Σ_n C[d, n]·exp(l·logAbar[d, n])        l < length
 *
 * S4D (arXiv 2206.11893) eq. 6, with C standing for the product C·Bbar. `scale` is 2 unless
 * `conjugatePairs` is false. The transition comes as its logarithm (dt·lambda for the zero-order
 * hold, log Abar for others): the l-th power of a rounded Abar is off by l·6e-8, whereas the phase
 * of the logarithm is off only in proportion to itself.
 *
 * The shader keeps the phase as a fraction of a turn in 32 bits, so that l·phase wraps exactly.
 *
 * Tolerance: the f32 input's own rounding turns position l by up to l·|Im|·6e-8; 2e-5 holds while
 * modes that turn fast also decay, as the S4D starts have it.
 */
import type { GpuLimits } from "../device/device.ts";
import { InvalidValueError } from "../base/errors.ts";
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, fill, leftHalfPlane, normal } from "./_helpers/cases.ts";
import { groupsFor } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode vandermonde}. */
export interface VandermondeParams {
  /** Positions of the kernel, at least 1. */
  readonly length: number;
  /** One of each conjugate pair is stored, so the kernel takes 2·Re; default true. */
  readonly conjugatePairs?: boolean;
}

type Shapes = Named<"logAbar" | "C", never, Shape>;

function outputShapes(shapes: Shapes, params: VandermondeParams): { kernel: Shape } {
  expectRank("logAbar", 3, shapes.logAbar);
  const [feature, state] = shapes.logAbar as [number, number];
  const axes = ["feature", "state", "complex"];
  expectShape("logAbar", axes, [feature, state, 2], shapes.logAbar);
  expectShape("C", axes, [feature, state, 2], shapes.C);
  if (!(Number.isInteger(params.length) && params.length >= 1)) {
    throw new InvalidValueError("length", params.length, "an integer of at least 1");
  }
  return { kernel: [feature, params.length] };
}

/** The twin: logAbar and C are [feature, state] c64, kernel [feature, length]. */
function cpu(
  inputs: Named<"logAbar" | "C", never, FloatArray>,
  outputs: { readonly kernel: FloatArray },
  shapes: Shapes,
  params: VandermondeParams,
): void {
  const { logAbar, C } = inputs;
  const [feature, state] = shapes.logAbar as [number, number];
  const scale = params.conjugatePairs === false ? 1 : 2;
  const row = new Float64Array(params.length);
  for (let d = 0; d < feature; d++) {
    row.fill(0);
    for (let n = 2 * d * state; n < 2 * (d + 1) * state; n += 2) {
      const decay = logAbar[n]!;
      const turn = logAbar[n + 1]!;
      for (let l = 0; l < params.length; l++) {
        const modulus = Math.exp(l * decay);
        row[l] = row[l]! +
          modulus * (C[n]! * Math.cos(l * turn) - C[n + 1]! * Math.sin(l * turn));
      }
    }
    for (let l = 0; l < params.length; l++) {
      outputs.kernel[d * params.length + l] = scale * row[l]!;
    }
  }
}

const GROUP = 64;

function launch(shapes: Shapes, params: VandermondeParams, _limits: GpuLimits): LaunchPlan {
  const [feature, state] = shapes.logAbar as [number, number];
  const scale = params.conjugatePairs === false ? 1 : 2;
  return {
    scratch: {},
    passes: [{
      entry: "sum_modes",
      constants: { GROUP },
      dims: { length: params.length, state, scale },
      bindings: ["logAbar", "C", "kernel"],
      workgroups: [groupsFor(params.length, GROUP), feature, 1],
    }],
  };
}

/**
 *   gradC = scale·Σ_l gradKernel[l]·conj(exp(l·logAbar))
 *   gradLogAbar = scale·conj(C)·Σ_l gradKernel[l]·l·conj(exp(l·logAbar))
 */
const backward: Backward<VandermondeParams, "logAbar" | "C", never, "kernel"> = {
  needs: ["logAbar", "C"],
  cpu({ logAbar, C, gradKernel }, { gradLogAbar, gradC }, shapes, params) {
    const state = shapes.logAbar[1]!;
    const scale = params.conjugatePairs === false ? 1 : 2;
    for (let n = 0; n < logAbar!.length; n += 2) {
      const row = Math.floor(n / (2 * state)) * params.length;
      let re = 0;
      let im = 0;
      let timesRe = 0;
      let timesIm = 0;
      for (let l = 0; l < params.length; l++) {
        const modulus = gradKernel![row + l]! * Math.exp(l * logAbar![n]!);
        const cos = modulus * Math.cos(l * logAbar![n + 1]!);
        const sin = -modulus * Math.sin(l * logAbar![n + 1]!);
        re += cos;
        im += sin;
        timesRe += l * cos;
        timesIm += l * sin;
      }
      gradC![n] = scale * re;
      gradC![n + 1] = scale * im;
      gradLogAbar![n] = scale * (C![n]! * timesRe + C![n + 1]! * timesIm);
      gradLogAbar![n + 1] = scale * (C![n]! * timesIm - C![n + 1]! * timesRe);
    }
  },
  launch(shapes, params, limits) {
    const [feature, state] = shapes.logAbar as [number, number];
    const [pass] = launch(shapes, params, limits).passes;
    return {
      scratch: {},
      passes: [{
        ...pass!,
        entry: "sum_positions",
        bindings: ["logAbar", "C", "gradKernel", "gradLogAbar", "gradC"],
        workgroups: [state, feature, 1],
      }],
    };
  },
  // The gradient of a logarithm weighs position l by l, and with it that position's rounding.
  tolerance: 1e-4,
};

type Case = OpCase<VandermondeParams, "logAbar" | "C", never>;

function modes(
  name: string,
  [feature, state, length]: readonly [number, number, number],
  quick = false,
): Case {
  return {
    name,
    quick,
    params: { length },
    inputs: (random) => ({
      logAbar: leftHalfPlane(random, [feature, state], 0.2, 2),
      C: normal(random, [feature, state, 2]),
    }),
  };
}

const cases: readonly Case[] = [
  modes("one position", [2, 3, 1]),
  modes("group less one", [2, 3, 63]),
  modes("group", [2, 3, 64]),
  modes("group and one", [2, 3, 65], true),
  modes("more states than invocations", [1, 70, 130]),
  {
    name: "slow modes over a long kernel, no pairs",
    params: { length: 1024, conjugatePairs: false },
    inputs: (random) => ({
      logAbar: fill([2, 8, 2], (i) => i % 2 === 0 ? -0.0005 : 0.003 * (i + 1)),
      C: normal(random, [2, 8, 2]),
    }),
  },
  {
    name: "large decay",
    params: { length: 70 },
    inputs: () => ({ logAbar: constant([1, 2, 2], -80), C: constant([1, 2, 2], 1) }),
  },
  {
    name: "zeros",
    params: { length: 9 },
    inputs: () => ({ logAbar: constant([1, 2, 2], 0), C: constant([1, 2, 2], 0) }),
  },
];

/** Kernel of a diagonal system; equation at the head of this file. */
export const vandermonde = defineOp<VandermondeParams, "logAbar" | "C", never, "kernel">({
  name: "vandermonde",
  inputs: ["logAbar", "C"],
  optional: [],
  outputs: ["kernel"],
  outputShapes,
  cpu,
  launch,
  work: (shapes, params) => shapes.logAbar[0]! * shapes.logAbar[1]! * params.length,
  sized: (work) => modes(`${work} terms`, [8, 16, Math.max(1, Math.round(work / 128))]),
  cases,
  tolerance: 2e-5,
  backward,
});
