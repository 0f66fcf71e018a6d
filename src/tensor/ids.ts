/** Whole numbers that travel as floats: rows of a table, classes. */
import { InvalidValueError } from "../base/errors.ts";
import type { Tensor } from "./tensor.ts";

/** Whole numbers up to this are exact in f32. */
export const IDS_MAX = 2 ** 24;

/** The nearest whole number in [0, count); a half goes up, NaN to 0. */
export function nearestId(value: number, count: number): number {
  return Math.max(0, Math.min(count - 1, Math.floor(value + 0.5))) || 0;
}

/**
 * Requires every element to be a whole number in [0, count): what ops on a device cannot refuse.
 *
 * @param name  the tensor's name, first in the message
 * @throws {InvalidValueError} an element is not; the message names its place and its value
 */
export function expectIds(name: string, ids: Tensor, count: number): void {
  ids.data.forEach((value, i) => {
    if (!(Number.isInteger(value) && value >= 0 && value < count)) {
      throw new InvalidValueError(`${name}[${i}]`, value, `a whole number from 0 to ${count - 1}`);
    }
  });
}
