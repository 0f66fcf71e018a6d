/**
 * The comparison rule of the golden vectors, norm-wise over each tensor:
 *
 *   max|x − ref| ≤ atol + rtol·max|ref|
 *
 * over outputs, states and the gradients that were computed. Gradients that were not are counted
 * apart; auxiliary values are never required.
 */
import { maxAbs } from "../../ssm/dense.ts";
import type { GoldenCase, GoldenTensor } from "./golden_file.ts";

/** Which column of the tolerances applies. */
export type Precision = "f64" | "f32";

/** One tensor, compared. */
export interface TensorResult {
  readonly tensor: string;
  /** Error divided by what is allowed; Infinity where the value is absent or of another size. */
  readonly ratio: number;
  readonly message: string;
  /** The written reason of a bound that is wider than the manifest's. */
  readonly note?: string;
}

/** What a group's code gives back for a case: values by tensor name, or why it cannot. */
export type Computed =
  | { readonly values: Readonly<Record<string, Float64Array>> }
  | { readonly unsupported: string };

/** What a group knows of its tensors that the manifest says only in words. */
export interface ComparisonRules {
  /** Positions without a meaning (the error at a missing observation). */
  ignored?(golden: GoldenCase, tensor: string, index: number): boolean;
  /**
   * A leading part of a tensor that needs a wider bound than the manifest's, with the reason in
   * words: it is printed with the result, and argued in `docs/numerics.md`.
   */
  widened?(golden: GoldenCase, tensor: GoldenTensor): Widened | undefined;
}

/** A wider bound for the first `count` values of a tensor. */
export interface Widened {
  readonly count: number;
  /** Absolute. */
  readonly allowed: number;
  readonly reason: string;
}

/** Compares one tensor. A NaN anywhere is a miss. */
export function compareTensor(
  golden: GoldenCase,
  reference: GoldenTensor,
  actual: Float64Array | undefined,
  precision: Precision,
  rules: ComparisonRules = {},
): TensorResult {
  const tensor = reference.name;
  if (actual === undefined) return { tensor, ratio: Infinity, message: "not computed" };
  const expected = reference.values;
  if (actual.length !== expected.length) {
    const message = `has ${actual.length} values, expected ${expected.length}`;
    return { tensor, ratio: Infinity, message };
  }
  const widened = rules.widened?.(golden, reference);
  const allowed = golden.atol[precision] + (reference.rtol?.[precision] ?? 0) * maxAbs(expected);
  let worst = { ratio: 0, error: 0, allowed };
  const width = reference.complex ? 2 : 1;
  for (let i = 0; i < expected.length; i += width) {
    if (rules.ignored?.(golden, tensor, i / width)) continue;
    const re = actual[i]! - expected[i]!;
    const error = reference.complex
      ? Math.hypot(re, actual[i + 1]! - expected[i + 1]!)
      : Math.abs(re);
    if (!Number.isFinite(error)) return { tensor, ratio: Infinity, message: "is not finite" };
    const bound = widened !== undefined && i / width < widened.count
      ? Math.max(allowed, widened.allowed)
      : allowed;
    const ratio = error === 0 ? 0 : error / bound;
    if (ratio > worst.ratio) worst = { ratio, error, allowed: bound };
  }
  const message = `error ${worst.error.toExponential(2)}, allowed ${
    worst.allowed.toExponential(2)
  }`;
  return { tensor, ratio: worst.ratio, message, ...(widened && { note: widened.reason }) };
}

/** How a case ended. */
export type CaseStatus = "passed" | "passed (forward)" | "failed" | "unsupported";

/** One case on one device. */
export interface CaseResult {
  readonly name: string;
  readonly status: CaseStatus;
  /** Largest error divided by its tolerance; null where nothing was compared. */
  readonly worst: number | null;
  readonly worstTensor: string | null;
  /** Tensors compared. */
  readonly compared: number;
  /** Gradient tensors that this build does not compute. */
  readonly gradientsUnsupported: number;
  /** Why it failed or is not supported; empty otherwise. */
  readonly messages: readonly string[];
  /** Written reasons of bounds wider than the manifest's. */
  readonly notes: readonly string[];
}

/** Compares all outputs and states of a case, and its gradients where they were computed. */
export function compareCase(
  golden: GoldenCase,
  computed: Computed,
  precision: Precision,
  rules?: ComparisonRules,
): CaseResult {
  const tensors = [...golden.tensors.values()];
  const gradients = tensors.filter((tensor) => tensor.role === "grad");
  if ("unsupported" in computed) {
    return unsupportedCase(golden.name, computed.unsupported, gradients.length);
  }
  const missing = gradients.filter(({ name }) => computed.values[name] === undefined);
  const gradientsUnsupported = missing.length;
  const required = tensors.filter((tensor) =>
    tensor.role === "output" || tensor.role === "state" ||
    (tensor.role === "grad" && !missing.includes(tensor))
  );
  const results = required.map((tensor) =>
    compareTensor(golden, tensor, computed.values[tensor.name], precision, rules)
  );
  if (results.length === 0) {
    return unsupportedCase(golden.name, "it has only gradients to compare", gradientsUnsupported);
  }
  const worst = results.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  const misses = results.filter(({ ratio }) => !(ratio <= 1));
  const good: CaseStatus = gradientsUnsupported > 0 ? "passed (forward)" : "passed";
  return {
    name: golden.name,
    status: misses.length === 0 ? good : "failed",
    worst: worst.ratio,
    worstTensor: worst.tensor,
    compared: results.length,
    gradientsUnsupported,
    messages: [
      ...misses.map(({ tensor, message }) => `${golden.name}/${tensor} ${message}`),
      ...(missing.length > 0
        ? [`${golden.name}: gradients ${missing.map(({ name }) => name).join(", ")}`]
        : []),
    ],
    notes: results.flatMap(({ tensor, note }) => note ? [`${golden.name}/${tensor}: ${note}`] : []),
  };
}

function unsupportedCase(name: string, reason: string, gradients: number): CaseResult {
  return {
    name,
    status: "unsupported",
    worst: null,
    worstTensor: null,
    compared: 0,
    gradientsUnsupported: gradients,
    messages: [`${name}: ${reason}`],
    notes: [],
  };
}
