import { LimitError, ProtocolError } from "../../base/errors.ts";
import { addBodyBytes } from "../protocol.ts";

/** Bytes of one record (a line; with quotes it may span several). */
export const RECORD_BYTES_MAX = 1024 * 1024;

/** Where a record stands in its body. */
export interface RecordPlace {
  /** Byte offset of its first byte. */
  offset: number;
  /** Line on which it begins, from 1. */
  line: number;
}

/**
 * How a newline can stand inside a record: never; between `"` (CSV); or between `"` of a field
 * value, where a `"` in the series part or behind a backslash is an ordinary byte (line protocol).
 */
export type Quoting = "none" | "csv" | "line-protocol";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BLANK = 0x20;
const HASH = 0x23;

/** Parts of a line of line protocol, as far as quotes care. */
const enum Part {
  Start,
  Series,
  Fields,
  Comment,
}

/** Called for each record, without its line end; the bytes are valid only during the call. */
export type OnRecord = (bytes: Uint8Array, start: number, end: number, place: RecordPlace) => void;

/**
 * Cuts a body that arrives in pieces into records. A record that lies whole in a piece and has no
 * quote is found by two native searches; only the rest is walked byte by byte, each byte once.
 */
export class RecordSplitter {
  readonly #quoting: Quoting;
  readonly #onRecord: OnRecord;
  readonly #place: RecordPlace = { offset: 0, line: 1 };
  /** Start of a record whose end has not come yet. */
  #pending = new Uint8Array(256);
  #pendingLength = 0;
  #bodyBytes = 0;
  #newlines = 0;
  #inQuotes = false;
  #escaped = false;
  #part: Part = Part.Start;

  constructor(quoting: Quoting, onRecord: OnRecord) {
    this.#quoting = quoting;
    this.#onRecord = onRecord;
  }

  /** Offset and line of the record in work; for errors at the end of the body. */
  get place(): RecordPlace {
    return this.#place;
  }

  /** @throws {LimitError} the body or one record is too long */
  push(bytes: Uint8Array): void {
    this.#bodyBytes = addBodyBytes(this.#bodyBytes, bytes.length);
    let start = 0;
    let nextQuote = -1;
    while (start < bytes.length) {
      let end = -1;
      if (this.#pendingLength === 0) {
        const newline = bytes.indexOf(NEWLINE, start);
        if (nextQuote < start && this.#quoting !== "none") {
          nextQuote = bytes.indexOf(QUOTE, start);
          if (nextQuote < 0) nextQuote = bytes.length;
        }
        if (newline >= 0 && (this.#quoting === "none" || nextQuote > newline)) end = newline;
      }
      if (end >= 0) this.#newlines++;
      else end = this.#walk(bytes, start);
      if (end < 0) return this.#keep(bytes, start, bytes.length);
      this.#emit(bytes, start, end);
      start = end + 1;
    }
  }

  /**
   * Hands over a last record without a newline.
   *
   * @throws {ProtocolError} the body ends inside a quote; with the protocol, line and offset
   */
  finish(protocol: string): void {
    if (this.#inQuotes) {
      const { line, offset } = this.place;
      throw new ProtocolError(protocol, offset, `Line ${line}: a quote is never closed`);
    }
    if (this.#pendingLength > 0) this.#emit(new Uint8Array(0), 0, 0);
  }

  /** Walks on from `start` to the record's newline; −1 when the piece ends before it. */
  #walk(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === NEWLINE) {
        this.#newlines++;
        if (!this.#inQuotes) return at;
      }
      if (this.#quoting === "csv") {
        if (byte === QUOTE) this.#inQuotes = !this.#inQuotes;
      } else if (this.#quoting === "line-protocol") {
        this.#walkLineProtocol(byte);
      }
    }
    return -1;
  }

  #walkLineProtocol(byte: number): void {
    if (this.#part === Part.Comment) return;
    if (this.#part === Part.Start) {
      if (byte === BLANK || byte === 0x09 || byte === RETURN) return;
      this.#part = byte === HASH ? Part.Comment : Part.Series;
    }
    if (this.#escaped) {
      this.#escaped = false;
    } else if (byte === BACKSLASH) {
      this.#escaped = true;
    } else if (this.#part === Part.Series) {
      if (byte === BLANK) this.#part = Part.Fields;
    } else if (byte === QUOTE && this.#part === Part.Fields) {
      this.#inQuotes = !this.#inQuotes;
    }
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    const need = this.#pendingLength + end - start;
    if (need > RECORD_BYTES_MAX) {
      throw new LimitError(
        "RECORD_BYTES_MAX",
        RECORD_BYTES_MAX,
        need,
        `line ${this.#place.line}`,
      );
    }
    if (need > this.#pending.length) {
      const grown = new Uint8Array(Math.max(need, this.#pending.length * 2));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(bytes.subarray(start, end), this.#pendingLength);
    this.#pendingLength = need;
  }

  #emit(bytes: Uint8Array, start: number, end: number): void {
    let record = bytes;
    let from = start;
    let to = end;
    if (this.#pendingLength > 0 || end - start > RECORD_BYTES_MAX) {
      this.#keep(bytes, start, end);
      record = this.#pending;
      from = 0;
      to = this.#pendingLength;
    }
    const length = to - from;
    this.#pendingLength = 0;
    this.#part = Part.Start;
    this.#escaped = false;
    if (to > from && record[to - 1] === RETURN) to--;
    this.#onRecord(record, from, to, this.#place);
    this.#place.offset += length + 1;
    this.#place.line = this.#newlines + 1;
  }
}
