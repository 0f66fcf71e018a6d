import { concatSegments, type Segment, sliceSegment, sortSegment } from "../../signal/segment.ts";

/** A segment without samples. */
export function emptySegment(streamId: string, channels: readonly string[] = []): Segment {
  return {
    streamId,
    channels,
    timestampsNs: new BigInt64Array(0),
    values: channels.map(() => new Float64Array(0)),
  };
}

/** Index of the first timestamp that is not before `timestampNs`, in a sorted column. */
export function lowerBound(timestampsNs: BigInt64Array, timestampNs: bigint): number {
  let low = 0;
  let high = timestampsNs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timestampsNs[middle]! < timestampNs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The samples with fromNs <= t <= toNs of a sorted segment, as views. */
export function clipSegment(segment: Segment, fromNs: bigint, toNs: bigint): Segment {
  const { timestampsNs } = segment;
  return sliceSegment(
    segment,
    lowerBound(timestampsNs, fromNs),
    lowerBound(timestampsNs, toNs + 1n),
  );
}

/**
 * One sorted segment of several of one stream, in which every timestamp stands once: rows that
 * share one are laid over each other (the log never holds two values for one place). The channels
 * stand in the order of `channels`.
 *
 * @param limit  samples of the result at most, the oldest ones
 */
export function mergeRows(
  streamId: string,
  channels: readonly string[],
  parts: readonly Segment[],
  limit: number,
): Segment {
  const all = sortSegment(concatSegments([emptySegment(streamId, channels), ...parts]));
  const { timestampsNs, values } = all;
  let length = 0;
  for (let i = 0; i < timestampsNs.length; i++) {
    if (length > 0 && timestampsNs[length - 1] === timestampsNs[i]) {
      for (const column of values) if (!Number.isNaN(column[i]!)) column[length - 1] = column[i]!;
      continue;
    }
    if (length === limit) break;
    timestampsNs[length] = timestampsNs[i]!;
    for (const column of values) column[length] = column[i]!;
    length++;
  }
  return sliceSegment(all, 0, length);
}
