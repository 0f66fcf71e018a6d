import { InvalidValueError } from "../../base/errors.ts";

/**
 * Requires heads of `size` features to make up all of them.
 *
 * @throws {InvalidValueError} they do not; the field is named
 */
export function expectHeads(field: string, size: number, feature: number): void {
  if (!(Number.isInteger(size) && size >= 1 && feature % size === 0)) {
    throw new InvalidValueError(field, size, `a divisor of ${feature}`);
  }
}
