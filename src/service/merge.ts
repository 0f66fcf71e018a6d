import { InvalidValueError } from "../base/errors.ts";
import {
  concatSegments,
  isStrictlyIncreasing,
  type Segment,
  sortSegment,
} from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";

/** True when row `b` gives no channel that row `a` gives too. */
function areDisjoint(values: readonly Float64Array[], a: number, b: number): boolean {
  for (const column of values) {
    if (!Number.isNaN(column[a]!) && !Number.isNaN(column[b]!)) return false;
  }
  return true;
}

/**
 * Sorts by time and makes one row of neighbours with one timestamp and different channels, as
 * protocols with a line per field write them. Rows that name a channel twice stay apart: the store
 * decides between duplicate and conflict.
 */
export function mergeRows(segment: Segment): Segment {
  if (isStrictlyIncreasing(segment.timestampsNs)) return segment;
  const { streamId, channels, timestampsNs, values } = sortSegment(segment);
  const length = timestampsNs.length;
  const mergedNs = new BigInt64Array(length);
  const merged = values.map((column) => column.slice());
  let last = -1;
  for (let row = 0; row < length; row++) {
    const isSame = last >= 0 && mergedNs[last] === timestampsNs[row];
    // Row `row` has not been written over yet, since `last` is behind it.
    if (isSame && areDisjoint(merged, last, row)) {
      for (const column of merged) {
        if (!Number.isNaN(column[row]!)) column[last] = column[row]!;
      }
      continue;
    }
    last++;
    mergedNs[last] = timestampsNs[row]!;
    for (const column of merged) column[last] = column[row]!;
  }
  const count = last + 1;
  return {
    streamId,
    channels,
    timestampsNs: mergedNs.subarray(0, count),
    values: merged.map((column) => column.subarray(0, count)),
  };
}

/**
 * Adds what row `from` says to row `to`, of the same time.
 *
 * @throws {InvalidValueError} they differ
 */
function joinRow({ channels, timestampsNs, values }: Segment, from: number, to: number): void {
  for (const [c, column] of values.entries()) {
    const [known, given] = [column[to]!, column[from]!];
    if (Number.isNaN(given) || given === known) continue;
    if (!Number.isNaN(known)) {
      const time = formatTimestamp(timestampsNs[from]!);
      const wanted = `one value of "${channels[c]}" at a time; here are ${known} and ${given}`;
      throw new InvalidValueError("timestamps", time, wanted);
    }
    column[to] = given;
  }
}

/**
 * Samples that no store will judge, in time order with one row a time: rows of one time are joined
 * where they agree.
 *
 * @throws {InvalidValueError} no sample, or a channel with two values at one time: which of them
 *   counts is not ours to choose
 */
export function oneRowATime(segment: Segment): Segment {
  if (segment.timestampsNs.length === 0) {
    throw new InvalidValueError("timestamps", "[]", "at least one sample");
  }
  const merged = mergeRows(segment);
  if (isStrictlyIncreasing(merged.timestampsNs)) return merged;
  const timestampsNs = merged.timestampsNs.slice();
  const values = merged.values.map((column) => column.slice());
  let last = 0;
  for (let row = 1; row < timestampsNs.length; row++) {
    if (timestampsNs[row] === timestampsNs[last]) {
      joinRow({ ...merged, timestampsNs, values }, row, last);
      continue;
    }
    last++;
    timestampsNs[last] = timestampsNs[row]!;
    for (const column of values) column[last] = column[row]!;
  }
  return {
    ...merged,
    timestampsNs: timestampsNs.subarray(0, last + 1),
    values: values.map((column) => column.subarray(0, last + 1)),
  };
}

/** One merged segment a stream, in the order of first sight. */
export function mergeByStream(segments: readonly Segment[]): Segment[] {
  if (segments.length === 1) return [mergeRows(segments[0]!)];
  const byStream = new Map<string, Segment[]>();
  for (const segment of segments) {
    const known = byStream.get(segment.streamId);
    if (known === undefined) byStream.set(segment.streamId, [segment]);
    else known.push(segment);
  }
  return [...byStream.values()].map((group) =>
    mergeRows(group.length === 1 ? group[0]! : concatSegments(group))
  );
}
