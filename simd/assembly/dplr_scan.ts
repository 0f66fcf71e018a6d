// Recurrence of diagonal-plus-low-rank systems, a task of which is one row of the batch and up to
// four features. Vectors run over features; a mode's numbers lie side by side.
import { at, complexFrom, complexInto, given, least, loadQuad, QUAD } from "./lanes";
import { storeQuad, zero } from "./lanes";

/** Features of a task: `FEATURES` in src/ops/dplr_scan.ts. */
export const FEATURES: i32 = 4;

// Vectors of a mode, each a real part that the imaginary part follows: its state, what a step
// multiplies it by (`dplrRecurrence` of src/ssm/dplr.ts), and what that is made from.
export const X: usize = 0;
export const DIAGONAL: usize = 32;
const BBAR: usize = 64;
export const C: usize = 96;
export const LEFT: usize = 128;
export const RIGHT: usize = 160;
export const LEFT_2: usize = 192;
export const RIGHT_2: usize = 224;
export const LAMBDA: usize = 256;
export const P: usize = 288;
export const P_2: usize = 320;
export const B: usize = 352;
export const MODE_BYTES: usize = 384;

/** Lambda, P, B and C of some features from `from` on. */
export function systemInto(
  to: usize,
  lambda: usize,
  lowRank: usize,
  inputs: usize,
  outputs: usize,
  from: i32,
  lanes: i32,
  half: i32,
  rank: i32,
): void {
  const wide = 2 * half;
  const factor = at(lowRank, from * rank * wide);
  const other = rank > 1 ? at(factor, wide) : <usize> 0;
  complexInto(to + LAMBDA, at(lambda, from * wide), lanes, half, wide, MODE_BYTES);
  complexInto(to + P, factor, lanes, half, rank * wide, MODE_BYTES);
  complexInto(to + P_2, other, lanes, half, rank * wide, MODE_BYTES);
  complexInto(to + B, at(inputs, from * wide), lanes, half, wide, MODE_BYTES);
  complexInto(to + C, at(outputs, from * wide), lanes, half, wide, MODE_BYTES);
}

// Complex numbers of two features in f64, as two vectors: f64 because a step is taken many times.
// @ts-ignore: decorator
@inline
function twoAt(place: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(place));
}

// @ts-ignore: decorator
@inline
function storeTwo(place: usize, v: v128): void {
  v128.store64_lane(place, f32x4.demote_f64x2_zero(v), 0);
}

// @ts-ignore: decorator
@inline
function realOf(ar: v128, ai: v128, br: v128, bi: v128): v128 {
  return f64x2.sub(f64x2.mul(ar, br), f64x2.mul(ai, bi));
}

// @ts-ignore: decorator
@inline
function imaginaryOf(ar: v128, ai: v128, br: v128, bi: v128): v128 {
  return f64x2.add(f64x2.mul(ar, bi), f64x2.mul(ai, br));
}

/** The real product of pairs, ar·br + ai·bi. */
// @ts-ignore: decorator
@inline
function against(ar: v128, ai: v128, br: v128, bi: v128): v128 {
  return f64x2.add(f64x2.mul(ar, br), f64x2.mul(ai, bi));
}

// @ts-ignore: decorator
@inline
function scaled(a: v128, x: v128, b: v128, y: v128): v128 {
  return f64x2.add(f64x2.mul(a, x), f64x2.mul(b, y));
}

/**
 * What a step of size dt multiplies by, of two features: see `dplrRecurrence`. A rank of one is a
 * second factor of zeros. `inverses` holds 1/(1 − dt/2·lambda), [half][2] vectors.
 */
