/** Power-of-two complex FFT in double precision, for the twin of `fft_conv`. */
import { invariant } from "../../base/invariant.ts";

/** cos and sin of 2πk/n for k < n/2: the twiddle factors exp(−2πi·k/n), conjugated for use. */
export function twiddles(n: number): { cos: Float64Array; sin: Float64Array } {
  const half = Math.max(1, n / 2);
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  for (let k = 0; k < half; k++) {
    cos[k] = Math.cos(2 * Math.PI * k / n);
    sin[k] = Math.sin(2 * Math.PI * k / n);
  }
  return { cos, sin };
}

/**
 * Transforms in place, decimation in time (Cooley and Tukey 1965).
 *
 *   X[k] = Σ_j x[j]·exp(∓2πi·jk/n)        − forward, + inverse; the inverse is not divided by n
 *
 * @param re, im  [n], n a power of two
 * @param table   {@linkcode twiddles} of n
 */
export function fftInPlace(
  re: Float64Array,
  im: Float64Array,
  table: { cos: Float64Array; sin: Float64Array },
  inverse: boolean,
): void {
  const n = re.length;
  invariant((n & (n - 1)) === 0 && n > 0, `FFT length ${n} is not a power of two`);
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  const sign = inverse ? 1 : -1;
  for (let half = 1; half < n; half *= 2) {
    const stride = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const wr = table.cos[k * stride]!;
        const wi = sign * table.sin[k * stride]!;
        const a = start + k;
        const b = a + half;
        const tr = wr * re[b]! - wi * im[b]!;
        const ti = wr * im[b]! + wi * re[b]!;
        re[b] = re[a]! - tr;
        im[b] = im[a]! - ti;
        re[a] = re[a]! + tr;
        im[a] = im[a]! + ti;
      }
    }
  }
}
