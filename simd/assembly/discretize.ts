// Abar and the factor of Bbar of four modes with a step size each; the formulas of
// src/ops/_helpers/discretize_mode.ts.
import { splat } from "./lanes";
import { cosine, exp, expm1, sincos, sine } from "./math";

// Results of the last `discretize`; each thread has an instance of its own.
export let abarR: v128 = f32x4.splat(0);
export let abarI: v128 = f32x4.splat(0);
export let factorR: v128 = f32x4.splat(0);
export let factorI: v128 = f32x4.splat(0);

/**
 * Rules of the discretisation of a step: none (A is Abar), zero-order hold, bilinear, and none with
 * log Abar for every step.
 */
export const LTI: i32 = 0;
const BILINEAR: i32 = 2;
export const LOGS: i32 = 3;

/** Leaves exp(re + i·im) in `abarR`, `abarI`. */
export function exponential(re: v128, im: v128): void {
  const modulus = exp(re);
  sincos(im);
  abarR = f32x4.mul(modulus, cosine);
  abarI = f32x4.mul(modulus, sine);
}

/** Below this |lambda|² the quotient (Abar − 1)/lambda is taken as dt, which it is to f32. */
const NORM_MIN: f32 = 1e-30;

function bilinear(zr: v128, zi: v128, dt: v128): void {
  const one = splat(1);
  const half = f32x4.mul(zr, splat(0.5));
  const turn = f32x4.mul(zi, splat(0.5));
  const above = f32x4.add(one, half);
  const below = f32x4.sub(one, half);
  const square = f32x4.mul(turn, turn);
  const inverse = f32x4.div(one, f32x4.add(f32x4.mul(below, below), square));
  abarR = f32x4.mul(f32x4.sub(f32x4.mul(above, below), square), inverse);
  abarI = f32x4.mul(f32x4.add(turn, turn), inverse);
  factorR = f32x4.mul(f32x4.mul(dt, below), inverse);
  factorI = f32x4.mul(f32x4.mul(dt, turn), inverse);
}

/** Leaves Abar in `abarR`, `abarI` and the factor of Bbar = factor·B in `factorR`, `factorI`. */
export function discretize(re: v128, im: v128, dt: v128, rule: i32): void {
  const zr = f32x4.mul(dt, re);
  const zi = f32x4.mul(dt, im);
  if (rule == BILINEAR) return bilinear(zr, zi, dt);
  // exp(z) − 1 by half angles, whose parts do not cancel for small z.
  sincos(f32x4.mul(zi, splat(0.5)));
  const twice = f32x4.add(sine, sine);
  const lift = f32x4.mul(twice, sine);
  const turn = f32x4.mul(twice, cosine);
  const em1 = expm1(zr);
  const er = f32x4.sub(f32x4.mul(em1, f32x4.sub(splat(1), lift)), lift);
  const ei = f32x4.mul(f32x4.add(splat(1), em1), turn);
  abarR = f32x4.add(splat(1), er);
  abarI = ei;
  const norm = f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im));
  const isTurning = f32x4.gt(norm, splat(NORM_MIN));
  const inverse = f32x4.div(splat(1), norm);
  const real = f32x4.mul(f32x4.add(f32x4.mul(er, re), f32x4.mul(ei, im)), inverse);
  const imaginary = f32x4.mul(f32x4.sub(f32x4.mul(ei, re), f32x4.mul(er, im)), inverse);
  factorR = v128.bitselect(real, dt, isTurning);
  factorI = v128.and(imaginary, isTurning);
}

// Results of the last `slopes`; each thread has an instance of its own.
let slopeR: v128 = f32x4.splat(0);
let slopeI: v128 = f32x4.splat(0);
let holdR: v128 = f32x4.splat(0);
let holdI: v128 = f32x4.splat(0);

