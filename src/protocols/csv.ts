import { LimitError, ProtocolError } from "../base/errors.ts";
import { CHANNEL_COUNT_MAX } from "../signal/segment.ts";
import { SegmentBuilder, ValueBudget } from "../signal/segment_builder.ts";
import { readTimestamp, type TimestampParts } from "../signal/timestamp.ts";
import { parseNumber } from "./_helpers/number_bytes.ts";
import { RecordSplitter } from "./_helpers/record_splitter.ts";
import {
  checkChannel,
  decodeUtf8,
  quoteBytes,
  skipByteOrderMark,
  wantedTimestamp,
} from "./_helpers/text.ts";
import type { RecordPlace } from "./_helpers/record_splitter.ts";
import type { DecodeOptions, Protocol } from "./protocol.ts";

const NAME = "csv";
const QUOTE = 0x22;
const BLANK = 0x20;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const DOT = 0x2e;

/** Columns of a file, read or not. */
export const CSV_COLUMNS_MAX = 16_384;

/** Cells that a reader has room for at first. */
const CELLS_MIN = 64;

/** Separators, in order of preference; the header's most frequent one is taken. */
const DELIMITERS = [COMMA, SEMICOLON, 0x09] as const;

/** Headers that are taken for the timestamps, lower case. */
const TIMESTAMP_NAMES = ["timestamp", "time", "_time", "datetime", "date", "ts"];

/** Cells that stand for a missing value as an empty one does, lower case. */
const MISSING_WORDS: ReadonlySet<string> = new Set(["na", "n/a", "nan", "null", "none"]);

/** Bytes of the longest of {@linkcode MISSING_WORDS}. */
const MISSING_BYTES_MAX = 4;

/** Columns named in an error text. */
const NAMES_SHOWN_MAX = 20;

function showNames(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).map((name) => `"${name.slice(0, 60)}"`);
  return shown.join(", ") + (names.length > NAMES_SHOWN_MAX ? ", …" : "");
}

class CsvReader {
  readonly #options: DecodeOptions;
  readonly #parts: TimestampParts = { seconds: 0, nanos: 0 };
  readonly builder: SegmentBuilder;
  /** Start and end of each cell of the record in work. */
  #starts = new Uint32Array(CELLS_MIN);
  #ends = new Uint32Array(CELLS_MIN);
  #cellCount = 0;
  #delimiter = -1;
  #names: string[] = [];
  #timestampColumn = 0;
  #valueColumns: number[] = [];

  constructor(options: DecodeOptions) {
    this.#options = options;
    const streamId = options.streamId;
    if (streamId === undefined) {
      throw new ProtocolError(NAME, 0, "CSV needs the stream's name", "streamId");
    }
    this.builder = new SegmentBuilder(streamId, new ValueBudget());
  }

  readonly onRecord = (
    bytes: Uint8Array,
    start: number,
    end: number,
    place: RecordPlace,
  ): void => {
    if (start === end) return;
    if (this.#delimiter < 0) this.#readHeader(bytes, start, end, place);
    else this.#readRow(bytes, start, end, place);
  };

  get hasHeader(): boolean {
    return this.#delimiter >= 0;
  }

  #fail(place: RecordPlace, offset: number, message: string, field?: string): never {
    throw new ProtocolError(NAME, offset, `Line ${place.line}: ${message}`, field);
  }

