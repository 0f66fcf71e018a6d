// The LegS memory. A step's matrix is a product of two, basis and polynomials, of which the second
// changes with time: it is made once a sample and taken by all features of a task. Vectors run over
// features; a task is one row of the batch and up to 16 of them.
import { at, columnsInto, given, least, loadQuad, rowsInto, splat, storeQuad, TILE } from "./lanes";
import { TILE_BYTES } from "./lanes";

/** Numbers of a node in the table: its place in two parts, its weight. */
export const NODE: i32 = 3;

// @ts-ignore: decorator
@inline
export function wide(base: usize, index: i32): usize {
  return base + (<usize> index << 3);
}

/**
 * Of the orthonormal polynomials q_n = √(2n+1)·P_n, [4][padded] in f64: a and b of
 *
 *   q_{n+1}(x) = a_n·x·q_n(x) − b_n·q_{n−1}(x)
 *
 * then √(2n+1), and √(2n+1)/(2n·(n+1)), by which a slope of P_n becomes a weight of the input.
 */
export function recurrenceInto(to: usize, padded: i32): void {
  for (let n = 0; n < padded; n++) {
    const degree = <f64> n;
    const root = sqrt(2 * degree + 1);
    const after = sqrt(2 * degree + 3);
    const before = n > 0 ? sqrt(2 * degree - 1) : 1;
    store<f64>(wide(to, n), after * root / (degree + 1));
    store<f64>(wide(to, padded + n), after / before * degree / (degree + 1));
    store<f64>(wide(to, 2 * padded + n), root);
    store<f64>(wide(to, 3 * padded + n), n > 0 ? root / (2 * degree * (degree + 1)) : 0);
  }
}

/** Weights of a held input, `legsHeldInto` of src/ssm/legs_step.ts, and zeros beyond the states. */
export function heldInto(to: usize, recurrence: usize, padded: i32, states: i32, share: f64): void {
  const x = 1 - 2 * share;
  const scale = 4 * share * (1 - share);
  let older: f64 = 0;
  let newer: f64 = 1;
  let olderSlope: f64 = 0;
  let newerSlope: f64 = 0;
  for (let n = 0; n < padded; n++) {
    const weight = load<f64>(wide(recurrence, 3 * padded + n)) * scale * newerSlope;
    store<f32>(at(to, n), n == 0 ? <f32> share : n < states ? <f32> weight : 0);
    const slope = olderSlope + load<f64>(wide(recurrence, 2 * padded + n)) * newer;
    olderSlope = newerSlope;
    newerSlope = slope;
    const value = load<f64>(wide(recurrence, n)) * x * newer -
      load<f64>(wide(recurrence, padded + n)) * older;
    older = newer;
    newer = value;
  }
}

/** The next polynomial at two places. */
// @ts-ignore: decorator
@inline
function following(a: v128, b: v128, place: v128, newer: v128, older: v128): v128 {
  return f64x2.sub(f64x2.mul(f64x2.mul(a, place), newer), f64x2.mul(b, older));
}

/** Two nodes' values of a column of the table. */
// @ts-ignore: decorator
@inline
function twoOf(table: usize, node: i32, column: i32): v128 {
  const first = f64x2.splat(<f64> load<f32>(at(table, node * NODE + column)));
  return f64x2.replace_lane(first, 1, <f64> load<f32>(at(table, (node + 1) * NODE + column)));
}

/** Places, as arguments of the polynomials, of two nodes of the old interval on the new one. */
// @ts-ignore: decorator
@inline
function placesOf(table: usize, node: i32, kept: v128): v128 {
  const nodes = f64x2.add(twoOf(table, node, 0), twoOf(table, node, 1));
  return f64x2.sub(f64x2.mul(f64x2.mul(f64x2.splat(2), kept), nodes), f64x2.splat(1));
}

