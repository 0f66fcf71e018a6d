const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;

/** Powers of ten that a double holds exactly. */
const EXACT_POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Digits whose integer a double holds exactly whatever they are. */
const EXACT_DIGITS = 15;

/** A longer text is no number that anyone meant to write. */
const NUMBER_BYTES_MAX = 400;

const decoder = new TextDecoder("latin1");

/**
 * Reads a decimal number `[+-]digits[.digits][e[+-]digits]` from ASCII bytes `[start, end)`,
 * correctly rounded.
 *
 * Up to 15 digits and a power of ten up to 22 need one exact product or quotient (Clinger 1990,
 * "How to read floating point numbers accurately", section 3); the rest goes through `Number`.
 *
 * @returns NaN when the bytes are no number; an infinity when it is too large for a double
 */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const negative = bytes[at] === MINUS;
  if (at < end && (negative || bytes[at] === PLUS)) at++;
  let mantissa = 0;
  let digits = 0;
  let significant = 0;
  let decimals = 0;
  let seenDot = false;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      digits++;
      if (mantissa !== 0 || digit !== 0) significant++;
      if (significant <= EXACT_DIGITS) mantissa = mantissa * 10 + digit;
      if (seenDot) decimals++;
    } else if (byte === DOT && !seenDot) {
      seenDot = true;
    } else {
      break;
    }
  }
  if (digits === 0 || end - start > NUMBER_BYTES_MAX) return NaN;
  if (at < end) return parseScientific(bytes, start, at, end);
  if (significant > EXACT_DIGITS || decimals > 22) return toNumber(bytes, start, end);
  const value = decimals === 0 ? mantissa : mantissa / EXACT_POWERS[decimals]!;
  return negative ? -value : value;
}

function parseScientific(bytes: Uint8Array, start: number, mark: number, end: number): number {
  if ((bytes[mark]! | 0x20) !== 0x65) return NaN;
  let at = mark + 1;
  if (at < end && (bytes[at] === PLUS || bytes[at] === MINUS)) at++;
  if (at === end) return NaN;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return NaN;
  }
  return toNumber(bytes, start, end);
}

function toNumber(bytes: Uint8Array, start: number, end: number): number {
  return Number(decoder.decode(bytes.subarray(start, end)));
}
