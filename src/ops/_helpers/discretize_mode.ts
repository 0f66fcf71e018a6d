/**
 * One mode of a diagonal system over one step, for ops whose step sizes are inputs.
 *
 *   zoh       Abar = exp(z)                    factor = (Abar − 1)/lambda
 *   bilinear  Abar = (1 + z/2)/(1 − z/2)       factor = dt/(1 − z/2)           z = dt·lambda
 *
 * @param out  written: Abar, then the factor of Bbar = factor·B, as [re, im, re, im]
 */
export function discretizeModeInto(
  out: Float64Array,
  re: number,
  im: number,
  dt: number,
  bilinear: boolean,
): void {
  const zr = dt * re;
  const zi = dt * im;
  if (bilinear) {
    const belowR = 1 - zr / 2;
    const belowI = -zi / 2;
    const norm = belowR * belowR + belowI * belowI;
    const aboveR = 1 + zr / 2;
    const aboveI = zi / 2;
    out[0] = (aboveR * belowR + aboveI * belowI) / norm;
    out[1] = (aboveI * belowR - aboveR * belowI) / norm;
    out[2] = dt * belowR / norm;
    out[3] = -dt * belowI / norm;
    return;
  }
  // exp(z) − 1 by parts that do not cancel for small z.
  const half = Math.sin(zi / 2);
  const em1R = Math.expm1(zr) * Math.cos(zi) - 2 * half * half;
  const em1I = Math.exp(zr) * Math.sin(zi);
  out[0] = 1 + em1R;
  out[1] = em1I;
  const norm = re * re + im * im;
  out[2] = norm > 0 ? (em1R * re + em1I * im) / norm : dt;
  out[3] = norm > 0 ? (em1I * re - em1R * im) / norm : 0;
}
