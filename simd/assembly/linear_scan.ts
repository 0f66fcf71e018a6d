// Scan of a bank of diagonal states for each feature. Vectors run over features; a task is one row
// of the batch and up to 16 of them.
import { abarI, abarR, discretize, factorI, factorR, LTI } from "./discretize";
import { at, complexFrom, complexInto, given, least, loadQuad, QUAD, RUN, splat } from "./lanes";
import { storeQuad, TILE, zero } from "./lanes";

// Vectors of a state of four features, each a real part that the imaginary part follows.
const X: usize = 0;
const A_AT: usize = 32;
const B_AT: usize = 64;
const C_AT: usize = 96;
const STATE_BYTES: usize = 128;

// Parts of A·x + B·input, and Re(C·x).
// @ts-ignore: decorator
@inline
function realAfter(ar: v128, ai: v128, br: v128, xr: v128, xi: v128, input: v128): v128 {
  return f32x4.add(f32x4.sub(f32x4.mul(ar, xr), f32x4.mul(ai, xi)), f32x4.mul(br, input));
}

// @ts-ignore: decorator
@inline
function imaginaryAfter(ar: v128, ai: v128, bi: v128, xr: v128, xi: v128, input: v128): v128 {
  return f32x4.add(f32x4.add(f32x4.mul(ar, xi), f32x4.mul(ai, xr)), f32x4.mul(bi, input));
}

// @ts-ignore: decorator
@inline
function readOf(cr: v128, ci: v128, xr: v128, xi: v128): v128 {
  return f32x4.sub(f32x4.mul(cr, xr), f32x4.mul(ci, xi));
}

/** Re(Σ C·x) of two samples after {@linkcode runTwo}. */
let sum0: v128 = f32x4.splat(0);
let sum1: v128 = f32x4.splat(0);

/**
 * All states of four features over two samples of discrete A and B. A state's numbers serve both
 * samples out of registers: an access to memory costs as much as a product. More samples at once
 * would not leave registers enough.
 */
// @ts-ignore: decorator
@inline
function runTwo(place: usize, states: i32, input0: v128, input1: v128): void {
  let s0 = zero();
  let s1 = zero();
  for (let n = 0; n < states; n++) {
    const ar = v128.load(place, A_AT);
    const ai = v128.load(place, A_AT + QUAD);
    const br = v128.load(place, B_AT);
    const bi = v128.load(place, B_AT + QUAD);
    const cr = v128.load(place, C_AT);
    const ci = v128.load(place, C_AT + QUAD);
    const xr = v128.load(place, X);
    const xi = v128.load(place, X + QUAD);
    const midR = realAfter(ar, ai, br, xr, xi, input0);
    const midI = imaginaryAfter(ar, ai, bi, xr, xi, input0);
    s0 = f32x4.add(s0, readOf(cr, ci, midR, midI));
    const endR = realAfter(ar, ai, br, midR, midI, input1);
    const endI = imaginaryAfter(ar, ai, bi, midR, midI, input1);
    s1 = f32x4.add(s1, readOf(cr, ci, endR, endI));
    v128.store(place, endR, X);
    v128.store(place, endI, X + QUAD);
    place += STATE_BYTES;
  }
  sum0 = s0;
  sum1 = s1;
}

/** The same over one sample; returns its Re(Σ C·x). */
function runOne(place: usize, states: i32, input: v128): v128 {
  let sum = zero();
  for (let n = 0; n < states; n++) {
    const ar = v128.load(place, A_AT);
    const ai = v128.load(place, A_AT + QUAD);
    const xr = v128.load(place, X);
    const xi = v128.load(place, X + QUAD);
    const nextR = realAfter(ar, ai, v128.load(place, B_AT), xr, xi, input);
    const nextI = imaginaryAfter(ar, ai, v128.load(place, B_AT + QUAD), xr, xi, input);
    v128.store(place, nextR, X);
    v128.store(place, nextI, X + QUAD);
    const cr = v128.load(place, C_AT);
    sum = f32x4.add(sum, readOf(cr, v128.load(place, C_AT + QUAD), nextR, nextI));
    place += STATE_BYTES;
  }
  return sum;
}

