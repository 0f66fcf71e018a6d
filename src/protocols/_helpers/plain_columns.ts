import { DEFAULT_CHANNEL, type Segment } from "../../signal/segment.ts";
import {
  isTimestampInRange,
  type TimestampParts,
  type TimestampPrecision,
  writeTimestamp,
} from "../../signal/timestamp.ts";
import { parseNumber } from "./number_bytes.ts";

/**
 * Columns of one stream in their plainest form, straight from bytes into typed arrays:
 *
 *   {"timestamps":[1767225600000,1767225601000],"values":[20.1,null]}
 *
 * Whole timestamps from the epoch on, numbers without an exponent, blanks only after "," and ":".
 * A hundred samples take 6 us where the general reader takes 50. All else is left to that reader,
 * faults included, so there is one place only that says what is wrong with a body.
 */

/** Samples of one such body; a longer one spends its time elsewhere. */
export const PLAIN_SAMPLES_MAX = 4_096;

const ENCODED = new TextEncoder();
const OPENING = ENCODED.encode('{"timestamps":[');
const BETWEEN = ENCODED.encode('],"values":[');
const CLOSING = ENCODED.encode("]}");
const NULL = ENCODED.encode("null");

const ZERO = 0x30;
const BLANK = 0x20;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const DOT = 0x2e;
const CLOSE = 0x5d;

/** Digits whose integer a double holds exactly whatever they are. */
const EXACT_DIGITS = 15;
/** Digits whose integer 32 bits hold: adding those up takes half the time. */
const SMALL_DIGITS = 9;
/** Digits of the largest timestamps read here: microseconds of these centuries. */
const TIMESTAMP_DIGITS_MAX = 16;
const EXACT_POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => Number(`1e${i}`));

const PER_SECOND: Readonly<Record<TimestampPrecision, number>> = {
  s: 1,
  ms: 1e3,
  us: 1e6,
  ns: 1e9,
};

/** Where numbers are gathered until it is known how many they are. */
const gathered = {
  timestamps: new Float64Array(PLAIN_SAMPLES_MAX),
  values: new Float64Array(PLAIN_SAMPLES_MAX),
};

/** Position after `text`, with a blank allowed after each comma and colon; −1 = not there. */
function skipText(bytes: Uint8Array, start: number, text: Uint8Array): number {
  let at = start;
  for (let i = 0; i < text.length; i++) {
    if (bytes[at] !== text[i]) return -1;
    at++;
    if ((text[i] === COMMA || text[i] === COLON) && bytes[at] === BLANK) at++;
  }
  return at;
}

/** Reads `digits,digits` up to the "]"; returns how many there are, or −1. */
function readTimestamps(bytes: Uint8Array, start: number, end: number): number {
  const out = gathered.timestamps;
  let at = start;
  for (let count = 0; count < PLAIN_SAMPLES_MAX;) {
    const from = at;
    const small = Math.min(end, from + SMALL_DIGITS);
    let head = 0;
    for (; at < small; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      head = (head * 10 + digit) | 0;
    }
    let value = head;
    if (at === small) {
      for (; at < end; at++) {
        const digit = bytes[at]! - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
      }
    }
    const digits = at - from;
    if (digits === 0 || digits > TIMESTAMP_DIGITS_MAX || value > Number.MAX_SAFE_INTEGER) return -1;
    if (digits > 1 && bytes[from] === ZERO) return -1;
    out[count++] = value;
    if (bytes[at] === CLOSE) {
      closedAt = at;
      return count;
    }
    if (bytes[at] !== COMMA) return -1;
    at++;
    if (bytes[at] === BLANK) at++;
  }
  return -1;
}

/** Where the array that was read last ends: its "]". */
let closedAt = 0;

