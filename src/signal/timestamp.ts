import { InvalidValueError } from "../base/errors.ts";

/** Unit of an integer timestamp on the wire. */
export type TimestampPrecision = "ns" | "us" | "ms" | "s";

/** Every precision, coarsest last. */
export const TIMESTAMP_PRECISIONS: readonly TimestampPrecision[] = ["ns", "us", "ms", "s"];

/** Earliest timestamp that is accepted: 1678-01-01T00:00:00Z, in nanoseconds since the epoch. */
export const TIMESTAMP_NS_MIN = -9_214_560_000_000_000_000n;

/** First timestamp that is too late: 2262-01-01T00:00:00Z, in nanoseconds since the epoch. */
export const TIMESTAMP_NS_MAX = 9_214_646_400_000_000_000n;

const SECONDS_MIN = -9_214_560_000;
const SECONDS_MAX = 9_214_646_400;

/**
 * A timestamp as two exact doubles: `seconds` since the epoch (floor) and `nanos` in [0, 1e9).
 * Parsers write into one of these, so that a body of a million rows creates no `bigint`.
 */
export interface TimestampParts {
  seconds: number;
  nanos: number;
}

const FRACTION_DIGITS: Readonly<Record<TimestampPrecision, number>> = { s: 0, ms: 3, us: 6, ns: 9 };
const POWERS_OF_TEN = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const;

const ZERO = 0x30;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;

/** True when the parts lie in the accepted range (years 1678 to 2261). */
export function isTimestampInRange(parts: TimestampParts): boolean {
  return parts.seconds >= SECONDS_MIN && parts.seconds < SECONDS_MAX;
}

/** The parts as nanoseconds since the epoch. */
export function partsToNs(parts: TimestampParts): bigint {
  return BigInt(parts.seconds) * 1_000_000_000n + BigInt(parts.nanos);
}

/**
 * Writes a timestamp into row `index` of a `BigInt64Array` seen as 32-bit words, by exact double
 * arithmetic: seconds · 1e9 is split at 2^16 so that every product stays below 2^53.
 *
 * @param words  little-endian view of the `BigInt64Array`                            [2·length]
 */
export function writeTimestamp(
  words: Int32Array,
  index: number,
  seconds: number,
  nanos: number,
): void {
  const upper = Math.floor(seconds / 65536);
  const product = upper * 1e9;
  const carry = Math.floor(product / 65536);
  const rest = (seconds - upper * 65536) * 1e9 + (product - carry * 65536) * 65536 + nanos;
  const high = Math.floor(rest / 4294967296);
  words[2 * index] = rest - high * 4294967296;
  words[2 * index + 1] = carry + high;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}

/** Reads exactly `count` digits; −1 when one is missing. */
function readDigits(bytes: Uint8Array, at: number, count: number, end: number): number {
  if (at + count > end) return -1;
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Hinnant 2013). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) +
    dayOfYear;
  return era * 146097 + dayOfEra - 719468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Reads `.` and 1 to 9 digits as nanoseconds; returns the position after them or −1. */
function readFraction(
  bytes: Uint8Array,
  dot: number,
  end: number,
  out: TimestampParts,
): number {
  let at = dot + 1;
  let value = 0;
  while (at < end && isDigit(bytes[at]!)) {
    if (at - dot > 9) return -1;
    value = value * 10 + bytes[at]! - ZERO;
    at++;
  }
  const digits = at - dot - 1;
  if (digits === 0) return -1;
  out.nanos = value * POWERS_OF_TEN[9 - digits]!;
  return at;
}

