/**
 * A value far beyond all that a series has seen, alone: 9999 for a reading that failed, a glitch of
 * a wire. No scale, weight or fan forgets one in thousands of samples, so it counts as missing
 * until the next value says that the series is there now.
 *
 * Far is what lies more than {@linkcode FAR_RANGES} ranges outside of the smallest and the largest
 * value so far. A second far value on the same side is a sample again, and is part of the range
 * from then on: of a level shift one sample is lost, of the first burst its first.
 */
export type SeenRange = {
  /** Smallest and largest value of the series. */
  low: number;
  high: number;
  /** Side of the newest value if it was far, −1 or 1, else 0. */
  farSide: number;
};

/** How many times as wide as the range of all values lies what is far from it. */
export const FAR_RANGES = 10;

/** Values that a range is known from. */
export const RANGE_SEEN_MIN = 64;

/** No value yet. */
export function noRange(): SeenRange {
  return { low: Infinity, high: -Infinity, farSide: 0 };
}

/**
 * The side on which a value is far, else 0.
 *
 * @param seen  values of the series so far
 */
export function farSideOf({ low, high }: SeenRange, value: number, seen: number): number {
  const room = FAR_RANGES * (high - low);
  // A series that has never moved says nothing of how far is far.
  if (seen < RANGE_SEEN_MIN || !(room > 0)) return 0;
  return value > high + room ? 1 : value < low - room ? -1 : 0;
}

/**
 * Takes the next value.
 *
 * @returns whether it is far and alone so far, and no sample of the series
 */
export function rangeStep(range: SeenRange, value: number, seen: number): boolean {
  const side = farSideOf(range, value, seen);
  const isAlone = side !== 0 && side !== range.farSide;
  range.farSide = side;
  if (isAlone) return true;
  range.low = Math.min(range.low, value);
  range.high = Math.max(range.high, value);
  return false;
}
