/**
 * One step of Adam on one tensor, with decoupled weight decay or with decay in the gradient. The
 * tensor may hold many parameters behind one another, so that a model's step is one launch.
 *
 *   g = gradient·min(1, clipNorm/(√squaredNorm + 1e-6))      where squaredNorm is given
 *   parameter ← parameter·(1 − rate·decay), or with `decayInGradient` g ← g + decay·parameter
 *   mean ← beta1·mean + (1 − beta1)·g,    variance ← beta2·variance + (1 − beta2)·g²
 *   parameter ← parameter − rate·mean/(1 − beta1^step)/(√variance/√(1 − beta2^step) + eps)
 *
 * Adam (arXiv 1412.6980) algorithm 1 and AdamW (arXiv 1711.05101) algorithm 2, in the order of
 * torch: decay first, eps outside of the corrected root. With `largest` given (AMSGrad, Reddi et
 * al. 2018) the root takes the largest variance so far. Clipping divides by the norm plus 1e-6 as
 * torch does. The rate and the step change from run to run without another pipeline.
 *
 * `settings` gives every run of {@linkcode ADAM_RUN} elements its own (factor of the rate, decay,
 * takes part), [runs, 3], in place of `decay`; a run that takes no part stays as it is.
 *
 * Tolerance: some roundings of each result, and the root of a variance; 2e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { constant, fill, normal, uniform } from "./_helpers/cases.ts";
import { groupsFor, spreadGroups, vectorOf, WIDE_GROUP } from "./_helpers/plan.ts";
import { defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode adam}. */
export interface AdamParams {
  /** Learning rate of this step. */
  readonly rate: number;
  /** Number of this step, from 1. */
  readonly step: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Weight decay. */
  readonly decay: number;
  /** Decay is added to the gradient (L2), not taken from the parameter; default false. */
  readonly decayInGradient?: boolean;
  /** Largest global norm, with `squaredNorm`. */
  readonly clipNorm?: number;
}

type Input = "parameter" | "gradient" | "mean" | "variance";
type OptionalInput = "squaredNorm" | "largest" | "settings";
type Output = "nextParameter" | "nextMean" | "nextVariance" | "nextLargest";
type Shapes = Named<Input, OptionalInput, Shape>;

/** Elements that share a setting. */
export const ADAM_RUN = 64;
/** Numbers of a setting: factor of the rate, decay, and 1 where the run takes part, else 0. */
export const ADAM_SETTING = 3;

/** Keeps the clipping factor finite (torch's constant). */
export const CLIP_EPS = 1e-6;

function outputShapes(shapes: Shapes, params: AdamParams): { readonly [key in Output]: Shape } {
  const { parameter, squaredNorm, settings } = shapes;
  for (const name of ["gradient", "mean", "variance", "largest"] as const) {
    const shape = shapes[name];
    if (shape) expectShape(name, parameter.map((_, i) => `${i}`), parameter, shape);
  }
  if (squaredNorm) expectShape("squaredNorm", ["one"], [1], squaredNorm);
  const runs = Math.ceil(sizeOf(parameter) / ADAM_RUN);
  if (settings) expectShape("settings", ["run", "number"], [runs, ADAM_SETTING], settings);
  for (const name of ["rate", "decay", "eps"] as const) {
    const value = params[name];
    if (!(value >= 0)) throw new InvalidValueError(name, value, "a number of at least 0");
  }
  for (const name of ["beta1", "beta2"] as const) {
    const value = params[name];
    if (!(value >= 0 && value < 1)) throw new InvalidValueError(name, value, "0 to below 1");
  }
  if (!(Number.isInteger(params.step) && params.step >= 1)) {
    throw new InvalidValueError("step", params.step, "an integer of at least 1");
  }
  if (squaredNorm && !(params.clipNorm! > 0)) {
    throw new InvalidValueError("clipNorm", params.clipNorm, "a number above 0 with squaredNorm");
  }
  return {
    nextParameter: parameter,
    nextMean: parameter,
    nextVariance: parameter,
    nextLargest: shapes.largest ?? [0],
  };
}

/** 1 − beta^step: how much of a moving average has been filled. */
function filledShare(beta: number, step: number): number {
  return 1 - beta ** step;
}

