/**
 * The normal-plus-low-rank form of HiPPO matrices, on which S4 and S4D-Legs stand.
 *
 *   A = V·diag(W)·V* − Σ_r p_r·p_rᵀ,   W in conjugate pairs, of which one half is kept
 *
 * Gu et al., "Efficiently Modeling Long Sequences with Structured State Spaces" (arXiv
 * 2111.00396), theorem 1 and appendix C. The phase of each column of V, and with it of P and B, is
 * arbitrary; the moduli and the products B·conj(P) are not.
 */
import { InvalidValueError } from "../base/errors.ts";
import { eigenHermitian } from "./eigen_hermitian.ts";
import { fourierInput, type HippoMeasure, hippoTransition } from "./hippo.ts";

/** A measure in its diagonal basis; complex numbers are (re, im) pairs. */
export interface NormalPlusLowRank {
  /** Eigenvalues of the normal part, imaginary part ≤ 0, ascending.          [half] c64 */
  readonly W: Float64Array;
  /** Rows of the low-rank term in the eigenbasis, V*·p.                [rank, half] c64 */
  readonly P: Float64Array;
  /** Input in the eigenbasis, V*·b.                                          [half] c64 */
  readonly B: Float64Array;
  /** Eigenvectors as columns.                                         [state, half] c64 */
  readonly V: Float64Array;
  readonly half: number;
  readonly rank: number;
}

/** Relative size under which an eigenvalue counts as the zero pair of the Fourier measures. */
const ZERO_EIGENVALUE = 1e-4;

/** The largest deviation of A + Σ p·pᵀ from "skew plus a multiple of I" that rounding explains. */
const NORMAL_DEFECT = 1e-8;

/** The least rank at which a measure has a normal part. */
export function nplrRankMin(measure: HippoMeasure): number {
  return measure === "legt" ? 2 : 1;
}

/**
 * The real low-rank rows p_r for which A + Σ p_r·p_rᵀ is normal.
 *
 * @returns                                                                     [rank, state]
 * @throws {InvalidValueError} a measure without a known correction, or too small a rank
 */
export function lowRankRows(
  measure: HippoMeasure,
  stateSize: number,
  rank = nplrRankMin(measure),
): Float64Array {
  if (!Number.isInteger(rank) || rank < nplrRankMin(measure)) {
    throw new InvalidValueError("rank", rank, `an integer >= ${nplrRankMin(measure)}`);
  }
  const rows = new Float64Array(rank * stateSize);
  for (let n = 0; n < stateSize; n++) {
    if (measure === "legt") {
      // Odd and even degrees are two rows; both carry the halving of the matrix.
      rows[(n % 2 === 0 ? stateSize : 0) + n] = Math.sqrt((2 * n + 1) / 2);
    } else {
      rows[n] = rankOneRow(measure, n);
    }
  }
  return rows;
}

function rankOneRow(measure: HippoMeasure, n: number): number {
  switch (measure) {
    case "legs":
      return Math.sqrt(n + 0.5);
    case "lagt":
      return Math.SQRT1_2;
    case "fourier":
    case "fout":
      return fourierInput(n);
    case "fourier_decay":
      return fourierInput(n) * Math.SQRT1_2;
    case "fourier2":
      return fourierInput(n) * Math.SQRT2;
    case "legsd":
    case "foud":
    case "fourier_diag":
      return 0;
    default:
      throw new InvalidValueError("measure", measure, "a measure with a normal part");
  }
}

/**
 * Diagonalises the normal part of a measure.
 *
 * The real part of the spectrum is the mean of the diagonal; the imaginary part comes from the
 * Hermitian matrix −i·S, S = the skew part. The zero pair of the Fourier measures, whose
 * eigenvectors a solver may mix, gets (e0 + i·e1)/√2 as in the s4 repository.
 *
 * @param stateSize even
 * @throws {InvalidValueError} an odd size, a measure without a normal part, too small a rank
 * @throws {RangeError} the corrected matrix is not normal (a programmer's fault)
 */
