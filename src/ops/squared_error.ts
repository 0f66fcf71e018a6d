/**
 * Mean squared error, over all elements or by weight.
 *
 *   loss[0] = Σ w·(prediction − target)² / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * Predictions, targets and weights are [rows..]. An element of weight 0 is missing: it may be NaN
 * and has no part in any output or gradient. Weights are at least 0.
 *
 * Tolerance: sums of runs, then the sum of those, all of one sign; 2e-6.
 */
import { rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** `squared_error` takes no parameters. */
export type SquaredErrorParams = Record<string, never>;

/** Mean squared error; equation at the head of this file. */
export const squaredError = defineRowLoss<SquaredErrorParams>({
  name: "squared_error",
  columns: () => 0,
  check: () => {},
  value: (predictions, at, target) => (predictions[at]! - target) ** 2,
  slopesInto(slopes, predictions, at, target) {
    slopes[0] = 2 * (predictions[at]! - target);
    return -slopes[0]!;
  },
  cases: rowCases<SquaredErrorParams>([], {}),
  sized: (work) => rowCase(`${work} elements`, [Math.max(1, Math.round(work))], [], {}),
  tolerance: 2e-6,
  gradientTolerance: 5e-6,
});
