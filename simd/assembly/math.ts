// Elementary functions on four f32, within about one unit in the last place. The polynomials are
// those of Moshier's Cephes library (single precision, expf, logf, sinf and cosf), the reductions
// are written for vectors: no table, no branch, no denormal results.
import { splat } from "./lanes";

export const LOG2E: f32 = 1.44269504088896341;
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Added and taken away, rounds to the nearest integer, which then stands in the low bits. */
const ROUNDER: f32 = 12582912;
/** Below this exp is denormal, and taken as 0. */
const EXP_MIN: f32 = -87.3;
/** Above this exp is infinite: 2^128 is no f32, though exp is one up to 88.72. */
const EXP_MAX: f32 = 89;

/** exp(r) − 1 for |r| up to ln(2)/2. */
// @ts-ignore: decorator
@inline
function expm1Reduced(r: v128): v128 {
  let q = splat(1.9875691500e-4);
  q = f32x4.add(f32x4.mul(q, r), splat(1.3981999507e-3));
  q = f32x4.add(f32x4.mul(q, r), splat(8.3334519073e-3));
  q = f32x4.add(f32x4.mul(q, r), splat(4.1665795894e-2));
  q = f32x4.add(f32x4.mul(q, r), splat(1.6666665459e-1));
  q = f32x4.add(f32x4.mul(q, r), splat(5.0000001201e-1));
  return f32x4.add(f32x4.mul(q, f32x4.mul(r, r)), r);
}

/** x·log2(e), rounded, with the integer in its low bits. */
// @ts-ignore: decorator
@inline
function powersOf(x: v128): v128 {
  return f32x4.add(f32x4.mul(x, splat(LOG2E)), splat(ROUNDER));
}

// @ts-ignore: decorator
@inline
function remainderOf(x: v128, powers: v128): v128 {
  const n = f32x4.sub(powers, splat(ROUNDER));
  const high = f32x4.sub(x, f32x4.mul(n, splat(LN2_HIGH)));
  return f32x4.sub(high, f32x4.mul(n, splat(LN2_LOW)));
}

// @ts-ignore: decorator
@inline
function twoTo(powers: v128): v128 {
  return i32x4.add(i32x4.shl(powers, 23), i32x4.splat(0x3f800000));
}

// @ts-ignore: decorator
@inline
function clamped(x: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, splat(EXP_MIN)), splat(EXP_MAX));
}

/** exp(x); infinite from 88.4 on, 0 below −87.3. */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const inside = clamped(x);
  const powers = powersOf(inside);
  const scale = twoTo(powers);
  const part = expm1Reduced(remainderOf(inside, powers));
  // Not part·scale + scale: just below 2^128 the scale is infinite already, and part below 0.
  const value = f32x4.mul(f32x4.add(part, splat(1)), scale);
  return v128.andnot(value, f32x4.lt(x, splat(EXP_MIN)));
}

/** Decays below this power of two are taken for it: what is left is no number beside a state. */
const DECAY_MIN: f32 = -125;

/**
 * 2^x for x up to 0, within 2e-7 of it: what a state keeps in a step. The polynomial is the best of
 * degree 5 from −½ to ½ with 2^0 = 1; the integer is added to the exponent's bits.
 */
