import { DISCRETIZATIONS, discretizeDense, discretizeDiagonal } from "../../ssm/discretize.ts";
import type { Discretization, DiscretizeOptions } from "../../ssm/discretize.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, tensorOfCase, textOf, valuesOf } from "./golden_file.ts";
import type { GroupRunner } from "./group.ts";

/** Dense, singular and complex-diagonal systems at several steps. */
export const discretizationGroup: GroupRunner = {
  group: "discretization",
  onGpu: false,
  run(golden) {
    if (golden.scalars["method"] === undefined) return batchedBilinear(golden);
    const options = methodOf(textOf(golden, "method"), golden);
    if (options === undefined) return { unsupported: `method "${golden.scalars["method"]}"` };
    return golden.tensors.has("lambda") ? diagonal(golden, options) : dense(golden, options);
  },
};

/** Other names that the references have for the same methods. */
const METHOD_NAMES: Readonly<Record<string, Discretization>> = {
  backward_diff: "backward",
  forward: "euler",
  forward_diff: "euler",
  tustin: "bilinear",
};

/** The method that a case names; undefined where this project does not have it. */
export function methodOf(name: string, golden: GoldenCase): DiscretizeOptions | undefined {
  const method = Object.hasOwn(METHOD_NAMES, name) ? METHOD_NAMES[name]! : name;
  if (!(DISCRETIZATIONS as readonly string[]).includes(method)) return undefined;
  const alpha = method === "gbt" ? { alpha: numberOf(golden, "alpha") } : {};
  return { method: method as Discretization, ...alpha };
}

function stepsOf(golden: GoldenCase): number[] {
  const named = golden.scalars["dts"];
  const dts = typeof named === "number" ? [named] : named;
  if (!Array.isArray(dts) || !dts.every((dt) => typeof dt === "number")) {
    throw new SyntaxError(`${golden.name}: scalar "dts" is not a list of numbers`);
  }
  return dts;
}

function concat(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function dense(golden: GoldenCase, options: DiscretizeOptions): Computed {
  const { shape, values: A } = tensorOfCase(golden, "A");
  const B = valuesOf(golden, "B");
  const parts = stepsOf(golden).map((dt) =>
    discretizeDense(A, B, { ...options, stateSize: shape[0] ?? 0, dt })
  );
  return {
    values: { Ad: concat(parts.map((p) => p.Abar)), Bd: concat(parts.map((p) => p.Bbar)) },
  };
}

function diagonal(golden: GoldenCase, options: DiscretizeOptions): Computed {
  const lambda = valuesOf(golden, "lambda");
  const B = valuesOf(golden, "B");
  const parts = stepsOf(golden).map((dt) => discretizeDiagonal(lambda, B, dt, options));
  return {
    values: {
      lambda_bar: concat(parts.map((p) => p.Abar)),
      B_bar: concat(parts.map((p) => p.Bbar)),
    },
  };
}

/** One system and one step for each head; the method is named by the reference's function. */
function batchedBilinear(golden: GoldenCase): Computed {
  if (!/bilinear/.test(golden.functions.join(" ") + golden.description)) {
    return { unsupported: "no method is named" };
  }
  const { shape, values: A } = tensorOfCase(golden, "A");
  const B = valuesOf(golden, "B");
  const [heads = 0, stateSize = 0] = shape;
  const inputs = B.length / heads;
  const parts = Array.from(valuesOf(golden, "dt"), (dt, h) =>
    discretizeDense(
      A.slice(h * stateSize ** 2, (h + 1) * stateSize ** 2),
      B.slice(h * inputs, (h + 1) * inputs),
      { method: "bilinear", stateSize, dt },
    ));
  return {
    values: { dA: concat(parts.map((p) => p.Abar)), dB: concat(parts.map((p) => p.Bbar)) },
  };
}