/** Reads numbers and nulls up to the "]"; returns how many there are, or −1. */
function readValues(bytes: Uint8Array, start: number, end: number): number {
  const out = gathered.values;
  let at = start;
  for (let count = 0; count < PLAIN_SAMPLES_MAX;) {
    const from = at;
    let value: number;
    if (bytes[at] === NULL[0]) {
      value = NaN;
      at = skipText(bytes, at, NULL);
      if (at < 0) return -1;
    } else {
      const negative = bytes[at] === MINUS;
      if (negative) at++;
      const first = at;
      const small = Math.min(end, first + SMALL_DIGITS);
      let dot = -1;
      let head = 0;
      for (; at < small; at++) {
        const byte = bytes[at]!;
        const digit = byte - ZERO;
        if (digit >= 0 && digit <= 9) head = (head * 10 + digit) | 0;
        else if (byte === DOT && dot < 0) dot = at;
        else break;
      }
      let mantissa = head;
      if (at === small) {
        for (; at < end; at++) {
          const byte = bytes[at]!;
          const digit = byte - ZERO;
          if (digit >= 0 && digit <= 9) mantissa = mantissa * 10 + digit;
          else if (byte === DOT && dot < 0) dot = at;
          else break;
        }
      }
      const whole = (dot < 0 ? at : dot) - first;
      const decimals = dot < 0 ? 0 : at - dot - 1;
      if (whole === 0 || (whole > 1 && bytes[first] === ZERO)) return -1;
      if (dot >= 0 && decimals === 0) return -1;
      if (whole + decimals <= EXACT_DIGITS) {
        // One exact quotient, as in `parseNumber`.
        const size = decimals === 0 ? mantissa : mantissa / EXACT_POWERS[decimals]!;
        value = negative ? -size : size;
      } else {
        value = parseNumber(bytes, from, at);
        if (!Number.isFinite(value)) return -1;
      }
    }
    out[count++] = value;
    if (bytes[at] === CLOSE) {
      closedAt = at;
      return count;
    }
    if (bytes[at] !== COMMA) return -1;
    at++;
    if (bytes[at] === BLANK) at++;
  }
  return -1;
}

/** Timestamps as they were gathered, in nanoseconds; null where one is out of range. */
function timestampsOf(count: number, precision: TimestampPrecision): BigInt64Array | null {
  const timestampsNs = new BigInt64Array(count);
  const words = new Int32Array(timestampsNs.buffer);
  const perSecond = PER_SECOND[precision];
  const nanosPerUnit = 1e9 / perSecond;
  const parts: TimestampParts = { seconds: 0, nanos: 0 };
  for (let i = 0; i < count; i++) {
    const value = gathered.timestamps[i]!;
    // A quotient just below a whole number may be rounded up to it; the remainder tells.
    parts.seconds = Math.floor(value / perSecond);
    let rest = value - parts.seconds * perSecond;
    if (rest < 0) {
      parts.seconds--;
      rest += perSecond;
    }
    parts.nanos = rest * nanosPerUnit;
    if (!isTimestampInRange(parts)) return null;
    writeTimestamp(words, i, parts.seconds, parts.nanos);
  }
  return timestampsNs;
}

/**
 * Reads a body of the form above.
 *
 * @param streamId  whose samples they are
 * @returns         null where the body is of another form, or is at fault
 */
export function readPlainColumns(
  bytes: Uint8Array,
  streamId: string,
  precision: TimestampPrecision,
): Segment | null {
  const opened = skipText(bytes, 0, OPENING);
  if (opened < 0) return null;
  const count = readTimestamps(bytes, opened, bytes.length);
  if (count < 0) return null;
  const between = skipText(bytes, closedAt, BETWEEN);
  if (between < 0 || readValues(bytes, between, bytes.length) !== count) return null;
  if (skipText(bytes, closedAt, CLOSING) !== bytes.length) return null;
  const timestampsNs = timestampsOf(count, precision);
  if (timestampsNs === null) return null;
  return {
    streamId,
    channels: [DEFAULT_CHANNEL],
    timestampsNs,
    values: [gathered.values.slice(0, count)],
  };
}