  /** Cuts a record into cells; a quoted cell keeps its quotes here. */
  #split(bytes: Uint8Array, start: number, end: number): void {
    const delimiter = this.#delimiter;
    let cell = 0;
    let cellStart = start;
    let inQuotes = false;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === delimiter && !inQuotes) {
        this.#starts[cell] = cellStart;
        this.#ends[cell] = at;
        cell++;
        cellStart = at + 1;
        if (cell === this.#starts.length) this.#growCells(cell);
      } else if (byte === QUOTE) {
        inQuotes = !inQuotes;
      }
    }
    this.#starts[cell] = cellStart;
    this.#ends[cell] = end;
    this.#cellCount = cell + 1;
    for (let i = 0; i <= cell; i++) this.#trim(bytes, i);
  }

  #growCells(count: number): void {
    if (count >= CSV_COLUMNS_MAX) {
      throw new LimitError("CSV_COLUMNS_MAX", CSV_COLUMNS_MAX, count + 1, "columns");
    }
    const [starts, ends] = [new Uint32Array(2 * count), new Uint32Array(2 * count)];
    starts.set(this.#starts);
    ends.set(this.#ends);
    this.#starts = starts;
    this.#ends = ends;
  }

  #trim(bytes: Uint8Array, cell: number): void {
    let start = this.#starts[cell]!;
    let end = this.#ends[cell]!;
    while (start < end && bytes[start] === BLANK) start++;
    while (end > start && bytes[end - 1] === BLANK) end--;
    if (end - start >= 2 && bytes[start] === QUOTE && bytes[end - 1] === QUOTE) {
      start++;
      end--;
    }
    this.#starts[cell] = start;
    this.#ends[cell] = end;
  }

  #readHeader(bytes: Uint8Array, start: number, end: number, place: RecordPlace): void {
    const from = place.offset === 0 ? skipByteOrderMark(bytes, start, end) : start;
    const counts = DELIMITERS.map((delimiter) => countByte(bytes, from, end, delimiter));
    const most = Math.max(...counts);
    if (most === 0) {
      this.#fail(place, place.offset, "Header has one column, expected timestamp and values");
    }
    this.#delimiter = DELIMITERS[counts.indexOf(most)]!;
    this.#split(bytes, from, end);
    const names: string[] = [];
    for (let i = 0; i < this.#cellCount; i++) {
      const offset = place.offset + this.#starts[i]! - start;
      const name = decodeUtf8(NAME, bytes, this.#starts[i]!, this.#ends[i]!, offset, "header");
      names.push(name.replaceAll('""', '"'));
    }
    this.#names = names;
    this.#timestampColumn = this.#findTimestampColumn(place);
    this.#valueColumns = this.#findValueColumns(place);
    this.#refuseSample(bytes, place);
    for (const column of this.#valueColumns) {
      const name = names[column]!;
      checkChannel(NAME, name, place.offset, `column ${column + 1}`);
      const index = this.builder.channelIndex(name);
      if (index !== this.#valueColumns.indexOf(column)) {
        this.#fail(place, place.offset, `Column "${name.slice(0, 60)}" stands twice`, name);
      }
    }
  }

  /** A file without a header would lose its first sample, and have its numbers for names. */
  #refuseSample(bytes: Uint8Array, place: RecordPlace): void {
    const [from, to] = [this.#starts[this.#timestampColumn]!, this.#ends[this.#timestampColumn]!];
    if (!readTimestamp(bytes, from, to, this.#options.precision ?? "ms", this.#parts)) return;
    const isNumber = (column: number) =>
      Number.isFinite(this.#readCell(bytes, this.#starts[column]!, this.#ends[column]!));
    if (!this.#valueColumns.every(isNumber)) return;
    const shown = quoteBytes(bytes, from, to);
    this.#fail(place, place.offset, `Begins with ${shown}, a sample, expected a header of names`);
  }

  #find(place: RecordPlace, name: string): number {
    const column = this.#names.indexOf(name);
    if (column < 0) {
      const message = `No column "${name.slice(0, 60)}"; there are ${showNames(this.#names)}`;
      this.#fail(place, place.offset, message, name);
    }
    return column;
  }

  #findTimestampColumn(place: RecordPlace): number {
    const wanted = this.#options.timestampColumn;
    if (wanted !== undefined) return this.#find(place, wanted);
    const lower = this.#names.map((name) => name.toLowerCase());
    for (const name of TIMESTAMP_NAMES) {
      const column = lower.indexOf(name);
      if (column >= 0) return column;
    }
    return 0;
  }

  #findValueColumns(place: RecordPlace): number[] {
    const wanted = this.#options.valueColumns;
    const columns = wanted !== undefined && wanted.length > 0
      ? wanted.map((name) => this.#find(place, name))
      : this.#names.map((_, column) => column)
        .filter((column) => column !== this.#timestampColumn && this.#names[column] !== "");
    if (columns.length === 0) {
      this.#fail(place, place.offset, "Header names no column of values beside the timestamps");
    }
    if (columns.length > CHANNEL_COUNT_MAX) {
      throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, columns.length, "columns");
    }
    return columns;
  }

  #readRow(bytes: Uint8Array, start: number, end: number, place: RecordPlace): void {
    this.#split(bytes, start, end);
    if (this.#cellCount !== this.#names.length) {
      const message = `Row has ${this.#cellCount} cells, the header has ${this.#names.length}`;
      this.#fail(place, place.offset, message);
    }
    const column = this.#timestampColumn;
    const from = this.#starts[column]!;
    const to = this.#ends[column]!;
    const precision = this.#options.precision ?? "ms";
    if (!readTimestamp(bytes, from, to, precision, this.#parts)) {
      const wanted = wantedTimestamp(bytes, from, to, precision);
      const message = `Timestamp is ${quoteBytes(bytes, from, to)}, expected ${wanted}`;
      this.#fail(place, place.offset + from - start, message, this.#names[column]);
    }
    this.builder.beginRow(this.#parts.seconds, this.#parts.nanos);
    const columns = this.#valueColumns;
    for (let i = 0; i < columns.length; i++) {
      const cellStart = this.#starts[columns[i]!]!;
      const cellEnd = this.#ends[columns[i]!]!;
      if (cellStart === cellEnd) continue;
      const value = this.#readCell(bytes, cellStart, cellEnd);
      if (!Number.isFinite(value)) {
        if (isMissingWord(bytes, cellStart, cellEnd)) continue;
        this.#refuseCell(bytes, columns[i]!, place, place.offset + cellStart - start);
      }
      if (this.#options.missing?.includes(value) !== true) this.builder.set(i, value);
    }
  }

  #refuseCell(bytes: Uint8Array, column: number, place: RecordPlace, offset: number): never {
    const [start, end] = [this.#starts[column]!, this.#ends[column]!];
    const name = this.#names[column]!;
    const isTime = this.#options.timestampColumn === undefined &&
      readTimestamp(bytes, start, end, this.#options.precision ?? "ms", this.#parts);
    const others = this.#options.valueColumns === undefined
      ? "; where columns are named, the others are not read"
      : "";
    const taken = this.#names[this.#timestampColumn]!;
    const remedy = isTime
      ? `; it is a time, and the times were taken from "${taken}": ` +
        "timestampColumn (--timestamp-column) says which column has them"
      : others;
    const message = `Column "${name}" is ${quoteBytes(bytes, start, end)}, expected a finite ` +
      `number, or an empty cell for a missing value${remedy}`;
    this.#fail(place, offset, message, name);
  }

  /** A cell's number; NaN where it is none. */
  #readCell(bytes: Uint8Array, start: number, end: number): number {
    const value = parseNumber(bytes, start, end);
    if (!Number.isNaN(value) || this.#delimiter !== SEMICOLON) return value;
    // A number with a dot and a comma has groups of digits, which no rule tells from decimals.
    const cell = bytes.slice(start, end);
    const comma = cell.indexOf(COMMA);
    if (comma < 0 || cell.includes(DOT)) return value;
    cell[comma] = DOT;
    return parseNumber(cell, 0, cell.length);
  }
}

function isMissingWord(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > MISSING_BYTES_MAX) return false;
  return MISSING_WORDS.has(String.fromCharCode(...bytes.subarray(start, end)).toLowerCase());
}

function countByte(bytes: Uint8Array, start: number, end: number, wanted: number): number {
  let count = 0;
  let inQuotes = false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === QUOTE) inQuotes = !inQuotes;
    else if (bytes[at] === wanted && !inQuotes) count++;
  }
  return count;
}

/**
 * Delimited text of one stream (RFC 4180, also with `;` or tabs): a header, then a row a sample.
 *
 * The timestamps stand in the column that the options name, else in one called timestamp, time,
 * _time, datetime, date or ts, else in the first. They are ISO 8601 or counts of the option's
 * precision (default ms). An empty cell, and NA, N/A, NaN, null or None in any case, is a missing
 * value, and so is each of the option's missing values; every other cell must be a finite number,
 * between `;` also with a decimal comma (`1,5`). A first line that is a sample is refused.
 * Columns that are not asked for, and those without a name, are skipped unread.
 */
export const csv: Protocol = {
  name: NAME,
  mediaTypes: ["text/csv", "text/tab-separated-values"],
  fileEndings: ["csv", "tsv"],
  cut: "header",
  precision: "ms",
  open(options) {
    const reader = new CsvReader(options);
    const splitter = new RecordSplitter("csv", reader.onRecord);
    return {
      push: (bytes) => splitter.push(bytes),
      finish() {
        splitter.finish(NAME);
        if (!reader.hasHeader) throw new ProtocolError(NAME, 0, "Body has no header");
        if (reader.builder.length === 0) throw new ProtocolError(NAME, 0, "Body has no sample");
        return { segments: [reader.builder.build()], ignoredCount: 0 };
      },
    };
  },
};
