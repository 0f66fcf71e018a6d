/**
 * Mean negative log likelihood of targets under normal distributions.
 *
 *   value[row] = ½·log(2π) + s + ½·z²        z = (target − m)·exp(−s)
 *   loss[0]    = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * Predictions are (m, s) = (mean, log of the standard deviation) [rows.., 2], targets and weights
 * [rows..]. A row of weight 0 is missing: it may be NaN and has no part in any output or gradient.
 * Weights are at least 0. In f32, z² overflows from |z| = 1.8e19 on, and the loss is then infinite.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|s| ULP, and z² doubles it; 5e-6. The terms of the sum have
 * both signs, so a loss near 0 is less exact relative to itself.
 */
import { fill, normal } from "./_helpers/cases.ts";
import { type RowCase, rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** `gaussian_loss` takes no parameters. */
export type GaussianLossParams = Record<string, never>;

const HALF_LOG_TURN = 0.5 * Math.log(2 * Math.PI);

const cases: readonly RowCase<GaussianLossParams>[] = [
  ...rowCases<GaussianLossParams>([2], {}),
  {
    name: "narrow and wide",
    params: {},
    inputs: (random) => ({
      targets: normal(random, [32], 3),
      predictions: fill([32, 2], (i) => i % 2 === 0 ? 0 : i % 4 === 1 ? -3 : 8),
    }),
  },
];

/** Mean Gaussian negative log likelihood; equation at the head of this file. */
export const gaussianLoss = defineRowLoss<GaussianLossParams>({
  name: "gaussian_loss",
  columns: () => 2,
  check: () => {},
  value(predictions, at, target) {
    const logScale = predictions[at + 1]!;
    const z = (target - predictions[at]!) * Math.exp(-logScale);
    return HALF_LOG_TURN + logScale + 0.5 * z * z;
  },
  slopesInto(slopes, predictions, at, target) {
    const inverse = Math.exp(-predictions[at + 1]!);
    const z = (target - predictions[at]!) * inverse;
    slopes[0] = -z * inverse;
    slopes[1] = 1 - z * z;
    return z * inverse;
  },
  cases,
  sized: (work) => rowCase(`${work} elements`, [Math.max(1, Math.round(work / 2))], [2], {}),
  tolerance: 5e-6,
  gradientTolerance: 1e-5,
});