/** kept·w_i·q_n(place of node i), [states][padded]: four nodes at a time, in f64. */
export function polynomialsInto(
  to: usize,
  table: usize,
  recurrence: usize,
  padded: i32,
  states: i32,
  share: f64,
): void {
  const kept = f64x2.splat(1 - share);
  for (let i = 0; i < padded; i += 4) {
    const low = placesOf(table, i, kept);
    const high = placesOf(table, i + 2, kept);
    let newerLow = f64x2.mul(kept, twoOf(table, i, 2));
    let newerHigh = f64x2.mul(kept, twoOf(table, i + 2, 2));
    let olderLow = f64x2.splat(0);
    let olderHigh = f64x2.splat(0);
    for (let n = 0; n < states; n++) {
      const halves = f32x4.demote_f64x2_zero(newerLow);
      const others = f32x4.demote_f64x2_zero(newerHigh);
      v128.store(at(to, n * padded + i), v128.shuffle<f32>(halves, others, 0, 1, 4, 5));
      const a = v128.load64_splat(wide(recurrence, n));
      const b = v128.load64_splat(wide(recurrence, padded + n));
      const nextLow = following(a, b, low, newerLow, olderLow);
      const nextHigh = following(a, b, high, newerHigh, olderHigh);
      olderLow = newerLow;
      olderHigh = newerHigh;
      newerLow = nextLow;
      newerHigh = nextHigh;
    }
  }
}

// @ts-ignore: decorator
@inline
function plus(sum: v128, factor: v128, value: v128): v128 {
  return f32x4.add(sum, f32x4.mul(factor, value));
}

/**
 * to[r] = Σ_c M[r, c]·from[c] + weight[r]·input for eight features, four rows at a time: rows and
 * columns of M are so many floats apart, rows of `to` and `from` hold 16 features. No weight: 0.
 */
export function eightInto(
  to: usize,
  M: usize,
  rows: i32,
  columns: i32,
  rowStride: i32,
  stride: i32,
  from: usize,
  weight: usize,
  inputLow: v128,
  inputHigh: v128,
): void {
  const row = <usize> rowStride << 2;
  const column = <usize> stride << 2;
  for (let r = 0; r < rows; r += 4) {
    const w = weight == 0 ? splat(0) : v128.load(at(weight, r));
    const w0 = v128.shuffle<f32>(w, w, 0, 0, 0, 0);
    const w1 = v128.shuffle<f32>(w, w, 1, 1, 1, 1);
    const w2 = v128.shuffle<f32>(w, w, 2, 2, 2, 2);
    const w3 = v128.shuffle<f32>(w, w, 3, 3, 3, 3);
    let l0 = f32x4.mul(w0, inputLow);
    let h0 = f32x4.mul(w0, inputHigh);
    let l1 = f32x4.mul(w1, inputLow);
    let h1 = f32x4.mul(w1, inputHigh);
    let l2 = f32x4.mul(w2, inputLow);
    let h2 = f32x4.mul(w2, inputHigh);
    let l3 = f32x4.mul(w3, inputLow);
    let h3 = f32x4.mul(w3, inputHigh);
    let m = at(M, r * rowStride);
    let x = from;
    for (let c = 0; c < columns; c++) {
      const low = v128.load(x);
      const high = v128.load(x, 16);
      const m0 = v128.load32_splat(m);
      const m1 = v128.load32_splat(m + row);
      const m2 = v128.load32_splat(m + 2 * row);
      const m3 = v128.load32_splat(m + 3 * row);
      l0 = plus(l0, m0, low);
      h0 = plus(h0, m0, high);
      l1 = plus(l1, m1, low);
      h1 = plus(h1, m1, high);
      l2 = plus(l2, m2, low);
      h2 = plus(h2, m2, high);
      l3 = plus(l3, m3, low);
      h3 = plus(h3, m3, high);
      m += column;
      x += TILE_BYTES;
    }
    const out = at(to, r * TILE);
    v128.store(out, l0);
    v128.store(out, h0, 16);
    v128.store(out + TILE_BYTES, l1);
    v128.store(out + TILE_BYTES, h1, 16);
    v128.store(out + 2 * TILE_BYTES, l2);
    v128.store(out + 2 * TILE_BYTES, h2, 16);
    v128.store(out + 3 * TILE_BYTES, l3);
    v128.store(out + 3 * TILE_BYTES, h3, 16);
  }
}

