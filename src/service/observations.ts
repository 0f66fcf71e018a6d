import { InvalidValueError } from "../base/errors.ts";
import { lttb } from "../signal/lttb.ts";
import { concatSegments, type Segment, timesS } from "../signal/segment.ts";
import type { Store } from "../stores/store.ts";

/** Points of one answer unless told otherwise. */
export const POINTS_DEFAULT = 2_000;

/** Most points of one answer. */
export const POINTS_MAX = 100_000;

/** Samples read at a time: what bounds the memory of one request. */
const PAGE_SAMPLES = 65_536;

/** Samples that one request may walk over; a longer range must be asked in parts. */
export const WALKED_SAMPLES_MAX = 10_000_000;

/** A range of a stream's samples, thinned where it was too long. */
export interface Observations {
  readonly segment: Segment;
  readonly isDecimated: boolean;
  /** Samples in the range, before thinning. */
  readonly sampleCount: number;
}

function pickRows(segment: Segment, rows: readonly number[]): Segment {
  return {
    streamId: segment.streamId,
    channels: segment.channels,
    timestampsNs: BigInt64Array.from(rows, (row) => segment.timestampsNs[row]!),
    values: segment.values.map((column) => Float64Array.from(rows, (row) => column[row]!)),
  };
}

/**
 * Thins a segment to at most `maxPoints` rows: each channel picks its share of them by
 * {@linkcode lttb}, and a row stays when any channel picked it.
 */
export function decimate(segment: Segment, maxPoints: number): Segment {
  if (segment.timestampsNs.length <= maxPoints) return segment;
  const times = timesS(segment.timestampsNs, segment.timestampsNs[0]!);
  const share = Math.max(2, Math.floor(maxPoints / segment.channels.length));
  const rows = new Set<number>();
  for (const column of segment.values) {
    for (const row of lttb(times, column, share)) {
      if (rows.size < maxPoints) rows.add(row);
    }
  }
  return pickRows(segment, [...rows].sort((a, b) => a - b));
}

/** Only the named channels, in the order of the segment. */
export function selectChannels(segment: Segment, names: readonly string[] | undefined): Segment {
  if (names === undefined) return segment;
  const kept = segment.channels.map((name, i) => [name, i] as const)
    .filter(([name]) => names.includes(name));
  return {
    streamId: segment.streamId,
    channels: kept.map(([name]) => name),
    timestampsNs: segment.timestampsNs,
    values: kept.map(([, i]) => segment.values[i]!),
  };
}

/** A segment of these channels in this order, each once; NaN where the samples have none. */
export function channelsOf(
  { streamId, timestampsNs, ...given }: Segment,
  names: readonly string[],
) {
  const channels = [...new Set(names)];
  const values = channels.map((name) =>
    given.values[given.channels.indexOf(name)] ?? new Float64Array(timestampsNs.length).fill(NaN)
  );
  return { streamId, timestampsNs, channels, values };
}

/**
 * Reads samples with `fromNs` <= t <= `toNs` page by page, so that the memory of a request does
 * not grow with the range. Beyond `maxPoints` each page is thinned, and then their whole.
 *
 * @throws {InvalidValueError} the range holds more than {@linkcode WALKED_SAMPLES_MAX} samples
 */
export async function readObservations(
  store: Store,
  id: string,
  range: {
    readonly fromNs: bigint;
    readonly toNs: bigint;
    readonly maxPoints: number;
    readonly channels?: readonly string[] | undefined;
  },
): Promise<Observations> {
  const pages: Segment[] = [];
  let sampleCount = 0;
  let nextNs = range.fromNs;
  while (nextNs <= range.toNs) {
    const page = await store.readObservations(id, nextNs, range.toNs, PAGE_SAMPLES);
    const length = page.timestampsNs.length;
    if (length > 0) pages.push(decimate(selectChannels(page, range.channels), range.maxPoints));
    sampleCount += length;
    if (length < PAGE_SAMPLES) break;
    if (sampleCount >= WALKED_SAMPLES_MAX) {
      throw new InvalidValueError("from", nextNs, `at most ${WALKED_SAMPLES_MAX} samples to "to"`);
    }
    nextNs = page.timestampsNs[length - 1]! + 1n;
  }
  const empty = { streamId: id, channels: [], timestampsNs: new BigInt64Array(), values: [] };
  const whole = pages.length === 0 ? empty : concatSegments(pages);
  const segment = decimate(whole, range.maxPoints);
  return { segment, isDecimated: segment.timestampsNs.length < sampleCount, sampleCount };
}
