// Product of a few rows with a packed matrix: what a network costs that sees one sample at a time.
// An output starts from the bias, or from what is there, and adds its K products in one order,
// however many rows there are: rows one by one and rows together give the same bits.
import { at, given, loadQuad, storeQuad, zero } from "./lanes";

/** Columns of a panel of the right operand, as `pack` of matmul.ts makes them. */
const COLUMNS: i32 = 8;

// @ts-ignore: decorator
@inline
function startOf(c: usize, bias: usize, adds: i32, lanes: i32): v128 {
  if (adds != 0) return loadQuad(c, lanes);
  return bias != 0 ? loadQuad(bias, lanes) : zero();
}

// @ts-ignore: decorator
@inline
function plus(sum: v128, factor: v128, from: usize, shift: usize): v128 {
  return f32x4.add(sum, f32x4.mul(factor, v128.load(from + shift)));
}

/** One row, four whole panels: eight sums hide the time that an addition takes. */
function oneByFour(a: usize, b: usize, bias: usize, c: usize, k: i32, adds: i32): void {
  const b1 = at(b, COLUMNS * k);
  const b2 = at(b1, COLUMNS * k);
  const b3 = at(b2, COLUMNS * k);
  let s0 = startOf(c, bias, adds, 4);
  let s1 = startOf(c + 16, given(bias, 4), adds, 4);
  let s2 = startOf(c + 32, given(bias, 8), adds, 4);
  let s3 = startOf(c + 48, given(bias, 12), adds, 4);
  let s4 = startOf(c + 64, given(bias, 16), adds, 4);
  let s5 = startOf(c + 80, given(bias, 20), adds, 4);
  let s6 = startOf(c + 96, given(bias, 24), adds, 4);
  let s7 = startOf(c + 112, given(bias, 28), adds, 4);
  for (let p: i32 = 0; p < k; p++) {
    const factor = v128.load32_splat(at(a, p));
    const shift = <usize> p << 5;
    s0 = plus(s0, factor, b, shift);
    s1 = plus(s1, factor, b, shift + 16);
    s2 = plus(s2, factor, b1, shift);
    s3 = plus(s3, factor, b1, shift + 16);
    s4 = plus(s4, factor, b2, shift);
    s5 = plus(s5, factor, b2, shift + 16);
    s6 = plus(s6, factor, b3, shift);
    s7 = plus(s7, factor, b3, shift + 16);
  }
  v128.store(c, s0);
  v128.store(c + 16, s1);
  v128.store(c + 32, s2);
  v128.store(c + 48, s3);
  v128.store(c + 64, s4);
  v128.store(c + 80, s5);
  v128.store(c + 96, s6);
  v128.store(c + 112, s7);
}

/** One row, one panel, of which `lanes` columns exist. */
function oneByOne(
  a: usize,
  b: usize,
  bias: usize,
  c: usize,
  k: i32,
  adds: i32,
  lanes: i32,
): void {
  let s0 = startOf(c, bias, adds, lanes);
  let s1 = startOf(c + 16, given(bias, 4), adds, lanes - 4);
  for (let p: i32 = 0; p < k; p++) {
    const factor = v128.load32_splat(at(a, p));
    s0 = plus(s0, factor, b, <usize> p << 5);
    s1 = plus(s1, factor, b, (<usize> p << 5) + 16);
  }
  storeQuad(c, s0, lanes);
  storeQuad(c + 16, s1, lanes - 4);
}

