/**
 * The shape of standardised errors: a family of quantile functions from Gauss to beyond Laplace.
 *
 *   q_λ(τ) = ((1 − λ)·gauss(τ) + λ·laplace(τ))·c(λ)                 λ: how heavy the tails are
 *
 * gauss and laplace have a mean size of 1, and the same interval of 80 % to a fifth of a per cent;
 * at 95 % Laplace's is a fifth wider, at 99.9 % two thirds. Sizes are taken from the mean of
 * √|error|, as if the shape were that of λ = ½; with m(λ) that mean for a size of 1, the factor
 * c(λ) = (m(½) / m(λ))² puts the size right where tails are lighter. Where they are heavier it is
 * 1: such errors come from a scale that changes more than from a shape, and fans widened by it held
 * too much. λ comes from the errors themselves:
 *
 *   r = mean(e²) / mean(|e|)²        π/2 for Gauss, 2 for Laplace, 3 for Student's t of 3 degrees
 *   λ = (N·(r − π/2) / (2 − π/2) + N₀·½) / (N + N₀),       N: blocks of errors seen
 *
 * One number is known from far fewer errors than the quantiles of the tails are themselves.
 */
import { normalQuantile } from "./normal.ts";
import { SCALE_OF_MEAN_ABS } from "./structural.ts";

/** Tails before errors have been seen: half Gauss, half Laplace. */
export const TAIL_PRIOR = 0.5;

/** Blocks of errors that the prior counts for. */
const TAIL_PSEUDO_BLOCKS = 3;

/** λ stays between a Gaussian and half a step beyond Laplace. */
const TAIL_MAX = 1.5;

/** Errors count for this many sizes at most: one event makes no tail. */
const SIZE_CUT = 6;

const GAUSS_RATIO = Math.PI / 2;
const LAPLACE_RATIO = 2;

/** Mean of √|x| of a mean |x| of 1 by λ: a parabola through Gauss, the middle and Laplace. */
function rootOfTail(tail: number): number {
  return 0.920442 - (0.028989 + 0.005226 * tail) * tail;
}

/** Mean of √|x| under the shape that sizes are taken by, whose mean |x| is 1. */
export const ROOT_OF_SHAPE = 0.904641;

/** A quantile of both ends of the family, for a mean |x| of 1. */
export type ShapeQuantile = { readonly gauss: number; readonly laplace: number };

/** The quantile functions of Gauss and Laplace at a probability. */
export function shapeQuantile(quantile: number): ShapeQuantile {
  const laplace = quantile < 0.5 ? Math.log(2 * quantile) : -Math.log(2 * (1 - quantile));
  return { gauss: normalQuantile(quantile) * SCALE_OF_MEAN_ABS, laplace };
}

/** q_λ of a quantile. */
export function shapeAt({ gauss, laplace }: ShapeQuantile, tail: number): number {
  const size = tail < TAIL_PRIOR ? (ROOT_OF_SHAPE / rootOfTail(tail)) ** 2 : 1;
  return (gauss + tail * (laplace - gauss)) * size;
}

/** Quantile of the shape that is assumed before errors have been seen, mean |error| 1. */
export function priorShape(quantile: number): number {
  return shapeAt(shapeQuantile(quantile), TAIL_PRIOR);
}

/** Steps of a size of 1. */
const SIZE_STEPS = 2 ** 16;

/**
 * Sums of the sizes of errors and of their squares, in whole steps: such sums are exact, so errors
 * may come and go in any order and leave no trace. NaN while one of them is none.
 */
export type SizeSums = { sizes: number; squares: number };

/** Takes an error into the sums (`sign` 1) or out of them (−1). */
export function addSize(sums: SizeSums, error: number, sign: 1 | -1): void {
  const size = Math.round(SIZE_STEPS * Math.min(SIZE_CUT, Math.abs(error)));
  sums.sizes += sign * size;
  sums.squares += sign * size * size;
}

/** The sums over errors.                                                               [error] */
export function sizeSums(errors: Float32Array): SizeSums {
  const sums = { sizes: 0, squares: 0 };
  for (let i = 0; i < errors.length; i++) addSize(sums, errors[i]!, 1);
  return sums;
}

/**
 * How heavy the tails of errors are: λ.
 *
 * @param errors  standardised, in units of their size, in any order                      [error]
 * @param blocks  how many of them are independent, roughly
 * @param given   sums over the errors, for who has kept them
 */
export function tailOf(
  errors: Float32Array,
  blocks: number,
  { sizes, squares }: SizeSums = sizeSums(errors),
): number {
  if (!(sizes > 0)) return TAIL_PRIOR;
  const ratio = squares * errors.length / (sizes * sizes);
  const seen = (ratio - GAUSS_RATIO) / (LAPLACE_RATIO - GAUSS_RATIO);
  const tail = (blocks * seen + TAIL_PSEUDO_BLOCKS * TAIL_PRIOR) / (blocks + TAIL_PSEUDO_BLOCKS);
  return Math.min(TAIL_MAX, Math.max(0, tail));
}
