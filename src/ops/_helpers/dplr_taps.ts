/** The lengths for which S4's generating function is evaluated. */
import { InvalidValueError } from "../../base/errors.ts";

/** Longest kernel. The shader's inverse transform is a plain sum, quadratic in the length. */
export const DPLR_TAPS_MAX = 1 << 16;

/**
 * Requires a count of taps.
 *
 * @throws {InvalidValueError} it is not a power of two from 2 to {@linkcode DPLR_TAPS_MAX}
 */
export function checkTaps(length: number): void {
  if (!(length >= 2 && length <= DPLR_TAPS_MAX && Number.isInteger(Math.log2(length)))) {
    const allowed = `a power of two from 2 to ${DPLR_TAPS_MAX}`;
    throw new InvalidValueError("length", length, allowed);
  }
}
