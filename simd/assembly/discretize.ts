// Abar and the factor of Bbar of four modes with a step size each; the formulas of
// src/ops/_helpers/discretize_mode.ts.
import { splat } from "./lanes";
import { cosine, expm1, sincos, sine } from "./math";

// Results of the last `discretize`; each thread has an instance of its own.
export let abarR: v128 = f32x4.splat(0);
export let abarI: v128 = f32x4.splat(0);
export let factorR: v128 = f32x4.splat(0);
export let factorI: v128 = f32x4.splat(0);

/** Rules of the discretisation of a step: none (A is Abar), zero-order hold, bilinear. */
export const LTI: i32 = 0;
const BILINEAR: i32 = 2;

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