/** Σ (j + 1)/(j + 2)!·z^j, or ((z − 1)·exp(z) + 1)/z² where that does not cancel. */
function hold(zr: v128, zi: v128, er: v128, ei: v128): void {
  let sr = splat(1.0 / 3991680);
  let si = splat(0);
  for (let j = 8; j >= 0; j--) {
    const turned = f32x4.add(f32x4.mul(sr, zi), f32x4.mul(si, zr));
    sr = f32x4.sub(f32x4.mul(sr, zr), f32x4.mul(si, zi));
    sr = f32x4.add(sr, splat(termOf(j)));
    si = turned;
  }
  const below = f32x4.sub(zr, splat(1));
  const ar = f32x4.add(f32x4.sub(f32x4.mul(below, er), f32x4.mul(zi, ei)), splat(1));
  const ai = f32x4.add(f32x4.mul(below, ei), f32x4.mul(zi, er));
  // Divided by z twice, since |z|² may be too large to be squared.
  const norm = f32x4.add(f32x4.mul(zr, zr), f32x4.mul(zi, zi));
  const inverse = f32x4.div(splat(1), norm);
  const br = f32x4.mul(f32x4.add(f32x4.mul(ar, zr), f32x4.mul(ai, zi)), inverse);
  const bi = f32x4.mul(f32x4.sub(f32x4.mul(ai, zr), f32x4.mul(ar, zi)), inverse);
  const cr = f32x4.mul(f32x4.add(f32x4.mul(br, zr), f32x4.mul(bi, zi)), inverse);
  const ci = f32x4.mul(f32x4.sub(f32x4.mul(bi, zr), f32x4.mul(br, zi)), inverse);
  const isSmall = f32x4.lt(norm, splat(1));
  holdR = v128.bitselect(sr, cr, isSmall);
  holdI = v128.bitselect(si, ci, isSmall);
}

function termOf(j: i32): f32 {
  switch (j) {
    case 0:
      return 1.0 / 2;
    case 1:
      return 1.0 / 3;
    case 2:
      return 1.0 / 8;
    case 3:
      return 1.0 / 30;
    case 4:
      return 1.0 / 144;
    case 5:
      return 1.0 / 840;
    case 6:
      return 1.0 / 5760;
    case 7:
      return 1.0 / 45360;
    default:
      return 1.0 / 403200;
  }
}

/**
 * How Abar and the factor f of Bbar change with lambda and dt, from Abar (zero-order hold):
 *
 *   dAbar/dlambda = dt·slope     dAbar/ddt = lambda·slope
 *   df/dlambda = dt²·hold        df/ddt = slope
 */
export function slopes(re: v128, im: v128, dt: v128, ar: v128, ai: v128, rule: i32): void {
  const zr = f32x4.mul(dt, re);
  const zi = f32x4.mul(dt, im);
  if (rule != BILINEAR) {
    slopeR = ar;
    slopeI = ai;
    hold(zr, zi, ar, ai);
    return;
  }
  // w = 1/(1 − z/2); both are multiples of w².
  const below = f32x4.sub(splat(1), f32x4.mul(zr, splat(0.5)));
  const turn = f32x4.mul(zi, splat(0.5));
  const norm = f32x4.add(f32x4.mul(below, below), f32x4.mul(turn, turn));
  const wr = f32x4.div(below, norm);
  const wi = f32x4.div(turn, norm);
  slopeR = f32x4.sub(f32x4.mul(wr, wr), f32x4.mul(wi, wi));
  slopeI = f32x4.mul(f32x4.add(wr, wr), wi);
  holdR = f32x4.mul(slopeR, splat(0.5));
  holdI = f32x4.mul(slopeI, splat(0.5));
}

// Results of the last `backToMode`; each thread has an instance of its own.
export let lambdaR: v128 = f32x4.splat(0);
export let lambdaI: v128 = f32x4.splat(0);
export let stepSize: v128 = f32x4.splat(0);

/**
 * Passes the gradients of Abar (`ar`, `ai`) and of the factor (`fr`, `fi`) back to lambda and to dt,
 * by the last `slopes`; leaves them in `lambdaR`, `lambdaI` and `stepSize`.
 */
export function backToMode(
  re: v128,
  im: v128,
  dt: v128,
  ar: v128,
  ai: v128,
  fr: v128,
  fi: v128,
): void {
  const pr = f32x4.add(f32x4.mul(slopeR, ar), f32x4.mul(slopeI, ai));
  const pi = f32x4.sub(f32x4.mul(slopeR, ai), f32x4.mul(slopeI, ar));
  const hr = f32x4.add(f32x4.mul(holdR, fr), f32x4.mul(holdI, fi));
  const hi = f32x4.sub(f32x4.mul(holdR, fi), f32x4.mul(holdI, fr));
  lambdaR = f32x4.mul(dt, f32x4.add(pr, f32x4.mul(dt, hr)));
  lambdaI = f32x4.mul(dt, f32x4.add(pi, f32x4.mul(dt, hi)));
  const ofAbar = f32x4.add(f32x4.mul(re, pr), f32x4.mul(im, pi));
  stepSize = f32x4.add(ofAbar, f32x4.add(f32x4.mul(slopeR, fr), f32x4.mul(slopeI, fi)));
}
