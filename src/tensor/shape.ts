import { ShapeError } from "../base/errors.ts";

/** Sizes of the axes, outermost first; row-major, the last axis contiguous. */
export type Shape = readonly number[];

/** Number of elements of a shape; 1 for the shape of a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const axis of shape) size *= axis;
  return size;
}

/**
 * Requires one axis to have a size.
 *
 * @throws {ShapeError} it has another; the message names the axis and both sizes
 */
export function expectAxis(axis: string, expected: number, actual: number | undefined): void {
  if (actual !== expected) throw new ShapeError(axis, expected, actual ?? 0);
}

/**
 * Requires a number of axes.
 *
 * @throws {ShapeError} the rank differs; the axis is given as "rank of NAME"
 */
export function expectRank(name: string, expected: number, shape: Shape): void {
  if (shape.length !== expected) {
    throw new ShapeError(`rank of ${name}`, expected, shape.length);
  }
}

/**
 * Requires a whole shape, axis by axis.
 *
 * @param name      the tensor's name, first in the message
 * @param axes      names of the axes, in order
 * @param expected  sizes, in order
 * @throws {ShapeError} the rank or an axis differs; the message names the axis and both sizes
 */
export function expectShape(
  name: string,
  axes: readonly string[],
  expected: Shape,
  actual: Shape,
): void {
  expectRank(name, expected.length, actual);
  for (let i = 0; i < expected.length; i++) {
    expectAxis(`${name}.${axes[i] ?? i}`, expected[i]!, actual[i]);
  }
}

/** Whether two shapes have the same axes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** Product of all axes but the last: the rows of an operation along the last axis. */
export function rowsOf(shape: Shape): number {
  return sizeOf(shape.slice(0, -1));
}

/**
 * Size of the last axis.
 *
 * @throws {ShapeError} the shape is a scalar's
 */
export function lastAxis(name: string, shape: Shape): number {
  const last = shape.at(-1);
  if (last === undefined) throw new ShapeError(`rank of ${name}`, 1, 0);
  return last;
}
