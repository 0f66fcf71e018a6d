// The diagonal scans: `linear_scan` (a bank of states for each feature) and `diagonal_scan` (states
// whose drive is given). Vectors run over features, or over states; a task is one row of the batch
// and up to 16 of them.
import { abarI, abarR, discretize, exponential, factorI, factorR, LOGS, LTI } from "./discretize";
import {
  at,
  columnsInto,
  given,
  least,
  loadQuad,
  rowsInto,
  splat,
  storeQuad,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";

/**
 * Equations and shapes: src/ops/linear_scan.ts. `rule` 0: A and B are discrete; 1, 2: zero-order
 * hold, bilinear. `scratch` holds [8][states][16] floats.
 */
export function linear_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  A: usize,
  B: usize,
  C: usize,
  D: usize,
  dt: usize,
  x0: usize,
  y: usize,
  state: usize,
  length: i32,
  feature: i32,
  states: i32,
  rule: i32,
  scale: f32,
): void {
  const tiles = (feature + TILE - 1) / TILE;
  const bank = <usize> (states * TILE) << 2;
  const wide = 2 * states;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const from = first * wide;
    const carried = (b * feature + first) * wide;
    for (let part = 0; part < 2; part++) {
      const plane = scratch + <usize> part * bank;
      const start = given(x0, carried + part);
      columnsInto(plane, start, width, states, wide, 2);
      columnsInto(plane + 2 * bank, at(A, from + part), width, states, wide, 2);
      columnsInto(plane + 4 * bank, at(B, from + part), width, states, wide, 2);
      columnsInto(plane + 6 * bank, at(C, from + part), width, states, wide, 2);
    }
    for (let k = 0; k < length; k++) {
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const index = (b * length + k) * feature + first + q;
        const input = loadQuad(at(u, index), lanes);
        const step = rule == LTI ? zero() : loadQuad(at(dt, index), lanes);
        let sum = zero();
        let place = scratch + (<usize> q << 2);
        for (let n = 0; n < states; n++) {
          let ar = v128.load(place + 2 * bank);
          let ai = v128.load(place + 3 * bank);
          let br = v128.load(place + 4 * bank);
          let bi = v128.load(place + 5 * bank);
          if (rule != LTI) {
            discretize(ar, ai, step, rule);
            const real = br;
            ar = abarR;
            ai = abarI;
            br = f32x4.sub(f32x4.mul(factorR, real), f32x4.mul(factorI, bi));
            bi = f32x4.add(f32x4.mul(factorR, bi), f32x4.mul(factorI, real));
          }
          const xr = v128.load(place);
          const xi = v128.load(place + bank);
          const turnedR = f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi));
          const turnedI = f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr));
          const nextR = f32x4.add(turnedR, f32x4.mul(br, input));
          const nextI = f32x4.add(turnedI, f32x4.mul(bi, input));
          v128.store(place, nextR);
          v128.store(place + bank, nextI);
          const real = f32x4.mul(v128.load(place + 6 * bank), nextR);
          const imaginary = f32x4.mul(v128.load(place + 7 * bank), nextI);
          sum = f32x4.add(sum, f32x4.sub(real, imaginary));
          place += TILE_BYTES;
        }
        sum = f32x4.mul(splat(scale), sum);
        if (D != 0) {
          sum = f32x4.add(sum, f32x4.mul(loadQuad(at(D, first + q), lanes), input));
        }
        storeQuad(at(y, index), sum, lanes);
      }
    }
    rowsInto(at(state, carried), scratch, width, states, wide, 2);
    rowsInto(at(state, carried + 1), scratch + bank, width, states, wide, 2);
  }
}

// @ts-ignore: decorator
@inline
function realsOf(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(low, high, 0, 2, 4, 6);
}

// @ts-ignore: decorator
@inline
function imaginariesOf(low: v128, high: v128): v128 {
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

/**
 * Equations and shapes: src/ops/diagonal_scan.ts. A task is one row and up to 16 states. `scratch`
 * holds the parts of their state and of A, [4][16] floats.
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
  const tiles = (states + TILE - 1) / TILE;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, states - first);
    const carried = 2 * (b * states + first);
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
        } else if (rule != LTI) {
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
