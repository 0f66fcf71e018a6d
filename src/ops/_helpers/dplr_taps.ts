/** The lengths and the nodes for which S4's generating function is evaluated. */
import { InvalidValueError } from "../../base/errors.ts";
import { fftInPlace, twiddles } from "./fft.ts";

/** Longest kernel. The shader's inverse transform is a plain sum, quadratic in the length. */
export const DPLR_TAPS_MAX = 1 << 16;

/**
 * Requires a count of taps.
 *
 * @throws {InvalidValueError} it is not an integer from 1 to {@linkcode DPLR_TAPS_MAX}
 */
export function checkTaps(length: number): void {
  if (!(Number.isInteger(length) && length >= 1 && length <= DPLR_TAPS_MAX)) {
    throw new InvalidValueError("length", length, `an integer from 1 to ${DPLR_TAPS_MAX}`);
  }
}

/** Nodes of a spectrum whose others are their conjugates. */
export function nodeCount(length: number): number {
  return Math.floor(length / 2) + 1;
}

/** A node z = exp(−(damping + 2πi·k)/length). */
export interface TapNode {
  /** 1 + z. */
  readonly plus: readonly [re: number, im: number];
  /** 1 − z. */
  readonly minus: readonly [re: number, im: number];
}

/** Largest damping: the last taps' errors grow by its exponential. */
export const DAMPING_MAX = 8;

/**
 * Requires a damping.
 *
 * @throws {InvalidValueError} it is not a number from 0 to {@linkcode DAMPING_MAX}
 */
export function checkDamping(damping: number): void {
  if (!(damping >= 0 && damping <= DAMPING_MAX)) {
    throw new InvalidValueError("damping", damping, `a number from 0 to ${DAMPING_MAX}`);
  }
}

/** Node `k`, from halved angles: neither 1 − z near z = 1 nor 1 + z near −1 cancels. */
export function tapNode(k: number, length: number, damping: number): TapNode {
  const cos = 2 * k === length ? 0 : Math.cos(Math.PI * k / length);
  const sin = Math.sin(Math.PI * k / length);
  const radius = Math.exp(-damping / length);
  const inside = -Math.expm1(-damping / length);
  return {
    plus: [inside + radius * 2 * cos * cos, -radius * 2 * cos * sin],
    minus: [inside + radius * 2 * sin * sin, radius * 2 * cos * sin],
  };
}

/** What a tap's damping is undone by, exp(damping·l/length). */
export function tapWeight(l: number, length: number, damping: number): number {
  return Math.exp(damping * l / length);
}

/**
 * A transform in place, X[k] = Σ_j x[j]·exp(∓2πi·jk/length): fast where the length is a power of
 * two, else the plain sum. The inverse (+) is not divided by the length.
 */
export function tapTransform(length: number) {
  if ((length & (length - 1)) === 0) {
    const table = twiddles(length);
    return (re: Float64Array, im: Float64Array, inverse: boolean) =>
      fftInPlace(re, im, table, inverse);
  }
  const turn = (part: (angle: number) => number) =>
    Float64Array.from({ length }, (_, k) => part(2 * Math.PI * k / length));
  const [cos, sin] = [turn(Math.cos), turn(Math.sin)];
  return (re: Float64Array, im: Float64Array, inverse: boolean) => {
    const [oldRe, oldIm] = [re.slice(), im.slice()];
    const sign = inverse ? 1 : -1;
    for (let k = 0; k < length; k++) {
      let [sumRe, sumIm] = [0, 0];
      for (let j = 0; j < length; j++) {
        const at = j * k % length;
        sumRe += oldRe[j]! * cos[at]! - sign * oldIm[j]! * sin[at]!;
        sumIm += oldIm[j]! * cos[at]! + sign * oldRe[j]! * sin[at]!;
      }
      re[k] = sumRe;
      im[k] = sumIm;
    }
  };
}