/** Planes [states][16] into rows [width][states], four by four. */
function quadsIntoRows(to: usize, from: usize, width: i32, states: i32): void {
  for (let d = 0; d < width; d += 4) {
    for (let n = 0; n < states; n += 4) {
      const plane = at(from, n * TILE + d);
      const a = v128.load(plane);
      const b = v128.load(plane + TILE_BYTES);
      const c = v128.load(plane + 2 * TILE_BYTES);
      const e = v128.load(plane + 3 * TILE_BYTES);
      const abLow = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      const abHigh = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const ceLow = v128.shuffle<f32>(c, e, 0, 4, 1, 5);
      const ceHigh = v128.shuffle<f32>(c, e, 2, 6, 3, 7);
      const row = at(to, d * states + n);
      const lanes = states - n;
      const rest = width - d;
      storeQuad(row, v128.shuffle<f32>(abLow, ceLow, 0, 1, 4, 5), lanes);
      if (rest > 1) {
        storeQuad(at(row, states), v128.shuffle<f32>(abLow, ceLow, 2, 3, 6, 7), lanes);
      }
      if (rest > 2) {
        storeQuad(at(row, 2 * states), v128.shuffle<f32>(abHigh, ceHigh, 0, 1, 4, 5), lanes);
      }
      if (rest > 3) {
        storeQuad(at(row, 3 * states), v128.shuffle<f32>(abHigh, ceHigh, 2, 3, 6, 7), lanes);
      }
    }
  }
}

/**
 * Equations and shapes: src/ops/legs_scan.ts. With p = states filled up to whole vectors, `table`
 * holds the nodes [p][3], weights of 0 beyond the states, then the polynomials at the old nodes
 * [p, states]; `scratch` the recurrence [4][p] in f64, the step's polynomials [p, p], weights of
 * the input [p], and the states and values at the nodes [p][16] each.
 */
export function legs_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  dt: usize,
  times: usize,
  x0: usize,
  table: usize,
  coefficients: usize,
  state: usize,
  batch: i32,
  length: i32,
  feature: i32,
  states: i32,
): void {
  const tiles = (feature + TILE - 1) / TILE;
  const padded = (states + 3) / 4 * 4;
  const basis = at(table, padded * NODE);
  const polynomials = at(scratch, 8 * padded);
  const held = at(polynomials, padded * padded);
  const x = at(held, padded);
  const past = at(x, padded * TILE);
  recurrenceInto(scratch, padded);
  memory.fill(polynomials, 0, <usize> (padded * padded) << 2);
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const carried = (b * feature + first) * states;
    memory.fill(x, 0, <usize> (padded * TILE) << 2);
    columnsInto(x, given(x0, carried), width, states, states, 1);
    for (let k = 0; k < length; k++) {
      const time = k * batch + b;
      const share = <f64> load<f32>(at(dt, time)) / <f64> load<f32>(at(times, time));
      heldInto(held, scratch, padded, states, share);
      polynomialsInto(polynomials, table, scratch, padded, states, share);
      const sample = (b * length + k) * feature + first;
      for (let d = 0; d < width; d += 8) {
        const low = loadQuad(at(u, sample + d), width - d);
        const high = loadQuad(at(u, sample + d + 4), width - d - 4);
        const own = at(x, d);
        const values = at(past, d);
        eightInto(values, basis, padded, states, states, 1, own, 0, low, high);
        eightInto(own, polynomials, padded, states, padded, 1, values, held, low, high);
      }
      quadsIntoRows(at(coefficients, sample * states), x, width, states);
    }
    rowsInto(at(state, carried), x, width, states, states, 1);
  }
}
