import { LimitError, ProtocolError } from "../base/errors.ts";
import { BodyBuilder, ValueBudget } from "../signal/segment_builder.ts";
import {
  BODY_STREAMS_MAX,
  CHANNEL_COUNT_MAX,
  DEFAULT_CHANNEL,
  type Segment,
  SEGMENT_SAMPLES_MAX,
} from "../signal/segment.ts";
import { type TimestampParts, writeTimestamp } from "../signal/timestamp.ts";
import { BufferedDecoder } from "./_helpers/buffered_decoder.ts";
import { JsonReader } from "./_helpers/json_reader.ts";
import { JsonRowReader } from "./_helpers/json_row.ts";
import { readPlainColumns } from "./_helpers/plain_columns.ts";
import { checkChannel, checkStreamId, NameCache, skipByteOrderMark } from "./_helpers/text.ts";
import type { Decoded, DecodeOptions, Protocol } from "./protocol.ts";

const NAME = "json";

/** Columns as they stand in the body, before their lengths are known to agree. */
interface Columns {
  id: string | undefined;
  seconds: number[];
  nanos: number[];
  names: string[];
  values: number[][];
}

/** Reads the column form, for one stream or for an item of `streams`. */
class ColumnsReader {
  readonly #reader: JsonReader;
  readonly #options: DecodeOptions;
  readonly #budget = new ValueBudget();
  readonly #parts: TimestampParts = { seconds: 0, nanos: 0 };
  readonly segments: Segment[] = [];

  constructor(reader: JsonReader, options: DecodeOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  /** Reads a body's object: columns of one stream, or `{"streams": [...]}`. */
  readBody(): void {
    const reader: JsonReader = this.#reader;
    let isBulk = false;
    const columns = this.#readColumns((key) => {
      if (key !== "streams") return false;
      isBulk = true;
      reader.readArray((index) => {
        if (index >= BODY_STREAMS_MAX) {
          throw new LimitError("BODY_STREAMS_MAX", BODY_STREAMS_MAX, index + 1, "streams");
        }
        this.#finish(this.#readColumns(() => false), undefined);
      });
      return true;
    });
    const isEmpty = columns.seconds.length === 0 && columns.names.length === 0;
    if (!isBulk) this.#finish(columns, this.#options.streamId);
    else if (!isEmpty || columns.id !== undefined) reader.fail('has "streams" beside columns');
  }

  #readColumns(readOther: (key: string) => boolean): Columns {
    const reader: JsonReader = this.#reader;
    const columns: Columns = { id: undefined, seconds: [], nanos: [], names: [], values: [] };
    reader.readObject((key) => {
      if (key === "timestamps") {
        this.#readTimestamps(columns);
      } else if (key === "values") {
        this.#readColumn(columns, DEFAULT_CHANNEL);
      } else if (key === "channels") {
        reader.readObject((channel) => this.#readColumn(columns, channel));
      } else if (key === "id") {
        const offset = reader.offset;
        columns.id = reader.readString();
        checkStreamId(NAME, columns.id, offset, reader.path);
      } else if (!readOther(key)) {
        reader.fail("is unknown; a body has timestamps, values or channels, or streams");
      }
    });
    return columns;
  }

  #readTimestamps(columns: Columns): void {
    const precision = this.#options.precision ?? "ms";
    this.#reader.readArray((index) => {
      this.#checkLength(index);
      this.#reader.readTimestamp(precision, this.#parts);
      columns.seconds.push(this.#parts.seconds);
      columns.nanos.push(this.#parts.nanos);
    });
  }

  #readColumn(columns: Columns, channel: string): void {
    const reader: JsonReader = this.#reader;
    checkChannel(NAME, channel, reader.offset, reader.path);
    if (columns.names.length >= CHANNEL_COUNT_MAX) {
      const count = columns.names.length + 1;
      throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, count, reader.path);
    }
    if (columns.names.includes(channel)) reader.fail(`gives the channel "${channel}" twice`);
    this.#budget.addChannel();
    const values: number[] = [];
    reader.readArray((index) => {
      this.#checkLength(index);
      this.#budget.add(1);
      values.push(reader.readNumberOrNull());
    });
    columns.names.push(channel);
    columns.values.push(values);
  }

  #checkLength(index: number): void {
    if (index < SEGMENT_SAMPLES_MAX) return;
    const path = this.#reader.path;
    throw new LimitError("SEGMENT_SAMPLES_MAX", SEGMENT_SAMPLES_MAX, index + 1, path);
  }

  #finish(columns: Columns, defaultStreamId: string | undefined): void {
    const reader: JsonReader = this.#reader;
    const length = columns.seconds.length;
    if (length === 0) reader.fail('lacks "timestamps", or they are empty');
    if (columns.names.length === 0) reader.fail('lacks "values" or "channels"');
    for (const [channel, values] of columns.values.entries()) {
      if (values.length === length) continue;
      const name = columns.names[channel]!;
      reader.fail(`has ${values.length} values of "${name}" for ${length} timestamps`);
    }
    const streamId = columns.id ?? defaultStreamId;
    if (streamId === undefined) reader.fail('lacks "id", the name of the stream');
    const timestampsNs = new BigInt64Array(length);
    const words = new Int32Array(timestampsNs.buffer);
    for (let i = 0; i < length; i++) {
      writeTimestamp(words, i, columns.seconds[i]!, columns.nanos[i]!);
    }
    const values = columns.values.map((column) => Float64Array.from(column));
    this.segments.push({ streamId, channels: columns.names, timestampsNs, values });
  }
}

function decode(bytes: Uint8Array, options: DecodeOptions): Decoded {
  if (options.streamId !== undefined) {
    const plain = readPlainColumns(bytes, options.streamId, options.precision ?? "ms");
    if (plain !== null) return { segments: [plain], ignoredCount: 0 };
  }
  const reader = new JsonReader(new NameCache(NAME), bytes, {
    start: skipByteOrderMark(bytes, 0, bytes.length),
    end: bytes.length,
    base: 0,
    where: "",
  });
  let segments: readonly Segment[];
  if (reader.isArray) {
    const body = new BodyBuilder();
    const rows = new JsonRowReader(NAME, body, options);
    reader.readArray(() => rows.read(reader));
    segments = body.build();
  } else {
    const columns = new ColumnsReader(reader, options);
    columns.readBody();
    segments = columns.segments;
  }
  reader.expectEnd();
  if (segments.length === 0) throw new ProtocolError(NAME, 0, "Body has no sample");
  return { segments, ignoredCount: 0 };
}

/**
 * JSON as columns or rows, for one stream or many:
 *
 *   {"timestamps": [...], "values": [...]}
 *   {"timestamps": [...], "channels": {"a": [...], "b": [...]}}
 *   [{"timestamp": ..., "value": ...}, {"timestamp": ..., "channels": {"a": 1, "b": null}}]
 *   {"streams": [{"id": "...", "timestamps": [...], "values": [...]}]}
 *   [{"stream": "...", "timestamp": ..., "value": ...}]
 *
 * `null` is a missing value. Integer timestamps have the option's precision, default ms, and stay
 * exact at any length. Numbers beyond a double and unknown keys are refused.
 */
export const json: Protocol = {
  name: NAME,
  mediaTypes: ["application/json"],
  fileEndings: ["json"],
  cut: "whole",
  precision: "ms",
  open: (options) => new BufferedDecoder((bytes) => decode(bytes, options)),
};
