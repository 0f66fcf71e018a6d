import { ProtocolError } from "../../base/errors.ts";
import {
  readTimestamp,
  type TimestampParts,
  type TimestampPrecision,
} from "../../signal/timestamp.ts";
import { parseNumber } from "./number_bytes.ts";
import { type NameCache, quoteBytes, wantedTimestamp } from "./text.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const NULL_LETTERS = [0x6e, 0x75, 0x6c, 0x6c] as const;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/**
 * A pull reader of JSON (RFC 8259) over bytes. Unlike `JSON.parse` it keeps integers of any length
 * exact for timestamps, refuses numbers beyond a double, and tells path and offset of a fault.
 */
export class JsonReader {
  readonly #names: NameCache;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** Offset in the body of byte 0 of `bytes`. */
  readonly #base: number;
  readonly #where: string;
  readonly #path: (string | number)[] = [];
  #at: number;

  /**
   * @param range  first byte, byte after the last, offset of byte 0 in the body, and a text that
   *   stands before each error (`line 3: `)
   */
  constructor(
    names: NameCache,
    bytes: Uint8Array,
    range: { start: number; end: number; base: number; where: string },
  ) {
    this.#names = names;
    this.#bytes = bytes;
    this.#at = range.start;
    this.#end = range.end;
    this.#base = range.base;
    this.#where = range.where;
  }

  /** Offset in the body of the next byte. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** Path of the value in work, like `streams[2].values[3]`. */
  get path(): string {
    let text = "";
    for (const part of this.#path) {
      if (typeof part === "number") text += `[${part}]`;
      else text += text === "" ? part : `.${part}`;
    }
    return text;
  }

  /** @throws {ProtocolError} always */
  fail(message: string): never {
    const path = this.path;
    const full = `${this.#where}${path === "" ? "Body" : path} ${message}`;
    throw new ProtocolError(
      this.#names.protocol,
      this.offset,
      full,
      path === "" ? undefined : path,
    );
  }

