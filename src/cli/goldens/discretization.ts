import type { DiscretizeDenseParams } from "../../ops/discretize_dense.ts";
import { discretizeDense as denseOp, runOp } from "../../ops/mod.ts";
import { DISCRETIZATIONS, discretizeDense, discretizeDiagonal } from "../../ssm/discretize.ts";
import type { DiscreteSystem, Discretization, DiscretizeOptions } from "../../ssm/discretize.ts";
import { asDtype, tensorOf } from "../../tensor/tensor.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, tensorOfCase, textOf, valuesOf } from "./golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { take, valuesF64 } from "./tensors.ts";

/**
 * Dense, singular and complex-diagonal systems at several steps: in f64 by the definition, in f32
 * by the op that systems with gradients are made by.
 */
export const discretizationGroup: GroupRunner = {
  group: "discretization",
  onGpu: true,
  run(golden, on) {
    if (golden.scalars["method"] === undefined) return batchedBilinear(golden, on);
    const options = methodOf(textOf(golden, "method"), golden);
    if (options === undefined) return { unsupported: `method "${golden.scalars["method"]}"` };
    return golden.tensors.has("lambda")
      ? diagonal(golden, options, on)
      : dense(golden, options, on);
  },
};

/** Weight of the end of a step: every method but the hold is one of the generalised bilinear. */
const WEIGHTS: Readonly<Record<string, number>> = { euler: 0, backward: 1, bilinear: 0.5 };

function opParams({ method, alpha }: DiscretizeOptions): DiscretizeDenseParams {
  if (method === "zoh") return { method, alpha: 0.5 };
  return { method: "gbt", alpha: alpha ?? WEIGHTS[method]! };
}

/**
 * A dense system at several steps on a device.
 *
 * @param A [state, state]
 * @param B [state, input], one run of the op for each input
 */
async function systemsOn(
  { device, dtype }: GoldenDevice,
  A: Float64Array,
  B: Float64Array,
  stateSize: number,
  dts: readonly number[],
  options: DiscretizeOptions,
): Promise<DiscreteSystem[]> {
  const inputs = B.length / stateSize;
  const dt = asDtype(tensorOf([dts.length], Float64Array.from(dts)), dtype);
  const systems = dts.map(() => ({
    Abar: new Float64Array(stateSize ** 2),
    Bbar: new Float64Array(B.length),
  }));
  for (let input = 0; input < inputs; input++) {
    const column = Float64Array.from({ length: stateSize }, (_, n) => B[n * inputs + input]!);
    const made = runOp(device, denseOp, {
      A: asDtype(tensorOf([stateSize, stateSize], A), dtype),
      B: asDtype(tensorOf([stateSize], column), dtype),
      dt,
    }, opParams(options));
    const on = { device, dtype };
    const [Abar, Bbar] = [
      valuesF64(await take(on, made.Abar)),
      valuesF64(await take(on, made.Bbar)),
    ];
    systems.forEach((system, s) => {
      system.Abar.set(Abar.subarray(s * stateSize ** 2, (s + 1) * stateSize ** 2));
      for (let n = 0; n < stateSize; n++) {
        system.Bbar[n * inputs + input] = Bbar[s * stateSize + n]!;
      }
    });
  }
  return systems;
}

/** A complex mode as a real system of two states: [[re, −im], [im, re]]. */
async function modesOn(
  on: GoldenDevice,
  lambda: Float64Array,
  B: Float64Array,
  dts: readonly number[],
  options: DiscretizeOptions,
): Promise<DiscreteSystem[]> {
  const systems = dts.map(() => ({
    Abar: new Float64Array(lambda.length),
    Bbar: new Float64Array(lambda.length),
  }));
  for (let at = 0; at < lambda.length; at += 2) {
    const [re, im] = [lambda[at]!, lambda[at + 1]!];
    const A = Float64Array.of(re, -im, im, re);
    const made = await systemsOn(on, A, B.slice(at, at + 2), 2, dts, options);
    made.forEach(({ Abar, Bbar }, s) => {
      systems[s]!.Abar.set([Abar[0]!, Abar[2]!], at);
      systems[s]!.Bbar.set(Bbar, at);
    });
  }
  return systems;
}

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

async function dense(
  golden: GoldenCase,
  options: DiscretizeOptions,
  on: GoldenDevice,
): Promise<Computed> {
  const { shape, values: A } = tensorOfCase(golden, "A");
  const B = valuesOf(golden, "B");
  const stateSize = shape[0] ?? 0;
  const dts = stepsOf(golden);
  const parts = on.dtype === "f64"
    ? dts.map((dt) => discretizeDense(A, B, { ...options, stateSize, dt }))
    : await systemsOn(on, A, B, stateSize, dts, options);
  return {
    values: { Ad: concat(parts.map((p) => p.Abar)), Bd: concat(parts.map((p) => p.Bbar)) },
  };
}

async function diagonal(
  golden: GoldenCase,
  options: DiscretizeOptions,
  on: GoldenDevice,
): Promise<Computed> {
  const lambda = valuesOf(golden, "lambda");
  const B = valuesOf(golden, "B");
  const dts = stepsOf(golden);
  const parts = on.dtype === "f64"
    ? dts.map((dt) => discretizeDiagonal(lambda, B, dt, options))
    : await modesOn(on, lambda, B, dts, options);
  return {
    values: {
      lambda_bar: concat(parts.map((p) => p.Abar)),
      B_bar: concat(parts.map((p) => p.Bbar)),
    },
  };
}

/** One system and one step for each head; the method is named by the reference's function. */
async function batchedBilinear(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  if (!/bilinear/.test(golden.functions.join(" ") + golden.description)) {
    return { unsupported: "no method is named" };
  }
  const { shape, values: A } = tensorOfCase(golden, "A");
  const B = valuesOf(golden, "B");
  const [heads = 0, stateSize = 0] = shape;
  const inputs = B.length / heads;
  const parts: DiscreteSystem[] = [];
  for (const [h, dt] of valuesOf(golden, "dt").entries()) {
    const own = A.slice(h * stateSize ** 2, (h + 1) * stateSize ** 2);
    const input = B.slice(h * inputs, (h + 1) * inputs);
    const made = on.dtype === "f64"
      ? [discretizeDense(own, input, { method: "bilinear", stateSize, dt })]
      : await systemsOn(on, own, input, stateSize, [dt], { method: "bilinear" });
    parts.push(...made);
  }
  return {
    values: { dA: concat(parts.map((p) => p.Abar)), dB: concat(parts.map((p) => p.Bbar)) },
  };
}
