import { InvalidValueError, LimitError } from "../base/errors.ts";
import { invariant } from "../base/invariant.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "./timestamp.ts";

/**
 * Consecutive samples of one stream: the unit of ingest.
 *
 * Timestamps are exact integers (not a start and offsets), since a sample's identity is its stream
 * and its timestamp. They need not be sorted, and a body may repeat one: ingest decides.
 */
export interface Segment {
  readonly streamId: string;
  /** Names of the columns of `values`, without repeats.                              [channel] */
  readonly channels: readonly string[];
  /** Nanoseconds since the Unix epoch.                                                [length] */
  readonly timestampsNs: BigInt64Array;
  /** One column a channel; NaN is a missing value, infinities are refused.   [channel][length] */
  readonly values: readonly Float64Array[];
}

/** Name of the channel of a stream that has only one and does not name it. */
export const DEFAULT_CHANNEL = "value";

/** Channels of one stream. */
export const CHANNEL_COUNT_MAX = 1_024;

/** Samples of one segment. */
export const SEGMENT_SAMPLES_MAX = 1_000_000;

/** Values (samples times channels, missing ones included) of all segments of one body. */
export const BODY_VALUES_MAX = 8_000_000;

/** Channels of all streams of one body: each costs memory of its own, however few its values. */
export const BODY_CHANNELS_MAX = 100_000;

/** Streams of one body. */
export const BODY_STREAMS_MAX = 10_000;

/** Length of a stream's name, in UTF-16 units. */
export const STREAM_ID_LENGTH_MAX = 200;

/** Length of a channel's name, in UTF-16 units. */
export const CHANNEL_NAME_LENGTH_MAX = 200;

/** What a stream's name may look like, in words; used in error texts. */
export const STREAM_ID_RULE = "a letter, digit, symbol such as ° or an emoji, _, $ or % first, " +
  "then also . : , = @ + % ~ # ( ) / - " +
  `and blanks inside, at most ${STREAM_ID_LENGTH_MAX} characters`;

// Letters, digits and symbols of any script. A name never begins with "." or "/", so that it can
// stand in a URL or file name without meaning another place, and holds no control character or
// quote.
const SYMBOLS = String.raw`\p{So}\p{Sc}`;

/** What a stream's name may begin with, as the inside of a class of a `u` pattern. */
export const STREAM_ID_STARTS = String.raw`\p{L}\p{N}${SYMBOLS}_$%`;

/**
 * What a stream's name may hold beside `, = %`, as the inside of a class of a `u` pattern. Emoji
 * are symbols, their colours of skin, and U+200D that joins them.
 */
export const STREAM_ID_CHARACTERS = String
  .raw`\p{L}\p{N}\p{M}${SYMBOLS}\p{Emoji_Modifier}\u200d_$.:@+~#()/\- `;

const STREAM_ID_PATTERN = new RegExp(`^[${STREAM_ID_STARTS}][${STREAM_ID_CHARACTERS},=%]*$`, "u");
// deno-lint-ignore no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** True when `streamId` follows {@linkcode STREAM_ID_RULE}. */
export function isStreamId(streamId: string): boolean {
  return streamId.length <= STREAM_ID_LENGTH_MAX && !streamId.endsWith(" ") &&
    STREAM_ID_PATTERN.test(streamId);
}

/**
 * True when `name` has 1 to 200 characters and no control character among them. Half a surrogate
 * pair is no character: written as UTF-8, two such names would become the same.
 */
export function isChannelName(name: string): boolean {
  return name.length >= 1 && name.length <= CHANNEL_NAME_LENGTH_MAX &&
    !CONTROL_CHARACTERS.test(name) && name.isWellFormed();
}

/** @throws {InvalidValueError} a stream's name that breaks {@linkcode STREAM_ID_RULE} */
export function validateStreamId(streamId: string, field = "streamId"): void {
  if (!isStreamId(streamId)) throw new InvalidValueError(field, streamId, STREAM_ID_RULE);
}

/** @throws {InvalidValueError | LimitError} channel names that are empty, repeated or too many */
export function validateChannels(channels: readonly string[]): void {
  if (channels.length === 0) throw new InvalidValueError("channels", "", "at least one channel");
  if (channels.length > CHANNEL_COUNT_MAX) {
    throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, channels.length, "channels");
  }
  const seen = new Set<string>();
  for (const [index, name] of channels.entries()) {
    if (!isChannelName(name)) {
      throw new InvalidValueError(
        `channels[${index}]`,
        name,
        `1 to ${CHANNEL_NAME_LENGTH_MAX} characters without control characters`,
      );
    }
    if (seen.has(name)) throw new InvalidValueError(`channels[${index}]`, name, "a new name");
    seen.add(name);
  }
}

/**
 * Checks a segment that came from outside.
 *
 * @throws {InvalidValueError} a name, timestamp or value is not allowed; the field says which
 * @throws {LimitError} too many channels or samples
 */
