/** Keeps 1/x finite where a mode's sum over the length vanishes (the s4 repository's constant). */
const RECIPROCAL_REGULARISATION = 1e-7;

/**
 * The weight of each mode in a DSS kernel of a given length.
 *
 *   weight = (exp(z) − 1)·recip(lambda·(exp(z·length) − 1)),   z = dt·lambda
 *   recip(x) = conj(x) / (|x|² + 1e-7)
 *
 * Gupta et al., "Diagonal State Spaces are as Effective as Structured State Spaces" (arXiv
 * 2203.14343), proposition 1(b), with the regularised reciprocal of its appendix.
 *
 * @param lambda poles, real part ≤ 0                                            [mode] c64
 * @param dt     step sizes                                                          [mode]
 * @returns                                                                      [mode] c64
 */
export function dssWeights(lambda: Float64Array, dt: Float64Array, length: number): Float64Array {
  const out = new Float64Array(lambda.length);
  for (let i = 0; i < lambda.length; i += 2) {
    const step = dt[i >> 1]!;
    const re = lambda[i]!;
    const im = lambda[i + 1]!;
    const [numRe, numIm] = expMinusOne(re * step, im * step);
    const [sumRe, sumIm] = expMinusOne(re * step * length, im * step * length);
    const denRe = sumRe * re - sumIm * im;
    const denIm = sumRe * im + sumIm * re;
    const norm = denRe * denRe + denIm * denIm + RECIPROCAL_REGULARISATION;
    out[i] = (numRe * denRe + numIm * denIm) / norm;
    out[i + 1] = (numIm * denRe - numRe * denIm) / norm;
  }
  return out;
}

/** exp(a + ib) − 1 without cancellation near zero. */
function expMinusOne(a: number, b: number): [number, number] {
  const half = Math.sin(b / 2);
  return [Math.expm1(a) * Math.cos(b) - 2 * half * half, Math.exp(a) * Math.sin(b)];
}
