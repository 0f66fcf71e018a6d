// Scan of a bank of diagonal states for each feature. Vectors run over features; a task is one row
// of the batch and up to 16 of them.
import { abarI, abarR, discretize, factorI, factorR, LTI } from "./discretize";
import {
  at,
  given,
  least,
  loadQuad,
  QUAD,
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