function prepareTwo(modes: usize, inverses: usize, half: i32, dt: v128): void {
  const one = f64x2.splat(1);
  const h = f64x2.mul(dt, f64x2.splat(0.5));
  // Real products of P_r with inverse∘P_s and with inverse∘B.
  let g11 = f64x2.splat(0);
  let g12 = f64x2.splat(0);
  let g21 = f64x2.splat(0);
  let g22 = f64x2.splat(0);
  let b1 = f64x2.splat(0);
  let b2 = f64x2.splat(0);
  let mode = modes;
  let inverse = inverses;
  for (let n = 0; n < half; n++) {
    const re = f64x2.sub(one, f64x2.mul(h, twoAt(mode + LAMBDA)));
    const im = f64x2.mul(h, twoAt(mode + LAMBDA + QUAD));
    const norm = against(re, im, re, im);
    const ir = f64x2.div(re, norm);
    const ii = f64x2.div(im, norm);
    v128.store(inverse, ir);
    v128.store(inverse, ii, 16);
    const pr = twoAt(mode + P);
    const pi = twoAt(mode + P + QUAD);
    const qr = twoAt(mode + P_2);
    const qi = twoAt(mode + P_2 + QUAD);
    const br = twoAt(mode + B);
    const bi = twoAt(mode + B + QUAD);
    const ipr = realOf(ir, ii, pr, pi);
    const ipi = imaginaryOf(ir, ii, pr, pi);
    const iqr = realOf(ir, ii, qr, qi);
    const iqi = imaginaryOf(ir, ii, qr, qi);
    const ibr = realOf(ir, ii, br, bi);
    const ibi = imaginaryOf(ir, ii, br, bi);
    g11 = f64x2.add(g11, against(pr, pi, ipr, ipi));
    g12 = f64x2.add(g12, against(pr, pi, iqr, iqi));
    g21 = f64x2.add(g21, against(qr, qi, ipr, ipi));
    g22 = f64x2.add(g22, against(qr, qi, iqr, iqi));
    b1 = f64x2.add(b1, against(pr, pi, ibr, ibi));
    b2 = f64x2.add(b2, against(qr, qi, ibr, ibi));
    mode += MODE_BYTES;
    inverse += 2 * QUAD;
  }
  // The inverse of I + dt·g; stored pairs count twice.
  const m11 = f64x2.add(one, f64x2.mul(dt, g11));
  const m12 = f64x2.mul(dt, g12);
  const m21 = f64x2.mul(dt, g21);
  const m22 = f64x2.add(one, f64x2.mul(dt, g22));
  const over = f64x2.div(one, f64x2.sub(f64x2.mul(m11, m22), f64x2.mul(m12, m21)));
  const s11 = f64x2.mul(over, m22);
  const s12 = f64x2.neg(f64x2.mul(over, m12));
  const s21 = f64x2.neg(f64x2.mul(over, m21));
  const s22 = f64x2.mul(over, m11);
  const w1 = f64x2.mul(f64x2.mul(dt, dt), scaled(s11, b1, s12, b2));
  const w2 = f64x2.mul(f64x2.mul(dt, dt), scaled(s21, b1, s22, b2));
  const twice = f64x2.mul(dt, f64x2.splat(2));
  mode = modes;
  inverse = inverses;
  for (let n = 0; n < half; n++) {
    const ir = v128.load(inverse);
    const ii = v128.load(inverse, 16);
    storeTwo(mode + DIAGONAL, f64x2.sub(f64x2.add(ir, ir), one));
    storeTwo(mode + DIAGONAL + QUAD, f64x2.add(ii, ii));
    const pr = twoAt(mode + P);
    const pi = twoAt(mode + P + QUAD);
    const qr = twoAt(mode + P_2);
    const qi = twoAt(mode + P_2 + QUAD);
    // conj(inverse)∘P.
    storeTwo(mode + RIGHT, against(ir, ii, pr, pi));
    storeTwo(mode + RIGHT + QUAD, f64x2.sub(f64x2.mul(ir, pi), f64x2.mul(ii, pr)));
    storeTwo(mode + RIGHT_2, against(ir, ii, qr, qi));
    storeTwo(mode + RIGHT_2 + QUAD, f64x2.sub(f64x2.mul(ir, qi), f64x2.mul(ii, qr)));
    const ipr = realOf(ir, ii, pr, pi);
    const ipi = imaginaryOf(ir, ii, pr, pi);
    const iqr = realOf(ir, ii, qr, qi);
    const iqi = imaginaryOf(ir, ii, qr, qi);
    storeTwo(mode + LEFT, f64x2.mul(twice, scaled(s11, ipr, s21, iqr)));
    storeTwo(mode + LEFT + QUAD, f64x2.mul(twice, scaled(s11, ipi, s21, iqi)));
    storeTwo(mode + LEFT_2, f64x2.mul(twice, scaled(s12, ipr, s22, iqr)));
    storeTwo(mode + LEFT_2 + QUAD, f64x2.mul(twice, scaled(s12, ipi, s22, iqi)));
    // dt·inverse∘B less inverse∘(P·w).
    const br = twoAt(mode + B);
    const bi = twoAt(mode + B + QUAD);
    const dibr = f64x2.mul(dt, realOf(ir, ii, br, bi));
    const dibi = f64x2.mul(dt, imaginaryOf(ir, ii, br, bi));
    storeTwo(mode + BBAR, f64x2.sub(dibr, scaled(w1, ipr, w2, iqr)));
    storeTwo(mode + BBAR + QUAD, f64x2.sub(dibi, scaled(w1, ipi, w2, iqi)));
    mode += MODE_BYTES;
    inverse += 2 * QUAD;
  }
}

/** The same of four features. */
export function prepare(modes: usize, inverses: usize, half: i32, dt: v128): void {
  prepareTwo(modes, inverses, half, f64x2.promote_low_f32x4(dt));
  const upper = v128.shuffle<f32>(dt, dt, 2, 3, 2, 3);
  prepareTwo(modes + 8, inverses, half, f64x2.promote_low_f32x4(upper));
}

/** (right_r, x), what the low rank takes off in the next step. */
let first: v128 = f32x4.splat(0);
let second: v128 = f32x4.splat(0);

