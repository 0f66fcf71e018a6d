// Matrix product: both operands are packed into panels, then a 4×8 block of outputs is kept in
// registers over a run of K. Every output sums its K products in one order, whatever the tasks.
import { at, given, least, loadQuad, splat, storeQuad, zero } from "./lanes";

/** Rows of a panel of the left operand, and columns of one of the right. */
const ROWS: i32 = 4;
const COLUMNS: i32 = 8;
/** Steps of K whose panels stay in the first-level cache. */
const STEPS: i32 = 256;

/** Four columns p of a 4-row panel at once, from rows that are contiguous in K. */
// @ts-ignore: decorator
@inline
function transposeInto(to: usize, width: i32, a: v128, b: v128, c: v128, d: v128): void {
  const low = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const high = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const lowTwo = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const highTwo = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low, lowTwo, 0, 1, 4, 5));
  v128.store(at(to, width), v128.shuffle<f32>(low, lowTwo, 2, 3, 6, 7));
  v128.store(at(to, 2 * width), v128.shuffle<f32>(high, highTwo, 0, 1, 4, 5));
  v128.store(at(to, 3 * width), v128.shuffle<f32>(high, highTwo, 2, 3, 6, 7));
}

/**
 * Packs a matrix of `rows`×k, of any strides, into panels [k][width] of `width` rows, zeros beyond
 * the last row. A task is a panel.
 */
export function pack(
  begin: i32,
  end: i32,
  _scratch: usize,
  source: usize,
  packed: usize,
  rows: i32,
  k: i32,
  strideRow: i32,
  strideK: i32,
  width: i32,
): void {
  const panels = (rows + width - 1) / width;
  for (let task = begin; task < end; task++) {
    const pair = task / panels;
    const row = (task % panels) * width;
    const from = at(source, pair * rows * k + row * strideRow);
    const to = at(packed, task * width * k);
    const count = least(width, rows - row);
    for (let half = 0; half < width; half += 4) {
      const left = count - half;
      if (strideRow == 1) {
        for (let p = 0; p < k; p++) {
          const value = loadQuad(at(from, p * strideK + half), left);
          v128.store(at(to, p * width + half), value);
        }
        continue;
      }
      let p = 0;
      if (strideK == 1 && left >= 4) {
        const first = at(from, half * strideRow);
        for (; p + 4 <= k; p += 4) {
          transposeInto(
            at(to, p * width + half),
            width,
            v128.load(at(first, p)),
            v128.load(at(first, strideRow + p)),
            v128.load(at(first, 2 * strideRow + p)),
            v128.load(at(first, 3 * strideRow + p)),
          );
        }
      }
      for (; p < k; p++) {
        for (let l = 0; l < 4; l++) {
          const value: f32 = l < left
            ? load<f32>(at(from, (half + l) * strideRow + p * strideK))
            : 0;
          store<f32>(at(to, p * width + half + l), value);
        }
      }
    }
  }
}

/** What the outputs of a block start from: what is there, or the bias. */
// @ts-ignore: decorator
@inline
function startOf(c: usize, bias: usize, isFirst: bool, lanes: i32): v128 {
  if (!isFirst) return loadQuad(c, lanes);
  return bias != 0 ? loadQuad(bias, lanes) : zero();
}