/** Reads `Z`, `±HH`, `±HHMM` or `±HH:MM` up to `end`; seconds to subtract, or NaN. */
function readOffsetS(bytes: Uint8Array, at: number, end: number): number {
  const sign = bytes[at]!;
  if ((sign === 0x5a || sign === 0x7a) && at + 1 === end) return 0;
  if (sign !== PLUS && sign !== MINUS) return NaN;
  const hours = readDigits(bytes, at + 1, 2, end);
  let minutes = 0;
  let next = at + 3;
  if (next < end) {
    if (bytes[next] === COLON) next++;
    minutes = readDigits(bytes, next, 2, end);
    next += 2;
  }
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || next !== end) return NaN;
  return (sign === MINUS ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** Days from 1970-01-01 to the Monday of a year's first ISO week, the one with 4 January. */
function firstIsoMonday(year: number): number {
  const days = daysFromCivil(year, 1, 4);
  // 1970-01-01 is a Thursday, three days after a Monday.
  return days - ((days + 3) % 7 + 7) % 7;
}

const WEEK_MARK = 0x57;

/** Bytes of `YYYY-Www` and of `YYYY-Www-D`. */
const ISO_WEEK_LENGTHS = [8, 10] as const;

function isIsoWeek(bytes: Uint8Array, start: number, length: number): boolean {
  return (length === ISO_WEEK_LENGTHS[0] || length === ISO_WEEK_LENGTHS[1]) &&
    bytes[start + 4] === MINUS && bytes[start + 5] === WEEK_MARK;
}

function readIsoWeek(bytes: Uint8Array, start: number, end: number, out: TimestampParts): boolean {
  const year = readDigits(bytes, start, 4, end);
  const week = readDigits(bytes, start + 6, 2, end);
  const isWhole = end - start === ISO_WEEK_LENGTHS[0];
  if (!isWhole && bytes[start + 8] !== MINUS) return false;
  const day = isWhole ? 1 : readDigits(bytes, start + 9, 1, end);
  if (year < 0 || week < 1 || day < 1 || day > 7) return false;
  const monday = firstIsoMonday(year) + 7 * (week - 1);
  if (monday >= firstIsoMonday(year + 1)) return false;
  out.seconds = (monday + day - 1) * 86400;
  out.nanos = 0;
  return true;
}

/** Bytes of `YYYY-MM`. */
const ISO_MONTH_LENGTH = 7;

function readIso(bytes: Uint8Array, start: number, end: number, out: TimestampParts): boolean {
  const year = readDigits(bytes, start, 4, end);
  const month = readDigits(bytes, start + 5, 2, end);
  const isMonth = end - start === ISO_MONTH_LENGTH;
  const day = isMonth ? 1 : readDigits(bytes, start + 8, 2, end);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    return false;
  }
  if (bytes[start + 4] !== MINUS || !(isMonth || bytes[start + 7] === MINUS)) return false;
  out.seconds = daysFromCivil(year, month, day) * 86400;
  out.nanos = 0;
  if (isMonth) return true;
  let at = start + 10;
  if (at === end) return true;
  const separator = bytes[at]!;
  if (separator !== 0x54 && separator !== 0x74 && separator !== 0x20) return false;
  const hour = readDigits(bytes, at + 1, 2, end);
  const minute = readDigits(bytes, at + 4, 2, end);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || bytes[at + 3] !== COLON) return false;
  out.seconds += hour * 3600 + minute * 60;
  at += 6;
  if (at < end && bytes[at] === COLON) {
    const second = readDigits(bytes, at + 1, 2, end);
    if (second < 0 || second > 59) return false;
    out.seconds += second;
    at += 3;
    if (at < end && bytes[at] === DOT) {
      at = readFraction(bytes, at, end, out);
      if (at < 0) return false;
    }
  }
  if (at === end) return true;
  const offsetS = readOffsetS(bytes, at, end);
  if (Number.isNaN(offsetS)) return false;
  out.seconds -= offsetS;
  return true;
}

function readEpoch(
  bytes: Uint8Array,
  start: number,
  end: number,
  precision: TimestampPrecision,
  out: TimestampParts,
): boolean {
  let at = start;
  const negative = bytes[at] === MINUS;
  if (negative || bytes[at] === PLUS) at++;
  let dot = at;
  while (dot < end && isDigit(bytes[dot]!)) dot++;
  const digits = dot - at;
  if (digits === 0 || digits > 19) return false;
  // The last digits of the integer part, then the decimals, together make the nanoseconds.
  const fraction = FRACTION_DIGITS[precision];
  const whole = Math.max(digits - fraction, 0);
  let seconds = 0;
  for (let i = at; i < at + whole; i++) seconds = seconds * 10 + bytes[i]! - ZERO;
  let nanos = 0;
  for (let i = at + whole; i < dot; i++) nanos = nanos * 10 + bytes[i]! - ZERO;
  let scale = 9 - fraction;
  if (dot < end) {
    const decimals = end - dot - 1;
    if (bytes[dot] !== DOT || decimals === 0 || decimals > scale) return false;
    for (let i = dot + 1; i < end; i++) {
      const digit = bytes[i]! - ZERO;
      if (digit < 0 || digit > 9) return false;
      nanos = nanos * 10 + digit;
    }
    scale -= decimals;
  }
  nanos *= POWERS_OF_TEN[scale]!;
  const borrow = negative && nanos > 0;
  // Subtracted from 0, so that "-0" is no negative zero.
  out.seconds = negative ? 0 - seconds - (borrow ? 1 : 0) : seconds;
  out.nanos = borrow ? 1e9 - nanos : nanos;
  return true;
}

/**
 * Reads a timestamp from ASCII bytes `[start, end)`: ISO 8601 or a count since the epoch.
 *
 * ISO: `YYYY-MM-DD`, then `T` or a blank, `HH:MM`, seconds with up to nine decimals, `Z` or an
 * offset; without an offset the time is UTC, a date alone is its midnight, `YYYY-MM` the midnight
 * of its first day, `YYYY-Www` and `YYYY-Www-D` those of a week's Monday and of a day of it.
 * Counts: an optional sign, up to 19 digits of `precision`, decimals down to the nanosecond.
 * Nothing is rounded.
 *
 * @returns false when the text is no timestamp or lies outside 1678..2261; `out` is then undefined
 */
