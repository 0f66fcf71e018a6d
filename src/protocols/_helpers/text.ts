import { type TimestampPrecision, timestampWanted } from "../../signal/timestamp.ts";
import { ProtocolError } from "../../base/errors.ts";
import { isChannelName, isStreamId, STREAM_ID_RULE } from "../../signal/segment.ts";

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longest piece of a body that an error text quotes, in bytes. */
const QUOTED_BYTES_MAX = 60;

/** Bytes as text. @throws {ProtocolError} bytes that are not UTF-8 */
export function decodeUtf8(
  protocol: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  offset: number,
  field?: string,
): string {
  try {
    return strictDecoder.decode(bytes.subarray(start, end));
  } catch {
    throw new ProtocolError(protocol, offset, `Bytes at ${offset} are not UTF-8`, field);
  }
}

/** A piece of a body for an error text: shortened, control characters shown as dots. */
export function quoteBytes(bytes: Uint8Array, start: number, end: number): string {
  const shortened = end - start > QUOTED_BYTES_MAX;
  const text = lenientDecoder.decode(
    bytes.subarray(start, Math.min(end, start + QUOTED_BYTES_MAX)),
  );
  // deno-lint-ignore no-control-regex
  return `"${text.replace(/[\u0000-\u001f\u007f]/g, ".")}${shortened ? "…" : ""}"`;
}

/** Bytes of a timestamp that are looked at for what it should have been. */
const TIMESTAMP_SHOWN_MAX = 40;

/** What bytes that are no timestamp should have been. */
export function wantedTimestamp(
  bytes: Uint8Array,
  start: number,
  end: number,
  precision: TimestampPrecision,
): string {
  const shown = bytes.subarray(start, Math.min(end, start + TIMESTAMP_SHOWN_MAX));
  return timestampWanted(lenientDecoder.decode(shown), precision);
}

/** @throws {ProtocolError} a stream's name that breaks the rule */
export function checkStreamId(
  protocol: string,
  streamId: string,
  offset: number,
  field: string,
): void {
  if (isStreamId(streamId)) return;
  const shown = streamId.slice(0, QUOTED_BYTES_MAX);
  const message = `${field} is "${shown}", expected ${STREAM_ID_RULE}`;
  throw new ProtocolError(protocol, offset, message, field);
}

/** @throws {ProtocolError} a channel's name that breaks the rule */
export function checkChannel(
  protocol: string,
  channel: string,
  offset: number,
  field: string,
): void {
  if (isChannelName(channel)) return;
  const shown = channel.slice(0, QUOTED_BYTES_MAX);
  const message = `${field} names the channel "${shown}", expected 1 to 200 characters without ` +
    "control characters";
  throw new ProtocolError(protocol, offset, message, field);
}

/** Position after a byte order mark at the start of a body. */
export function skipByteOrderMark(bytes: Uint8Array, start: number, end: number): number {
  const has = end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb &&
    bytes[start + 2] === 0xbf;
  return has ? start + 3 : start;
}

/** Names that one {@linkcode NameCache} remembers. */
export const NAME_CACHE_SLOTS = 512;

const CACHED_BYTES_MAX = 64;

/**
 * Decodes names that come again and again (keys, series) and gives the same string each time, so
 * that a row costs a comparison of bytes instead of a decoding. Holds at most 512 short names.
 */
export class NameCache {
  readonly protocol: string;
  readonly #bytes: (Uint8Array | undefined)[] = new Array(NAME_CACHE_SLOTS).fill(undefined);
  readonly #names: string[] = new Array(NAME_CACHE_SLOTS).fill("");

  constructor(protocol: string) {
    this.protocol = protocol;
  }

  /** Bytes as text. @throws {ProtocolError} bytes that are not UTF-8 */
  decode(bytes: Uint8Array, start: number, end: number, offset: number, field?: string): string {
    const length = end - start;
    if (length > CACHED_BYTES_MAX) {
      return decodeUtf8(this.protocol, bytes, start, end, offset, field);
    }
    let hash = length;
    for (let at = start; at < end; at++) hash = Math.imul(hash, 31) + bytes[at]! | 0;
    const slot = (hash ^ (hash >>> 16)) & (NAME_CACHE_SLOTS - 1);
    const known = this.#bytes[slot];
    if (known !== undefined && known.length === length) {
      let same = 0;
      while (same < length && known[same] === bytes[start + same]) same++;
      if (same === length) return this.#names[slot]!;
    }
    const name = decodeUtf8(this.protocol, bytes, start, end, offset, field);
    this.#bytes[slot] = bytes.slice(start, end);
    this.#names[slot] = name;
    return name;
  }
}
