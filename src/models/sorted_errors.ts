import { addSize, type SizeSums, sizeSums } from "./error_shape.ts";

/**
 * The errors of a calibration's ring in order, kept from one look at its quantiles to the next.
 *
 * Between two looks a live stream puts a few errors into a ring of a thousand, so each is moved to
 * its place in what was sorted before: 1 us in place of the 45 us of sorting anew. Scratch space,
 * which goes with an open ensemble: all of it can be recomputed from the ring.
 */
export type SortedErrors = {
  /** The ring it was made from, and the errors ever put into it then. */
  ring: Float32Array;
  count: number;
  /** The ring as it was then: what has been overwritten since.                           [error] */
  seen: Float32Array;
  /** [error] */
  sorted: Float32Array;
  /** Over all of them. */
  sums: SizeSums;
};

/** A calibration's ring: the newest overwrite the oldest. */
type ErrorRing = {
  readonly ring: Float32Array;
  /** Errors ever put into it. */
  readonly ringCount: number;
};

/** New errors from which on sorting anew is as fast. */
const INSERTED_MAX = 128;

/** Nothing was looked at yet; memory is taken at the first look. */
export function noSortedErrors(): SortedErrors {
  const empty = new Float32Array(0);
  return { ring: empty, count: 0, seen: empty, sorted: empty, sums: sizeSums(empty) };
}

/** Whether a number's place follows from `<` alone: not that of NaN nor that of a signed zero. */
function isOrdered(value: number): boolean {
  return value < 0 || value > 0;
}

/** First position in `sorted`, not empty, that is not below `value`. */
function lowerBound(sorted: Float32Array, value: number): number {
  let low = 0;
  // A sum in place of a branch, which no processor could foresee.
  for (let count = sorted.length; count > 1;) {
    const half = count >> 1;
    low += Number(sorted[low + half - 1]! < value) * half;
    count -= half;
  }
  return low + Number(sorted[low]! < value);
}

/** Takes `old` out of a sorted array and puts `value` in. */
function replaceInto(sorted: Float32Array, old: number, value: number): void {
  const from = lowerBound(sorted, old);
  const to = lowerBound(sorted, value);
  if (to > from) {
    sorted.copyWithin(from, from + 1, to);
    sorted[to - 1] = value;
  } else {
    sorted.copyWithin(to + 1, to, from);
    sorted[to] = value;
  }
}

function sortAnew(kept: SortedErrors, calibration: ErrorRing): Float32Array {
  const { ring, ringCount } = calibration;
  kept.ring = ring;
  kept.count = ringCount;
  kept.seen = ring.slice();
  kept.sorted = ring.slice(0, Math.min(ringCount, ring.length)).sort();
  kept.sums = sizeSums(kept.sorted);
  return kept.sorted;
}

/** Brings what was sorted up to date while the ring fills: new errors among those there. */
function merge(kept: SortedErrors, calibration: ErrorRing): Float32Array {
  const { ring, ringCount } = calibration;
  if (ringCount === kept.count) return kept.sorted;
  const fresh = ring.slice(kept.count, ringCount).sort();
  const { sorted } = kept;
  const ends = [fresh[0]!, fresh[fresh.length - 1]!, sorted[0]!, sorted[sorted.length - 1]!];
  // NaN stands last and fails the comparison; zeros of two signs are rare enough to sort anew.
  if (!ends.every((value) => value <= Infinity) || fresh.includes(0)) {
    return sortAnew(kept, calibration);
  }
  const merged = new Float32Array(ringCount);
  for (let at = 0, a = 0, b = 0; at < ringCount; at++) {
    const isFresh = a === sorted.length || (b < fresh.length && fresh[b]! < sorted[a]!);
    merged[at] = isFresh ? fresh[b++]! : sorted[a++]!;
  }
  for (const value of fresh) addSize(kept.sums, value, 1);
  kept.seen.set(ring.subarray(kept.count, ringCount), kept.count);
  kept.sorted = merged;
  kept.count = ringCount;
  return merged;
}

/** The errors in the ring, as TypedArray.prototype.sort() orders them; not to be changed. */
export function sortedErrors(kept: SortedErrors, calibration: ErrorRing): Float32Array {
  const { ring, ringCount } = calibration;
  const length = ring.length;
  const inserted = ringCount - kept.count;
  const isKnown = kept.ring === ring && kept.count > 0 && inserted >= 0;
  if (!isKnown || inserted > INSERTED_MAX) return sortAnew(kept, calibration);
  if (kept.count < length) {
    return ringCount <= length ? merge(kept, calibration) : sortAnew(kept, calibration);
  }
  const { seen, sorted } = kept;
  for (let count = kept.count; count < ringCount; count++) {
    const at = count % length;
    const old = seen[at]!;
    const value = ring[at]!;
    if (!isOrdered(old) || !isOrdered(value)) return sortAnew(kept, calibration);
    replaceInto(sorted, old, value);
    addSize(kept.sums, old, -1);
    addSize(kept.sums, value, 1);
    seen[at] = value;
  }
  kept.count = ringCount;
  return sorted;
}
