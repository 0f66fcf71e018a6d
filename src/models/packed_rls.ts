import type { PackedKernels } from "../device/mod.ts";
import { PLAIN_PACKED } from "./packed_cov.ts";

/**
 * One step of recursive least squares on a packed covariance, shared by many targets.
 *
 *   k = P·x,   s = lambda + xᵀk,   P ← (P − k·kᵀ/s) / lambda
 *
 * Ljung and Söderström (1983) eq. 2.17; with lambda = 1 and P = I/ridge at the start it is ridge
 * regression in closed form. Under forgetting the diagonal is held below `diagonalMax`, so that
 * directions never excited do not wind up.
 *
 * @param cov          packed lower triangle                               [size·(size + 1) / 2]
 * @param x            regressor                                                        [size]
 * @param gain         receives k/s                                                     [size]
 * @param diagonalMax  largest variance allowed per coefficient
 * @param kernels      those that can reach `cov`, `x` and `gain`
 */
export function rlsStep(
  cov: Float64Array,
  x: Float64Array,
  gain: Float64Array,
  forgetting: number,
  diagonalMax: number,
  kernels: PackedKernels = PLAIN_PACKED,
): void {
  const size = x.length;
  kernels.covTimesRow(cov, x, gain, size);
  let s = forgetting;
  for (let i = 0; i < size; i++) s += gain[i]! * x[i]!;
  const inverse = 1 / s;
  kernels.subtractOuter(cov, gain, inverse, 1 / forgetting, size);
  for (let i = 0; i < size; i++) gain[i] = gain[i]! * inverse;
  if (forgetting === 1) return;
  for (let i = 0, diagonal = 0; i < size; i++, diagonal += i + 1) {
    if (cov[diagonal]! > diagonalMax) {
      shrinkCoefficient(cov, i, size, Math.sqrt(diagonalMax / cov[diagonal]!));
    }
  }
}

/** Scales row and column `i` of a packed symmetric matrix. */
function shrinkCoefficient(cov: Float64Array, i: number, size: number, factor: number): void {
  const row = i * (i + 1) / 2;
  for (let j = 0; j < i; j++) cov[row + j] = cov[row + j]! * factor;
  cov[row + i] = cov[row + i]! * factor * factor;
  for (let k = i + 1, at = row + i + 1 + i; k < size; at += ++k) cov[at] = cov[at]! * factor;
}

/**
 * A packed diagonal matrix.
 *
 * @param diagonal  [size]
 * @returns         the lower triangle, row by row                          [size·(size + 1) / 2]
 */
export function packedDiagonal(diagonal: Float64Array): Float64Array {
  const size = diagonal.length;
  const cov = new Float64Array(size * (size + 1) / 2);
  for (let i = 0; i < size; i++) cov[i * (i + 3) / 2] = diagonal[i]!;
  return cov;
}
