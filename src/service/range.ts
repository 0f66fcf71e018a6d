import { InvalidValueError } from "../base/errors.ts";
import { concatSegments, type Segment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type { Store } from "../stores/store.ts";
import { oneRowATime } from "./merge.ts";
import { selectChannels } from "./observations.ts";

/** Samples read at a time. */
const PAGE_ROWS = 65_536;

/** A part of a stream's log; without bounds all of it. */
export interface StreamRange {
  readonly id: string;
  readonly fromNs?: bigint | undefined;
  readonly toNs?: bigint | undefined;
}

/**
 * Some channels of a range, read page by page; what stands for a missing value is one.
 *
 * @param checkValues  told the values read so far; throws where they are too many
 * @throws {InvalidValueError} there is no sample
 */
export async function readRange(
  store: Store,
  { id, fromNs, toNs }: StreamRange,
  channels: readonly string[],
  checkValues: (values: number) => void,
): Promise<Segment> {
  const record = await store.getStream(id);
  if (record === null || record.firstNs === null || record.lastNs === null) {
    throw new InvalidValueError("stream", id, "a stream with samples");
  }
  const endNs = toNs ?? record.lastNs;
  const pages: Segment[] = [];
  let values = 0;
  let nextNs = fromNs ?? record.firstNs;
  while (nextNs <= endNs) {
    const page = await store.readObservations(id, nextNs, endNs, PAGE_ROWS);
    const length = page.timestampsNs.length;
    if (length > 0) {
      pages.push(withoutMissing(selectChannels(page, channels), record.settings.channels));
    }
    values += length * channels.length;
    checkValues(values);
    if (length < PAGE_ROWS) break;
    nextNs = page.timestampsNs[length - 1]! + 1n;
  }
  if (pages.length > 0) return concatSegments(pages);
  const [first, last] = [record.firstNs, record.lastNs].map(formatTimestamp);
  const given = formatTimestamp(fromNs ?? record.firstNs);
  throw new InvalidValueError(
    "from",
    given,
    `a range with samples, which lie in ${first} to ${last}`,
  );
}

/**
 * The samples of a request that is about one series, in time order, one row a time.
 *
 * @throws {InvalidValueError} none, samples of several streams, or two values at one time
 */
export function onlySegment(segments: readonly Segment[]): Segment {
  const [first] = segments;
  if (first === undefined) throw new InvalidValueError("timestamps", "[]", "samples");
  const other = segments.find(({ streamId }) => streamId !== first.streamId);
  if (other !== undefined) {
    throw new InvalidValueError("stream", other.streamId, "samples of one stream only");
  }
  return oneRowATime(segments.length === 1 ? first : concatSegments(segments));
}
