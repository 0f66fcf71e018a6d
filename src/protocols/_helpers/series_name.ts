import { sha256Hex } from "../../base/hash.ts";
import {
  STREAM_ID_CHARACTERS,
  STREAM_ID_LENGTH_MAX,
  STREAM_ID_STARTS,
} from "../../signal/segment.ts";

const encoder = new TextEncoder();

const ESCAPED = new RegExp(`[^${STREAM_ID_CHARACTERS}]`, "gu");
const ESCAPED_START = new RegExp(`^[^${STREAM_ID_STARTS}]`, "u");

/** Hexadecimal digits that stand for what a shortened name leaves out. */
const DIGEST_DIGITS = 16;

/** A character as %XX of its UTF-8 bytes. */
function percentEncode(character: string): string {
  const bytes = [...encoder.encode(character)];
  return bytes.map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

/** Most names: of the characters of ASCII that a stream's name holds and that are not encoded. */
const PLAIN = /^[A-Za-z0-9_.:/-]*$/;

/** A name in which characters that a stream's name cannot hold, and `, = %`, are encoded. */
function escapeName(name: string): string {
  return PLAIN.test(name) ? name : name.replace(ESCAPED, percentEncode);
}

/**
 * A measurement and its sorted tags as one name, different for different series: `cpu,host=a`. It
 * follows the rule of streams' names but for its length.
 */
export function seriesName(measurement: string, tags: ReadonlyMap<string, string>): string {
  const pairs = [...tags.keys()].sort().map((key) => {
    return `${escapeName(key)}=${escapeName(tags.get(key)!)}`;
  });
  return [escapeName(measurement), ...pairs].join(",")
    .replace(ESCAPED_START, percentEncode)
    .replace(/ $/, "%20");
}

/** A name that is too long for a stream, cut, with `~` and the start of its SHA-256 in the end. */
export function shortenedName(name: string): string {
  if (name.length <= STREAM_ID_LENGTH_MAX) return name;
  const kept = name.slice(0, STREAM_ID_LENGTH_MAX - DIGEST_DIGITS - 1);
  // No half of a pair of surrogates is left over.
  return `${kept.replace(/[\ud800-\udbff]$/, "")}~${sha256Hex(name).slice(0, DIGEST_DIGITS)}`;
}
