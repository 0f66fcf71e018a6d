/** Makers of inputs for the laws. All values are f32 numbers, so f32 and f64 start alike. */
import { nextNormal, nextUniform, type RandomState } from "../../base/random.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";

/** A tensor whose elements come from a function of the index. */
export function fill(shape: Shape, at: (index: number) => number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = at(i);
  return tensorOf(shape, data);
}

/** Standard normal values times a scale. */
export function normal(random: RandomState, shape: Shape, scale = 1): Tensor {
  return fill(shape, () => scale * nextNormal(random));
}

/** Uniform values in [low, high). */
export function uniform(random: RandomState, shape: Shape, low: number, high: number): Tensor {
  return fill(shape, () => low + (high - low) * nextUniform(random));
}

/** The same value everywhere. */
export function constant(shape: Shape, value: number): Tensor {
  return fill(shape, () => value);
}

/** Values around 1e-40, below the smallest normal f32 number (1.2e-38). */
export function denormal(random: RandomState, shape: Shape): Tensor {
  return fill(shape, () => 1e-40 * nextNormal(random));
}

/**
 * Complex numbers inside the unit disc: modulus in [low, high), any angle.
 *
 * @param shape  the complex shape; the result is [shape, 2]
 */
export function decays(random: RandomState, shape: Shape, low: number, high: number): Tensor {
  const data = new Float32Array(2 * sizeOf(shape));
  for (let i = 0; i < data.length; i += 2) {
    const modulus = low + (high - low) * nextUniform(random);
    const angle = 2 * Math.PI * nextUniform(random);
    data[i] = modulus * Math.cos(angle);
    data[i + 1] = modulus * Math.sin(angle);
  }
  return tensorOf([...shape, 2], data);
}

/** Complex numbers of the left half plane: −real ± imaginary uniform in the given ranges. */
export function leftHalfPlane(
  random: RandomState,
  shape: Shape,
  realMax: number,
  imaginaryMax: number,
): Tensor {
  return fill(
    [...shape, 2],
    (i) =>
      i % 2 === 0
        ? -realMax * (0.01 + nextUniform(random))
        : imaginaryMax * (2 * nextUniform(random) - 1),
  );
}
