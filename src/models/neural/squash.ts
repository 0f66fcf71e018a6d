/** Features lie within this of zero: sinh(8) is 1,490 times the size that they are told in. */
export const FEATURE_MAX = 8;

/**
 * asinh(x), within ±{@linkcode FEATURE_MAX}.
 *
 * By the logarithm, with an absolute error near 1e-16; infinities give the bound.
 */
export function squash(x: number): number {
  const size = Math.abs(x);
  const y = Math.min(Math.log(size + Math.sqrt(size * size + 1)), FEATURE_MAX);
  return x < 0 ? -y : y;
}

/** x within ±`bound`. */
export function within(x: number, bound: number): number {
  return Math.min(Math.max(x, -bound), bound);
}
