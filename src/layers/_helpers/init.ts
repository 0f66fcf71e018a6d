/** Draws for initial parameters and checks that configurations share. */
import { InvalidValueError } from "../../base/errors.ts";
import { nextNormal, nextUniform, type RandomState } from "../../base/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";

/** A tensor of f64 values by their position. */
export function filled(shape: Shape, value: (index: number) => number): Tensor {
  return tensorOf(shape, Float64Array.from({ length: sizeOf(shape) }, (_, i) => value(i)));
}

/** Standard normal draws times `scale`. */
export function normal(random: RandomState, shape: Shape, scale = 1): Tensor {
  return filled(shape, () => scale * nextNormal(random));
}

/** Uniform draws in (−bound, bound): torch's default for a linear layer with bound 1/√fanIn. */
export function uniform(random: RandomState, shape: Shape, bound: number): Tensor {
  return filled(shape, () => bound * (2 * nextUniform(random) - 1));
}

/** A step size, log-uniform in [dtMin, dtMax]. */
export function drawStep(random: RandomState, dtMin: number, dtMax: number): number {
  const low = Math.log(dtMin);
  return Math.exp(low + nextUniform(random) * (Math.log(dtMax) - low));
}

/** The x with softplus(x) = y: the bias by which a step size starts at y. */
export function softplusInverse(y: number): number {
  return y + Math.log(-Math.expm1(-y));
}

/**
 * Requires a size of a configuration to be a positive integer.
 *
 * @throws {InvalidValueError} it is not; the field is named
 */
export function checkSize(field: string, value: number, most = 65_536): void {
  if (!(Number.isInteger(value) && value >= 1 && value <= most)) {
    throw new InvalidValueError(field, value, `an integer from 1 to ${most}`);
  }
}

/**
 * Requires 0 < dtMin ≤ dtMax.
 *
 * @throws {InvalidValueError} it is not so; the field is named
 */
export function checkSteps(dtMin: number, dtMax: number): void {
  if (!(dtMin > 0 && Number.isFinite(dtMin))) {
    throw new InvalidValueError("dtMin", dtMin, "a finite number above 0");
  }
  if (!(dtMax >= dtMin && Number.isFinite(dtMax))) {
    throw new InvalidValueError("dtMax", dtMax, `a finite number of at least ${dtMin}`);
  }
}
