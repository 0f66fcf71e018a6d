import { InvalidValueError, LimitError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";

/** Values of one channel that may stand for a missing one. */
export const MISSING_VALUES_MAX = 16;

/** What values of a channel can be, where declared. */
export interface ChannelRange {
  /** No value is below. */
  readonly lower?: number;
  /** No value is above. */
  readonly upper?: number;
  /**
   * Values that stand for a missing one, as devices send for a reading that failed (−999, 65535).
   * The log keeps them as they came; states, rules and whatever else is computed see none.
   */
  readonly missing?: readonly number[];
}

/** Bounds alone, by channel. */
export type BoundsByChannel = Readonly<
  Record<string, { readonly lower?: number | undefined; readonly upper?: number | undefined }>
>;

/** The bounds of a range that are there. */
export function boundsOf(
  { lower, upper }: { readonly lower?: number | undefined; readonly upper?: number | undefined },
): { lower?: number; upper?: number } {
  return {
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

/**
 * @throws {InvalidValueError} a number that is none, or nothing between two bounds
 * @throws {LimitError} MISSING_VALUES_MAX
 */
export function validateRange(field: string, range: ChannelRange): void {
  for (const bound of ["lower", "upper"] as const) {
    const value = range[bound];
    if (value !== undefined && !Number.isFinite(value)) {
      throw new InvalidValueError(`${field}.${bound}`, value, "a finite number");
    }
  }
  if (range.lower !== undefined && range.upper !== undefined && range.lower >= range.upper) {
    throw new InvalidValueError(`${field}.upper`, range.upper, `more than ${range.lower}`);
  }
  const { missing = [] } = range;
  if (missing.length > MISSING_VALUES_MAX) {
    const name = "MISSING_VALUES_MAX";
    throw new LimitError(name, MISSING_VALUES_MAX, missing.length, `${field}.missing`);
  }
  for (const [i, value] of missing.entries()) {
    if (Number.isFinite(value)) continue;
    throw new InvalidValueError(`${field}.missing[${i}]`, value, "a finite number");
  }
}

/**
 * Samples without the values that stand for missing ones: those are NaN.
 *
 * @returns the segment itself where it has none of them
 */
export function withoutMissing(
  segment: Segment,
  ranges: Readonly<Record<string, { readonly missing?: readonly number[] | undefined }>>,
): Segment {
  let values: Float64Array[] | undefined;
  for (const name in ranges) {
    const { missing = [] } = ranges[name]!;
    const c = missing.length === 0 ? -1 : segment.channels.indexOf(name);
    if (c < 0) continue;
    const column = segment.values[c]!;
    if (!column.some((value) => missing.includes(value))) continue;
    values ??= [...segment.values];
    values[c] = column.map((value) => missing.includes(value) ? NaN : value);
  }
  return values === undefined ? segment : { ...segment, values };
}