export function nplr(
  measure: HippoMeasure,
  stateSize: number,
  rank = nplrRankMin(measure),
): NormalPlusLowRank {
  if (stateSize % 2 !== 0) throw new InvalidValueError("stateSize", stateSize, "an even number");
  const system = hippoTransition(measure, stateSize);
  const rows = lowRankRows(measure, stateSize, rank);
  const normal = system.A.slice();
  for (let r = 0; r < rank; r++) {
    for (let n = 0; n < stateSize; n++) {
      for (let k = 0; k < stateSize; k++) {
        normal[n * stateSize + k] = normal[n * stateSize + k]! +
          rows[r * stateSize + n]! * rows[r * stateSize + k]!;
      }
    }
  }
  const { realPart, skewHermitian } = splitNormal(normal, stateSize);
  const eigen = eigenHermitian(new Float64Array(stateSize ** 2), skewHermitian, stateSize);
  return project(system.B, rows, rank, realPart, eigen);
}

/** M = realPart·I + S; returns the imaginary part of −i·S. */
function splitNormal(matrix: Float64Array, size: number) {
  let realPart = 0;
  for (let n = 0; n < size; n++) realPart += matrix[n * size + n]! / size;
  const skewHermitian = new Float64Array(size * size);
  let defect = 0;
  let scale = 1;
  for (let n = 0; n < size; n++) {
    for (let k = 0; k < size; k++) {
      const skew = (matrix[n * size + k]! - matrix[k * size + n]!) / 2;
      const even = (matrix[n * size + k]! + matrix[k * size + n]!) / 2;
      skewHermitian[n * size + k] = -skew;
      defect = Math.max(defect, Math.abs(even - (n === k ? realPart : 0)));
      scale = Math.max(scale, Math.abs(skew));
    }
  }
  if (defect > NORMAL_DEFECT * scale) {
    throw new RangeError(`Matrix is not normal after its rank correction, defect ${defect}`);
  }
  return { realPart, skewHermitian };
}

function project(
  input: Float64Array,
  rows: Float64Array,
  rank: number,
  realPart: number,
  eigen: { values: Float64Array; vectorsRe: Float64Array; vectorsIm: Float64Array },
): NormalPlusLowRank {
  const size = input.length;
  const half = size / 2;
  const V = new Float64Array(2 * size * half);
  for (let n = 0; n < size; n++) {
    for (let j = 0; j < half; j++) {
      V[2 * (n * half + j)] = eigen.vectorsRe[n * size + j]!;
      V[2 * (n * half + j) + 1] = eigen.vectorsIm[n * size + j]!;
    }
  }
  const last = half - 1;
  if (Math.hypot(realPart, eigen.values[last]!) < ZERO_EIGENVALUE) {
    for (let n = 0; n < size; n++) V[2 * (n * half + last)] = V[2 * (n * half + last) + 1] = 0;
    V[2 * last] = Math.SQRT1_2;
    V[2 * (half + last) + 1] = Math.SQRT1_2;
  }
  const W = new Float64Array(2 * half);
  for (let j = 0; j < half; j++) {
    W[2 * j] = realPart;
    W[2 * j + 1] = eigen.values[j]!;
  }
  const P = new Float64Array(2 * rank * half);
  for (let r = 0; r < rank; r++) {
    P.set(conjugateProduct(V, rows.subarray(r * size, (r + 1) * size), half), 2 * r * half);
  }
  return { W, P, B: conjugateProduct(V, input, half), V, half, rank };
}

/** V*·vector for a real vector.                                                  [half] c64 */
function conjugateProduct(V: Float64Array, vector: Float64Array, half: number): Float64Array {
  const out = new Float64Array(2 * half);
  for (let n = 0; n < vector.length; n++) {
    for (let j = 0; j < half; j++) {
      out[2 * j] = out[2 * j]! + V[2 * (n * half + j)]! * vector[n]!;
      out[2 * j + 1] = out[2 * j + 1]! - V[2 * (n * half + j) + 1]! * vector[n]!;
    }
  }
  return out;
}
