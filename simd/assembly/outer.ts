// Sums of outer products, and products with a matrix turned: what the gradients of dense systems
// are made of.
import { addToSums, at, loadQuad, storeQuad, sumsAt, sumsOf, zero } from "./lanes";

// @ts-ignore: decorator
@inline
function plus(sum: v128, factor: usize, value: v128): v128 {
  return f32x4.add(sum, f32x4.mul(v128.load32_splat(factor), value));
}

/**
 * to[r, c] += Σ_k left[k, r]·right[k, c], columns up to whole vectors. Rows of `to` are `padded`
 * floats apart; left and right have strides of their own.
 */
export function addOuter(
  to: usize,
  left: usize,
  leftStride: i32,
  rows: i32,
  right: usize,
  rightStride: i32,
  columns: i32,
  padded: i32,
  count: i32,
): void {
  const leftRow = <usize> leftStride << 2;
  const rightRow = <usize> rightStride << 2;
  for (let c = 0; c < columns; c += 4) {
    const lanes = columns - c;
    let r = 0;
    for (; r + 4 <= rows; r += 4) {
      const first = at(to, r * padded + c);
      const second = at(first, padded);
      const third = at(second, padded);
      const fourth = at(third, padded);
      let s0 = v128.load(first);
      let s1 = v128.load(second);
      let s2 = v128.load(third);
      let s3 = v128.load(fourth);
      let factors = at(left, r);
      let values = at(right, c);
      for (let k = 0; k < count; k++) {
        const value = loadQuad(values, lanes);
        s0 = plus(s0, factors, value);
        s1 = plus(s1, factors + 4, value);
        s2 = plus(s2, factors + 8, value);
        s3 = plus(s3, factors + 12, value);
        factors += leftRow;
        values += rightRow;
      }
      v128.store(first, s0);
      v128.store(second, s1);
      v128.store(third, s2);
      v128.store(fourth, s3);
    }
    for (; r < rows; r++) {
      const place = at(to, r * padded + c);
      let sum = v128.load(place);
      let factors = at(left, r);
      let values = at(right, c);
      for (let k = 0; k < count; k++) {
        sum = plus(sum, factors, loadQuad(values, lanes));
        factors += leftRow;
        values += rightRow;
      }
      v128.store(place, sum);
    }
  }
}

/** to = Mᵀ·x, M [rows, columns], in whole vectors. */
export function turnedTimes(to: usize, M: usize, rows: i32, columns: i32, x: usize): void {
  const row = <usize> columns << 2;
  for (let c = 0; c < columns; c += 4) {
    const lanes = columns - c;
    let s0 = zero();
    let s1 = zero();
    let s2 = zero();
    let s3 = zero();
    let m = at(M, c);
    let i = 0;
    for (; i + 4 <= rows; i += 4) {
      s0 = plus(s0, at(x, i), loadQuad(m, lanes));
      s1 = plus(s1, at(x, i + 1), loadQuad(m + row, lanes));
      s2 = plus(s2, at(x, i + 2), loadQuad(m + 2 * row, lanes));
      s3 = plus(s3, at(x, i + 3), loadQuad(m + 3 * row, lanes));
      m += 4 * row;
    }
    for (; i < rows; i++) {
      s0 = plus(s0, at(x, i), loadQuad(m, lanes));
      m += row;
    }
    v128.store(at(to, c), f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  }
}

/** Moves sums in f32 to those in f64, and leaves zeros. */
export function moveToSums(sums: usize, from: usize, count: i32): void {
  for (let i = 0; i < count; i += 4) {
    addToSums(sumsOf(sums, i), v128.load(at(from, i)));
    v128.store(at(from, i), zero());
  }
}

/** Writes sums [rows, padded] in f64 into rows [rows, columns]. */
export function sumsInto(to: usize, sums: usize, rows: i32, columns: i32, padded: i32): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c += 4) {
      storeQuad(at(to, r * columns + c), sumsAt(sumsOf(sums, r * padded + c)), columns - c);
    }
  }
}
