/**
 * Rows that several others share are added to each of them, and an activation is taken.
 *
 *   out[i, j, :] = act(a[i, :] + b[i, j, :])
 *
 *   gradB = gradOut·act'(a + b)        gradA[i, :] = Σ_j gradB[i, j, :]
 *
 * a is [.., feature], b and out are [.., each, feature]: a state that many leads start from, and
 * what differs between the leads. Where every row had its own copy of `a` the copies would take as
 * much memory as `b`.
 *
 * Tolerance: that of the activations, 5e-6.
 */
import type { GpuLimits } from "../device/device.ts";
import { expectShape, lastAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import { type Activation, activationCode, activationOf, slopeOf } from "./_helpers/activation.ts";
import { denormal, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups, vectorOf } from "./_helpers/plan.ts";
import { type Backward, defineOp, type Named, type OpCase, type Pass } from "./op.ts";

/** Parameters of {@linkcode addRows}. */
export interface AddRowsParams {
  readonly activation: Activation;
}

type Input = "a" | "b";
type Shapes = Named<Input, never, Shape>;

function outputShapes({ a, b }: Shapes, params: AddRowsParams): { out: Shape } {
  activationCode(params.activation);
  lastAxis("a", a);
  const each = b[b.length - 2] ?? 0;
  const expected = [...a.slice(0, -1), each, a[a.length - 1]!];
  expectShape("b", expected.map((_, i) => `${i}`), expected, b);
  return { out: b };
}

/** Features of a row, and rows that share one of `a`. */
function sizesOf({ b }: Shapes): { feature: number; each: number } {
  return { feature: b[b.length - 1]!, each: b[b.length - 2]! };
}

function pass(
  entry: string,
  bindings: readonly string[],
  shapes: Shapes,
  params: AddRowsParams,
  elements: number,
  limits: GpuLimits,
): Pass {
  const { feature, each } = sizesOf(shapes);
  const vector = vectorOf(feature);
  const count = elements / vector;
  return {
    entry,
    constants: {
      KIND: activationCode(params.activation),
      GROUP: POINTWISE_GROUP,
      VECTOR: vector,
    },
    dims: { count, width: Math.max(1, feature / vector), each: Math.max(1, each) },
    bindings,
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
  };
}

const backward: Backward<AddRowsParams, Input, never, "out"> = {
  needs: ["a", "b"],
  cpu({ a, b, gradOut }, { gradA, gradB }, shapes, params) {
    const { feature, each } = sizesOf(shapes);
    const slope = slopeOf(params.activation);
    const sums = new Float64Array(a!.length);
    for (let i = 0; i < b!.length; i++) {
      const shared = Math.floor(i / feature / each) * feature + i % feature;
      gradB![i] = gradOut![i]! * slope(a![shared]! + b![i]!);
      sums[shared]! += gradB![i]!;
    }
    gradA!.set(sums);
  },
  launch: (shapes, params, limits) => ({
    scratch: {},
    passes: [
      pass(
        "rows_backward",
        ["a", "b", "gradOut", "gradA", "gradB"],
        shapes,
        params,
        sizeOf(shapes.a),
        limits,
      ),
    ],
  }),
  tolerance: 5e-6,
};

type Case = OpCase<AddRowsParams, Input, never>;

function rows(name: string, a: Shape, each: number, kind: Activation, quick = false): Case {
  return {
    name,
    quick,
    params: { activation: kind },
    inputs: (random) => ({
      a: normal(random, a),
      b: normal(random, [...a.slice(0, -1), each, a[a.length - 1]!]),
    }),
  };
}

const cases: readonly Case[] = [
  rows("one row of one", [1, 1], 1, "silu"),
  rows("several axes, in fours", [3, 5, 8], 6, "silu", true),
  rows("odd sizes, several workgroups", [7, 13], 5, "gelu"),
  rows("no activation", [9, 6], 3, "identity"),
  {
    name: "denormals",
    params: { activation: "identity" },
    inputs: (random) => ({ a: denormal(random, [3, 4]), b: denormal(random, [3, 2, 4]) }),
  },
];

/** Shared rows added to others; equation and shapes at the head of this file. */
export const addRows = defineOp<AddRowsParams, Input, never, "out">({
  name: "add_rows",
  inputs: ["a", "b"],
  optional: [],
  outputs: ["out"],
  outputShapes,
  cpu({ a, b }, { out }, shapes, params) {
    const { feature, each } = sizesOf(shapes);
    const act = activationOf(params.activation);
    for (let i = 0; i < b.length; i++) {
      out[i] = act(a[Math.floor(i / feature / each) * feature + i % feature]! + b[i]!);
    }
  },
  launch: (shapes, params, limits) => ({
    scratch: {},
    passes: [pass("add_rows", ["a", "b", "out"], shapes, params, sizeOf(shapes.b), limits)],
  }),
  work: (shapes) => sizeOf(shapes.b),
  sized: (work) => rows(`${work} elements`, [Math.max(1, Math.round(work / 64)), 8], 8, "silu"),
  cases,
  tolerance: 5e-6,
  backward,
});
