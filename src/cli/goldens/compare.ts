/**
 * The comparison rule of the golden vectors, norm-wise over each tensor:
 *
 *   max|x − ref| ≤ atol + rtol·max|ref|
 *
 * over outputs and states. Gradients are counted apart; auxiliary values are never required.
 */
import type { GoldenCase, GoldenTensor } from "./golden_file.ts";

/** Which column of the tolerances applies. */
export type Precision = "f64" | "f32";

/** One tensor, compared. */
export interface TensorResult {
  readonly tensor: string;
  /** Error divided by what is allowed; Infinity where the value is absent or of another size. */
  readonly ratio: number;
  readonly message: string;
}

/** What a group's code gives back for a case: values by tensor name, or why it cannot. */
export type Computed =
  | { readonly values: Readonly<Record<string, Float64Array>> }
  | { readonly unsupported: string };

/** Positions to leave out of a comparison (errors at missing observations). */
export type Ignored = (golden: GoldenCase, tensor: string, index: number) => boolean;

/** Compares one tensor. A NaN anywhere is a miss. */
export function compareTensor(
  golden: GoldenCase,
  reference: GoldenTensor,
  actual: Float64Array | undefined,
  precision: Precision,
  ignored: Ignored = () => false,
): TensorResult {
  const tensor = reference.name;
  if (actual === undefined) return { tensor, ratio: Infinity, message: "not computed" };
  const expected = reference.values;
  if (actual.length !== expected.length) {
    const message = `has ${actual.length} values, expected ${expected.length}`;
    return { tensor, ratio: Infinity, message };
  }
  let error = 0;
  let scale = 0;
  const width = reference.complex ? 2 : 1;
  for (let i = 0; i < expected.length; i += width) {
    if (ignored(golden, tensor, i / width)) continue;
    const difference = reference.complex
      ? Math.hypot(actual[i]! - expected[i]!, actual[i + 1]! - expected[i + 1]!)
      : Math.abs(actual[i]! - expected[i]!);
    // A comparison that a NaN would lose silently is turned round.
    error = difference <= error ? error : difference;
    scale = Math.max(
      scale,
      Math.abs(expected[i]!),
      reference.complex ? Math.abs(expected[i + 1]!) : 0,
    );
    if (Number.isNaN(error)) return { tensor, ratio: Infinity, message: "is not a number" };
  }
  const allowed = golden.atol[precision] + (reference.rtol?.[precision] ?? 0) * scale;
  const ratio = error === 0 ? 0 : error / allowed;
  return {
    tensor,
    ratio,
    message: `error ${error.toExponential(2)}, allowed ${allowed.toExponential(2)}`,
  };
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
}

/** Compares all outputs and states of a case with what was computed. */
export function compareCase(
  golden: GoldenCase,
  computed: Computed,
  precision: Precision,
  ignored?: Ignored,
): CaseResult {
  const tensors = [...golden.tensors.values()];
  const gradientsUnsupported = tensors.filter((tensor) => tensor.role === "grad").length;
  if ("unsupported" in computed) {
    return unsupportedCase(golden.name, computed.unsupported, gradientsUnsupported);
  }
  const required = tensors.filter(({ role }) => role === "output" || role === "state");
  const results = required.map((tensor) =>
    compareTensor(golden, tensor, computed.values[tensor.name], precision, ignored)
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
    messages: misses.map(({ tensor, message }) => `${golden.name}/${tensor} ${message}`),
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
  };
}
