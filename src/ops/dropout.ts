/**
 * Dropout: elements that are set to 0 at random, the others scaled so that the mean stays.
 *
 *   out[i]   = x[i]/(1 − rate) where hash(seed, step, i) ≥ rate·2^32, else 0
 *   gradX[i] = the same of gradOut[i]
 *
 * Hinton et al. (arXiv 1207.0580), scaled while training (arXiv 1405.4297 calls it inverted). The
 * hash is the finaliser of MurmurHash3, applied to each of seed, step and index: a pure function,
 * so that the twin and the shader drop the very same elements, the backward and a recomputed
 * segment keep no mask, and a resumed training draws what the uninterrupted one does. Give each
 * place of a model its own seed, and each iteration its step.
 *
 * x and out are [..]. Indices wrap at 2^32, beyond any buffer.
 *
 * Tolerance: one product; 2e-7.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode dropout}. */
export interface DropoutParams {
  /** Share of the elements that is dropped, in [0, 1). */
  readonly rate: number;
  /** Whole number in [0, 2^32): which place of which model. */
  readonly seed: number;
  /** Whole number in [0, 2^32): which iteration. */
  readonly step: number;
}

const TWO_32 = 2 ** 32;
const GOLDEN_GAMMA = 0x9e3779b9;

/** The finaliser of MurmurHash3 (Appleby): a bijection of 32-bit words. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** One word from seed and step. */
function keyOf({ seed, step }: DropoutParams): number {
  return mix(mix(seed + GOLDEN_GAMMA) ^ step);
}

function thresholdOf({ rate }: DropoutParams): number {
  return Math.min(TWO_32 - 1, Math.round(rate * TWO_32));
}

function dropInto(out: FloatArray, x: FloatArray, params: DropoutParams): void {
  const key = keyOf(params);
  const threshold = thresholdOf(params);
  const scale = 1 / (1 - params.rate);
  for (let i = 0; i < x.length; i++) {
    const isKept = mix(key ^ mix(i + GOLDEN_GAMMA)) >= threshold;
    out[i] = isKept ? x[i]! * scale : 0;
  }
}

function check(params: DropoutParams): void {
  const { rate } = params;
  if (!(rate >= 0 && rate < 1)) throw new InvalidValueError("rate", rate, "a number in [0, 1)");
  for (const field of ["seed", "step"] as const) {
    const value = params[field];
    if (!(Number.isInteger(value) && value >= 0 && value < TWO_32)) {
      throw new InvalidValueError(field, value, "a whole number from 0 to 2^32 - 1");
    }
  }
}

function launch(
  count: number,
  bindings: readonly string[],
  params: DropoutParams,
  limits: GpuLimits,
): LaunchPlan {
  return {
    scratch: {},
    passes: [{
      entry: "drop",
      constants: { GROUP: POINTWISE_GROUP },
      dims: {
        count,
        key: keyOf(params),
        threshold: thresholdOf(params),
        scale: 1 / (1 - params.rate),
      },
      bindings,
      workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
    }],
  };
}

type Shapes = Named<"x", never, Shape>;

const backward: Backward<DropoutParams, "x", never, "out"> = {
  needs: [],
  cpu({ gradOut }, { gradX }, _shapes, params) {
    dropInto(gradX!, gradOut!, params);
  },
  launch: (shapes, params, limits) =>
    launch(sizeOf(shapes.x), ["x=gradOut", "out=gradX"], params, limits),
  tolerance: 2e-7,
};

type Case = OpCase<DropoutParams, "x", never>;

const drawn = (name: string, shape: Shape, params: DropoutParams, quick = false): Case => ({
  name,
  quick,
  params,
  inputs: (random) => ({ x: normal(random, shape) }),
});

const cases: readonly Case[] = [
  drawn("one element", [1], { rate: 0.5, seed: 3, step: 0 }),
  drawn("several axes", [3, 5, 7], { rate: 0.1, seed: 0, step: 0 }, true),
  drawn("a group and one", [65], { rate: 0.9, seed: TWO_32 - 1, step: TWO_32 - 1 }),
  drawn("nothing dropped", [70], { rate: 0, seed: 1, step: 2 }),
  {
    name: "zeros",
    params: { rate: 0.5, seed: 1, step: 1 },
    inputs: () => ({ x: constant([9], 0) }),
  },
  {
    name: "denormals",
    params: { rate: 0.5, seed: 1, step: 1 },
    inputs: (random) => ({ x: denormal(random, [9]) }),
  },
];

/** Seeded dropout; equation at the head of this file. */
export const dropout = defineOp<DropoutParams, "x", never, "out">({
  name: "dropout",
  inputs: ["x"],
  optional: [],
  outputs: ["out"],
  outputShapes({ x }: Shapes, params) {
    check(params);
    return { out: x };
  },
  cpu({ x }, { out }, _shapes, params) {
    dropInto(out, x, params);
  },
  launch: (shapes, params, limits) => launch(sizeOf(shapes.x), ["x", "out"], params, limits),
  work: (shapes) => sizeOf(shapes.x),
  sized: (work) =>
    drawn(`${work} elements`, [Math.max(1, Math.round(work))], { rate: 0.3, seed: 7, step: 11 }),
  cases,
  tolerance: 2e-7,
  backward,
});
