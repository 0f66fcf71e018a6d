/**
 * Mean quantile loss (pinball loss) of several quantiles of each target.
 *
 *   v[row]     = scale/K · Σ_k c_k·max(q_k·e, (q_k − 1)·e)    e = target[row] − prediction[row, k]
 *   value[row] = v, and above `cap` cap + log(1 + v − cap)
 *   loss[0]    = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * Koenker and Bassett (Econometrica 46, 1978), the objective of problem 2.3; where e = 0 the slope
 * with respect to e is taken as q_k. With `scale` 2 and evenly spaced quantiles the loss is the
 * continuous ranked probability score, as far as the quantiles resolve it (Gneiting and Raftery,
 * JASA 102, 2007: the score is twice the integral of the pinball loss over all quantiles).
 *
 * `shares` are the c_k, 1 without them: how much each quantile counts. With `cap` a row that is far
 * off counts by its logarithm, continued with the slope 1 that it has at the cap, so that a few
 * outliers among the targets do not rule the gradient.
 *
 * Predictions are [rows.., quantile], targets and weights [rows..]. A row of weight 0 is missing:
 * it may be NaN and has no part in any output or gradient. Weights are at least 0.
 *
 * Tolerance: sums of runs, then the sum of those, all of one sign; 2e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { type RowCase, rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** Parameters of {@linkcode quantileLoss}. */
export interface QuantileLossParams {
  /** The quantiles that the columns predict, each in (0, 1). */
  readonly quantiles: readonly number[];
  /** Multiplies the loss; default 1. */
  readonly scale?: number;
  /** How much each quantile counts, above 0; 1 each where absent. */
  readonly shares?: readonly number[];
  /** Value of a row above which its logarithm counts; none where absent. */
  readonly cap?: number;
}

/** Quantiles of one row that a loss takes at most. */
export const QUANTILES_MAX = 1024;

function check({ quantiles, scale, shares, cap }: QuantileLossParams): void {
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
  if (cap !== undefined && !(cap > 0 && Number.isFinite(cap))) {
    throw new InvalidValueError("cap", cap, "a finite number above 0");
  }
  if (shares !== undefined && shares.length !== quantiles.length) {
    throw new InvalidValueError("shares.length", shares.length, `${quantiles.length}`);
  }
  shares?.forEach((share, i) => {
    if (share > 0 && Number.isFinite(share)) return;
    throw new InvalidValueError(`shares[${i}]`, share, "a finite number above 0");
  });
}

/** The loss of a row before its cap. */
function uncapped(
  predictions: FloatArray,
  at: number,
  target: number,
  { quantiles, scale = 1, shares }: QuantileLossParams,
): number {
  let sum = 0;
  for (let k = 0; k < quantiles.length; k++) {
    const error = target - predictions[at + k]!;
    const pinball = error >= 0 ? quantiles[k]! * error : (quantiles[k]! - 1) * error;
    sum += (shares?.[k] ?? 1) * pinball;
  }
  return scale * sum / quantiles.length;
}

/** The largest f32: where there is no cap, no row is above it. */
const NO_CAP = 3.4028234e38;

const DECILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

const cases: readonly RowCase<QuantileLossParams>[] = [
  // One quantile, so that hardly any of 4097 errors lies where a difference meets the kink.
  ...rowCases<QuantileLossParams>([1], { quantiles: [0.3] }),
  rowCase("deciles", [5, 13], [9], { quantiles: DECILES }),
  rowCase("more quantiles than are staged", [5, 29], [20], {
    quantiles: Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20),
  }),
  rowCase("ranked probability", [65], [2], { quantiles: [0.25, 0.75], scale: 2 }),
  rowCase("shares, and a cap that half of the rows are above", [5, 29], [3], {
    ...{ quantiles: [0.1, 0.5, 0.9], scale: 2, shares: [0.5, 1.5, 0.7], cap: 0.6 },
  }),
  rowCase("a cap, more quantiles than are staged", [31], [20], {
    quantiles: Array.from({ length: 20 }, (_, i) => (i + 0.5) / 20),
    cap: 0.4,
  }),
];

/** Mean quantile loss; equation at the head of this file. */
export const quantileLoss = defineRowLoss<QuantileLossParams>({
  name: "quantile_loss",
  columns: ({ quantiles }) => quantiles.length,
  check,
  value(predictions, at, target, params) {
    const { cap = Infinity } = params;
    const value = uncapped(predictions, at, target, params);
    return value > cap ? cap + Math.log1p(value - cap) : value;
  },
  slopesInto(slopes, predictions, at, target, params) {
    const { quantiles, scale = 1, shares, cap = Infinity } = params;
    const value = cap === Infinity ? 0 : uncapped(predictions, at, target, params);
    const factor = scale / quantiles.length / (value > cap ? 1 + value - cap : 1);
    let sum = 0;
    for (let k = 0; k < quantiles.length; k++) {
      const pinball = target >= predictions[at + k]! ? quantiles[k]! : quantiles[k]! - 1;
      const slope = (shares?.[k] ?? 1) * pinball;
      slopes[k] = -factor * slope;
      sum += slope;
    }
    return factor * sum;
  },
  scale: ({ scale = 1 }) => scale,
  // Each quantile with its share, and the cap after them.
  tables: ({ quantiles, shares, cap = NO_CAP }) => ({
    quantiles: {
      key: `quantiles/${quantiles}/${shares}/${cap}`,
      make: () => Float32Array.from([...quantiles.flatMap((q, k) => [q, shares?.[k] ?? 1]), cap]),
    },
  }),
  cases,
  sized: (work) =>
    rowCase(`${work} elements`, [Math.max(1, Math.round(work / 9))], [9], { quantiles: DECILES }),
  tolerance: 2e-6,
  gradientTolerance: 5e-6,
});
