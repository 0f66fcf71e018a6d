/**
 * Small dense matrices for the state-space formulas: row-major `Float64Array`, sizes given by the
 * caller. Sizes here are a state's (tens), so plain loops are the right tool; nothing in this file
 * is on the path of a sample.
 */
import type { FloatArray } from "../tensor/tensor.ts";

/** The identity matrix.                                                          [size, size] */
export function identity(size: number): Float64Array {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) out[i * size + i] = 1;
  return out;
}

/**
 * The product of two matrices, `left · right`.
 *
 * @param left                                                                   [rows, inner]
 * @param right                                                                  [inner, cols]
 * @returns                                                                       [rows, cols]
 */
export function multiply(
  left: FloatArray,
  right: FloatArray,
  rows: number,
  inner: number,
  cols: number,
): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const factor = left[i * inner + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < cols; j++) {
        out[i * cols + j] = out[i * cols + j]! + factor * right[k * cols + j]!;
      }
    }
  }
  return out;
}

/** The transpose of a matrix `[rows, cols]`.                                     [cols, rows] */
export function transpose(matrix: FloatArray, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[j * rows + i] = matrix[i * cols + j]!;
  }
  return out;
}

/** `left + scale · right`, elementwise. */
export function addScaled(left: Float64Array, right: Float64Array, scale = 1): Float64Array {
  const out = new Float64Array(left.length);
  for (let i = 0; i < left.length; i++) out[i] = left[i]! + scale * right[i]!;
  return out;
}

/**
 * The congruence `left · middle · leftᵀ`, made exactly symmetric.
 *
 * @param left                                                                   [rows, inner]
 * @param middle symmetric                                                      [inner, inner]
 * @returns                                                                       [rows, rows]
 */
export function congruence(
  left: Float64Array,
  middle: Float64Array,
  rows: number,
  inner: number,
): Float64Array {
  const half = multiply(left, middle, rows, inner, inner);
  const out = multiply(half, transpose(left, rows, inner), rows, inner, rows);
  return symmetrizeInto(out, rows);
}

/** Replaces a square matrix by the mean of itself and its transpose; returns the same array. */
export function symmetrizeInto(matrix: Float64Array, size: number): Float64Array {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const mean = (matrix[i * size + j]! + matrix[j * size + i]!) / 2;
      matrix[i * size + j] = mean;
      matrix[j * size + i] = mean;
    }
  }
  return matrix;
}

