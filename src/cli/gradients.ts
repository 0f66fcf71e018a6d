/** Every op's gradients beside finite differences of its twin, as a list. */
import {
  DIFFERENCE_TOLERANCE,
  differenceErrors,
  isDifferentiable,
} from "../ops/difference_check.ts";
import { OPS } from "../ops/mod.ts";
import type { AnyOp } from "../ops/op.ts";
import { type Command, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { openProgress } from "./progress.ts";
import { formatTable } from "./table.ts";

/** What differences say of one op. */
export interface GradientRow {
  readonly op: string;
  /** Inputs that have a gradient; empty where the op is none to train through. */
  readonly inputs: readonly string[];
  /** Cases that were differentiated. */
  readonly cases: number;
  /** Largest relative error over cases and inputs; null where there is no gradient. */
  readonly worst: number | null;
  /** The case and the input of the largest. */
  readonly worstAt: string | null;
  readonly passed: boolean;
}

/** Checks one op over all of its cases that have differences. */
export async function gradientRow(op: AnyOp): Promise<GradientRow> {
  const row = { op: op.name, inputs: [], cases: 0, worst: null, worstAt: null, passed: true };
  if (op.backward === undefined) return row;
  const cases = op.cases.filter(isDifferentiable);
  const inputs = new Set<string>();
  let worst = 0;
  let worstAt: string | null = null;
  for (const testCase of cases) {
    for (const [name, error] of Object.entries(await differenceErrors(op, testCase))) {
      inputs.add(name);
      if (worstAt !== null && error <= worst) continue;
      worst = error;
      worstAt = `${testCase.name}: ${name}`;
    }
  }
  const passed = worst <= DIFFERENCE_TOLERANCE;
  return { ...row, inputs: [...inputs], cases: cases.length, worst, worstAt, passed };
}

/** The rows as a table for people. */
export function formatGradients(rows: readonly GradientRow[]): string {
  const table = formatTable(
    ["op", "gradients of", "cases", "worst error", "at"],
    rows.map(({ op, inputs, cases, worst, worstAt, passed }) => [
      op,
      inputs.join(" ") || "none",
      `${cases}`,
      worst === null ? "-" : `${worst.toExponential(1)}${passed ? "" : " FAILED"}`,
      worstAt ?? "-",
    ]),
  );
  const failed = rows.filter(({ passed }) => !passed).length;
  const verdict = failed === 0
    ? `All gradients are differences within ${DIFFERENCE_TOLERANCE}.`
    : `${failed} ops are off by more than ${DIFFERENCE_TOLERANCE}.`;
  return `${table}\n\n${verdict}`;
}

/** The ops that were asked for. @throws {UsageError} no op has the name */
function chosen(names: readonly string[]): readonly AnyOp[] {
  if (names.length === 0) return OPS;
  return names.map((name) => {
    const op = OPS.find((each) => each.name === name);
    if (op === undefined) {
      throw new UsageError(`--op ${name}: one of ${OPS.map((each) => each.name).join(", ")}`);
    }
    return op;
  });
}

/** `driftline gradients`. */
export const gradientsCommand: Command = {
  name: "gradients",
  summary: "Hold every op's gradients to finite differences",
  usage: "[--op NAME]...",
  description: [
    "Differentiates the twin of every op in f64, by central differences of fourth order along a",
    "random direction of each input, over all cases of the op, and prints the worst error relative",
    "to the gradient. Ops without a gradient (the optimizer's) are listed with none. Exit code 1",
    "when an error is beyond the tolerance.",
  ].join("\n"),
  options: { op: { type: "string", isMultiple: true, value: "NAME", help: "Only this op" } },
  async run(input, output) {
    const ops = chosen(input.texts("op"));
    const progress = await openProgress("gradients", output.isProgressShown);
    const rows: GradientRow[] = [];
    for (const op of ops) {
      rows.push(await gradientRow(op));
      progress.update(rows.length, ops.length);
    }
    progress.stop();
    output.print(input.isSet("json") ? JSON.stringify(rows) : formatGradients(rows));
    return rows.every(({ passed }) => passed) ? EXIT_OK : EXIT_FAILED;
  },
};