/** The twin: all tensors have the parameter's shape, squaredNorm is [1]. */
function cpu(
  inputs: Named<Input, OptionalInput, FloatArray>,
  outputs: { readonly [key in Output]: FloatArray },
  _shapes: Shapes,
  params: AdamParams,
): void {
  const { parameter, gradient, mean, variance, squaredNorm, largest, settings } = inputs;
  const { beta1, beta2, eps } = params;
  const factor = squaredNorm
    ? Math.min(1, params.clipNorm! / (Math.sqrt(squaredNorm[0]!) + CLIP_EPS))
    : 1;
  const meanShare = 1 / filledShare(beta1, params.step);
  const root = Math.sqrt(filledShare(beta2, params.step));
  for (let i = 0; i < parameter.length; i++) {
    const setting = ADAM_SETTING * Math.floor(i / ADAM_RUN);
    if (settings && settings[setting + 2] === 0) {
      outputs.nextParameter[i] = parameter[i]!;
      outputs.nextMean[i] = mean[i]!;
      outputs.nextVariance[i] = variance[i]!;
      if (largest) outputs.nextLargest[i] = largest[i]!;
      continue;
    }
    const rate = settings ? params.rate * settings[setting]! : params.rate;
    const decay = settings ? settings[setting + 1]! : params.decay;
    let g = factor * gradient[i]!;
    let p = parameter[i]!;
    if (params.decayInGradient) g += decay * p;
    else p *= 1 - rate * decay;
    const m = beta1 * mean[i]! + (1 - beta1) * g;
    const v = beta2 * variance[i]! + (1 - beta2) * g * g;
    const top = largest ? Math.max(largest[i]!, v) : v;
    outputs.nextMean[i] = m;
    outputs.nextVariance[i] = v;
    if (largest) outputs.nextLargest[i] = top;
    outputs.nextParameter[i] = p - rate * meanShare * m / (Math.sqrt(top) / root + eps);
  }
}

function launch(shapes: Shapes, params: AdamParams, limits: GpuLimits): LaunchPlan {
  const { rate, beta1, beta2, eps, decay, step } = params;
  const vector = vectorOf(sizeOf(shapes.parameter));
  const count = sizeOf(shapes.parameter) / vector;
  return {
    scratch: {},
    passes: [{
      entry: "step",
      constants: {
        GROUP: WIDE_GROUP,
        VECTOR: vector,
        RUN: ADAM_RUN,
        HAS_SETTINGS: shapes.settings ? 1 : 0,
        DECAY_IN_GRADIENT: params.decayInGradient ? 1 : 0,
        HAS_NORM: shapes.squaredNorm ? 1 : 0,
        HAS_LARGEST: shapes.largest ? 1 : 0,
      },
      dims: {
        count,
        rate,
        meanShare: 1 / filledShare(beta1, step),
        inverseRoot: 1 / Math.sqrt(filledShare(beta2, step)),
        beta1,
        beta2,
        // Differences from 1 are taken here, where they do not round.
        rest1: 1 - beta1,
        rest2: 1 - beta2,
        eps,
        decay,
        clipNorm: params.clipNorm ?? 0,
      },
      bindings: [
        ...["parameter", "gradient", "mean", "variance"],
        ...(shapes.squaredNorm ? ["squaredNorm"] : []),
        ...["nextParameter", "nextMean", "nextVariance"],
        ...(shapes.largest ? ["largest", "nextLargest"] : []),
        ...(shapes.settings ? ["settings"] : []),
      ],
      workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), limits),
    }],
  };
}

const TYPICAL: AdamParams = {
  rate: 0.01,
  step: 3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  decay: 0.1,
  clipNorm: 1,
};

type Case = OpCase<AdamParams, Input, OptionalInput>;

/** Every third run stays as it is; the others have rates and decays of their own. */
function settingsOf(runs: number): Tensor {
  const at = [(run: number) => 0.25 * (1 + run % 5), (run: number) => 0.01 * (run % 4)];
  return fill([runs, ADAM_SETTING], (i) => {
    const run = Math.floor(i / ADAM_SETTING);
    return at[i % ADAM_SETTING]?.(run) ?? (run % 3 === 1 ? 0 : 1);
  });
}

function full(name: string, shape: Shape, change: Partial<Case> = {}): Case {
  return {
    name,
    params: TYPICAL,
    inputs: (random) => ({
      parameter: normal(random, shape),
      gradient: normal(random, shape),
      mean: normal(random, shape, 0.1),
      variance: uniform(random, shape, 0.01, 1),
      squaredNorm: constant([1], 7),
      largest: uniform(random, shape, 0.01, 1),
      settings: settingsOf(Math.ceil(sizeOf(shape) / ADAM_RUN)),
    }),
    ...change,
  };
}

const cases: readonly Case[] = [
  full("clipped, largest variance, settings", [3, 43], { quick: true }),
  full("many runs", [640]),
  full("decay in the gradient", [65], { params: { ...TYPICAL, decayInGradient: true } }),
  {
    name: "settings without largest variance",
    params: TYPICAL,
    inputs: (random) => ({
      parameter: normal(random, [200]),
      gradient: normal(random, [200]),
      mean: normal(random, [200], 0.1),
      variance: uniform(random, [200], 0.01, 1),
      settings: settingsOf(4),
    }),
  },
  {
    name: "plain first step",
    params: { ...TYPICAL, step: 1, decay: 0 },
    inputs: (random) => ({
      parameter: normal(random, [64]),
      gradient: normal(random, [64]),
      mean: constant([64], 0),
      variance: constant([64], 0),
    }),
  },
];

/** One step of Adam; equations at the head of this file. */
export const adam = defineOp<AdamParams, Input, OptionalInput, Output>({
  name: "adam",
  inputs: ["parameter", "gradient", "mean", "variance"],
  optional: ["squaredNorm", "largest", "settings"],
  outputs: ["nextParameter", "nextMean", "nextVariance", "nextLargest"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.parameter),
  sized: (work) => full(`${work} weights`, [Math.max(1, Math.round(work))]),
  cases,
  tolerance: 2e-6,
});
