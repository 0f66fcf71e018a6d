import { LimitError, ProtocolError } from "../base/errors.ts";
import { BodyBuilder, type SegmentBuilder } from "../signal/segment_builder.ts";
import {
  BODY_STREAMS_MAX,
  CHANNEL_COUNT_MAX,
  isStreamId,
  STREAM_ID_LENGTH_MAX,
} from "../signal/segment.ts";
import { readTimestamp, type TimestampParts } from "../signal/timestamp.ts";
import { parseNumber } from "./_helpers/number_bytes.ts";
import { type RecordPlace, RecordSplitter } from "./_helpers/record_splitter.ts";
import { seriesName } from "./_helpers/series_name.ts";
import { checkChannel, NameCache, quoteBytes, wantedTimestamp } from "./_helpers/text.ts";
import type { DecodeOptions, Protocol } from "./protocol.ts";

const NAME = "line_protocol";
const BLANK = 0x20;
const HASH = 0x23;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;

const KEY_STOPS = [EQUALS, COMMA, BLANK];
const VALUE_STOPS = [COMMA, BLANK];
const TRUE_WORDS = new Set(["t", "T", "true", "True", "TRUE"]);
const FALSE_WORDS = new Set(["f", "F", "false", "False", "FALSE"]);

/** Spellings of series that are remembered, so that they need not be read again. */
const SPELLINGS_MAX = 2 * BODY_STREAMS_MAX;

class LineReader {
  readonly #options: DecodeOptions;
  readonly #names = new NameCache(NAME);
  readonly #body = new BodyBuilder();
  readonly #builders = new Map<string, SegmentBuilder>();
  readonly #parts: TimestampParts = { seconds: 0, nanos: 0 };
  readonly #channels: number[] = [];
  readonly #values: number[] = [];
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  #at = 0;
  #base = 0;
  #line = 0;
  #ignoredCount = 0;

  constructor(options: DecodeOptions) {
    this.#options = options;
  }

  readonly onRecord = (
    bytes: Uint8Array,
    start: number,
    end: number,
    place: RecordPlace,
  ): void => {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#base = place.offset - start;
    this.#line = place.line;
    this.#skipBlanks();
    if (this.#at === this.#end || bytes[this.#at] === HASH) return;
    const builder = this.#readSeries();
    this.#skipBlanks();
    this.#readFields(builder);
    this.#skipBlanks();
    if (this.#at === this.#end) this.#useNow();
    else this.#readTimestamp();
    this.#append(builder);
  };

  finish() {
    const segments = this.#body.build();
    if (segments.length === 0 && this.#ignoredCount === 0) {
      throw new ProtocolError(NAME, 0, "Body has no sample");
    }
    return { segments, ignoredCount: this.#ignoredCount };
  }

  #fail(message: string, field?: string): never {
    const text = `Line ${this.#line}: ${message}`;
    throw new ProtocolError(NAME, this.#base + this.#at, text, field);
  }

  #skipBlanks(): void {
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at]!;
      if (byte !== BLANK && byte !== 0x09) return;
      this.#at++;
    }
  }

