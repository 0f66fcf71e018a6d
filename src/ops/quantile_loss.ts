/**
 * Mean quantile loss (pinball loss) of several quantiles of each target.
 *
 *   value[row] = scale/K · Σ_k max(q_k·e, (q_k − 1)·e)        e = target[row] − prediction[row, k]
 *   loss[0]    = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * Koenker and Bassett (Econometrica 46, 1978), the objective of problem 2.3; where e = 0 the slope
 * with respect to e is taken as q_k. With `scale` 2 and evenly spaced quantiles the loss is the
 * continuous ranked probability score, as far as the quantiles resolve it (Gneiting and Raftery,
 * JASA 102, 2007: the score is twice the integral of the pinball loss over all quantiles).
 *
 * Predictions are [rows.., quantile], targets and weights [rows..]. A row of weight 0 is missing:
 * it may be NaN and has no part in any output or gradient. Weights are at least 0.
 *
 * Tolerance: sums of runs, then the sum of those, all of one sign; 2e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import { type RowCase, rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** Parameters of {@linkcode quantileLoss}. */
export interface QuantileLossParams {
  /** The quantiles that the columns predict, each in (0, 1). */
  readonly quantiles: readonly number[];
  /** Multiplies the loss; default 1. */
  readonly scale?: number;
}

/** Quantiles of one row that a loss takes at most. */
export const QUANTILES_MAX = 1024;

function check({ quantiles, scale }: QuantileLossParams): void {
  if (!(quantiles.length >= 1 && quantiles.length <= QUANTILES_MAX)) {
    throw new InvalidValueError("quantiles.length", quantiles.length, `1 to ${QUANTILES_MAX}`);
  }
  quantiles.forEach((quantile, i) => {
    if (!(quantile > 0 && quantile < 1)) {
      throw new InvalidValueError(`quantiles[${i}]`, quantile, "a number between 0 and 1");
    }
  });
  if (scale !== undefined && !(scale > 0 && Number.isFinite(scale))) {
    throw new InvalidValueError("scale", scale, "a finite number above 0");
  }
}

const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

const cases: readonly RowCase<QuantileLossParams>[] = [
  // One quantile, so that hardly any of 4097 errors lies where a difference meets the kink.
  ...rowCases<QuantileLossParams>([1], { quantiles: [0.3] }),
  rowCase("deciles", [5, 13], [9], { quantiles: DECILES }),
  rowCase("more quantiles than are staged", [5, 29], [20], {
    quantiles: Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20),
  }),
  rowCase("ranked probability", [65], [2], { quantiles: [0.25, 0.75], scale: 2 }),
];

/** Mean quantile loss; equation at the head of this file. */
export const quantileLoss = defineRowLoss<QuantileLossParams>({
  name: "quantile_loss",
  columns: ({ quantiles }) => quantiles.length,
  check,
  value(predictions, at, target, { quantiles, scale = 1 }) {
    let sum = 0;
    for (let k = 0; k < quantiles.length; k++) {
      const error = target - predictions[at + k]!;
      sum += error >= 0 ? quantiles[k]! * error : (quantiles[k]! - 1) * error;
    }
    return scale * sum / quantiles.length;
  },
  slopesInto(slopes, predictions, at, target, { quantiles, scale = 1 }) {
    const share = scale / quantiles.length;
    let sum = 0;
    for (let k = 0; k < quantiles.length; k++) {
      const slope = target >= predictions[at + k]! ? quantiles[k]! : quantiles[k]! - 1;
      slopes[k] = -share * slope;
      sum += slope;
    }
    return share * sum;
  },
  scale: ({ scale = 1 }) => scale,
  tables: ({ quantiles }) => ({
    quantiles: { key: `quantiles/${quantiles}`, make: () => Float32Array.from(quantiles) },
  }),
  cases,
  sized: (work) =>
    rowCase(`${work} elements`, [Math.max(1, Math.round(work / 9))], [9], { quantiles: DECILES }),
  tolerance: 2e-6,
  gradientTolerance: 5e-6,
});
