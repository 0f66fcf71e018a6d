import { LimitError } from "../../base/errors.ts";
import type { BodyBuilder } from "../../signal/segment_builder.ts";
import { CHANNEL_COUNT_MAX, DEFAULT_CHANNEL, isChannelName } from "../../signal/segment.ts";
import type { TimestampParts } from "../../signal/timestamp.ts";
import type { DecodeOptions } from "../protocol.ts";
import { checkChannel, checkStreamId } from "./text.ts";
import type { JsonReader } from "./json_reader.ts";

/** One sample as a JSON object, read into scratch memory and then added to its stream. */
export class JsonRowReader {
  readonly #protocol: string;
  readonly #body: BodyBuilder;
  readonly #options: DecodeOptions;
  readonly #parts: TimestampParts = { seconds: 0, nanos: 0 };
  #names: string[] = [];
  #values: number[] = [];

  constructor(protocol: string, body: BodyBuilder, options: DecodeOptions) {
    this.#protocol = protocol;
    this.#body = body;
    this.#options = options;
  }

  /**
   * Reads `{"stream"?, "timestamp", "value" | "values" | "channels"}`; `values` and `channels` are
   * objects of numbers by channel.
   */
  read(reader: JsonReader): void {
    this.#names = [];
    this.#values = [];
    const offset = reader.offset;
    let streamId: string | undefined;
    let hasTimestamp = false;
    reader.readObject((key) => {
      if (key === "timestamp") {
        reader.readTimestamp(this.#options.precision ?? "ms", this.#parts);
        hasTimestamp = true;
      } else if (key === "value") {
        this.#add(reader, DEFAULT_CHANNEL);
      } else if (key === "values" || key === "channels") {
        reader.readObject((channel) => this.#add(reader, channel));
      } else if (key === "stream") {
        streamId = reader.readString();
        checkStreamId(this.#protocol, streamId, offset, reader.path);
      } else {
        reader.fail("is unknown; a row has timestamp, value or channels, and stream");
      }
    });
    if (!hasTimestamp) reader.fail('lacks "timestamp"');
    if (this.#names.length === 0) reader.fail('lacks "value" or "channels"');
    this.#append(reader, streamId ?? this.#options.streamId);
  }

  #add(reader: JsonReader, channel: string): void {
    if (!isChannelName(channel)) {
      checkChannel(this.#protocol, channel, reader.offset, reader.path);
    }
    if (this.#names.includes(channel)) reader.fail(`gives the channel "${channel}" twice`);
    this.#names.push(channel);
    if (this.#names.length > CHANNEL_COUNT_MAX) {
      const count = this.#names.length;
      throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, count, reader.path);
    }
    this.#values.push(reader.readNumberOrNull());
  }

  #append(reader: JsonReader, streamId: string | undefined): void {
    if (streamId === undefined) reader.fail('lacks "stream"');
    const builder = this.#body.stream(streamId);
    builder.beginRow(this.#parts.seconds, this.#parts.nanos);
    for (let i = 0; i < this.#names.length; i++) {
      builder.set(builder.channelIndex(this.#names[i]!), this.#values[i]!);
    }
  }
}
