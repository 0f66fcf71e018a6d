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
  QUAD,
  rowsInto,
  RUN,
  splat,
  storeQuad,
  TILE,
  TILE_BYTES,
  zero,
} from "./lanes";

/** Bytes of a state's planes: real and imaginary parts of x, A, B and C of 16 features. */
const STATE_BYTES: usize = 8 * TILE_BYTES;

/** One part of complex [width, states] into a plane of each state, zeros beyond `width`. */
function planeInto(to: usize, from: usize, width: i32, states: i32): void {
  for (let n = 0; n < states; n++) {
    for (let l = 0; l < TILE; l++) {
      const isGiven = from != 0 && l < width;
      const value: f32 = isGiven ? load<f32>(at(from, 2 * (l * states + n))) : 0;
      store<f32>(at(to + <usize> n * STATE_BYTES, l), value);
    }
  }
}

/** The way back. */
function planeFrom(to: usize, from: usize, width: i32, states: i32): void {
  for (let n = 0; n < states; n++) {
    for (let l = 0; l < width; l++) {
      store<f32>(at(to, 2 * (l * states + n)), load<f32>(at(from + <usize> n * STATE_BYTES, l)));
    }
  }
}

/**
 * One state of four features over `steps` samples of discrete A and B, kept in registers:
 * sums[k] += Re(C·x[k]). `place` is its vector of real parts.
 */
function runState(place: usize, inputs: usize, sums: usize, steps: i32): void {
  const ar = v128.load(place, 128);
  const ai = v128.load(place, 192);
  const br = v128.load(place, 256);
  const bi = v128.load(place, 320);
  const cr = v128.load(place, 384);
  const ci = v128.load(place, 448);
  let xr = v128.load(place);
  let xi = v128.load(place, 64);
  for (let k = 0; k < steps; k++) {
    const input = v128.load(inputs);
    const turnedR = f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi));
    const turnedI = f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr));
    xr = f32x4.add(turnedR, f32x4.mul(br, input));
    xi = f32x4.add(turnedI, f32x4.mul(bi, input));
    const read = f32x4.sub(f32x4.mul(cr, xr), f32x4.mul(ci, xi));
    v128.store(sums, f32x4.add(v128.load(sums), read));
    inputs += QUAD;
    sums += QUAD;
  }
  v128.store(place, xr);
  v128.store(place, xi, 64);
}

// Parts of A·x of a state, B·input and Re(C·x); `place` is the state's vector of real parts.
// @ts-ignore: decorator
@inline
function turnR(place: usize, xr: v128, xi: v128): v128 {
  const rr = f32x4.mul(v128.load(place, 128), xr);
  return f32x4.sub(rr, f32x4.mul(v128.load(place, 192), xi));
}

// @ts-ignore: decorator
@inline
function turnI(place: usize, xr: v128, xi: v128): v128 {
  const ri = f32x4.mul(v128.load(place, 128), xi);
  return f32x4.add(ri, f32x4.mul(v128.load(place, 192), xr));
}

// @ts-ignore: decorator
@inline
function driven(turned: v128, factor: usize, input: v128): v128 {
  return f32x4.add(turned, f32x4.mul(v128.load(factor), input));
}

// @ts-ignore: decorator
@inline
function readOf(place: usize, xr: v128, xi: v128): v128 {
  const real = f32x4.mul(v128.load(place, 384), xr);
  return f32x4.sub(real, f32x4.mul(v128.load(place, 448), xi));
}

/**
 * Four states at once, since a step of one waits for the one before; they are added in their order.
 */
function runFourStates(place: usize, inputs: usize, sums: usize, steps: i32): void {
  const p1 = place + STATE_BYTES;
  const p2 = p1 + STATE_BYTES;
  const p3 = p2 + STATE_BYTES;
  let r0 = v128.load(place);
  let i0 = v128.load(place, 64);
  let r1 = v128.load(p1);
  let i1 = v128.load(p1, 64);
  let r2 = v128.load(p2);
  let i2 = v128.load(p2, 64);
  let r3 = v128.load(p3);
  let i3 = v128.load(p3, 64);
  for (let k = 0; k < steps; k++) {
    const input = v128.load(inputs);
    let sum = v128.load(sums);
    const t0 = turnR(place, r0, i0);
    const s0 = turnI(place, r0, i0);
    const t1 = turnR(p1, r1, i1);
    const s1 = turnI(p1, r1, i1);
    const t2 = turnR(p2, r2, i2);
    const s2 = turnI(p2, r2, i2);
    const t3 = turnR(p3, r3, i3);
    const s3 = turnI(p3, r3, i3);
    r0 = driven(t0, place + 256, input);
    i0 = driven(s0, place + 320, input);
    r1 = driven(t1, p1 + 256, input);
    i1 = driven(s1, p1 + 320, input);
    r2 = driven(t2, p2 + 256, input);
    i2 = driven(s2, p2 + 320, input);
    r3 = driven(t3, p3 + 256, input);
    i3 = driven(s3, p3 + 320, input);
    sum = f32x4.add(sum, readOf(place, r0, i0));
    sum = f32x4.add(sum, readOf(p1, r1, i1));
    sum = f32x4.add(sum, readOf(p2, r2, i2));
    sum = f32x4.add(sum, readOf(p3, r3, i3));
    v128.store(sums, sum);
    inputs += QUAD;
    sums += QUAD;
  }
  v128.store(place, r0);
  v128.store(place, i0, 64);
  v128.store(p1, r1);
  v128.store(p1, i1, 64);
  v128.store(p2, r2);
  v128.store(p2, i2, 64);
  v128.store(p3, r3);
  v128.store(p3, i3, 64);
}

