/**
 * The inverse of a forecast's covariance F = κ·F∞ + F* for κ → ∞, where F∞ may be singular.
 *
 *   F⁻¹ = F0 + F1/κ + F2/κ² + …,    log|F| = rank·log κ + logDet + …
 *
 * Symmetric elimination gives W with |det W| = 1 and W·F∞·Wᵀ = diag(Λ, 0), its rows Wr that see
 * the infinite part and Wn that do not. With c = Wn·F*·Wnᵀ and E = Wr − Wr·F*·Wnᵀ·c⁻¹·Wn,
 *
 *   F0 = Wnᵀ·c⁻¹·Wn,  F1 = Eᵀ·Λ⁻¹·E,  F2 = −F1·F*·F1,  logDet = log|Λ| + log|c|
 *
 * Where F∞ is regular, F0 = 0 and F1 = F∞⁻¹ (Durbin and Koopman, 2nd ed., equation 5.9). Where it
 * is not, they take the rows of an observation one by one, after a transformation that makes F*
 * diagonal (section 6.4; Koopman and Durbin, "Fast filtering and smoothing for multivariate state
 * space models", Journal of Time Series Analysis 21, 2000). Both are the same limit; as matrices it
 * serves filter, smoother and score without a second form of each.
 */
import { addScaled, congruence, identity, invertCov, multiply, transpose } from "./dense.ts";
import { symmetrizeInto } from "./dense.ts";

/** Below this share of what it could be, an infinite variance counts as gone. */
export const DIFFUSE_TOLERANCE = 1e-10;

/** Terms of the expansion in 1/κ. */
export interface DiffuseInverse {
  /** Number of directions in which the covariance is infinite. */
  readonly rank: number;
  /** The term of κ⁰; null where F∞ is regular, and it is 0.                       [size, size] */
  readonly F0: Float64Array | null;
  /** The term of 1/κ.                                                             [size, size] */
  readonly F1: Float64Array;
  /** The term of 1/κ².                                                            [size, size] */
  readonly F2: Float64Array;
  /** log|Λ| + log|c|. */
  readonly logDet: number;
}

/**
 * Expands the inverse of κ·diffuse + finite.
 *
 * @param diffuse  F∞, symmetric, positive semidefinite                            [size, size]
 * @param finite   F*, symmetric                                                   [size, size]
 * @param scales   the size a diagonal element of F∞ could have: what is below
 *                 {@linkcode DIFFUSE_TOLERANCE} of it is what rounding left of 0         [size]
 * @throws {RangeError} F is singular for every κ: c is not positive definite
 */
export function expandInverse(
  diffuse: Float64Array,
  finite: Float64Array,
  size: number,
  scales: Float64Array,
): DiffuseInverse {
  const { seeing, blind, pivots } = eliminate(diffuse, size, scales);
  const rank = pivots.length;
  const others = size - rank;
  let E: Float64Array = seeing;
  let F0: Float64Array | null = null;
  let logDet = 0;
  if (others > 0) {
    const known = invertCov(congruence(blind, finite, others, size), others);
    const blindT = transpose(blind, others, size);
    F0 = congruence(blindT, known.inverse, size, others);
    // What the blind rows say of the noise of the others.
    const seen = multiply(seeing, finite, rank, size, size);
    E = addScaled(seeing, multiply(seen, F0, rank, size, size), -1);
    logDet += known.logDet;
  }
  const scaled = E.slice();
  pivots.forEach((pivot, i) => {
    logDet += Math.log(pivot);
    for (let j = 0; j < size; j++) scaled[i * size + j]! /= pivot;
  });
  const F1 = symmetrizeInto(multiply(transpose(E, rank, size), scaled, size, rank, size), size);
  const F2 = congruence(F1, finite, size, size).map((value) => -value);
  return { rank, F0, F1, F2, logDet };
}

/** Rows of W and the diagonal of Λ; the row whose variance is the least lost comes first. */
function eliminate(diffuse: Float64Array, size: number, scales: Float64Array) {
  const W = identity(size);
  const rest = diffuse.slice();
  const left = new Set(Array.from({ length: size }, (_, i) => i));
  const order: number[] = [];
  const pivots: number[] = [];
  const share = (i: number) => scales[i]! > 0 ? rest[i * size + i]! / scales[i]! : 0;
  while (left.size > 0) {
    const row = [...left].reduce((best, i) => share(i) > share(best) ? i : best);
    if (share(row) <= DIFFUSE_TOLERANCE) break;
    left.delete(row);
    order.push(row);
    const pivot = rest[row * size + row]!;
    pivots.push(pivot);
    for (const other of left) {
      const factor = rest[other * size + row]! / pivot;
      for (let j = 0; j < size; j++) W[other * size + j]! -= factor * W[row * size + j]!;
      for (const j of left) rest[other * size + j]! -= factor * rest[row * size + j]!;
    }
  }
  const rowsOf = (rows: readonly number[]) =>
    Float64Array.from(rows.flatMap((i) => [...W.subarray(i * size, (i + 1) * size)]));
  return { seeing: rowsOf(order), blind: rowsOf([...left]), pivots };
}