// @ts-ignore: decorator
@inline
function plusAgainst(sum: v128, row: usize, xr: v128, xi: v128): v128 {
  const pairs = f32x4.add(
    f32x4.mul(v128.load(row), xr),
    f32x4.mul(v128.load(row, 16), xi),
  );
  return f32x4.add(sum, pairs);
}

/** first and second of the state as it is. */
export function meet(modes: usize, half: i32, rank: i32): void {
  let one = zero();
  let two = zero();
  let mode = modes;
  for (let n = 0; n < half; n++) {
    const xr = v128.load(mode, X);
    const xi = v128.load(mode, X + QUAD);
    one = plusAgainst(one, mode + RIGHT, xr, xi);
    if (rank > 1) two = plusAgainst(two, mode + RIGHT_2, xr, xi);
    mode += MODE_BYTES;
  }
  first = one;
  second = two;
}

/** One sample on; returns Re Σ C·x. */
// @ts-ignore: decorator
@inline
export function advance(modes: usize, half: i32, rank: i32, input: v128): v128 {
  const one = first;
  const two = second;
  let nextOne = zero();
  let nextTwo = zero();
  let sum = zero();
  let mode = modes;
  for (let n = 0; n < half; n++) {
    const xr = v128.load(mode, X);
    const xi = v128.load(mode, X + QUAD);
    const dr = v128.load(mode, DIAGONAL);
    const di = v128.load(mode, DIAGONAL + QUAD);
    let real = f32x4.sub(f32x4.mul(dr, xr), f32x4.mul(di, xi));
    let imaginary = f32x4.add(f32x4.mul(dr, xi), f32x4.mul(di, xr));
    real = f32x4.add(real, f32x4.mul(v128.load(mode, BBAR), input));
    imaginary = f32x4.add(imaginary, f32x4.mul(v128.load(mode, BBAR + QUAD), input));
    real = f32x4.sub(real, f32x4.mul(v128.load(mode, LEFT), one));
    imaginary = f32x4.sub(imaginary, f32x4.mul(v128.load(mode, LEFT + QUAD), one));
    if (rank > 1) {
      real = f32x4.sub(real, f32x4.mul(v128.load(mode, LEFT_2), two));
      imaginary = f32x4.sub(imaginary, f32x4.mul(v128.load(mode, LEFT_2 + QUAD), two));
      nextTwo = plusAgainst(nextTwo, mode + RIGHT_2, real, imaginary);
    }
    nextOne = plusAgainst(nextOne, mode + RIGHT, real, imaginary);
    v128.store(mode, real, X);
    v128.store(mode, imaginary, X + QUAD);
    const readR = f32x4.mul(v128.load(mode, C), real);
    sum = f32x4.add(sum, f32x4.sub(readR, f32x4.mul(v128.load(mode, C + QUAD), imaginary)));
    mode += MODE_BYTES;
  }
  first = nextOne;
  second = nextTwo;
  return sum;
}

/**
 * Equations and shapes: src/ops/dplr_scan.ts. `scratch` holds the modes [half][24][4], then
 * [half][2] vectors in f64. `isPerStep`: dt is given for each sample.
 */
export function dplr_scan(
  begin: i32,
  end: i32,
  scratch: usize,
  u: usize,
  lambda: usize,
  lowRank: usize,
  inputs: usize,
  outputs: usize,
  dt: usize,
  D: usize,
  x0: usize,
  y: usize,
  state: usize,
  length: i32,
  feature: i32,
  half: i32,
  rank: i32,
  isPerStep: i32,
): void {
  const tiles = (feature + FEATURES - 1) / FEATURES;
  const wide = 2 * half;
  const inverses = scratch + <usize> half * MODE_BYTES;
  for (let task = begin; task < end; task++) {
    const b = task / tiles;
    const from = (task % tiles) * FEATURES;
    const lanes = least(FEATURES, feature - from);
    const carried = (b * feature + from) * wide;
    systemInto(scratch, lambda, lowRank, inputs, outputs, from, lanes, half, rank);
    complexInto(scratch + X, given(x0, carried), lanes, half, wide, MODE_BYTES);
    if (!isPerStep) {
      prepare(scratch, inverses, half, loadQuad(at(dt, from), lanes));
      meet(scratch, half, rank);
    }
    const skip = loadQuad(given(D, from), D == 0 ? 0 : lanes);
    for (let k = 0; k < length; k++) {
      const sample = (b * length + k) * feature + from;
      const input = loadQuad(at(u, sample), lanes);
      if (isPerStep) {
        prepare(scratch, inverses, half, loadQuad(at(dt, sample), lanes));
        meet(scratch, half, rank);
      }
      const sum = advance(scratch, half, rank, input);
      storeQuad(at(y, sample), f32x4.add(f32x4.add(sum, sum), f32x4.mul(skip, input)), lanes);
    }
    complexFrom(at(state, carried), scratch + X, lanes, half, wide, MODE_BYTES);
  }
}