/**
 * Samples `from` to `to` of four features with discrete A and B: the inputs are gathered, each state
 * runs over all of them, the sums become outputs. `columns` holds [2][RUN][4] floats.
 */
function runFeatures(
  columns: usize,
  states: i32,
  place: usize,
  u: usize,
  y: usize,
  D: usize,
  steps: i32,
  feature: i32,
  lanes: i32,
  scale: f32,
): void {
  const sums = columns + <usize> RUN * QUAD;
  for (let k = 0; k < steps; k++) {
    v128.store(columns + <usize> k * QUAD, loadQuad(at(u, k * feature), lanes));
    v128.store(sums + <usize> k * QUAD, zero());
  }
  let n = 0;
  for (; n + 4 <= states; n += 4) {
    runFourStates(place + <usize> n * STATE_BYTES, columns, sums, steps);
  }
  for (; n < states; n++) {
    runState(place + <usize> n * STATE_BYTES, columns, sums, steps);
  }
  const skip = loadQuad(D, D == 0 ? 0 : lanes);
  for (let k = 0; k < steps; k++) {
    let sum = f32x4.mul(splat(scale), v128.load(sums + <usize> k * QUAD));
    if (D != 0) sum = f32x4.add(sum, f32x4.mul(skip, v128.load(columns + <usize> k * QUAD)));
    storeQuad(at(y, k * feature), sum, lanes);
  }
}

/**
 * Equations and shapes: src/ops/linear_scan.ts. `rule` 0: A and B are discrete; 1, 2: zero-order
 * hold, bilinear. `scratch` holds [states][8][16] floats: of each state the parts of x, A, B and C;
 * then [2][RUN][4].
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
  const wide = 2 * states;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    const from = first * wide;
    const carried = (b * feature + first) * wide;
    for (let part = 0; part < 2; part++) {
      const plane = scratch + <usize> part * TILE_BYTES;
      planeInto(plane, given(x0, carried + part), width, states);
      planeInto(plane + 2 * TILE_BYTES, at(A, from + part), width, states);
      planeInto(plane + 4 * TILE_BYTES, at(B, from + part), width, states);
      planeInto(plane + 6 * TILE_BYTES, at(C, from + part), width, states);
    }
    for (let from = 0; rule == LTI && from < length; from += RUN) {
      for (let q = 0; q < width; q += 4) {
        const index = (b * length + from) * feature + first + q;
        runFeatures(
          scratch + <usize> states * STATE_BYTES,
          states,
          at(scratch, q),
          at(u, index),
          at(y, index),
          given(D, first + q),
          least(RUN, length - from),
          feature,
          width - q,
          scale,
        );
      }
    }
    for (let k = 0; rule != LTI && k < length; k++) {
      for (let q = 0; q < width; q += 4) {
        const lanes = width - q;
        const index = (b * length + k) * feature + first + q;
        const input = loadQuad(at(u, index), lanes);
        const step = loadQuad(at(dt, index), lanes);
        let sum = zero();
        let place = scratch + (<usize> q << 2);
        for (let n = 0; n < states; n++) {
          discretize(v128.load(place, 128), v128.load(place, 192), step, rule);
          const ar = abarR;
          const ai = abarI;
          const real = v128.load(place, 256);
          const imaginary = v128.load(place, 320);
          const br = f32x4.sub(f32x4.mul(factorR, real), f32x4.mul(factorI, imaginary));
          const bi = f32x4.add(f32x4.mul(factorR, imaginary), f32x4.mul(factorI, real));
          const xr = v128.load(place);
          const xi = v128.load(place, 64);
          const turnedR = f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi));
          const turnedI = f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr));
          const nextR = f32x4.add(turnedR, f32x4.mul(br, input));
          const nextI = f32x4.add(turnedI, f32x4.mul(bi, input));
          v128.store(place, nextR);
          v128.store(place, nextI, 64);
          const readR = f32x4.mul(v128.load(place, 384), nextR);
          const readI = f32x4.mul(v128.load(place, 448), nextI);
          sum = f32x4.add(sum, f32x4.sub(readR, readI));
          place += STATE_BYTES;
        }
        sum = f32x4.mul(splat(scale), sum);
        if (D != 0) {
          sum = f32x4.add(sum, f32x4.mul(loadQuad(at(D, first + q), lanes), input));
        }
        storeQuad(at(y, index), sum, lanes);
      }
    }
    planeFrom(at(state, carried), scratch, width, states);
    planeFrom(at(state, carried + 1), scratch + TILE_BYTES, width, states);
  }
}

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

/**
 * Two complex states, interleaved as they are in memory, one sample on: A·x + v. `place` has the
 * real parts of A, each twice, and 128 bytes on the imaginary parts, each with either sign.
 */
