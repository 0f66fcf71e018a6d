import type { Segment } from "../../signal/segment.ts";
import { lowerBound } from "./rows.ts";

/** Where a chunk of a log begins, and the times that it spans. */
export interface ChunkSpan {
  readonly start: bigint;
  readonly first_ns: bigint;
  readonly last_ns: bigint;
}

/** Reads chunks of one stream for {@linkcode StoredRows}. */
export interface ChunkSource {
  /** The stream's channels. */
  readonly channels: readonly string[];
  /** The first in-order chunk that ends at or after a time. */
  nextInOrder(timestampNs: bigint): ChunkSpan | undefined;
  /** Late chunks that end at or after a time, by their first one. */
  lateFrom(timestampNs: bigint): readonly ChunkSpan[];
  loadInOrder(start: number): Segment;
  loadLate(start: number): Segment;
}

/** A decoded chunk, and the row at which the next look-up begins. */
interface OpenChunk {
  readonly segment: Segment;
  readonly lastNs: bigint;
  /** Index of each of its channels in the stream's list. */
  readonly places: readonly number[];
  at: number;
}

/**
 * Looks up what is stored under ascending timestamps: a walk along both logs, which finds and
 * decodes each chunk once, however many rows of it are asked for.
 */
export class StoredRows {
  readonly #source: ChunkSource;
  /** Overwritten by each look-up. */
  readonly #row: Float64Array;
  readonly #places: ReadonlyMap<string, number>;
  #inOrder: OpenChunk | null = null;
  /** Late chunks from the first timestamp on; null before it. */
  #lateSpans: readonly ChunkSpan[] | null = null;
  #lateReached = 0;
  #late: OpenChunk[] = [];

  constructor(source: ChunkSource) {
    this.#source = source;
    this.#row = new Float64Array(source.channels.length);
    this.#places = new Map(source.channels.map((name, index) => [name, index]));
  }

  /**
   * The values stored under one timestamp by stream channel, both logs laid over each other; null
   * where nothing is stored. Good until the next look-up.
   *
   * @param timestampNs  not before that of the last look-up
   */
  find(timestampNs: bigint): Float64Array | null {
    this.#row.fill(NaN);
    let isFound = false;
    if (this.#inOrder === null || this.#inOrder.lastNs < timestampNs) {
      const span = this.#source.nextInOrder(timestampNs);
      this.#inOrder = span === undefined
        ? null
        : this.#open(span, this.#source.loadInOrder(Number(span.start)));
    }
    if (this.#inOrder !== null) isFound = this.#lay(this.#inOrder, timestampNs);
    this.#reachLate(timestampNs);
    for (const chunk of this.#late) if (this.#lay(chunk, timestampNs)) isFound = true;
    return isFound ? this.#row : null;
  }

  /** Opens the late chunks that begin by now and lets go of those that have ended. */
  #reachLate(timestampNs: bigint): void {
    const spans = this.#lateSpans ??= this.#source.lateFrom(timestampNs);
    if (this.#late.some(({ lastNs }) => lastNs < timestampNs)) {
      this.#late = this.#late.filter(({ lastNs }) => lastNs >= timestampNs);
    }
    for (; this.#lateReached < spans.length; this.#lateReached++) {
      const span = spans[this.#lateReached]!;
      if (span.first_ns > timestampNs) return;
      if (span.last_ns < timestampNs) continue;
      this.#late.push(this.#open(span, this.#source.loadLate(Number(span.start))));
    }
  }

  #open(span: ChunkSpan, segment: Segment): OpenChunk {
    const places = segment.channels.map((name) => this.#places.get(name)!);
    return { segment, lastNs: span.last_ns, places, at: 0 };
  }

  /** Lays a chunk's values under the timestamp over the row. */
  #lay(chunk: OpenChunk, timestampNs: bigint): boolean {
    const { timestampsNs, values } = chunk.segment;
    const { places } = chunk;
    let { at } = chunk;
    // Rows that are sent again stand one behind the other here, too: no search is needed then.
    if (at < timestampsNs.length && timestampsNs[at]! < timestampNs) {
      at = lowerBound(timestampsNs, timestampNs);
    }
    const from = at;
    for (; at < timestampsNs.length && timestampsNs[at] === timestampNs; at++) {
      for (let c = 0; c < places.length; c++) {
        const value = values[c]![at]!;
        if (!Number.isNaN(value)) this.#row[places[c]!] = value;
      }
    }
    chunk.at = at;
    return at > from;
  }
}