/** The largest absolute value of an array, 0 for an empty one. */
export function maxAbs(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

/**
 * Solves `matrix · X = right` by Gaussian elimination with partial pivoting.
 *
 * @param matrix                                                                  [size, size]
 * @param right                                                                   [size, cols]
 * @returns X                                                                     [size, cols]
 * @throws {RangeError} a singular matrix; the message names the column
 */
export function solve(
  matrix: Float64Array,
  right: Float64Array,
  size: number,
  cols: number,
): Float64Array {
  const lu = matrix.slice();
  const out = right.slice();
  for (let k = 0; k < size; k++) {
    const pivot = pivotRow(lu, size, k);
    if (lu[pivot * size + k] === 0) {
      throw new RangeError(`Matrix is singular at column ${k} of ${size}`);
    }
    swapRowsInto(lu, size, k, pivot);
    swapRowsInto(out, cols, k, pivot);
    for (let i = k + 1; i < size; i++) {
      const factor = lu[i * size + k]! / lu[k * size + k]!;
      if (factor === 0) continue;
      for (let j = k; j < size; j++) {
        lu[i * size + j] = lu[i * size + j]! - factor * lu[k * size + j]!;
      }
      for (let j = 0; j < cols; j++) {
        out[i * cols + j] = out[i * cols + j]! - factor * out[k * cols + j]!;
      }
    }
  }
  backSubstituteInto(lu, out, size, cols);
  return out;
}

function pivotRow(matrix: Float64Array, size: number, column: number): number {
  let best = column;
  for (let i = column + 1; i < size; i++) {
    if (Math.abs(matrix[i * size + column]!) > Math.abs(matrix[best * size + column]!)) best = i;
  }
  return best;
}

function swapRowsInto(matrix: Float64Array, cols: number, a: number, b: number): void {
  if (a === b) return;
  for (let j = 0; j < cols; j++) {
    const kept = matrix[a * cols + j]!;
    matrix[a * cols + j] = matrix[b * cols + j]!;
    matrix[b * cols + j] = kept;
  }
}

function backSubstituteInto(
  upper: Float64Array,
  right: Float64Array,
  size: number,
  cols: number,
): void {
  for (let i = size - 1; i >= 0; i--) {
    for (let j = 0; j < cols; j++) {
      let sum = right[i * cols + j]!;
      for (let k = i + 1; k < size; k++) sum -= upper[i * size + k]! * right[k * cols + j]!;
      right[i * cols + j] = sum / upper[i * size + i]!;
    }
  }
}

/** The inverse and the log determinant of a covariance. */
export interface InverseCov {
  /** Inverse, symmetric.                                                        [size, size] */
  readonly inverse: Float64Array;
  readonly logDet: number;
}

/**
 * Inverts a positive definite matrix by its Cholesky factor.
 *
 * @param cov symmetric                                                           [size, size]
 * @throws {RangeError} not positive definite; the message names the pivot and its value
 */
export function invertCov(cov: Float64Array, size: number): InverseCov {
  const lower = choleskyLower(cov, size);
  let logDet = 0;
  for (let i = 0; i < size; i++) logDet += 2 * Math.log(lower[i * size + i]!);
  // Columns of the inverse of the factor; then inverse = lower⁻ᵀ · lower⁻¹.
  const factorInverse = new Float64Array(size * size);
  for (let j = 0; j < size; j++) {
    for (let i = j; i < size; i++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= lower[i * size + k]! * factorInverse[k * size + j]!;
      factorInverse[i * size + j] = sum / lower[i * size + i]!;
    }
  }
  const inverse = multiply(transpose(factorInverse, size, size), factorInverse, size, size, size);
  return { inverse: symmetrizeInto(inverse, size), logDet };
}

/**
 * The lower Cholesky factor of a positive definite matrix.
 *
 * @param cov symmetric                                                           [size, size]
 * @returns lower triangular factor                                               [size, size]
 * @throws {RangeError} not positive definite; the message names the pivot and its value
 */
export function choleskyLower(cov: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = cov[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * size + k]! * lower[j * size + k]!;
      if (i > j) {
        lower[i * size + j] = sum / lower[j * size + j]!;
      } else if (sum > 0) {
        lower[i * size + i] = Math.sqrt(sum);
      } else {
        throw new RangeError(`Covariance is not positive definite: pivot ${i} is ${sum}`);
      }
    }
  }
  return lower;
}

/** A pivot below this share of its diagonal element is what rounding left of 0. */
const PIVOT_TOLERANCE = 1e-13;
/** Pivots below this count as 0: near 2.2e-308, the smallest normal number, digits are lost. */
const PIVOT_MIN = 1e-290;

/**
 * A lower triangular factor of a positive semidefinite matrix: Cholesky's where it is regular; a
 * column whose pivot is 0 is 0.
 *
 * @param cov symmetric                                                           [size, size]
 * @returns lower triangular factor                                               [size, size]
 * @throws {RangeError} a pivot is negative; the message names it and its value
 */
export function choleskySemidefinite(cov: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let j = 0; j < size; j++) {
    let pivot = cov[j * size + j]!;
    for (let k = 0; k < j; k++) pivot -= lower[j * size + k]! ** 2;
    const tolerance = PIVOT_TOLERANCE * Math.abs(cov[j * size + j]!) + PIVOT_MIN;
    if (pivot < -tolerance) {
      throw new RangeError(`Covariance is not positive semidefinite: pivot ${j} is ${pivot}`);
    }
    if (pivot <= tolerance) continue;
    const root = Math.sqrt(pivot);
    lower[j * size + j] = root;
    for (let i = j + 1; i < size; i++) {
      let sum = cov[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * size + k]! * lower[j * size + k]!;
      lower[i * size + j] = sum / root;
    }
  }
  return lower;
}