// @ts-ignore: decorator
@inline
function pairAfter(x: v128, place: usize, from: usize): v128 {
  const swapped = v128.shuffle<f32>(x, x, 1, 0, 3, 2);
  const re = f32x4.mul(v128.load(place), x);
  const im = f32x4.mul(v128.load(place, 128), swapped);
  return f32x4.add(f32x4.add(re, im), v128.load(from));
}

/** A of a full tile as {@linkcode pairAfter} wants it. */
function pairsInto(to: usize, A: usize): void {
  for (let n = 0; n < TILE; n++) {
    const re = load<f32>(at(A, 2 * n));
    const im = load<f32>(at(A, 2 * n + 1));
    store<f32>(at(to, 2 * n), re);
    store<f32>(at(to, 2 * n + 1), re);
    store<f32>(at(to, 2 * n), -im, 128);
    store<f32>(at(to, 2 * n + 1), im, 128);
  }
}

/**
 * A full tile over all samples with discrete A, from the state at `state` (16 complex numbers,
 * written back there). States stay in registers: each sample waits for the one before, and one that
 * went through memory would wait twice as long.
 */
function runTile(
  pairs: usize,
  state: usize,
  from: usize,
  to: usize,
  length: i32,
  stride: isize,
): void {
  let x0 = v128.load(state);
  let x1 = v128.load(state, 16);
  let x2 = v128.load(state, 32);
  let x3 = v128.load(state, 48);
  let x4 = v128.load(state, 64);
  let x5 = v128.load(state, 80);
  let x6 = v128.load(state, 96);
  let x7 = v128.load(state, 112);
  for (let k = 0; k < length; k++) {
    x0 = pairAfter(x0, pairs, from);
    x1 = pairAfter(x1, pairs + 16, from + 16);
    x2 = pairAfter(x2, pairs + 32, from + 32);
    x3 = pairAfter(x3, pairs + 48, from + 48);
    x4 = pairAfter(x4, pairs + 64, from + 64);
    x5 = pairAfter(x5, pairs + 80, from + 80);
    x6 = pairAfter(x6, pairs + 96, from + 96);
    x7 = pairAfter(x7, pairs + 112, from + 112);
    v128.store(to, x0);
    v128.store(to, x1, 16);
    v128.store(to, x2, 32);
    v128.store(to, x3, 48);
    v128.store(to, x4, 64);
    v128.store(to, x5, 80);
    v128.store(to, x6, 96);
    v128.store(to, x7, 112);
    from += stride;
    to += stride;
  }
  v128.store(state, x0);
  v128.store(state, x1, 16);
  v128.store(state, x2, 32);
  v128.store(state, x3, 48);
  v128.store(state, x4, 64);
  v128.store(state, x5, 80);
  v128.store(state, x6, 96);
  v128.store(state, x7, 112);
}

/** The state carried in, or zeros, where it goes on. */
function carryInto(to: usize, from: usize): void {
  for (let n = 0; n < 2 * TILE; n++) {
    store<f32>(at(to, n), from != 0 ? load<f32>(at(from, n)) : 0);
  }
}

/**
 * Equations and shapes: src/ops/diagonal_scan.ts. A task is one row and up to 16 states. `scratch`
 * holds the parts of their state and of A, [4][16] floats; where A is discrete and the tile is
 * full, A alone, in pairs.
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
    if (rule == LTI && width == TILE) {
      const start = 2 * ((b * length + (isReverse ? length - 1 : 0)) * states + first);
      const stride = isReverse ? -(<isize> states << 3) : <isize> states << 3;
      const to = at(state, carried);
      carryInto(to, given(x0, carried));
      pairsInto(scratch, at(A, 2 * first));
      runTile(scratch, to, at(v, start), at(x, start), length, stride);
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