  /** Text up to the first unescaped stop byte; the position is then on it. */
  #readName(stops: readonly number[], what: string): string {
    const start = this.#at;
    let hasEscape = false;
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at]!;
      if (byte === BACKSLASH && this.#at + 1 < this.#end) {
        hasEscape = true;
        this.#at += 2;
        continue;
      }
      if (stops.includes(byte)) break;
      this.#at++;
    }
    if (this.#at === start) this.#fail(`${what} is empty`, what);
    const raw = this.#names.decode(this.#bytes, start, this.#at, this.#base + start, what);
    return hasEscape ? raw.replace(/\\([,= \\])/g, "$1") : raw;
  }

  /** End of the series part: the first unescaped blank. */
  #seriesEnd(): number {
    let at = this.#at;
    for (; at < this.#end; at++) {
      const byte = this.#bytes[at]!;
      if (byte === BACKSLASH) at++;
      else if (byte === BLANK) return at;
    }
    return this.#end;
  }

  #readSeries(): SegmentBuilder {
    const start = this.#at;
    const end = this.#seriesEnd();
    const raw = this.#names.decode(this.#bytes, start, end, this.#base + start, "series");
    const known = this.#builders.get(raw);
    if (known !== undefined) {
      this.#at = end;
      return known;
    }
    const measurement = this.#readName(VALUE_STOPS, "measurement");
    const tags = new Map<string, string>();
    while (this.#at < this.#end && this.#bytes[this.#at] === COMMA) {
      this.#at++;
      const key = this.#readName(KEY_STOPS, "tag key");
      if (this.#bytes[this.#at] !== EQUALS || this.#at >= this.#end) {
        this.#fail(`Tag "${key.slice(0, 60)}" has no "="`, key);
      }
      this.#at++;
      const value = this.#readName(VALUE_STOPS, `tag ${key.slice(0, 60)}`);
      if (tags.has(key)) this.#fail(`Tag "${key.slice(0, 60)}" stands twice`, key);
      tags.set(key, value);
    }
    const streamId = seriesName(measurement, tags);
    if (!isStreamId(streamId)) {
      throw new LimitError("STREAM_ID_LENGTH_MAX", STREAM_ID_LENGTH_MAX, streamId.length, "series");
    }
    const builder = this.#body.stream(streamId);
    // One series can be written in many ways: tags in another order, needless escapes.
    if (this.#builders.size >= SPELLINGS_MAX) this.#builders.clear();
    this.#builders.set(raw, builder);
    return builder;
  }

  #readFields(builder: SegmentBuilder): void {
    this.#channels.length = 0;
    this.#values.length = 0;
    if (this.#at === this.#end) this.#fail("has no fields");
    for (;;) {
      const key = this.#readName(KEY_STOPS, "field key");
      if (this.#at >= this.#end || this.#bytes[this.#at] !== EQUALS) {
        this.#fail(`Field "${key.slice(0, 60)}" has no "="`, key);
      }
      this.#at++;
      this.#readField(builder, key);
      if (this.#at >= this.#end || this.#bytes[this.#at] !== COMMA) return;
      this.#at++;
    }
  }

  #readField(builder: SegmentBuilder, key: string): void {
    if (this.#bytes[this.#at] === QUOTE && this.#at < this.#end) {
      this.#skipString(key);
      this.#ignoredCount++;
      return;
    }
    const start = this.#at;
    while (
      this.#at < this.#end && this.#bytes[this.#at] !== COMMA && this.#bytes[this.#at] !== BLANK
    ) this.#at++;
    const value = this.#fieldValue(start, this.#at);
    if (!Number.isFinite(value)) {
      const shown = quoteBytes(this.#bytes, start, this.#at);
      this.#at = start;
      this.#fail(
        `Field "${key.slice(0, 60)}" is ${shown}, expected a finite number, an ` +
          "integer with i or u, a boolean or a quoted string",
        key,
      );
    }
    if (this.#channels.length >= CHANNEL_COUNT_MAX) {
      const count = this.#channels.length + 1;
      throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, count, key);
    }
    if (!builder.hasChannel(key)) checkChannel(NAME, key, this.#base + start, "field key");
    this.#channels.push(builder.channelIndex(key));
    this.#values.push(value);
  }

  /** Floats, integers (`i`, `u`), booleans as 1 and 0; NaN when it is none of them. */
  #fieldValue(start: number, end: number): number {
    if (start === end) return NaN;
    const last = this.#bytes[end - 1]!;
    if (last === 0x69 || last === 0x75) return this.#integerValue(start, end - 1, last === 0x75);
    if (last >= 0x30 && last <= 0x39 || last === 0x2e) return parseNumber(this.#bytes, start, end);
    const word = String.fromCharCode(...this.#bytes.subarray(start, Math.min(end, start + 6)));
    return TRUE_WORDS.has(word) ? 1 : FALSE_WORDS.has(word) ? 0 : NaN;
  }

  #integerValue(start: number, end: number, unsigned: boolean): number {
    const digits = this.#bytes[start] === 0x2d && !unsigned ? start + 1 : start;
    if (end - digits < 1 || end - digits > 20) return NaN;
    for (let at = digits; at < end; at++) {
      const digit = this.#bytes[at]! - 0x30;
      if (digit < 0 || digit > 9) return NaN;
    }
    return parseNumber(this.#bytes, start, end);
  }

  #skipString(key: string): void {
    const start = this.#at;
    for (let at = start + 1; at < this.#end; at++) {
      const byte = this.#bytes[at]!;
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) {
        this.#at = at + 1;
        return;
      }
    }
    this.#fail(`Field "${key.slice(0, 60)}" lacks its closing quote`, key);
  }

  #useNow(): void {
    const nowNs = this.#options.nowNs;
    if (nowNs === undefined) this.#fail("has no timestamp", "timestamp");
    const nanos = ((nowNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    this.#parts.nanos = Number(nanos);
    this.#parts.seconds = Number((nowNs - nanos) / 1_000_000_000n);
  }

  #readTimestamp(): void {
    const start = this.#at;
    let end = this.#end;
    while (end > start && (this.#bytes[end - 1] === BLANK || this.#bytes[end - 1] === 0x09)) end--;
    const precision = this.#options.precision ?? "ns";
    if (!readTimestamp(this.#bytes, start, end, precision, this.#parts)) {
      const shown = quoteBytes(this.#bytes, start, end);
      const wanted = wantedTimestamp(this.#bytes, start, end, precision);
      this.#fail(`Timestamp is ${shown}, expected ${wanted}`, "timestamp");
    }
  }

  #append(builder: SegmentBuilder): void {
    const count = this.#channels.length;
    if (count === 0) return;
    const { seconds, nanos } = this.#parts;
    if (!builder.canMerge(seconds, nanos, this.#channels)) builder.beginRow(seconds, nanos);
    for (let i = 0; i < count; i++) builder.set(this.#channels[i]!, this.#values[i]!);
  }
}

/**
 * InfluxDB line protocol (`measurement,tag=value field=1.5,other=2i 1704067200000000000`).
 *
 * A series (measurement and sorted tags) is a stream, a field a channel; characters that a stream's
 * name cannot hold become %XX. Floats, integers with `i` or `u` (to the nearest double) and
 * booleans (1 and 0) are values; strings are left out and counted. A line without a timestamp is of
 * `nowNs`. Consecutive lines of one series and timestamp with different fields are one sample.
 * Integer timestamps have the option's precision, default ns.
 */
export const lineProtocol: Protocol = {
  name: NAME,
  mediaTypes: ["text/plain", "application/vnd.influx.line-protocol"],
  fileEndings: ["lp", "line"],
  cut: "lines",
  precision: "ns",
  open(options) {
    const reader = new LineReader(options);
    const splitter = new RecordSplitter("line-protocol", reader.onRecord);
    return {
      push: (bytes) => splitter.push(bytes),
      finish() {
        splitter.finish(NAME);
        return reader.finish();
      },
    };
  },
};
