/** Lanczos coefficients for g = 7, nine terms (Godfrey 2001): relative error near 1e-15. */
const LANCZOS_G = 7;
const LANCZOS = [
  0.99999999999980993,
  676.5203681218851,
  -1259.1392167224028,
  771.32342877765313,
  -176.61502916214059,
  12.507343278686905,
  -0.13857109526572012,
  9.9843695780195716e-6,
  1.5056327351493116e-7,
] as const;

/**
 * The gamma function of a positive real number.
 *
 * Lanczos approximation; below 1/2 by the reflection Γ(x)·Γ(1 − x) = π / sin(πx).
 *
 * @throws {RangeError} x is not above 0
 */
export function gamma(x: number): number {
  if (!(x > 0)) throw new RangeError(`gamma() needs a number above 0, got ${x}`);
  if (x < 0.5) return Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x));
  const z = x - 1;
  let sum: number = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (z + i);
  const t = z + LANCZOS_G + 0.5;
  return Math.sqrt(2 * Math.PI) * t ** (z + 0.5) * Math.exp(-t) * sum;
}
