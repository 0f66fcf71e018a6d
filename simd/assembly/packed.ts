// Symmetric matrices in f64, packed by rows of the lower triangle: what Kalman filters and
// recursive least squares spend their time on. Every sum adds its terms in the order of the plain
// loops in src/models/packed_cov.ts, so the results are the same bits.

/** Bytes of an f64. */
const WIDE: i32 = 8;

// @ts-ignore: decorator
@inline
function entry(base: usize, index: i32): usize {
  return base + (<usize> index << 3);
}

// @ts-ignore: decorator
@inline
function evens(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(a, b, 0, 2);
}

// @ts-ignore: decorator
@inline
function odds(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(a, b, 1, 3);
}

// @ts-ignore: decorator
@inline
function plusProduct(sum: v128, a: v128, b: v128): v128 {
  return f64x2.add(sum, f64x2.mul(a, b));
}

/** The rest of out = P·row in row i of P, from column `from` on; `sum` is of those before. */
function endRow(p: usize, row: usize, out: usize, i: i32, from: i32, sum: f64): void {
  const ci = load<f64>(entry(row, i));
  for (let j = from; j < i; j++) {
    const value = load<f64>(entry(p, j));
    sum += value * load<f64>(entry(row, j));
    store<f64>(entry(out, j), load<f64>(entry(out, j)) + value * ci);
  }
  store<f64>(entry(out, i), sum + load<f64>(entry(p, i)) * ci);
}

/**
 * out = P·row. Four rows of P at a time: an entry left of the diagonal serves its row, whose sums
 * lie in lanes, and by symmetry its column, whose sums lie in memory.
 */
export function cov_times_row(p: usize, row: usize, out: usize, size: i32): void {
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    const p1 = entry(p, i + 1);
    const p2 = entry(p1, i + 2);
    const p3 = entry(p2, i + 3);
    const r0 = v128.load64_splat(entry(row, i));
    const r1 = v128.load64_splat(entry(row, i + 1));
    const r2 = v128.load64_splat(entry(row, i + 2));
    const r3 = v128.load64_splat(entry(row, i + 3));
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    for (let j: usize = 0; j < <usize> (i * WIDE); j += 16) {
      const a = v128.load(p + j);
      const b = v128.load(p1 + j);
      const c = v128.load(p2 + j);
      const d = v128.load(p3 + j);
      const even = v128.load64_splat(row + j);
      const odd = v128.load64_splat(row + j, 8);
      low = plusProduct(plusProduct(low, evens(a, b), even), odds(a, b), odd);
      high = plusProduct(plusProduct(high, evens(c, d), even), odds(c, d), odd);
      let sums = plusProduct(v128.load(out + j), a, r0);
      sums = plusProduct(sums, b, r1);
      sums = plusProduct(sums, c, r2);
      v128.store(out + j, plusProduct(sums, d, r3));
    }
    endRow(p, row, out, i, i, f64x2.extract_lane(low, 0));
    endRow(p1, row, out, i + 1, i, f64x2.extract_lane(low, 1));
    endRow(p2, row, out, i + 2, i, f64x2.extract_lane(high, 0));
    endRow(p3, row, out, i + 3, i, f64x2.extract_lane(high, 1));
    p = entry(p3, i + 4);
  }
  for (; i < size; i++) {
    endRow(p, row, out, i, 0, 0);
    p = entry(p, i + 1);
  }
}

/** P ← (P − factor·column·columnᵀ)·grow. */
export function subtract_outer(
  p: usize,
  column: usize,
  factor: f64,
  grow: f64,
  size: i32,
): void {
  const growth = f64x2.splat(grow);
  for (let i = 0; i < size; i++) {
    const scaled = load<f64>(entry(column, i)) * factor;
    const scale = f64x2.splat(scaled);
    let j = 0;
    for (; j < i; j += 2) {
      const at = entry(p, j);
      const less = f64x2.sub(v128.load(at), f64x2.mul(scale, v128.load(entry(column, j))));
      v128.store(at, f64x2.mul(less, growth));
    }
    if (j == i) {
      const at = entry(p, j);
      store<f64>(at, (load<f64>(at) - scaled * load<f64>(entry(column, j))) * grow);
    }
    p = entry(p, i + 1);
  }
}

/** P ← P − factor·column·columnᵀ, rounded to f32; every sum in f64. */
export function subtract_outer_rounded(p: usize, column: usize, factor: f64, size: i32): void {
  for (let i = 0; i < size; i++) {
    const scaled = load<f64>(entry(column, i)) * factor;
    const scale = f64x2.splat(scaled);
    let j = 0;
    for (; j < i; j += 2) {
      const at = entry(p, j);
      const less = f64x2.sub(v128.load(at), f64x2.mul(scale, v128.load(entry(column, j))));
      v128.store(at, f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(less)));
    }
    if (j == i) {
      const at = entry(p, j);
      store<f64>(at, <f64> <f32> (load<f64>(at) - scaled * load<f64>(entry(column, j))));
    }
    p = entry(p, i + 1);
  }
}

/** Numbers of f32 at `from` into f64 at `to`. */
export function widen(from: usize, to: usize, count: i32): void {
  let i = 0;
  for (; i + 2 <= count; i += 2) {
    v128.store(entry(to, i), f64x2.promote_low_f32x4(v128.load64_zero(from + (<usize> i << 2))));
  }
  if (i < count) store<f64>(entry(to, i), <f64> load<f32>(from + (<usize> i << 2)));
}

/** Numbers of f64 at `from`, rounded, into f32 at `to`. */
export function narrow(from: usize, to: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const low = f32x4.demote_f64x2_zero(v128.load(entry(from, i)));
    const high = f32x4.demote_f64x2_zero(v128.load(entry(from, i), 16));
    v128.store(to + (<usize> i << 2), v128.shuffle<f32>(low, high, 0, 1, 4, 5));
  }
  for (; i < count; i++) store<f32>(to + (<usize> i << 2), <f32> load<f64>(entry(from, i)));
}