  /** The next byte that is no white space, not consumed; −1 at the end. */
  peek(): number {
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at++;
    }
    return -1;
  }

  get isObject(): boolean {
    return this.peek() === 0x7b;
  }

  get isArray(): boolean {
    return this.peek() === 0x5b;
  }

  /** @throws {ProtocolError} anything but white space is left */
  expectEnd(): void {
    if (this.peek() !== -1) this.fail(`is followed by ${this.#shown()}`);
  }

  /** Reads an object; `onKey` must read the key's value. Repeated keys are refused. */
  readObject(onKey: (key: string) => void): void {
    if (!this.isObject) this.fail(`is ${this.#shown()}, expected an object`);
    this.#at++;
    const seen: string[] = [];
    let many: Set<string> | undefined;
    if (this.peek() === 0x7d) {
      this.#at++;
      return;
    }
    for (;;) {
      if (this.peek() !== QUOTE) this.fail(`has ${this.#shown()} where a key should be`);
      const key = this.#string();
      if (many !== undefined ? many.has(key) : seen.includes(key)) {
        this.fail(`has the key "${key.slice(0, 60)}" twice`);
      }
      // A list is faster for the few keys of a row, a set bounds the cost of a hostile object.
      if (many !== undefined) many.add(key);
      else if (seen.push(key) === 16) many = new Set(seen);
      if (this.peek() !== COLON) this.fail(`lacks the ":" after "${key.slice(0, 60)}"`);
      this.#at++;
      this.#path.push(key);
      onKey(key);
      this.#path.pop();
      if (this.#isLast(0x7d)) return;
    }
  }

  /** Reads an array; `onItem` must read one item. */
  readArray(onItem: (index: number) => void): void {
    if (!this.isArray) this.fail(`is ${this.#shown()}, expected a list`);
    this.#at++;
    if (this.peek() === 0x5d) {
      this.#at++;
      return;
    }
    const depth = this.#path.length;
    for (let index = 0;; index++) {
      this.#path[depth] = index;
      onItem(index);
      this.#path.length = depth;
      if (this.#isLast(0x5d)) return;
    }
  }

  readString(): string {
    if (this.peek() !== QUOTE) this.fail(`is ${this.#shown()}, expected a string`);
    return this.#string();
  }

  /** A finite number, or NaN for `null`. */
  readNumberOrNull(): number {
    const first = this.peek();
    if (first === NULL_LETTERS[0] && this.#skipNull()) return NaN;
    const start = this.#at;
    const end = this.#numberEnd();
    const value = parseNumber(this.#bytes, start, end);
    if (!Number.isFinite(value) || !this.#isJsonNumber(start, end)) {
      if (Math.abs(value) === Infinity) {
        this.fail(`is ${quoteBytes(this.#bytes, start, end)}, which is not a finite number`);
      }
      this.fail(`is ${this.#shown()}, expected a number, or null for a missing value`);
    }
    this.#at = end;
    return value;
  }

  /** A timestamp, as ISO 8601 text or as an integer of `precision`. */
  readTimestamp(precision: TimestampPrecision, out: TimestampParts): void {
    const isText = this.peek() === QUOTE;
    const start = this.#at;
    let from = start;
    let to: number;
    if (isText) {
      from++;
      to = this.#bytes.indexOf(QUOTE, from);
      if (to < 0 || to >= this.#end) this.fail("lacks its closing quote");
    } else {
      to = this.#numberEnd();
    }
    if (!readTimestamp(this.#bytes, from, to, precision, out)) {
      const wanted = wantedTimestamp(this.#bytes, from, to, precision);
      this.fail(`is ${this.#shown()}, expected ${wanted}`);
    }
    this.#at = isText ? to + 1 : to;
  }

  #isLast(close: number): boolean {
    const byte = this.peek();
    if (byte === close) {
      this.#at++;
      return true;
    }
    if (byte !== COMMA) {
      this.fail(`has ${this.#shown()} where "," or "${String.fromCharCode(close)}" should be`);
    }
    this.#at++;
    return false;
  }

  #skipNull(): boolean {
    for (let i = 0; i < 4; i++) if (this.#bytes[this.#at + i] !== NULL_LETTERS[i]) return false;
    if (this.#at + 4 > this.#end) return false;
    this.#at += 4;
    return true;
  }

  #numberEnd(): number {
    let at = this.#at;
    for (; at < this.#end; at++) {
      const byte = this.#bytes[at]!;
      const isPart = (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b ||
        byte === 0x2e || byte === 0x65 || byte === 0x45;
      if (!isPart) break;
    }
    return at;
  }

  /** JSON is stricter than the number parser: no plus, no leading zero, digits round the dot. */
  #isJsonNumber(start: number, end: number): boolean {
    const isDigit = (at: number) => {
      const byte = this.#bytes[at]!;
      return at < end && byte >= 0x30 && byte <= 0x39;
    };
    const first = this.#bytes[start] === 0x2d ? start + 1 : start;
    if (!isDigit(first)) return false;
    if (this.#bytes[first] === 0x30 && isDigit(first + 1)) return false;
    for (let at = first; at < end; at++) {
      if (this.#bytes[at] === 0x2e) return isDigit(at + 1);
    }
    return true;
  }

  #string(): string {
    const start = this.#at + 1;
    let at = start;
    let hasEscape = false;
    for (;; at++) {
      if (at >= this.#end) this.fail("lacks its closing quote");
      const byte = this.#bytes[at]!;
      if (byte === QUOTE) break;
      if (byte < 0x20) this.fail("has a control character in a string");
      if (byte === BACKSLASH) {
        hasEscape = true;
        at++;
      }
    }
    const raw = this.#names.decode(this.#bytes, start, at, this.#base + start);
    this.#at = at + 1;
    return hasEscape ? this.#unescape(raw) : raw;
  }

  #unescape(raw: string): string {
    return raw.replace(/\\(u[0-9a-fA-F]{4}|.?)/gsu, (_, code: string) => {
      if (code.length === 5) return String.fromCharCode(parseInt(code.slice(1), 16));
      const plain = ESCAPES[code];
      if (plain === undefined) this.fail(`has the unknown escape "\\${code}"`);
      return plain;
    });
  }

  /** What stands here, for an error text. */
  #shown(): string {
    if (this.peek() === -1) return "the end of the body";
    if (this.isArray) return "a list";
    if (this.isObject) return "an object";
    let to = this.#at;
    const stop = new Set([COMMA, 0x5d, 0x7d, 0x0a]);
    const isText = this.#bytes[to] === QUOTE;
    do to++; while (
      to < this.#end && to - this.#at < 100 &&
      (isText ? this.#bytes[to - 1] !== QUOTE || to === this.#at + 1 : !stop.has(this.#bytes[to]!))
    );
    if (!isText) return quoteBytes(this.#bytes, this.#at, to);
    const isClosed = to - this.#at > 1 && this.#bytes[to - 1] === QUOTE;
    return `the text ${quoteBytes(this.#bytes, this.#at + 1, isClosed ? to - 1 : to)}`;
  }
}
