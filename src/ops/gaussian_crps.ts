/**
 * Mean continuous ranked probability score of normal distributions, in closed form.
 *
 *   value[row] = σ·( z·(2Φ(z) − 1) + 2φ(z) − 1/√π )        z = (target − m)/σ        σ = exp(s)
 *   loss[0]    = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * Gneiting, Raftery, Westveld and Goldman (Monthly Weather Review 133, 2005), equation 5; Φ and φ
 * are the standard normal distribution function and density. In the target's unit, unlike a log
 * likelihood, and linear in a far error. The score of a set of quantiles is `quantile_loss` with
 * `scale` 2.
 *
 * Predictions are (m, s) = (mean, log of the standard deviation) [rows.., 2], targets and weights
 * [rows..]. A row of weight 0 is missing: it may be NaN and has no part in any output or gradient.
 * Weights are at least 0.
 *
 * Tolerance: WGSL's erfc is good to 1.5e-7 and its exp to 3 + 2|s| ULP; 5e-6.
 */
import { erfc } from "./_helpers/activation.ts";
import { fill, normal } from "./_helpers/cases.ts";
import { type RowCase, rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** `gaussian_crps` takes no parameters. */
export type GaussianCrpsParams = Record<string, never>;

const ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const ONE_OVER_ROOT_PI = 1 / Math.sqrt(Math.PI);

/** 2Φ(z) − 1 */
function central(z: number): number {
  return 1 - erfc(z * Math.SQRT1_2);
}

/** 2φ(z) − 1/√π */
function spread(z: number): number {
  return ROOT_2_OVER_PI * Math.exp(-z * z / 2) - ONE_OVER_ROOT_PI;
}

const cases: readonly RowCase<GaussianCrpsParams>[] = [
  ...rowCases<GaussianCrpsParams>([2], {}),
  {
    name: "far tails",
    params: {},
    inputs: (random) => ({
      targets: normal(random, [32], 3),
      predictions: fill([32, 2], (i) => i % 2 === 0 ? 0 : -3),
    }),
  },
];

/** Mean Gaussian ranked probability score; equation at the head of this file. */
export const gaussianCrps = defineRowLoss<GaussianCrpsParams>({
  name: "gaussian_crps",
  columns: () => 2,
  check: () => {},
  value(predictions, at, target) {
    const scale = Math.exp(predictions[at + 1]!);
    const error = target - predictions[at]!;
    return error * central(error / scale) + scale * spread(error / scale);
  },
  slopesInto(slopes, predictions, at, target) {
    const scale = Math.exp(predictions[at + 1]!);
    const z = (target - predictions[at]!) / scale;
    slopes[0] = -central(z);
    slopes[1] = scale * spread(z);
    return central(z);
  },
  cases,
  sized: (work) => rowCase(`${work} elements`, [Math.max(1, Math.round(work / 2))], [2], {}),
  tolerance: 5e-6,
  gradientTolerance: 5e-6,
});
