/**
 * The layout of complex numbers, known here and nowhere else: a complex tensor of shape
 * `[…]` is a real tensor of shape `[…, 2]`, so real and imaginary part lie side by side.
 *
 * Real output of conjugate pairs: a model stores one of each pair and takes 2·Re(…).
 */
import { ShapeError } from "../base/errors.ts";
import type { Shape } from "./shape.ts";
import { floatArray, type Tensor, tensorOf } from "./tensor.ts";

/** Stored numbers of one complex number. */
export const COMPLEX_PARTS = 2;

/** The real shape under which a complex tensor is stored. */
export function complexShape(shape: Shape): Shape {
  return [...shape, COMPLEX_PARTS];
}

/**
 * The complex shape of a stored one.
 *
 * @throws {ShapeError} the last axis is not the pair's
 */
export function complexShapeOf(name: string, stored: Shape): Shape {
  const last = stored.at(-1);
  if (last !== COMPLEX_PARTS) throw new ShapeError(`${name}.complex`, COMPLEX_PARTS, last ?? 0);
  return stored.slice(0, -1);
}

/**
 * Joins real and imaginary parts.
 *
 * @param re  [shape]
 * @param im  [shape]
 * @returns   [shape, 2]
 * @throws {ShapeError} the parts have different sizes
 */
export function packComplex(re: Tensor, im: Tensor): Tensor {
  if (re.data.length !== im.data.length) {
    throw new ShapeError("elements", re.data.length, im.data.length);
  }
  const out = floatArray(re.dtype, 2 * re.data.length);
  for (let i = 0; i < re.data.length; i++) {
    out[2 * i] = re.data[i]!;
    out[2 * i + 1] = im.data[i]!;
  }
  return tensorOf(complexShape(re.shape), out);
}

/**
 * Splits a complex tensor into its parts; the inverse of {@linkcode packComplex}.
 *
 * @throws {ShapeError} the last axis is not the pair's
 */
export function unpackComplex(tensor: Tensor): { re: Tensor; im: Tensor } {
  const shape = complexShapeOf("tensor", tensor.shape);
  const count = tensor.data.length / 2;
  const re = floatArray(tensor.dtype, count);
  const im = floatArray(tensor.dtype, count);
  for (let i = 0; i < count; i++) {
    re[i] = tensor.data[2 * i]!;
    im[i] = tensor.data[2 * i + 1]!;
  }
  return { re: tensorOf(shape, re), im: tensorOf(shape, im) };
}

/** A real tensor as a complex one with imaginary part 0. */
export function complexFromReal(re: Tensor): Tensor {
  const out = floatArray(re.dtype, 2 * re.data.length);
  for (let i = 0; i < re.data.length; i++) out[2 * i] = re.data[i]!;
  return tensorOf(complexShape(re.shape), out);
}
