/**
 * Ratios of gamma functions at arguments half a unit apart, as Student's t distribution needs them:
 * the definitions that `shaders/student_t_loss.wgsl` repeats in f32.
 */

/** Bernoulli numbers B_2, B_4, … B_16. */
const BERNOULLI = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
] as const;

/**
 * (2^{1−2k} − 2)·B_{2k} / (2k·(2k − 1)), k = 1, 2, …: the coefficients of the series, from
 * Stirling's for log Γ(x + a) at a = ½ and a = 0 (NIST Handbook 5.11.8, with
 * B_{2k}(½) = (2^{1−2k} − 1)·B_{2k}, 24.4.27).
 */
const SERIES = BERNOULLI.map((number, i) => {
  const order = 2 * (i + 1);
  return (2 ** (1 - order) - 2) * number / (order * (order - 1));
});

/** From here on the series of eight terms is exact to 1e-17. */
const SERIES_FROM = 16;

/**
 * h(x) = log Γ(x + ½) − log Γ(x) − ½·log x for x > 0, absolute error near 1e-15.
 *
 *   h(x) ~ −1/(8x) + 1/(192x³) − 1/(640x⁵) + …        h(x) = h(x + 1) + ½·log(4x(x + 1)/(2x + 1)²)
 *
 * Neither gamma function is formed: what they have in common, which grows as x·log x, would cancel.
 */
export function logGammaRatio(x: number): number {
  let sum = 0;
  let at = x;
  for (; at < SERIES_FROM; at++) sum += 0.5 * Math.log(4 * at * (at + 1) / (2 * at + 1) ** 2);
  SERIES.forEach((coefficient, i) => sum += coefficient / at ** (2 * i + 1));
  return sum;
}

/** x·h'(x), h as in {@linkcode logGammaRatio}; h'(x) = h'(x + 1) + 1/(2x(x + 1)(2x + 1)). */
export function logGammaRatioSlope(x: number): number {
  let sum = 0;
  let at = x;
  // The quotient x/at is 1 at the start, however small x is.
  for (; at < SERIES_FROM; at++) sum += x / at / (2 * (at + 1) * (2 * at + 1));
  SERIES.forEach((coefficient, i) => sum -= x / at * (2 * i + 1) * coefficient / at ** (2 * i + 1));
  return sum;
}
