import { LimitError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import type { TimestampPrecision } from "../signal/timestamp.ts";

/**
 * The contract of every protocol: bytes in, segments out.
 *
 * A decoder gives the same segments however the bytes are cut into pushes, and gives all of a body
 * or nothing: segments come only from `finish`. It never holds more than its limits allow.
 */
export interface DecodeOptions {
  /** Stream of samples that do not name theirs. */
  readonly streamId?: string | undefined;
  /** Unit of integer timestamps; each protocol has its own default (line protocol ns, else ms). */
  readonly precision?: TimestampPrecision | undefined;
  /** Time of samples that carry none (line protocol), nanoseconds since the epoch. */
  readonly nowNs?: bigint | undefined;
  /** Time of the first sample of a body without timestamps (audio). */
  readonly startNs?: bigint | undefined;
  /** Column that holds the timestamps (CSV). */
  readonly timestampColumn?: string | undefined;
  /** Columns to read, in this order (CSV); default: all but the timestamps. */
  readonly valueColumns?: readonly string[] | undefined;
  /** Values that stand for a missing one (CSV). */
  readonly missing?: readonly number[] | undefined;
}

/** What a body held. */
export interface Decoded {
  /** In the order of first sight; a stream may have several consecutive ones. */
  readonly segments: readonly Segment[];
  /** Values that are of no numeric kind and were left out (strings of line protocol). */
  readonly ignoredCount: number;
}

/** Reads one body piece by piece. */
export interface Decoder {
  /**
   * @param bytes  stay as they are until the body has ended: the decoder may keep them
   * @throws {ProtocolError | LimitError} the decoder is then of no further use
   */
  push(bytes: Uint8Array): void;
  /** Ends the body. @throws {ProtocolError | LimitError} nothing of the body may be used */
  finish(): Decoded;
}

/**
 * Where a long body can be cut into parts that are bodies themselves: at line ends; at line ends
 * with the first line before each part; nowhere.
 */
export type BodyCut = "lines" | "header" | "whole";

/** One body format; a member of the hub. */
export interface Protocol {
  readonly name: string;
  /** Media types without parameters, lower case; the first is the canonical one. */
  readonly mediaTypes: readonly string[];
  /** Ends of file names, lower case without the dot; a file so named has the first media type. */
  readonly fileEndings: readonly string[];
  readonly cut: BodyCut;
  /** Unit of integer timestamps unless told otherwise; absent where times are no integers. */
  readonly precision?: TimestampPrecision;
  open(options: DecodeOptions): Decoder;
}

/** Bytes of one body, decompressed. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Decodes a whole body at once; see {@linkcode Decoder}. */
export function decodeBody(
  protocol: Protocol,
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Decoded {
  const decoder = protocol.open(options);
  decoder.push(bytes);
  return decoder.finish();
}

/** Counts the bytes of a body. @throws {LimitError} more than {@linkcode BODY_BYTES_MAX} */
export function addBodyBytes(total: number, count: number): number {
  const sum = total + count;
  if (sum > BODY_BYTES_MAX) throw new LimitError("BODY_BYTES_MAX", BODY_BYTES_MAX, sum, "body");
  return sum;
}
