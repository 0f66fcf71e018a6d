import { addScaled, identity, multiply, solve } from "./dense.ts";

/** Coefficients of the [13/13] Padé approximant of exp (Higham 2005, table 2.3). */
const PADE_13 = [
  64764752532480000,
  32382376266240000,
  7771770303897600,
  1187353796428800,
  129060195264000,
  10559470521600,
  670442572800,
  33522128640,
  1323241920,
  40840800,
  960960,
  16380,
  182,
  1,
] as const;

/** Largest 1-norm for which the [13/13] approximant is exact to f64 (Higham 2005, theta_13). */
const PADE_13_NORM_MAX = 5.371920351148152;

/** More squarings than this means a matrix whose exponential cannot be represented. */
const SQUARINGS_MAX = 1024;

/**
 * The exponential of a square matrix by scaling and squaring.
 *
 *   exp(M) = (r(M / 2^s))^(2^s),   r = the [13/13] Padé approximant
 *
 * Higham, "The scaling and squaring method for the matrix exponential revisited" (2005). Always
 * uses degree 13: the lower degrees of the paper save time that small matrices do not miss.
 *
 * @param matrix                                                                  [size, size]
 * @returns                                                                       [size, size]
 * @throws {RangeError} a value that is not finite
 */
export function matrixExponential(matrix: Float64Array, size: number): Float64Array {
  const norm = oneNorm(matrix, size);
  if (!Number.isFinite(norm)) {
    throw new RangeError(`Matrix exponential needs finite values, its 1-norm is ${norm}`);
  }
  const squarings = norm > PADE_13_NORM_MAX
    ? Math.min(SQUARINGS_MAX, Math.ceil(Math.log2(norm / PADE_13_NORM_MAX)))
    : 0;
  const scaled = matrix.map((value) => value / 2 ** squarings);
  let result = padeApproximant(scaled, size);
  for (let i = 0; i < squarings; i++) result = multiply(result, result, size, size, size);
  return result;
}

function oneNorm(matrix: Float64Array, size: number): number {
  let largest = 0;
  for (let j = 0; j < size; j++) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += Math.abs(matrix[i * size + j]!);
    // Math.max would drop nothing here: a NaN stays a NaN and is refused by the caller.
    largest = Math.max(largest, sum);
  }
  return largest;
}

function padeApproximant(m: Float64Array, size: number): Float64Array {
  const b = PADE_13;
  const one = identity(size);
  const m2 = multiply(m, m, size, size, size);
  const m4 = multiply(m2, m2, size, size, size);
  const m6 = multiply(m4, m2, size, size, size);
  const combine = (c6: number, c4: number, c2: number, c0: number): Float64Array => {
    const out = new Float64Array(size * size);
    for (let i = 0; i < out.length; i++) {
      out[i] = c6 * m6[i]! + c4 * m4[i]! + c2 * m2[i]! + c0 * one[i]!;
    }
    return out;
  };
  const high = (c: Float64Array) => multiply(m6, c, size, size, size);
  const oddInner = addScaled(high(combine(b[13], b[11], b[9], 0)), combine(b[7], b[5], b[3], b[1]));
  const odd = multiply(m, oddInner, size, size, size);
  const even = addScaled(high(combine(b[12], b[10], b[8], 0)), combine(b[6], b[4], b[2], b[0]));
  return solve(addScaled(even, odd, -1), addScaled(even, odd), size, size);
}