// @ts-ignore: decorator
@inline
export function decayOf(x: v128): v128 {
  const inside = f32x4.pmax(x, splat(DECAY_MIN));
  const powers = f32x4.add(inside, splat(ROUNDER));
  const r = f32x4.sub(inside, f32x4.sub(powers, splat(ROUNDER)));
  let p = splat(1.3264727313e-3);
  p = f32x4.add(f32x4.mul(p, r), splat(9.6715129912e-3));
  p = f32x4.add(f32x4.mul(p, r), splat(5.5507335812e-2));
  p = f32x4.add(f32x4.mul(p, r), splat(2.4022242427e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(6.9314700365e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(1));
  return i32x4.add(p, i32x4.shl(powers, 23));
}

/** Above this 2^x is taken for it: the largest power that is a number. */
const POWER_MAX: f32 = 127;

/** 2^x, within 2e-7 of it; from 2^−125 to 2^127. */
// @ts-ignore: decorator
@inline
export function powerOfTwo(x: v128): v128 {
  return decayOf(f32x4.pmin(x, splat(POWER_MAX)));
}

/** exp(x) over the whole range of f32, by exp(x/2)². */
// @ts-ignore: decorator
@inline
export function expWide(x: v128): v128 {
  const isLarge = f32x4.gt(x, splat(88));
  const half = exp(f32x4.mul(x, splat(0.5)));
  return v128.bitselect(f32x4.mul(half, half), exp(x), isLarge);
}

/** exp(x) − 1 without cancellation near 0. */
// @ts-ignore: decorator
@inline
export function expm1(x: v128): v128 {
  const inside = clamped(x);
  const powers = powersOf(inside);
  const scale = twoTo(powers);
  const part = expm1Reduced(remainderOf(inside, powers));
  return f32x4.add(f32x4.mul(part, scale), f32x4.sub(scale, splat(1)));
}

/** log(x) for normal x > 0. */
// @ts-ignore: decorator
@inline
export function log(x: v128): v128 {
  // x = m·2^e with m from √½ to √2.
  const bits = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23));
  const m = i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const r = f32x4.sub(m, splat(1));
  const square = f32x4.mul(r, r);
  let p = splat(7.0376836292e-2);
  p = f32x4.add(f32x4.mul(p, r), splat(-1.1514610310e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(1.1676998740e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(-1.2420140846e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(1.4249322787e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(-1.6668057665e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(2.0000714765e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(-2.4999993993e-1));
  p = f32x4.add(f32x4.mul(p, r), splat(3.3333331174e-1));
  let y = f32x4.mul(f32x4.mul(p, r), square);
  y = f32x4.add(y, f32x4.mul(e, splat(LN2_LOW)));
  y = f32x4.sub(y, f32x4.mul(square, splat(0.5)));
  return f32x4.add(f32x4.add(r, y), f32x4.mul(e, splat(LN2_HIGH)));
}

/** log(1 + t) for t from 0 to 1, by log(w)·t/(w − 1) with w the rounded 1 + t. */
// @ts-ignore: decorator
@inline
export function log1p(t: v128): v128 {
  const w = f32x4.add(splat(1), t);
  const excess = f32x4.sub(w, splat(1));
  const scaled = f32x4.div(f32x4.mul(log(w), t), excess);
  return v128.bitselect(t, scaled, f32x4.eq(excess, splat(0)));
}

/** Quarter turns in x, rounded, with the integer in its low bits; |x| up to some 10⁴. */
// @ts-ignore: decorator
@inline
function quartersOf(x: v128): v128 {
  return f32x4.add(f32x4.mul(x, splat(0.63661977236758)), splat(ROUNDER));
}

// @ts-ignore: decorator
@inline
function angleOf(x: v128, quarters: v128): v128 {
  const n = f32x4.sub(quarters, splat(ROUNDER));
  // π/2 in three parts, so that n·part is exact for the first two.
  let r = f32x4.sub(x, f32x4.mul(n, splat(1.5703125)));
  r = f32x4.sub(r, f32x4.mul(n, splat(4.837512969970703125e-4)));
  return f32x4.sub(r, f32x4.mul(n, splat(7.54978995489188e-8)));
}

// @ts-ignore: decorator
@inline
function sinReduced(r: v128, square: v128): v128 {
  let p = splat(-1.9515295891e-4);
  p = f32x4.add(f32x4.mul(p, square), splat(8.3321608736e-3));
  p = f32x4.add(f32x4.mul(p, square), splat(-1.6666654611e-1));
  return f32x4.add(f32x4.mul(f32x4.mul(p, square), r), r);
}

// @ts-ignore: decorator
@inline
function cosReduced(square: v128): v128 {
  let p = splat(2.443315711809948e-5);
  p = f32x4.add(f32x4.mul(p, square), splat(-1.388731625493765e-3));
  p = f32x4.add(f32x4.mul(p, square), splat(4.166664568298827e-2));
  p = f32x4.mul(f32x4.mul(p, square), square);
  return f32x4.add(f32x4.sub(p, f32x4.mul(square, splat(0.5))), splat(1));
}

// Results of the last `sincos`; each thread has an instance of its own.
export let sine: v128 = f32x4.splat(0);
export let cosine: v128 = f32x4.splat(0);

/** The sign bit of half turns. */
// @ts-ignore: decorator
@inline
function signOf(turn: v128): v128 {
  return i32x4.shl(v128.and(turn, i32x4.splat(2)), 30);
}

/** Leaves sin(x) and cos(x) in `sine` and `cosine`. */
// @ts-ignore: decorator
@inline
export function sincos(x: v128): void {
  const quarters = quartersOf(x);
  const r = angleOf(x, quarters);
  const square = f32x4.mul(r, r);
  const s = sinReduced(r, square);
  const c = cosReduced(square);
  const isOdd = i32x4.shr_s(i32x4.shl(quarters, 31), 31);
  sine = v128.xor(v128.bitselect(c, s, isOdd), signOf(quarters));
  const ahead = i32x4.add(quarters, i32x4.splat(1));
  cosine = v128.xor(v128.bitselect(s, c, isOdd), signOf(ahead));
}
