/**
 * Minimum of ½ wᵀAw − bᵀw over w ≥ 0, Σ w = 1, for a small positive definite A: active sets
 * (Nocedal and Wright 2006, algorithm 16.3), exact but for rounding.
 *
 * On the weights that may be positive the minimum is w = u + mu·v with A·u = b, A·v = 1; a weight
 * that would fall below 0 leaves them, and one whose gradient is below mu joins them.
 */

/** A gradient this far below the others', in shares of the largest of b, counts. */
const GRADIENT_MARGIN = 1e-12;

/** Sets tried for each weight; far more than it takes. */
const ROUNDS_PER_WEIGHT = 8;

/** L of the Cholesky factor L·Lᵀ of the rows and columns in `used`.            [used, used] */
function factorOf(A: Float64Array, size: number, used: readonly number[]): Float64Array {
  const count = used.length;
  const L = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A[used[i]! * size + used[j]!]!;
      for (let k = 0; k < j; k++) sum -= L[i * count + k]! * L[j * count + k]!;
      L[i * count + j] = i === j ? Math.sqrt(sum) : sum / L[j * count + j]!;
    }
  }
  return L;
}

/** Solves L·Lᵀ·x = x in place. */
function solveInto(L: Float64Array, x: Float64Array): void {
  const count = x.length;
  for (let i = 0; i < count; i++) {
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= L[i * count + k]! * x[k]!;
    x[i] = sum / L[i * count + i]!;
  }
  for (let i = count - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < count; k++) sum -= L[k * count + i]! * x[k]!;
    x[i] = sum / L[i * count + i]!;
  }
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** The weight outside `used` whose gradient lies furthest below mu; −1 where none does. */
function steepest(
  A: Float64Array,
  b: Float64Array,
  w: Float64Array,
  used: readonly number[],
  mu: number,
): number {
  const size = b.length;
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let least = mu - GRADIENT_MARGIN * largest;
  let found = -1;
  for (let i = 0; i < size; i++) {
    if (used.includes(i)) continue;
    let gradient = -b[i]!;
    for (let j = 0; j < size; j++) gradient += A[i * size + j]! * w[j]!;
    if (gradient < least) [least, found] = [gradient, i];
  }
  return found;
}

/**
 * See the top of this file.
 *
 * @param A      positive definite                                             [size, size]
 * @param start  weights to begin with: none below 0, together 1                    [size]
 */
export function simplexMinimum(
  A: Float64Array,
  b: Float64Array,
  start: Float64Array,
): Float64Array {
  const size = b.length;
  const w = start.slice();
  let used = Array.from(w.keys()).filter((i) => w[i]! > 0);
  for (let round = 0; round < ROUNDS_PER_WEIGHT * size; round++) {
    const L = factorOf(A, size, used);
    const wanted = Float64Array.from(used, (i) => b[i]!);
    const ones = new Float64Array(used.length).fill(1);
    solveInto(L, wanted);
    solveInto(L, ones);
    const mu = (1 - sumOf(wanted)) / sumOf(ones);
    for (let k = 0; k < used.length; k++) wanted[k] = wanted[k]! + mu * ones[k]!;
    let share = 1;
    let leaves = -1;
    used.forEach((i, k) => {
      const reach = w[i]! / (w[i]! - wanted[k]!);
      if (wanted[k]! <= 0 && reach < share) [share, leaves] = [reach, i];
    });
    used.forEach((i, k) => w[i] = Math.max(0, w[i]! + share * (wanted[k]! - w[i]!)));
    if (leaves >= 0) {
      w[leaves] = 0;
      used = used.filter((i) => i !== leaves);
      continue;
    }
    const joins = steepest(A, b, w, used, mu);
    if (joins < 0) break;
    used = [...used, joins];
  }
  return w;
}
