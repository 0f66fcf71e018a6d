import { formatTimestamp } from "../signal/timestamp.ts";
import type { Applied } from "../streams/engine.ts";
import { numberShape, type SampleShape } from "./shapes.ts";

/** Last absorbed samples of each stream whose predictions are remembered. */
export const RECENT_SAMPLES = 512;

/** Bytes of them over all streams; the streams longest without a sample are forgotten first. */
export const RECENT_BYTES_MAX = 64 * 1024 * 1024;

/** One channel's ring; missing is NaN.                                       [RECENT_SAMPLES] */
interface Column {
  readonly values: Float64Array;
  readonly expected: Float64Array;
  readonly scale: Float64Array;
}

const BYTES_PER_COLUMN = 3 * 8 * RECENT_SAMPLES;
const BYTES_PER_RING = 2 * 8 * RECENT_SAMPLES;

/** The last samples of one stream, written round and round. */
class Ring {
  readonly #timestampsNs = new BigInt64Array(RECENT_SAMPLES);
  readonly #score = new Float64Array(RECENT_SAMPLES);
  readonly #columns = new Map<string, Column>();
  #count = 0;

  get bytes(): number {
    return BYTES_PER_RING + this.#columns.size * BYTES_PER_COLUMN;
  }

  #column(name: string): Column {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const empty = () => new Float64Array(RECENT_SAMPLES).fill(NaN);
      column = { values: empty(), expected: empty(), scale: empty() };
      this.#columns.set(name, column);
    }
    return column;
  }

  add({ segment, expected, scale, score }: Applied): void {
    const { channels, timestampsNs } = segment;
    const columns = channels.map((name) => this.#column(name));
    const given = new Set(columns);
    const absent = given.size === this.#columns.size
      ? []
      : [...this.#columns.values()].filter((column) => !given.has(column));
    const length = timestampsNs.length;
    for (let row = Math.max(0, length - RECENT_SAMPLES); row < length;) {
      const at = this.#count % RECENT_SAMPLES;
      // Up to the end of the samples or of the ring, whichever comes first.
      const end = Math.min(length, row + RECENT_SAMPLES - at);
      this.#timestampsNs.set(timestampsNs.subarray(row, end), at);
      this.#score.set(score.subarray(row, end), at);
      columns.forEach((column, i) => {
        column.values.set(segment.values[i]!.subarray(row, end), at);
        column.expected.set(expected[i]!.subarray(row, end), at);
        column.scale.set(scale[i]!.subarray(row, end), at);
      });
      for (const { values, expected, scale } of absent) {
        for (const array of [values, expected, scale]) array.fill(NaN, at, at + end - row);
      }
      this.#count += end - row;
      row = end;
    }
  }

  read(limit: number): SampleShape[] {
    const length = Math.min(limit, this.#count, RECENT_SAMPLES);
    return Array.from({ length }, (_, i) => {
      const at = (this.#count - length + i) % RECENT_SAMPLES;
      const pick = (field: keyof Column) =>
        Object.fromEntries(
          [...this.#columns].map(([name, column]) => [name, numberShape(column[field][at]!)]),
        );
      return {
        timestamp: formatTimestamp(this.#timestampsNs[at]!),
        values: pick("values"),
        expected: pick("expected"),
        scale: pick("scale"),
        score: numberShape(this.#score[at]!),
      };
    });
  }
}

/**
 * What was predicted before each of the last samples of every stream was seen. Lives in memory: a
 * restarted service begins anew with the next sample.
 */
export class RecentPredictions {
  /** In the order of their last samples, so that the first is the one to forget. */
  readonly #rings = new Map<string, Ring>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = RECENT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held at present. */
  get bytes(): number {
    return this.#bytes;
  }

  add(applied: Applied): void {
    const { streamId } = applied.segment;
    const ring = this.#rings.get(streamId) ?? new Ring();
    if (this.#rings.delete(streamId)) this.#bytes -= ring.bytes;
    ring.add(applied);
    this.#rings.set(streamId, ring);
    this.#bytes += ring.bytes;
    for (const [id] of this.#rings) {
      if (this.#bytes <= this.#bytesMax) break;
      this.forget(id);
    }
  }

  /** The last samples of a stream, oldest first; none where nothing is remembered. */
  read(streamId: string, limit: number): SampleShape[] {
    return this.#rings.get(streamId)?.read(limit) ?? [];
  }

  forget(streamId: string): void {
    const ring = this.#rings.get(streamId);
    if (ring === undefined) return;
    this.#bytes -= ring.bytes;
    this.#rings.delete(streamId);
  }
}
