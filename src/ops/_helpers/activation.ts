/**
 * Pointwise nonlinearities in double precision: the definitions that the twins share and that
 * `shaders/shared/activation.wgsl` repeats in f32.
 */
import { InvalidValueError } from "../../base/errors.ts";

/** Names of the pointwise functions, in the order of their code in the shaders. */
export const ACTIVATIONS = [
  "identity",
  "silu",
  "gelu",
  "gelu_tanh",
  "softplus",
  "sigmoid",
  "tanh",
  "relu",
  "log_sigmoid",
  "negative_exp",
] as const;

/** A pointwise function; `gelu` is the erf form. */
export type Activation = typeof ACTIVATIONS[number];

/** Above this argument softplus is exactly linear, as torch's default threshold has it. */
export const SOFTPLUS_LINEAR_ABOVE = 20;

/**
 * The function's code in the shaders.
 *
 * @throws {InvalidValueError} no such function
 */
export function activationCode(kind: Activation): number {
  const code = ACTIVATIONS.indexOf(kind);
  if (code < 0) throw new InvalidValueError("activation", kind, `one of ${ACTIVATIONS.join(", ")}`);
  return code;
}

/** 1 / (1 + exp(−x)) without overflow for large |x|. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** x · sigmoid(x), Swish-1. */
export function silu(x: number): number {
  return x * sigmoid(x);
}

/** log(1 + exp(beta·x)) / beta; x itself where beta·x > 20. */
export function softplus(x: number, beta = 1): number {
  const scaled = beta * x;
  return scaled > SOFTPLUS_LINEAR_ABOVE ? x : Math.log1p(Math.exp(scaled)) / beta;
}

/** Below this |x| the error function is summed as its series, above as a continued fraction. */
const ERF_SERIES_BELOW = 2.5;
const ERF_FRACTION_TERMS = 60;
const TWO_OVER_SQRT_PI = 1.1283791670955126;

/**
 * Complementary error function 1 − erf(x), relative error near 1e-15 for x < 26.
 *
 *   erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1))
 *
 * (Abramowitz and Stegun 7.1.6, all terms of one sign), and for large x the continued fraction
 * 7.1.14, evaluated from its tail.
 */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (size < ERF_SERIES_BELOW) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 1 - TWO_OVER_SQRT_PI * Math.exp(-x * x) * sum;
  }
  let tail = size;
  for (let n = ERF_FRACTION_TERMS; n >= 1; n--) tail = size + n / 2 / tail;
  const value = TWO_OVER_SQRT_PI / 2 * Math.exp(-x * x) / tail;
  return x > 0 ? value : 2 - value;
}

/** x · Φ(x), Φ the standard normal distribution function (torch's default form). */
export function gelu(x: number): number {
  return 0.5 * x * erfc(-x * Math.SQRT1_2);
}

const SQRT_2_OVER_PI = 0.7978845608028654;
const GELU_CUBIC = 0.044715;

/** x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))), the approximate form (flax's default). */
export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x)));
}

/** log(sigmoid(x)) without overflow. */
export function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/** The function of a name; `beta` only reaches softplus. */
export function activationOf(kind: Activation, beta = 1): (x: number) => number {
  switch (kind) {
    case "identity":
      return (x) => x;
    case "silu":
      return silu;
    case "gelu":
      return gelu;
    case "gelu_tanh":
      return geluTanh;
    case "softplus":
      return (x) => softplus(x, beta);
    case "sigmoid":
      return sigmoid;
    case "tanh":
      return Math.tanh;
    case "relu":
      return (x) => x > 0 ? x : 0;
    case "log_sigmoid":
      return logSigmoid;
    case "negative_exp":
      return (x) => -Math.exp(x);
    default:
      throw new InvalidValueError("activation", kind, `one of ${ACTIVATIONS.join(", ")}`);
  }
}

/** The derivative of {@linkcode silu}. */
export function siluSlope(x: number): number {
  const s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

const ONE_OVER_SQRT_2_PI = 0.3989422804014327;

/** Φ(x) + x·φ(x), the derivative of {@linkcode gelu}. */
function geluSlope(x: number): number {
  return 0.5 * erfc(-x * Math.SQRT1_2) + x * ONE_OVER_SQRT_2_PI * Math.exp(-x * x / 2);
}

/** 1 − tanh(x)² as a product, which does not cancel far out. */
function tanhSlope(x: number): number {
  return 4 * sigmoid(2 * x) * sigmoid(-2 * x);
}

function geluTanhSlope(x: number): number {
  const inner = SQRT_2_OVER_PI * (x + GELU_CUBIC * x * x * x);
  const slope = SQRT_2_OVER_PI * (1 + 3 * GELU_CUBIC * x * x);
  return sigmoid(2 * inner) + 0.5 * x * tanhSlope(inner) * slope;
}

/** The derivative of {@linkcode softplus}: 1 in its linear part. */
export function softplusSlope(x: number, beta = 1): number {
  const scaled = beta * x;
  return scaled > SOFTPLUS_LINEAR_ABOVE ? 1 : sigmoid(scaled);
}

/** The derivative of {@linkcode activationOf}; that of ReLU is 0 at 0. */
export function slopeOf(kind: Activation, beta = 1): (x: number) => number {
  switch (kind) {
    case "identity":
      return () => 1;
    case "silu":
      return siluSlope;
    case "gelu":
      return geluSlope;
    case "gelu_tanh":
      return geluTanhSlope;
    case "softplus":
      return (x) => softplusSlope(x, beta);
    case "sigmoid":
      return (x) => sigmoid(x) * sigmoid(-x);
    case "tanh":
      return tanhSlope;
    case "relu":
      return (x) => x > 0 ? 1 : 0;
    case "log_sigmoid":
      return (x) => sigmoid(-x);
    case "negative_exp":
      return (x) => -Math.exp(x);
    default:
      throw new InvalidValueError("activation", kind, `one of ${ACTIVATIONS.join(", ")}`);
  }
}