export function validateSegment(segment: Segment): void {
  validateStreamId(segment.streamId);
  validateChannels(segment.channels);
  const length = segment.timestampsNs.length;
  if (length > SEGMENT_SAMPLES_MAX) {
    throw new LimitError("SEGMENT_SAMPLES_MAX", SEGMENT_SAMPLES_MAX, length, "timestamps");
  }
  invariant(segment.values.length === segment.channels.length, "a column for each channel");
  for (let i = 0; i < length; i++) {
    const timestampNs = segment.timestampsNs[i]!;
    if (timestampNs < TIMESTAMP_NS_MIN || timestampNs >= TIMESTAMP_NS_MAX) {
      throw new InvalidValueError(
        `timestamps[${i}]`,
        timestampNs,
        "nanoseconds between the years 1678 and 2261",
      );
    }
  }
  for (const [channel, column] of segment.values.entries()) {
    const name = segment.channels[channel]!;
    if (column.length !== length) {
      throw new InvalidValueError(`${name}.length`, column.length, `${length}, one a timestamp`);
    }
    for (let i = 0; i < length; i++) {
      const value = column[i]!;
      if (value === Infinity || value === -Infinity) {
        throw new InvalidValueError(`${name}[${i}]`, value, "a finite number");
      }
    }
  }
}

/** A segment with the samples at `indices`, in that order. */
function pick(segment: Segment, indices: Uint32Array): Segment {
  const timestampsNs = new BigInt64Array(indices.length);
  for (let i = 0; i < indices.length; i++) timestampsNs[i] = segment.timestampsNs[indices[i]!]!;
  const values = segment.values.map((column) => {
    const picked = new Float64Array(indices.length);
    for (let i = 0; i < indices.length; i++) picked[i] = column[indices[i]!]!;
    return picked;
  });
  return { streamId: segment.streamId, channels: segment.channels, timestampsNs, values };
}

/** 32-bit words of timestamps, low ones first: work on them makes no `bigint` for each sample. */
function wordsOf(timestampsNs: BigInt64Array): Int32Array {
  return new Int32Array(timestampsNs.buffer, timestampsNs.byteOffset, 2 * timestampsNs.length);
}

/** Shortest step between two timestamps that follow each other: above, at or below 0. */
function leastStep(timestampsNs: BigInt64Array): -1 | 0 | 1 {
  const words = wordsOf(timestampsNs);
  let least: 0 | 1 = 1;
  for (let i = 2; i < words.length; i += 2) {
    const high = words[i + 1]! - words[i - 1]!;
    if (high > 0) continue;
    const low = (words[i]! >>> 0) - (words[i - 2]! >>> 0);
    if (high < 0 || low < 0) return -1;
    if (low === 0) least = 0;
  }
  return least;
}

/** True when each timestamp is later than the one before. */
export function isStrictlyIncreasing(timestampsNs: BigInt64Array): boolean {
  return leastStep(timestampsNs) > 0;
}

/** True when timestamps never go back. */
export function isSorted(segment: Segment): boolean {
  return leastStep(segment.timestampsNs) >= 0;
}

/** The samples in time order; equal timestamps keep their order. Returns a sorted one as it is. */
export function sortSegment(segment: Segment): Segment {
  if (isSorted(segment)) return segment;
  const { timestampsNs } = segment;
  const indices = Uint32Array.from(timestampsNs, (_, index) => index);
  indices.sort((a, b) => {
    const left = timestampsNs[a]!;
    const right = timestampsNs[b]!;
    return left < right ? -1 : left > right ? 1 : a - b;
  });
  return pick(segment, indices);
}

/** Samples `[start, end)`; the arrays are views of the original's. */
export function sliceSegment(segment: Segment, start: number, end: number): Segment {
  return {
    streamId: segment.streamId,
    channels: segment.channels,
    timestampsNs: segment.timestampsNs.subarray(start, end),
    values: segment.values.map((column) => column.subarray(start, end)),
  };
}

/**
 * One segment of several of the same stream, in the order given. A channel that one of them lacks
 * is missing (NaN) there; channels stand in the order of first sight.
 */
export function concatSegments(segments: readonly Segment[]): Segment {
  const first = segments[0];
  invariant(first !== undefined, "at least one segment to concatenate");
  const channels: string[] = [];
  let length = 0;
  for (const segment of segments) {
    invariant(segment.streamId === first.streamId, "segments of one stream");
    length += segment.timestampsNs.length;
    for (const name of segment.channels) if (!channels.includes(name)) channels.push(name);
  }
  const timestampsNs = new BigInt64Array(length);
  const values = channels.map(() => new Float64Array(length).fill(NaN));
  let at = 0;
  for (const segment of segments) {
    timestampsNs.set(segment.timestampsNs, at);
    for (const [channel, name] of segment.channels.entries()) {
      values[channels.indexOf(name)]!.set(segment.values[channel]!, at);
    }
    at += segment.timestampsNs.length;
  }
  return { streamId: first.streamId, channels, timestampsNs, values };
}

/**
 * Seconds from `epochNs` to each timestamp. The difference is taken in integers first, so streams
 * of many years keep nanoseconds near their epoch.
 *
 * @returns                                                                            [length] f64
 */
export function timesS(timestampsNs: BigInt64Array, epochNs: bigint): Float64Array {
  const times = new Float64Array(timestampsNs.length);
  const words = wordsOf(timestampsNs);
  const epoch = wordsOf(BigInt64Array.of(epochNs));
  const epochLow = epoch[0]! >>> 0;
  const epochHigh = epoch[1]!;
  for (let i = 0; i < times.length; i++) {
    const low = (words[2 * i]! >>> 0) - epochLow;
    // Both parts are exact, so that their sum is rounded once, as Number() would round it.
    times[i] = ((words[2 * i + 1]! - epochHigh) * 4294967296 + low) / 1e9;
  }
  return times;
}

/** Whether a column has a value that is not missing. */
export function hasValue(column: Float64Array): boolean {
  return column.some((value) => !Number.isNaN(value));
}
