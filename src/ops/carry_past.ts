/**
 * A sequence after the samples before it: what a long convolution that goes on from a carried state
 * runs over, and the samples that it carries on.
 *
 *   joined[b, j, d] = x0[b, d, j] for j < past, then u[b, j − past, d]
 *   state[b, d, j]  = joined[b, length + j, d]
 *
 * Without `x0` the samples before the first are 0. Back, a sample takes the gradients of its two
 * places: gradJoined and, where it is among the last `past`, gradState.
 *
 * Tolerance: a copy, exact; back one addition, 1e-7.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** Parameters of {@linkcode carryPast}. */
export interface CarryPastParams {
  /** Samples before the sequence. */
  readonly past: number;
}

type Shapes = Named<"u", "x0", Shape>;

function outputShapes(shapes: Shapes, { past }: CarryPastParams): { joined: Shape; state: Shape } {
  expectRank("u", 3, shapes.u);
  if (!(Number.isInteger(past) && past >= 1)) {
    throw new InvalidValueError("past", past, "an integer of at least 1");
  }
  const [batch, length, feature] = shapes.u as [number, number, number];
  const state = [batch, feature, past];
  if (shapes.x0) expectShape("x0", ["batch", "feature", "past"], state, shapes.x0);
  return { joined: [batch, past + length, feature], state };
}

/**
 * The twin.
 *
 *   u       [batch, length, feature]
 *   x0      samples before, oldest first      [batch, feature, past]
 *   joined  [batch, past + length, feature]
 *   state   the last samples, oldest first    [batch, feature, past]
 */
function cpu(
  { u, x0 }: Named<"u", "x0", FloatArray>,
  { joined, state }: { readonly joined: FloatArray; readonly state: FloatArray },
  shapes: Shapes,
  { past }: CarryPastParams,
): void {
  const [batch, length, feature] = shapes.u as [number, number, number];
  for (let b = 0; b < batch; b++) {
    const start = b * (past + length) * feature;
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * past;
      for (let j = 0; j < past; j++) joined[start + j * feature + d] = x0 ? x0[carried + j]! : 0;
    }
    const samples = u.subarray(b * length * feature, (b + 1) * length * feature);
    joined.set(samples, start + past * feature);
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * past;
      for (let j = 0; j < past; j++) {
        state[carried + j] = joined[start + (length + j) * feature + d]!;
      }
    }
  }
}

function passOver(
  shapes: Shapes,
  { past }: CarryPastParams,
  limits: GpuLimits,
  [entry, count, bindings]: readonly [string, number, readonly string[]],
): Pass {
  const [, length, feature] = shapes.u as [number, number, number];
  return {
    entry,
    constants: { GROUP: POINTWISE_GROUP, HAS_X0: shapes.x0 ? 1 : 0 },
    dims: { count, length, feature, past },
    bindings,
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
  };
}

function launch(shapes: Shapes, params: CarryPastParams, limits: GpuLimits): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const x0 = shapes.x0 ? ["x0"] : [];
  const row = batch * feature;
  return {
    scratch: {},
    passes: [
      passOver(shapes, params, limits, [
        "join_samples",
        row * (params.past + length),
        ["u", ...x0, "joined"],
      ]),
      passOver(shapes, params, limits, ["keep_last", row * params.past, ["u", ...x0, "state"]]),
    ],
  };
}

const backward: Backward<CarryPastParams, "u", "x0", "joined" | "state"> = {
  needs: [],
  cpu({ gradJoined, gradState }, { gradU, gradX0 }, shapes, { past }) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    for (let b = 0; b < batch; b++) {
      for (let d = 0; d < feature; d++) {
        const carried = (b * feature + d) * past;
        for (let j = 0; j < past + length; j++) {
          const last = j < length ? 0 : gradState![carried + j - length]!;
          const value = gradJoined![(b * (past + length) + j) * feature + d]! + last;
          if (j >= past) gradU![(b * length + j - past) * feature + d] = value;
          else if (gradX0) gradX0[carried + j] = value;
        }
      }
    }
  },
  launch(shapes, params, limits) {
    const [batch, , feature] = shapes.u as [number, number, number];
    const given = ["gradJoined", "gradState"];
    const passes = [
      passOver(shapes, params, limits, ["part_u", sizeOf(shapes.u), [...given, "gradU"]]),
    ];
    if (shapes.x0) {
      const count = batch * feature * params.past;
      passes.push(passOver(shapes, params, limits, ["part_x0", count, [...given, "gradX0"]]));
    }
    return { scratch: {}, passes };
  },
  tolerance: 1e-7,
};

type Case = OpCase<CarryPastParams, "u", "x0">;

function sequence(name: string, shape: Shape, past: number, change: Partial<Case> = {}): Case {
  const [batch = 0, , feature = 0] = shape;
  return {
    name,
    params: { past },
    inputs: (random) => ({
      u: normal(random, shape),
      x0: normal(random, [batch, feature, past]),
    }),
    ...change,
  };
}

/** Joins a carried past and a sequence; equation and shapes at the head of this file. */
export const carryPast = defineOp<CarryPastParams, "u", "x0", "joined" | "state">({
  name: "carry_past",
  inputs: ["u"],
  optional: ["x0"],
  outputs: ["joined", "state"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.u),
  sized: (work) => {
    const length = Math.max(1, Math.round(work / 32));
    return sequence(`${work} elements`, [1, length, 32], length);
  },
  cases: [
    sequence("longer than the past", [2, 37, 3], 5, { quick: true }),
    sequence("shorter than the past", [3, 4, 2], 70),
    sequence("one sample, one before", [1, 1, 1], 1),
    sequence("nothing carried in", [2, 9, 3], 12, {
      inputs: (random) => ({ u: normal(random, [2, 9, 3]) }),
    }),
  ],
  tolerance: 0,
  backward,
});
