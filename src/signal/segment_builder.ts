import { LimitError } from "../base/errors.ts";
import {
  BODY_CHANNELS_MAX,
  BODY_STREAMS_MAX,
  BODY_VALUES_MAX,
  CHANNEL_COUNT_MAX,
  type Segment,
  SEGMENT_SAMPLES_MAX,
} from "./segment.ts";
import { writeTimestamp } from "./timestamp.ts";

const CAPACITY_MIN = 8;

/** Where a timestamp is written to be compared; one for all, since a body may have many streams. */
const probe = new Int32Array(2);

/** Counts the values and channels that all streams of one body hold, against the body's limits. */
export class ValueBudget {
  #used = 0;
  #channels = 0;

  /** @throws {LimitError} the body holds too many channels */
  addChannel(): void {
    this.#channels++;
    if (this.#channels > BODY_CHANNELS_MAX) {
      throw new LimitError("BODY_CHANNELS_MAX", BODY_CHANNELS_MAX, this.#channels, "channels");
    }
  }

  /** @throws {LimitError} the body holds too many values */
  add(count: number): void {
    this.#used += count;
    if (this.#used > BODY_VALUES_MAX) {
      throw new LimitError("BODY_VALUES_MAX", BODY_VALUES_MAX, this.#used);
    }
  }
}

/** Collects the samples of one stream row by row; channels appear when first set. */
export class SegmentBuilder {
  readonly streamId: string;
  readonly #budget: ValueBudget;
  readonly #channels: string[] = [];
  readonly #indexByName = new Map<string, number>();
  #columns: Float64Array[] = [];
  #timestamps = new BigInt64Array(CAPACITY_MIN);
  #words = new Int32Array(this.#timestamps.buffer);
  #length = 0;

  constructor(streamId: string, budget: ValueBudget) {
    this.streamId = streamId;
    this.#budget = budget;
  }

  /** Rows begun so far. */
  get length(): number {
    return this.#length;
  }

  /** @throws {LimitError} more samples or values than a body may hold */
  beginRow(seconds: number, nanos: number): void {
    const row = this.#length;
    if (row >= SEGMENT_SAMPLES_MAX) {
      throw new LimitError("SEGMENT_SAMPLES_MAX", SEGMENT_SAMPLES_MAX, row + 1, "timestamps");
    }
    this.#budget.add(this.#columns.length);
    if (row === this.#timestamps.length) this.#grow();
    writeTimestamp(this.#words, row, seconds, nanos);
    this.#length = row + 1;
  }

  /** True when the channel has been set before. */
  hasChannel(name: string): boolean {
    return this.#indexByName.has(name);
  }

  /** Index of a channel, created when it is new. @throws {LimitError} too many channels */
  channelIndex(name: string): number {
    const known = this.#indexByName.get(name);
    if (known !== undefined) return known;
    const index = this.#channels.length;
    if (index >= CHANNEL_COUNT_MAX) {
      throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, index + 1, "channels");
    }
    this.#budget.addChannel();
    this.#budget.add(this.#length);
    this.#channels.push(name);
    this.#indexByName.set(name, index);
    this.#columns.push(new Float64Array(this.#timestamps.length).fill(NaN));
    return index;
  }

  /** Sets a channel of the last row begun. */
  set(channel: number, value: number): void {
    this.#columns[channel]![this.#length - 1] = value;
  }

  /** True when the last row has this timestamp and no value in any of `channels` yet. */
  canMerge(seconds: number, nanos: number, channels: readonly number[]): boolean {
    const last = this.#length - 1;
    if (last < 0) return false;
    writeTimestamp(probe, 0, seconds, nanos);
    const isSameTime = this.#words[2 * last] === probe[0] &&
      this.#words[2 * last + 1] === probe[1];
    if (!isSameTime) return false;
    for (const channel of channels) {
      if (!Number.isNaN(this.#columns[channel]![last]!)) return false;
    }
    return true;
  }

  /** The rows so far as a segment of its own memory. */
  build(): Segment {
    return {
      streamId: this.streamId,
      channels: [...this.#channels],
      timestampsNs: this.#timestamps.slice(0, this.#length),
      values: this.#columns.map((column) => column.slice(0, this.#length)),
    };
  }

  #grow(): void {
    const capacity = this.#timestamps.length * 2;
    const timestamps = new BigInt64Array(capacity);
    timestamps.set(this.#timestamps);
    this.#timestamps = timestamps;
    this.#words = new Int32Array(timestamps.buffer);
    this.#columns = this.#columns.map((column) => {
      const grown = new Float64Array(capacity).fill(NaN, column.length);
      grown.set(column);
      return grown;
    });
  }
}

/** Builders of all streams of one body, in the order of first sight. */
export class BodyBuilder {
  readonly #budget = new ValueBudget();
  readonly #streams = new Map<string, SegmentBuilder>();

  /** The builder of a stream. @throws {LimitError} too many streams */
  stream(streamId: string): SegmentBuilder {
    const known = this.#streams.get(streamId);
    if (known !== undefined) return known;
    if (this.#streams.size >= BODY_STREAMS_MAX) {
      throw new LimitError("BODY_STREAMS_MAX", BODY_STREAMS_MAX, this.#streams.size + 1, "stream");
    }
    const builder = new SegmentBuilder(streamId, this.#budget);
    this.#streams.set(streamId, builder);
    return builder;
  }

  /** Segments of the streams that have a row. */
  build(): Segment[] {
    const segments: Segment[] = [];
    for (const builder of this.#streams.values()) {
      if (builder.length > 0) segments.push(builder.build());
    }
    return segments;
  }
}