/** Four rows, one panel. */
function fourByOne(
  a: usize,
  b: usize,
  bias: usize,
  c: usize,
  n: i32,
  k: i32,
  adds: i32,
  lanes: i32,
): void {
  const c1 = at(c, n);
  const c2 = at(c1, n);
  const c3 = at(c2, n);
  const biasHigh = given(bias, 4);
  const high = lanes - 4;
  let s00 = startOf(c, bias, adds, lanes);
  let s01 = startOf(c + 16, biasHigh, adds, high);
  let s10 = startOf(c1, bias, adds, lanes);
  let s11 = startOf(c1 + 16, biasHigh, adds, high);
  let s20 = startOf(c2, bias, adds, lanes);
  let s21 = startOf(c2 + 16, biasHigh, adds, high);
  let s30 = startOf(c3, bias, adds, lanes);
  let s31 = startOf(c3 + 16, biasHigh, adds, high);
  // Two steps of K a turn: addresses and their checks are as many instructions as the products.
  const toSecond = <usize> k << 2;
  const toThird = toSecond + toSecond;
  const toFourth = toThird + toSecond;
  const end = at(a, k & ~1);
  for (; a < end; a += 8) {
    const low = v128.load(b);
    const upper = v128.load(b, 16);
    const lowNext = v128.load(b, 32);
    const upperNext = v128.load(b, 48);
    b += 64;
    let factor = v128.load32_splat(a);
    s00 = f32x4.add(s00, f32x4.mul(factor, low));
    s01 = f32x4.add(s01, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toSecond);
    s10 = f32x4.add(s10, f32x4.mul(factor, low));
    s11 = f32x4.add(s11, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toThird);
    s20 = f32x4.add(s20, f32x4.mul(factor, low));
    s21 = f32x4.add(s21, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toFourth);
    s30 = f32x4.add(s30, f32x4.mul(factor, low));
    s31 = f32x4.add(s31, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a, 4);
    s00 = f32x4.add(s00, f32x4.mul(factor, lowNext));
    s01 = f32x4.add(s01, f32x4.mul(factor, upperNext));
    factor = v128.load32_splat(a + toSecond, 4);
    s10 = f32x4.add(s10, f32x4.mul(factor, lowNext));
    s11 = f32x4.add(s11, f32x4.mul(factor, upperNext));
    factor = v128.load32_splat(a + toThird, 4);
    s20 = f32x4.add(s20, f32x4.mul(factor, lowNext));
    s21 = f32x4.add(s21, f32x4.mul(factor, upperNext));
    factor = v128.load32_splat(a + toFourth, 4);
    s30 = f32x4.add(s30, f32x4.mul(factor, lowNext));
    s31 = f32x4.add(s31, f32x4.mul(factor, upperNext));
  }
  if ((k & 1) != 0) {
    const low = v128.load(b);
    const upper = v128.load(b, 16);
    let factor = v128.load32_splat(a);
    s00 = f32x4.add(s00, f32x4.mul(factor, low));
    s01 = f32x4.add(s01, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toSecond);
    s10 = f32x4.add(s10, f32x4.mul(factor, low));
    s11 = f32x4.add(s11, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toThird);
    s20 = f32x4.add(s20, f32x4.mul(factor, low));
    s21 = f32x4.add(s21, f32x4.mul(factor, upper));
    factor = v128.load32_splat(a + toFourth);
    s30 = f32x4.add(s30, f32x4.mul(factor, low));
    s31 = f32x4.add(s31, f32x4.mul(factor, upper));
  }
  storeQuad(c, s00, lanes);
  storeQuad(c + 16, s01, high);
  storeQuad(c1, s10, lanes);
  storeQuad(c1 + 16, s11, high);
  storeQuad(c2, s20, lanes);
  storeQuad(c2 + 16, s21, high);
  storeQuad(c3, s30, lanes);
  storeQuad(c3 + 16, s31, high);
}

/**
 * c[rows, n] = start + a[rows, k]·b, b packed in panels [n/8][k][8]; start is c itself where `adds`
 * is not 0, else the bias, or zero where that is not given (address 0).
 */
export function row_product(
  a: usize,
  b: usize,
  bias: usize,
  c: usize,
  rows: i32,
  n: i32,
  k: i32,
  adds: i32,
): void {
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    for (let j = 0; j < n; j += COLUMNS) {
      const to = at(c, row * n + j);
      fourByOne(at(a, row * k), at(b, j * k), given(bias, j), to, n, k, adds, n - j);
    }
  }
  for (; row < rows; row++) {
    const from = at(a, row * k);
    let j = 0;
    for (; j + 4 * COLUMNS <= n; j += 4 * COLUMNS) {
      oneByFour(from, at(b, j * k), given(bias, j), at(c, row * n + j), k, adds);
    }
    for (; j < n; j += COLUMNS) {
      oneByOne(from, at(b, j * k), given(bias, j), at(c, row * n + j), k, adds, n - j);
    }
  }
}