/** The same where A and B are made discrete for the sample. */
function runDiscretized(place: usize, states: i32, input: v128, step: v128, rule: i32): v128 {
  let sum = zero();
  for (let n = 0; n < states; n++) {
    discretize(v128.load(place, A_AT), v128.load(place, A_AT + QUAD), step, rule);
    const ar = abarR;
    const ai = abarI;
    const real = v128.load(place, B_AT);
    const imaginary = v128.load(place, B_AT + QUAD);
    const br = f32x4.sub(f32x4.mul(factorR, real), f32x4.mul(factorI, imaginary));
    const bi = f32x4.add(f32x4.mul(factorR, imaginary), f32x4.mul(factorI, real));
    const xr = v128.load(place, X);
    const xi = v128.load(place, X + QUAD);
    const nextR = realAfter(ar, ai, br, xr, xi, input);
    const nextI = imaginaryAfter(ar, ai, bi, xr, xi, input);
    v128.store(place, nextR, X);
    v128.store(place, nextI, X + QUAD);
    const cr = v128.load(place, C_AT);
    sum = f32x4.add(sum, readOf(cr, v128.load(place, C_AT + QUAD), nextR, nextI));
    place += STATE_BYTES;
  }
  return sum;
}

// @ts-ignore: decorator
@inline
function storeOutput(y: usize, sum: v128, scale: v128, skip: v128, input: v128, lanes: i32): void {
  storeQuad(y, f32x4.add(f32x4.mul(scale, sum), f32x4.mul(skip, input)), lanes);
}

/** Some samples of four features with discrete A and B. */
function runFeatures(
  place: usize,
  states: i32,
  u: usize,
  y: usize,
  skip: v128,
  steps: i32,
  feature: i32,
  lanes: i32,
  scale: v128,
): void {
  const row = <usize> feature << 2;
  let k = 0;
  for (; k + 2 <= steps; k += 2) {
    const input0 = loadQuad(u, lanes);
    const input1 = loadQuad(u + row, lanes);
    runTwo(place, states, input0, input1);
    storeOutput(y, sum0, scale, skip, input0, lanes);
    storeOutput(y + row, sum1, scale, skip, input1, lanes);
    u += 2 * row;
    y += 2 * row;
  }
  if (k < steps) {
    const input = loadQuad(u, lanes);
    storeOutput(y, runOne(place, states, input), scale, skip, input, lanes);
  }
}

/**
 * Equations and shapes: src/ops/linear_scan.ts. `rule` 0: A and B are discrete; 1, 2: zero-order
 * hold, bilinear. `scratch` holds [4][states][8][4] floats: of each state of four features the
 * parts of x, A, B and C.
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
  const block = <usize> states * STATE_BYTES;
  const scales = splat(scale);
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const first = (task % tiles) * TILE;
    const width = least(TILE, feature - first);
    for (let q = 0; q < width; q += 4) {
      const place = scratch + <usize> (q >> 2) * block;
      const lanes = width - q;
      const from = (first + q) * wide;
      const carried = given(x0, b * feature * wide + from);
      complexInto(place + X, carried, lanes, states, wide, STATE_BYTES);
      complexInto(place + A_AT, at(A, from), lanes, states, wide, STATE_BYTES);
      complexInto(place + B_AT, at(B, from), lanes, states, wide, STATE_BYTES);
      complexInto(place + C_AT, at(C, from), lanes, states, wide, STATE_BYTES);
    }
    for (let from = 0; from < length; from += RUN) {
      const steps = least(RUN, length - from);
      for (let q = 0; q < width; q += 4) {
        const place = scratch + <usize> (q >> 2) * block;
        const lanes = width - q;
        const index = (b * length + from) * feature + first + q;
        const skip = loadQuad(given(D, first + q), D == 0 ? 0 : lanes);
        if (rule == LTI) {
          const input = at(u, index);
          runFeatures(place, states, input, at(y, index), skip, steps, feature, lanes, scales);
          continue;
        }
        for (let k = 0; k < steps; k++) {
          const sample = index + k * feature;
          const input = loadQuad(at(u, sample), lanes);
          const sum = runDiscretized(place, states, input, loadQuad(at(dt, sample), lanes), rule);
          storeOutput(at(y, sample), sum, scales, skip, input, lanes);
        }
      }
    }
    for (let q = 0; q < width; q += 4) {
      const to = at(state, (b * feature + first + q) * wide);
      const place = scratch + <usize> (q >> 2) * block;
      complexFrom(to, place + X, least(4, width - q), states, wide, STATE_BYTES);
    }
  }
}
