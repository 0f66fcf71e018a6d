// Scan of diagonal states whose drive is given. Vectors run over states; a task is one row of the
// batch and some of them.
import { abarI, abarR, discretize, exponential, factorI, factorR, LOGS, LTI } from "./discretize";
import { at, columnsInto, given, least, loadQuad, rowsInto, storeQuad, TILE } from "./lanes";
import { TILE_BYTES } from "./lanes";

// @ts-ignore: decorator
@inline
export function realsOf(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(low, high, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
export function imaginariesOf(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(low, high, 1, 3, 5, 7);
}

/** Stores up to four complex numbers, interleaved. */
// @ts-ignore: decorator
@inline
export function storePairs(to: usize, re: v128, im: v128, lanes: i32): void {
  storeQuad(to, v128.shuffle<f32>(re, im, 0, 4, 1, 5), 2 * lanes);
  storeQuad(to + 16, v128.shuffle<f32>(re, im, 2, 6, 3, 7), 2 * lanes - 4);
}

/** Loads the real or imaginary parts (`part` 0, 1) of up to four complex numbers. */
// @ts-ignore: decorator
@inline
export function loadParts(from: usize, part: i32, lanes: i32): v128 {
  const low = loadQuad(from, 2 * lanes);
  const high = loadQuad(from + 16, 2 * lanes - 4);
  return part == 0 ? realsOf(low, high) : imaginariesOf(low, high);
}

/** Bytes of two states' numbers of A: {@linkcode pairsInto}. */
const PAIR_BYTES: usize = 32;
/** States of a task where A is discrete: `ROW` in src/ops/diagonal_scan.ts. */
const ROW: i32 = 64;

/**
 * Two complex states, interleaved as they are in memory, one sample on: A·x + v. `pair` has the
 * real parts of A, each twice, then the imaginary parts, each with either sign.
 */
// @ts-ignore: decorator
@inline
function pairAfter(x: v128, pair: usize, drive: v128): v128 {
  const swapped = v128.shuffle<f32>(x, x, 1, 0, 3, 2);
  const re = f32x4.mul(v128.load(pair), x);
  const im = f32x4.mul(v128.load(pair, 16), swapped);
  return f32x4.add(f32x4.add(re, im), drive);
}

/** A as {@linkcode pairAfter} wants it. */
function pairsInto(to: usize, A: usize, width: i32): void {
  for (let n = 0; n < width; n++) {
    const re = load<f32>(at(A, 2 * n));
    const im = load<f32>(at(A, 2 * n + 1));
    const place = to + <usize> (n >> 1) * PAIR_BYTES + (<usize> (n & 1) << 3);
    store<f32>(place, re);
    store<f32>(place, re, 4);
    store<f32>(place, -im, 16);
    store<f32>(place, im, 20);
  }
}

/**
 * All samples with discrete A, from the state at `state` (written back there). A row of states is
 * read where the sample before wrote it: rows lie one after the other, which is what memory is
 * fastest at, and the many states of a row wait for each other's no more than for its own.
 */
function runRows(
  pairs: usize,
  state: usize,
  from: usize,
  to: usize,
  length: i32,
  width: i32,
  stride: isize,
): void {
  const bytes = <usize> width << 3;
  let before = state;
  for (let k = 0; k < length; k++) {
    let pair = pairs;
    let j: usize = 0;
    for (; j + 32 <= bytes; j += 32) {
      const low = pairAfter(v128.load(before + j), pair, v128.load(from + j));
      const high = pairAfter(v128.load(before + j, 16), pair + PAIR_BYTES, v128.load(from + j, 16));
      v128.store(to + j, low);
      v128.store(to + j, high, 16);
      pair += 2 * PAIR_BYTES;
    }
    if (j + 16 <= bytes) {
      v128.store(to + j, pairAfter(v128.load(before + j), pair, v128.load(from + j)));
      pair += PAIR_BYTES;
      j += 16;
    }
    if (j < bytes) {
      const one = pairAfter(v128.load64_zero(before + j), pair, v128.load64_zero(from + j));
      v128.store64_lane(to + j, one, 0);
    }
    before = to;
    from += stride;
    to += stride;
  }
  memory.copy(state, before, bytes);
}

/** The state carried in, or zeros, where it goes on. */
function carryInto(to: usize, from: usize, width: i32): void {
  if (from != 0) memory.copy(to, from, <usize> width << 3);
  else memory.fill(to, 0, <usize> width << 3);
}

/**
 * Equations and shapes: src/ops/diagonal_scan.ts. A task is one row and up to 64 states where A is
 * discrete, 16 where not. `scratch` holds A of 64 states in pairs, or the parts of the state and of
 * A, [4][16] floats.
 */
export function diagonal_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  v: usize,
  A: usize,
  dt: usize,
  x0: usize,
  x: usize,
  state: usize,
  length: i32,
  states: i32,
  rule: i32,
  isReverse: i32,
): void {
  const tile = rule == LTI ? ROW : TILE;
  const tiles = (states + tile - 1) / tile;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * tile;
    const width = least(tile, states - first);
    const carried = 2 * (b * states + first);
    if (rule == LTI) {
      const start = 2 * ((b * length + (isReverse ? length - 1 : 0)) * states + first);
      const stride = isReverse ? -(<isize> states << 3) : <isize> states << 3;
      const to = at(state, carried);
      carryInto(to, given(x0, carried), width);
      pairsInto(scratch, at(A, 2 * first), width);
      runRows(scratch, to, at(v, start), at(x, start), length, width, stride);
      continue;
    }
    columnsInto(scratch, given(x0, carried), width, 2, 2, 1);
    if (rule != LOGS) columnsInto(scratch + 2 * TILE_BYTES, at(A, 2 * first), width, 2, 2, 1);
    for (let step = 0; step < length; step++) {
      const k = isReverse ? length - 1 - step : step;
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const index = (b * length + k) * states + first + q;
        const from = at(v, 2 * index);
        let vr = loadParts(from, 0, lanes);
        let vi = loadParts(from, 1, lanes);
        const place = at(scratch, q);
        let ar = v128.load(place + 2 * TILE_BYTES);
        let ai = v128.load(place + 3 * TILE_BYTES);
        if (rule == LOGS) {
          exponential(loadParts(at(A, 2 * index), 0, lanes), loadParts(at(A, 2 * index), 1, lanes));
          ar = abarR;
          ai = abarI;
        } else {
          discretize(ar, ai, loadQuad(at(dt, index), lanes), rule);
          ar = abarR;
          ai = abarI;
          const real = vr;
          vr = f32x4.sub(f32x4.mul(factorR, real), f32x4.mul(factorI, vi));
          vi = f32x4.add(f32x4.mul(factorR, vi), f32x4.mul(factorI, real));
        }
        const xr = v128.load(place);
        const xi = v128.load(place + TILE_BYTES);
        const turnedR = f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi));
        const turnedI = f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr));
        const nextR = f32x4.add(turnedR, vr);
        const nextI = f32x4.add(turnedI, vi);
        v128.store(place, nextR);
        v128.store(place + TILE_BYTES, nextI);
        storePairs(at(x, 2 * index), nextR, nextI, lanes);
      }
    }
    rowsInto(at(state, carried), scratch, width, 2, 2, 1);
  }
}