/** c[4][8] += panel of a · panel of b over `steps`; `rows`, `lanes` of the block exist. */
function multiplyBlock(
  a: usize,
  b: usize,
  c: usize,
  n: i32,
  bias: usize,
  isFirst: bool,
  steps: i32,
  rows: i32,
  lanes: i32,
): void {
  const c1 = at(c, rows > 1 ? n : 0);
  const c2 = at(c, rows > 2 ? 2 * n : 0);
  const c3 = at(c, rows > 3 ? 3 * n : 0);
  const biasHigh = given(bias, 4);
  const high = lanes - 4;
  let s00 = startOf(c, bias, isFirst, lanes);
  let s01 = startOf(c + 16, biasHigh, isFirst, high);
  let s10 = startOf(c1, bias, isFirst, lanes);
  let s11 = startOf(c1 + 16, biasHigh, isFirst, high);
  let s20 = startOf(c2, bias, isFirst, lanes);
  let s21 = startOf(c2 + 16, biasHigh, isFirst, high);
  let s30 = startOf(c3, bias, isFirst, lanes);
  let s31 = startOf(c3 + 16, biasHigh, isFirst, high);
  const stop = a + (<usize> steps << 4);
  while (a < stop) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    // One access for four factors: its check against the memory's size costs as much as a product.
    const factors = v128.load(a);
    let factor = v128.shuffle<f32>(factors, factors, 0, 0, 0, 0);
    s00 = f32x4.add(s00, f32x4.mul(factor, b0));
    s01 = f32x4.add(s01, f32x4.mul(factor, b1));
    factor = v128.shuffle<f32>(factors, factors, 1, 1, 1, 1);
    s10 = f32x4.add(s10, f32x4.mul(factor, b0));
    s11 = f32x4.add(s11, f32x4.mul(factor, b1));
    factor = v128.shuffle<f32>(factors, factors, 2, 2, 2, 2);
    s20 = f32x4.add(s20, f32x4.mul(factor, b0));
    s21 = f32x4.add(s21, f32x4.mul(factor, b1));
    factor = v128.shuffle<f32>(factors, factors, 3, 3, 3, 3);
    s30 = f32x4.add(s30, f32x4.mul(factor, b0));
    s31 = f32x4.add(s31, f32x4.mul(factor, b1));
    a += 16;
    b += 32;
  }
  // Last row first: rows that do not exist share the address of the first, which is written last.
  storeQuad(c3, s30, lanes);
  storeQuad(c3 + 16, s31, high);
  storeQuad(c2, s20, lanes);
  storeQuad(c2 + 16, s21, high);
  storeQuad(c1, s10, lanes);
  storeQuad(c1 + 16, s11, high);
  storeQuad(c, s00, lanes);
  storeQuad(c + 16, s01, high);
}

/**
 * c = a·b + bias from packed operands. A task is a block of `blockRows`×`blockColumns` outputs,
 * multiples of the panels.
 */
export function multiply(
  begin: i32,
  end: i32,
  _scratch: usize,
  a: usize,
  b: usize,
  bias: usize,
  c: usize,
  m: i32,
  n: i32,
  k: i32,
  blockRows: i32,
  blockColumns: i32,
): void {
  const down = (m + blockRows - 1) / blockRows;
  const across = (n + blockColumns - 1) / blockColumns;
  const paddedRows = (m + ROWS - 1) / ROWS * ROWS;
  const paddedColumns = (n + COLUMNS - 1) / COLUMNS * COLUMNS;
  for (let task = begin; task < end; task++) {
    const pair = task / (down * across);
    const row = (task / across % down) * blockRows;
    const column = (task % across) * blockColumns;
    const rowEnd = least(row + blockRows, m);
    const columnEnd = least(column + blockColumns, n);
    const offA = at(a, pair * paddedRows * k);
    const offB = at(b, pair * paddedColumns * k);
    const offC = at(c, pair * m * n);
    for (let start = 0; start == 0 || start < k; start += STEPS) {
      const steps = least(STEPS, k - start);
      for (let j = column; j < columnEnd; j += COLUMNS) {
        const panelB = at(offB, j * k + start * COLUMNS);
        const biasAt = given(bias, j);
        for (let i = row; i < rowEnd; i += ROWS) {
          multiplyBlock(
            at(offA, i * k + start * ROWS),
            panelB,
            at(offC, i * n + j),
            n,
            biasAt,
            start == 0,
            steps,
            rowEnd - i,
            columnEnd - j,
          );
        }
      }
    }
  }
}

/**
 * sums[c] = Σ_r left[r, c], in f64 and in the order of the rows. A task is `width` columns, a
 * multiple of 4.
 */
export function column_sums(
  begin: i32,
  end: i32,
  _scratch: usize,
  left: usize,
  sums: usize,
  rows: i32,
  columns: i32,
  width: i32,
): void {
  const last = least(end * width, columns);
  for (let c = begin * width; c < last; c += 4) {
    const lanes = columns - c;
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    for (let r = 0; r < rows; r++) {
      const v = loadQuad(at(left, r * columns + c), lanes);
      low = f64x2.add(low, f64x2.promote_low_f32x4(v));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
    }
    const first = f32x4.demote_f64x2_zero(low);
    const second = f32x4.demote_f64x2_zero(high);
    storeQuad(at(sums, c), v128.shuffle<f32>(first, second, 0, 1, 4, 5), lanes);
  }
}
