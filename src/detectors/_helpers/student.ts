/**
 * −log10 P(T > t) of Student's distribution, 0 for t <= 0: by a normal deviate of nearly the same
 * probability (Wallace 1959) and an approximation of its tail within 1 %:
 *
 *   z = (8v + 1)/(8v + 3) · sqrt(v ln(1 + t²/v))
 *   Q(z) ≈ exp(−z²/2) / (1.64 z + sqrt(0.76 z² + 4))
 */
export function studentSurprise(t: number, degrees: number): number {
  if (!(t > 0)) return 0;
  const z = (8 * degrees + 1) / (8 * degrees + 3) *
    Math.sqrt(degrees * Math.log1p((t * t) / degrees));
  return (z * z / 2 + Math.log(1.64 * z + Math.sqrt(0.76 * z * z + 4))) / Math.LN10;
}