export function readTimestamp(
  bytes: Uint8Array,
  start: number,
  end: number,
  precision: TimestampPrecision,
  out: TimestampParts,
): boolean {
  const length = end - start;
  if (isIsoWeek(bytes, start, length)) {
    return readIsoWeek(bytes, start, end, out) && isTimestampInRange(out);
  }
  const isIso = (length >= 10 || length === ISO_MONTH_LENGTH) && bytes[start + 4] === MINUS;
  const read = isIso
    ? readIso(bytes, start, end, out)
    : readEpoch(bytes, start, end, precision, out);
  return read && isTimestampInRange(out);
}

const encoder = new TextEncoder();
const TEXT_LENGTH_MAX = 40;

/** Reads a timestamp given as text; see {@linkcode readTimestamp}. */
export function readTimestampText(
  text: string,
  precision: TimestampPrecision,
  out: TimestampParts,
): boolean {
  const trimmed = text.trim();
  if (trimmed.length > TEXT_LENGTH_MAX) return false;
  const bytes = encoder.encode(trimmed);
  return readTimestamp(bytes, 0, bytes.length, precision, out);
}

/**
 * What a text that is no timestamp should have been. An integer that is one in a finer unit was
 * likely meant in that: it is told as it would be read.
 */
export function timestampWanted(text: string, precision: TimestampPrecision): string {
  const wanted = `ISO 8601 or an integer of ${precision} between the years 1678 and 2261`;
  if (!/^\s*\d+\s*$/.test(text)) return wanted;
  const parts: TimestampParts = { seconds: 0, nanos: 0 };
  // The coarsest of them: in ns most numbers are times of the seventies.
  const finer = TIMESTAMP_PRECISIONS.slice(0, TIMESTAMP_PRECISIONS.indexOf(precision)).reverse();
  const meant = finer.find((unit) => readTimestampText(text, unit, parts));
  if (meant === undefined) return wanted;
  return `${wanted}; with the precision ${meant} it is ${formatTimestamp(partsToNs(parts))}`;
}

const UNIT_NS: Readonly<Record<TimestampPrecision, bigint>> = {
  ...{ ns: 1n, us: 1_000n, ms: 1_000_000n, s: 1_000_000_000n },
};

/** Times that are sent today: 2001-09-09 to 2262, a billion seconds to some nine. */
const USUAL_NS = [1_000_000_000_000_000_000n, TIMESTAMP_NS_MAX] as const;

/** Such times, read in a finer unit than they were meant in, all lie before this one. */
const MISREAD_NS_MAX = TIMESTAMP_NS_MAX / 1_000n;

/**
 * The coarser unit that a count was likely meant in: read in `precision` it is a time of 1970,
 * read in that unit one of today. Null where there is none.
 *
 * @param timestampNs  what the count was read as, in nanoseconds since the epoch
 * @param precision    the unit that it was read in
 */
export function coarserUnit(
  timestampNs: bigint,
  precision: TimestampPrecision,
): { readonly unit: TimestampPrecision; readonly meantNs: bigint } | null {
  if (timestampNs >= MISREAD_NS_MAX) return null;
  const count = timestampNs / UNIT_NS[precision];
  const coarser = TIMESTAMP_PRECISIONS.slice(TIMESTAMP_PRECISIONS.indexOf(precision) + 1);
  const unit = coarser.find((one) => {
    const meantNs = count * UNIT_NS[one];
    return meantNs >= USUAL_NS[0] && meantNs < USUAL_NS[1];
  });
  return unit === undefined ? null : { unit, meantNs: count * UNIT_NS[unit] };
}

/**
 * Parses a timestamp to nanoseconds since the epoch.
 *
 * @param value      ISO 8601 text, or an integer (text, number or bigint) of `precision`
 * @param precision  unit of an integer; default ms
 * @param field      name for the error
 * @throws {InvalidValueError} text that is no timestamp, a number that is not a safe integer, or a
 *   time outside 1678..2261
 */
export function parseTimestamp(
  value: string | number | bigint,
  precision: TimestampPrecision = "ms",
  field = "timestamp",
): bigint {
  const parts: TimestampParts = { seconds: 0, nanos: 0 };
  const exact = typeof value !== "number" || Number.isSafeInteger(value);
  if (!exact || !readTimestampText(String(value), precision, parts)) {
    throw new InvalidValueError(field, value, timestampWanted(String(value), precision));
  }
  return partsToNs(parts);
}

/** Writes nanoseconds since the epoch as ISO 8601 in UTC, trailing zeros of the seconds trimmed. */
export function formatTimestamp(timestampNs: bigint): string {
  const subsecond = ((timestampNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((timestampNs - subsecond) / 1_000_000_000n);
  const head = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (subsecond === 0n) return `${head}Z`;
  return `${head}.${subsecond.toString().padStart(9, "0").replace(/0+$/, "")}Z`;
}
