/**
 * Mean negative log likelihood of targets under Student's t distributions.
 *
 *   value[row] = ½·log(2π) + s − h(x) + (x + ½)·log(1 + z²/(2x))
 *   z = (target − m)·exp(−s)        x = exp(n)/2        h(x) = log Γ(x + ½) − log Γ(x) − ½·log x
 *   loss[0]    = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *
 * The density of Lange, Little and Taylor (JASA 84, 1989), equation 1, in one variable, with 2x
 * degrees of freedom; h vanishes for many of them, where the loss becomes `gaussian_loss`.
 *
 * Predictions are (m, s, n) = (mean, log scale, log of the degrees of freedom) [rows.., 3], targets
 * and weights [rows..]. A row of weight 0 is missing: it may be NaN and has no part in any output
 * or gradient. Weights are at least 0. The shader works with √(z²/(2x)), so that an outlier does
 * not overflow in f32.
 *
 * Tolerance: h in f32 is off by 3e-7 (four logarithms and a series exact to 7e-9), exp by
 * 3 + 2|s| ULP; 5e-6. With many degrees of freedom the slope with respect to n is a remainder of
 * terms of z²/2, and is exact to some 1e-7 of those.
 */
import { fill, normal } from "./_helpers/cases.ts";
import { logGammaRatio, logGammaRatioSlope } from "./_helpers/gamma_ratio.ts";
import { type RowCase, rowCase, rowCases } from "./_helpers/row_cases.ts";
import { defineRowLoss } from "./_helpers/row_loss.ts";

/** `student_t_loss` takes no parameters. */
export type StudentTLossParams = Record<string, never>;

const HALF_LOG_TURN = 0.5 * Math.log(2 * Math.PI);

const cases: readonly RowCase<StudentTLossParams>[] = [
  ...rowCases<StudentTLossParams>([3], {}),
  {
    name: "few and many degrees of freedom",
    params: {},
    inputs: (random) => ({
      targets: normal(random, [40], 3),
      predictions: fill([40, 3], (i) => i % 3 === 2 ? Math.floor(i / 3) / 3 - 6 : i % 5 / 4),
    }),
  },
  {
    name: "outliers",
    params: {},
    inputs: () => ({
      targets: fill([4], (i) => i % 2 === 0 ? 1e20 : -1e25),
      predictions: fill([4, 3], (i) => i % 3 === 1 ? -3 : 1),
    }),
  },
];

/** Mean Student-t negative log likelihood; equation at the head of this file. */
export const studentTLoss = defineRowLoss<StudentTLossParams>({
  name: "student_t_loss",
  columns: () => 3,
  check: () => {},
  value(predictions, at, target) {
    const logScale = predictions[at + 1]!;
    const x = 0.5 * Math.exp(predictions[at + 2]!);
    const z = (target - predictions[at]!) * Math.exp(-logScale);
    return HALF_LOG_TURN + logScale - logGammaRatio(x) + (x + 0.5) * Math.log1p(z * z / (2 * x));
  },
  slopesInto(slopes, predictions, at, target) {
    const inverse = Math.exp(-predictions[at + 1]!);
    const x = 0.5 * Math.exp(predictions[at + 2]!);
    const z = (target - predictions[at]!) * inverse;
    const share = z * z / (2 * x + z * z);
    const slope = (2 * x + 1) * z / (2 * x + z * z) * inverse;
    slopes[0] = -slope;
    slopes[1] = 1 - (2 * x + 1) * share;
    slopes[2] = x * Math.log1p(z * z / (2 * x)) - (x + 0.5) * share - logGammaRatioSlope(x);
    return slope;
  },
  cases,
  sized: (work) => rowCase(`${work} elements`, [Math.max(1, Math.round(work / 3))], [3], {}),
  tolerance: 5e-6,
  gradientTolerance: 1e-5,
});
