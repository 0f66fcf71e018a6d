/** The matrix product in double precision: the definition that the twins share. */
import type { FloatArray } from "../../tensor/tensor.ts";
import type { Product } from "./matmul_tiles.ts";

/** c = a·b + bias for each pair of matrices; sums are in f64. */
export function multiplyInto(
  c: FloatArray,
  a: FloatArray,
  b: FloatArray,
  { pairs, m, n, k, transposeA, transposeB }: Product,
  bias?: FloatArray,
): void {
  const row = new Float64Array(n);
  const strideRow = transposeA ? 1 : k;
  const strideK = transposeA ? m : 1;
  for (let pair = 0; pair < pairs; pair++) {
    const offA = pair * m * k;
    const offB = pair * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) row[j] = bias ? bias[j]! : 0;
      const at = offA + i * strideRow;
      if (transposeB) addDotsInto(row, a, at, strideK, b, offB, k);
      else addRowsInto(row, a, at, strideK, b, offB, k);
      c.set(row, (pair * m + i) * n);
    }
  }
}

/** row[j] += Σ a[k]·b[j, k]. */
function addDotsInto(
  row: Float64Array,
  a: FloatArray,
  at: number,
  stride: number,
  b: FloatArray,
  offB: number,
  k: number,
): void {
  for (let j = 0; j < row.length; j++) {
    let sum = 0;
    const bRow = offB + j * k;
    for (let p = 0; p < k; p++) sum += a[at + p * stride]! * b[bRow + p]!;
    row[j] = row[j]! + sum;
  }
}

/** row[j] += Σ a[k]·b[k, j], row of b by row, so that memory is read in order. */
function addRowsInto(
  row: Float64Array,
  a: FloatArray,
  at: number,
  stride: number,
  b: FloatArray,
  offB: number,
  k: number,
): void {
  const n = row.length;
  for (let p = 0; p < k; p++) {
    const factor = a[at + p * stride]!;
    const bRow = offB + p * n;
    for (let j = 0; j < n; j++) row[j] = row[j]! + factor * b[bRow + j]!;
  }
}
