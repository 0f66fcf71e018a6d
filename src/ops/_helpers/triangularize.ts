/** The orthogonal step of square-root filters: a wide matrix made lower triangular. */

/** Squares below this count as 0: 2.2e-308 is the smallest normal number. */
const SQUARE_MIN = 1e-290;

/**
 * Replaces a matrix by its lower triangular factor: M·Q with Q orthogonal, so that M·Mᵀ stays.
 * Householder reflections, one a row (Golub and Van Loan, "Matrix Computations", algorithm 5.1.1);
 * the diagonal is made ≥ 0, so that a factor of a regular M·Mᵀ is its Cholesky factor. What has a
 * square that underflows counts as 0.
 *
 * @param matrix overwritten; what lies right of the diagonal becomes 0             [rows, cols]
 * @param cols   at least `rows`
 */
export function triangularizeInto(matrix: Float64Array, rows: number, cols: number): void {
  for (let j = 0; j < rows; j++) {
    const row = j * cols;
    const head = matrix[row + j]!;
    let tail = 0;
    for (let c = j + 1; c < cols; c++) tail += matrix[row + c]! * matrix[row + c]!;
    const square = head * head + tail;
    if (square < SQUARE_MIN || (tail < SQUARE_MIN && head >= 0)) {
      // Nothing is left beside the diagonal, or not even that.
      if (square < SQUARE_MIN) matrix[row + j] = 0;
      for (let c = j + 1; c < cols; c++) matrix[row + c] = 0;
      continue;
    }
    const norm = Math.sqrt(square);
    // head − norm, without its cancellation where head > 0.
    const first = head > 0 ? -tail / (head + norm) : head - norm;
    const scale = 2 / (first * first + tail);
    for (let i = j + 1; i < rows; i++) {
      const other = i * cols;
      let dot = first * matrix[other + j]!;
      for (let c = j + 1; c < cols; c++) dot += matrix[row + c]! * matrix[other + c]!;
      dot *= scale;
      matrix[other + j]! -= dot * first;
      for (let c = j + 1; c < cols; c++) matrix[other + c]! -= dot * matrix[row + c]!;
    }
    matrix[row + j] = norm;
    for (let c = j + 1; c < cols; c++) matrix[row + c] = 0;
  }
}

/**
 * The gradient by a covariance P from that by its lower Cholesky factor L:
 *
 *   gradP = ½·L⁻ᵀ·(Φ + Φᵀ)·L⁻¹,   Φ = lower triangle of Lᵀ·gradL with its diagonal halved
 *
 * Murray, "Differentiation of the Cholesky decomposition" (arXiv 1602.07527), equation 10. Where a
 * pivot of L is 0 there is no such gradient; its row contributes nothing.
 *
 * @param into  receives gradP, symmetric, added to what it holds                   [size, size]
 */
export function addFactorGradient(
  into: Float64Array,
  lower: Float64Array,
  gradLower: Float64Array,
  size: number,
): void {
  const middle = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = i; k < size; k++) sum += lower[k * size + i]! * gradLower[k * size + j]!;
      middle[i * size + j] = middle[j * size + i] = sum / 2;
    }
  }
  // The diagonal of Φ + Φᵀ is that of Lᵀ·gradL, and half of it is what stands there.
  solveTransposedInto(middle, lower, size);
  transposeInto(middle, size);
  solveTransposedInto(middle, lower, size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      into[i * size + j]! += (middle[i * size + j]! + middle[j * size + i]!) / 2;
    }
  }
}

/** X with Lᵀ·X = right, in place. */
function solveTransposedInto(right: Float64Array, lower: Float64Array, size: number): void {
  for (let i = size - 1; i >= 0; i--) {
    const pivot = lower[i * size + i]!;
    for (let j = 0; j < size; j++) {
      let sum = right[i * size + j]!;
      for (let k = i + 1; k < size; k++) sum -= lower[k * size + i]! * right[k * size + j]!;
      right[i * size + j] = pivot === 0 ? 0 : sum / pivot;
    }
  }
}

function transposeInto(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const kept = matrix[i * size + j]!;
      matrix[i * size + j] = matrix[j * size + i]!;
      matrix[j * size + i] = kept;
    }
  }
}
