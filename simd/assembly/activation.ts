// The pointwise functions and their slopes; codes as in src/ops/_helpers/activation.ts.
import { exp, expm1, expWide, log1p } from "./math";
import { splat, zero } from "./lanes";

/** Above this softplus is exactly linear. */
const SOFTPLUS_LINEAR_ABOVE: f32 = 20;

// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  return f32x4.div(splat(1), f32x4.add(splat(1), exp(f32x4.neg(x))));
}

// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  return f32x4.div(x, f32x4.add(splat(1), exp(f32x4.neg(x))));
}

/** s·(1 + x·(1 − s)); s and 1 − s both from exp(−|x|), so that neither cancels. */
// @ts-ignore: decorator
@inline
export function siluSlope(x: v128): v128 {
  const e = exp(f32x4.neg(f32x4.abs(x)));
  const large = f32x4.div(splat(1), f32x4.add(splat(1), e));
  const small = f32x4.mul(e, large);
  const isNegative = f32x4.lt(x, zero());
  const s = v128.bitselect(small, large, isNegative);
  const rest = v128.bitselect(large, small, isNegative);
  return f32x4.mul(s, f32x4.add(splat(1), f32x4.mul(x, rest)));
}

// @ts-ignore: decorator
@inline
export function softplus(x: v128): v128 {
  // max(x, 0) + log(1 + exp(−|x|)): nothing overflows, nothing cancels.
  const value = f32x4.add(f32x4.pmax(x, zero()), log1p(exp(f32x4.neg(f32x4.abs(x)))));
  return v128.bitselect(x, value, f32x4.gt(x, splat(SOFTPLUS_LINEAR_ABOVE)));
}

// @ts-ignore: decorator
@inline
export function softplusSlope(x: v128): v128 {
  return v128.bitselect(splat(1), sigmoid(x), f32x4.gt(x, splat(SOFTPLUS_LINEAR_ABOVE)));
}

function logSigmoid(x: v128): v128 {
  return f32x4.sub(f32x4.pmin(x, zero()), log1p(exp(f32x4.neg(f32x4.abs(x)))));
}

/** The normal distribution function by Abramowitz and Stegun 7.1.26, off by at most 7.5e-8. */
// @ts-ignore: decorator
@inline
function normal(x: v128): v128 {
  const size = f32x4.mul(f32x4.abs(x), splat(0.70710678118654752));
  const t = f32x4.div(splat(1), f32x4.add(splat(1), f32x4.mul(size, splat(0.3275911))));
  let p = splat(1.061405429);
  p = f32x4.add(f32x4.mul(p, t), splat(-1.453152027));
  p = f32x4.add(f32x4.mul(p, t), splat(1.421413741));
  p = f32x4.add(f32x4.mul(p, t), splat(-0.284496736));
  p = f32x4.add(f32x4.mul(p, t), splat(0.254829592));
  const bell = exp(f32x4.neg(f32x4.mul(size, size)));
  const tail = f32x4.mul(f32x4.mul(f32x4.mul(p, t), bell), splat(0.5));
  return v128.bitselect(tail, f32x4.sub(splat(1), tail), f32x4.lt(x, zero()));
}

function gelu(x: v128): v128 {
  return f32x4.mul(x, normal(x));
}

function geluSlope(x: v128): v128 {
  const bell = exp(f32x4.mul(f32x4.mul(x, x), splat(-0.5)));
  return f32x4.add(normal(x), f32x4.mul(f32x4.mul(x, splat(0.3989422804014327)), bell));
}

/** expm1(2x)/(expm1(2x) + 2), which keeps its digits near 0; 1 from |x| = 10 on. */
function tanh(x: v128): v128 {
  const inside = f32x4.pmin(f32x4.pmax(x, splat(-10)), splat(10));
  const e = expm1(f32x4.add(inside, inside));
  return f32x4.div(e, f32x4.add(e, splat(2)));
}

function tanhSlope(x: v128): v128 {
  const twice = f32x4.add(x, x);
  return f32x4.mul(f32x4.mul(splat(4), sigmoid(twice)), sigmoid(f32x4.neg(twice)));
}

// @ts-ignore: decorator
@inline
function geluTanhInner(x: v128): v128 {
  const cubic = f32x4.mul(f32x4.mul(f32x4.mul(x, x), x), splat(0.044715));
  return f32x4.mul(f32x4.add(x, cubic), splat(0.7978845608028654));
}

// @ts-ignore: decorator
@inline
function geluTanh(x: v128): v128 {
  // x/2·(1 + tanh(v)) = x·sigmoid(2v).
  const inner = geluTanhInner(x);
  return f32x4.mul(x, sigmoid(f32x4.add(inner, inner)));
}

function geluTanhSlope(x: v128): v128 {
  const inner = geluTanhInner(x);
  const cubic = f32x4.mul(f32x4.mul(x, x), splat(3 * 0.044715));
  const slope = f32x4.mul(f32x4.add(splat(1), cubic), splat(0.7978845608028654));
  const lift = f32x4.mul(f32x4.mul(f32x4.mul(x, splat(0.5)), tanhSlope(inner)), slope);
  return f32x4.add(sigmoid(f32x4.add(inner, inner)), lift);
}

/** Codes of the functions that networks spend their time on. */
export const SILU: i32 = 1;
export const GELU_TANH: i32 = 3;
export const SIGMOID: i32 = 5;

/** The function of a code; `beta` only reaches softplus. */
export function activate(kind: i32, x: v128, beta: f32): v128 {
  return activateInline(kind, x, beta);
}

/**
 * The same where the code is known when this is compiled: only its own function is left, whose
 * constants then stay in registers over a loop. A call would make them anew for each vector.
 */
// @ts-ignore: decorator
@inline
export function activateInline(kind: i32, x: v128, beta: f32): v128 {
  switch (kind) {
    case 1:
      return silu(x);
    case 2:
      return gelu(x);
    case 3:
      return geluTanh(x);
    case 4:
      return f32x4.div(softplus(f32x4.mul(x, splat(beta))), splat(beta));
    case 5:
      return sigmoid(x);
    case 6:
      return tanh(x);
    case 7:
      return f32x4.pmax(x, zero());
    case 8:
      return logSigmoid(x);
    case 9:
      return f32x4.neg(expWide(x));
    default:
      return x;
  }
}

/** Its derivative. */
export function slopeOf(kind: i32, x: v128, beta: f32): v128 {
  switch (kind) {
    case 1:
      return siluSlope(x);
    case 2:
      return geluSlope(x);
    case 3:
      return geluTanhSlope(x);
    case 4:
      return softplusSlope(f32x4.mul(x, splat(beta)));
    case 5:
      return f32x4.mul(sigmoid(x), sigmoid(f32x4.neg(x)));
    case 6:
      return tanhSlope(x);
    case 7:
      return v128.and(splat(1), f32x4.gt(x, zero()));
    case 8:
      return sigmoid(f32x4.neg(x));
    case 9:
      return f32x4.neg(expWide(x));
    default:
      return splat(1);
  }
}
