// Vectors of four f32, whole or in part. Rows whose width is no multiple of four end in a vector
// of which `count` lanes exist; the others are zero when loaded and left alone when stored.

/** Bytes of a vector. */
export const QUAD: usize = 16;
/** Features that a task of a scan takes: four vectors, one cache line of a row. */
export const TILE: i32 = 16;
export const TILE_BYTES: usize = 64;

// @ts-ignore: decorator
@inline
export function splat(value: f32): v128 {
  return f32x4.splat(value);
}

// @ts-ignore: decorator
@inline
export function zero(): v128 {
  return f32x4.splat(0);
}

function loadPart(at: usize, count: i32): v128 {
  if (count <= 0) return zero();
  let v = v128.load32_zero(at);
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(at, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(at, 8));
  return v;
}

// @ts-ignore: decorator
@inline
export function loadQuad(at: usize, count: i32): v128 {
  return count >= 4 ? v128.load(at) : loadPart(at, count);
}

function storePart(at: usize, v: v128, count: i32): void {
  if (count > 0) store<f32>(at, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(at, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(at, f32x4.extract_lane(v, 2), 8);
}

// @ts-ignore: decorator
@inline
export function storeQuad(at: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(at, v);
  else storePart(at, v, count);
}

/** Address of an f32. */
// @ts-ignore: decorator
@inline
export function at(base: usize, index: i32): usize {
  return base + (<usize> index << 2);
}

/** Address of an f32 of an array that may not be given, which then is 0. */
// @ts-ignore: decorator
@inline
export function given(base: usize, index: i32): usize {
  return base == 0 ? <usize> 0 : at(base, index);
}

/** The smaller one. */
// @ts-ignore: decorator
@inline
export function least(a: i32, b: i32): i32 {
  return a < b ? a : b;
}

/**
 * Copies rows [width][count] with a stride into columns [count][TILE], zeros beyond `width`, so
 * that a vector holds one entry of four neighbouring rows. Address 0 gives zeros.
 */
export function columnsInto(
  to: usize,
  from: usize,
  width: i32,
  count: i32,
  rowStride: i32,
  stride: i32,
): void {
  for (let i = 0; i < count; i++) {
    for (let l = 0; l < TILE; l++) {
      const value: f32 = from != 0 && l < width ? load<f32>(at(from, l * rowStride + i * stride)) : 0;
      store<f32>(at(to, i * TILE + l), value);
    }
  }
}

/** The way back: columns [count][TILE] into rows. */
export function rowsInto(
  to: usize,
  from: usize,
  width: i32,
  count: i32,
  rowStride: i32,
  stride: i32,
): void {
  for (let i = 0; i < count; i++) {
    for (let l = 0; l < width; l++) {
      store<f32>(at(to, l * rowStride + i * stride), load<f32>(at(from, i * TILE + l)));
    }
  }
}

/**
 * Complex [lanes, count], rows `rowStride` floats apart, into vectors of four lanes, zeros beyond:
 * real parts, then imaginary parts, those of the next one `bytes` on. Address 0 gives zeros.
 */
export function complexInto(
  to: usize,
  from: usize,
  lanes: i32,
  count: i32,
  rowStride: i32,
  bytes: usize,
): void {
  for (let n = 0; n < count; n++) {
    for (let l = 0; l < 4; l++) {
      const isGiven = from != 0 && l < lanes;
      const place = at(from, l * rowStride + 2 * n);
      store<f32>(at(to, l), isGiven ? load<f32>(place) : 0);
      store<f32>(at(to, l), isGiven ? load<f32>(place, 4) : 0, QUAD);
    }
    to += bytes;
  }
}

/** The way back. */
export function complexFrom(
  to: usize,
  from: usize,
  lanes: i32,
  count: i32,
  rowStride: i32,
  bytes: usize,
): void {
  for (let n = 0; n < count; n++) {
    for (let l = 0; l < lanes; l++) {
      const place = at(to, l * rowStride + 2 * n);
      store<f32>(place, load<f32>(at(from, l)));
      store<f32>(place, load<f32>(at(from, l), QUAD), 4);
    }
    from += bytes;
  }
}

/** Steps whose sums stay in f32 before they are added to the sums in f64. */
export const RUN: i32 = 64;

/** Adds four f32 to four f64 in memory. */
// @ts-ignore: decorator
@inline
export function addToSums(to: usize, v: v128): void {
  const upper = v128.shuffle<f32>(v, v, 2, 3, 2, 3);
  v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v)));
  v128.store(to + 16, f64x2.add(v128.load(to + 16), f64x2.promote_low_f32x4(upper)));
}

/** Four f64 in memory as f32. */
// @ts-ignore: decorator
@inline
export function sumsAt(from: usize): v128 {
  const low = f32x4.demote_f64x2_zero(v128.load(from));
  const high = f32x4.demote_f64x2_zero(v128.load(from + 16));
  return v128.shuffle<f32>(low, high, 0, 1, 4, 5);
}

/** Where the sums of a vector's place begin: f64 takes twice the room. */
// @ts-ignore: decorator
@inline
export function sumsOf(sums: usize, index: i32): usize {
  return at(sums, 2 * index);
}

/** Sets `count` floats to zero. */
export function clear(from: usize, count: i32): void {
  memory.fill(from, 0, <usize> count << 2);
}

/** Writes sums [count][TILE] in f64 into rows, by way of `columns` [count][TILE]. */
export function sumsIntoRows(
  to: usize,
  sums: usize,
  columns: usize,
  width: i32,
  count: i32,
  rowStride: i32,
  stride: i32,
): void {
  for (let i = 0; i < count * TILE; i += 4) v128.store(at(columns, i), sumsAt(sumsOf(sums, i)));
  rowsInto(to, columns, width, count, rowStride, stride);
}

/** The sum of the lanes. */
// @ts-ignore: decorator
@inline
export function across(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The sums of the lanes of four vectors, each as `across` has it. */
// @ts-ignore: decorator
@inline
export function acrossFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 1, 4, 5), v128.shuffle<f32>(c, d, 2, 3, 6, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}
