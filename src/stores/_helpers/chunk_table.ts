import type { DatabaseSync, StatementSync } from "node:sqlite";
import { fnv1a32 } from "../../base/hash.ts";
import { concatSegments, type Segment, sliceSegment, sortSegment } from "../../signal/segment.ts";
import { type Chunk, chunkSamplesMax, decodeChunk, encodeChunk } from "./chunk.ts";
import { LruMap } from "./lru.ts";
import { clipSegment } from "./rows.ts";
import { type ChunkSpan, StoredRows } from "./stored_rows.ts";
import type { LogPart, StreamHead } from "./stream_table.ts";

/** Which of a stream's two logs a chunk belongs to. */
export const enum LogKind {
  InOrder = 0,
  Late = 1,
}

/** Chunks of one log that may wait for compaction. */
export const TAIL_CHUNKS_MAX = 64;
/** Values of decoded chunks kept in memory at most (8 bytes each). */
export const CHUNK_CACHE_VALUES_MAX = 4_000_000;

interface ChunkRow {
  readonly start: bigint;
  readonly count: bigint;
  readonly bytes: Uint8Array;
}

interface ChunkPlace {
  readonly start: bigint;
}

/** The table of packed samples: appends, compaction, and reads by offset and by time. */
export class ChunkTable {
  readonly #decoded = new LruMap<string, Segment>(CHUNK_CACHE_VALUES_MAX);
  readonly #insert: StatementSync;
  readonly #one: StatementSync;
  readonly #from: StatementSync;
  readonly #next: StatementSync;
  readonly #reaching: StatementSync;
  readonly #overlapping: StatementSync;
  readonly #removeFrom: StatementSync;
  readonly #removeStream: StatementSync;

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    };
    this.#insert = prepare(
      "INSERT INTO chunk (stream, kind, start, count, first_ns, last_ns, bytes)" +
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#one = prepare(
      "SELECT start, count, bytes FROM chunk WHERE stream = ? AND kind = ? AND start = ?",
    );
    // The chunk that holds the offset is the last one that begins at or before it.
    this.#from = prepare(
      "SELECT start FROM chunk WHERE stream = ?1 AND kind = ?2 AND start >= coalesce((SELECT" +
        " max(start) FROM chunk WHERE stream = ?1 AND kind = ?2 AND start <= ?3), 0)" +
        " ORDER BY start",
    );
    this.#next = prepare(
      "SELECT start, first_ns, last_ns FROM chunk WHERE stream = ? AND kind = ? AND last_ns >= ?" +
        " ORDER BY last_ns LIMIT 1",
    );
    this.#reaching = prepare(
      "SELECT start, first_ns, last_ns FROM chunk WHERE stream = ? AND kind = ? AND last_ns >= ?" +
        " ORDER BY first_ns",
    );
    this.#overlapping = prepare(
      "SELECT start, first_ns FROM chunk WHERE stream = ? AND kind = ? AND last_ns >= ?" +
        " AND first_ns <= ? ORDER BY first_ns",
    );
    this.#removeFrom = prepare("DELETE FROM chunk WHERE stream = ? AND kind = ? AND start >= ?");
    this.#removeStream = prepare("DELETE FROM chunk WHERE stream = ?");
  }

  /** Appends sorted samples to one of the stream's logs and compacts its tail when it is long. */
  append(head: StreamHead, kind: LogKind, segment: Segment): void {
    const part = partOf(head, kind);
    this.#insertAll(head, kind, segment);
    // Streams that are written in step must not all be compacted in the same transaction.
    const patience = TAIL_CHUNKS_MAX - head.key % (TAIL_CHUNKS_MAX / 2);
    if (part.tailChunks > patience) this.#compact(head, kind);
  }

  #insertAll(head: StreamHead, kind: LogKind, segment: Segment): void {
    const part = partOf(head, kind);
    const size = chunkSamplesMax(Math.max(1, head.channels.length));
    const length = segment.timestampsNs.length;
    for (let start = 0; start < length; start += size) {
      const piece = length <= size ? segment : sliceSegment(segment, start, start + size);
      const count = piece.timestampsNs.length;
      this.#insertOne(head, kind, part.count, piece);
      part.count += count;
      // A full chunk behind nothing but full ones is final.
      if (count === size && part.tailChunks === 0) part.tail = part.count;
      else part.tailChunks++;
    }
  }

  #insertOne(head: StreamHead, kind: LogKind, start: number, piece: Segment): void {
    const { timestampsNs, values } = piece;
    const channels = Uint16Array.from(piece.channels, (name, i) => placeOf(head, name, i));
    const bytes = encodeChunk({ channels, timestampsNs, values }, identityOf(head, kind, start));
    const last = timestampsNs[timestampsNs.length - 1]!;
    const count = timestampsNs.length;
    this.#insert.run(head.key, kind, start, count, timestampsNs[0]!, last, bytes);
    this.#decoded.delete(cacheKey(head, kind, start));
  }

  /** Rewrites the tail as full chunks and at most one partial one. */
  #compact(head: StreamHead, kind: LogKind): void {
    const part = partOf(head, kind);
    const pieces = this.#startsFrom(head, kind, part.tail).map((start) =>
      this.#load(head, kind, start)
    );
    for (const start of this.#startsFrom(head, kind, part.tail)) {
      this.#decoded.delete(cacheKey(head, kind, start));
    }
    this.#removeFrom.run(head.key, kind, part.tail);
    part.count = part.tail;
    part.tailChunks = 0;
    // Late samples are sorted, so that their chunks overlap little; in-order ones are already.
    this.#insertAll(head, kind, sortSegment(concatSegments(pieces)));
  }

  #startsFrom(head: StreamHead, kind: LogKind, offset: number): number[] {
    const rows = this.#from.all(head.key, kind, offset) as unknown as ChunkPlace[];
    return rows.map((row) => Number(row.start));
  }

  #load(head: StreamHead, kind: LogKind, start: number): Segment {
    const key = cacheKey(head, kind, start);
    const cached = this.#decoded.get(key);
    if (cached !== undefined) return cached;
    const row = this.#one.get(head.key, kind, start) as unknown as ChunkRow;
    const place = `${head.id}/${kind === LogKind.InOrder ? "in order" : "late"}/${start}`;
    const chunk = decodeChunk(row.bytes, identityOf(head, kind, start), place);
    const segment = segmentOf(head, chunk);
    const weight = segment.timestampsNs.length * (segment.channels.length + 1);
    this.#decoded.set(key, segment, weight);
    return segment;
  }

  /** In-order samples from `offset` on, at most `limit`; null at the end. */
  readFrom(head: StreamHead, offset: number, limit: number): Segment | null {
    const end = Math.min(head.inOrder.count, offset + limit);
    if (offset >= end) return null;
    const pieces: Segment[] = [];
    const rows = this.#from.iterate(head.key, LogKind.InOrder, offset);
    for (const row of rows as unknown as Iterable<ChunkPlace>) {
      const start = Number(row.start);
      if (start >= end) break;
      const segment = this.#load(head, LogKind.InOrder, start);
      pieces.push(sliceSegment(segment, Math.max(0, offset - start), end - start));
    }
    return pieces.length === 1 ? pieces[0]! : concatSegments(pieces);
  }

  /** Pieces of one log that hold the oldest `limit` samples with fromNs <= t <= toNs. */
  readBetween(
    head: StreamHead,
    kind: LogKind,
    range: { fromNs: bigint; toNs: bigint; limit: number },
  ): Segment[] {
    const pieces: Segment[] = [];
    let count = 0;
    let reachedNs = range.fromNs;
    // Late rows of several channels may share a timestamp, and their chunks may overlap.
    const seen = kind === LogKind.Late ? new Set<bigint>() : null;
    const rows = this.#overlapping.iterate(head.key, kind, range.fromNs, range.toNs);
    for (const row of rows as unknown as Iterable<ChunkPlace & { first_ns: bigint }>) {
      if (count >= range.limit && row.first_ns > reachedNs) break;
      const segment = this.#load(head, kind, Number(row.start));
      const piece = clipSegment(segment, range.fromNs, range.toNs);
      pieces.push(piece);
      if (seen === null) count += piece.timestampsNs.length;
      else for (const timestampNs of piece.timestampsNs) count = seen.add(timestampNs).size;
      const lastNs = piece.timestampsNs.at(-1) ?? reachedNs;
      if (lastNs > reachedNs) reachedNs = lastNs;
    }
    return pieces;
  }

  /** A walk along what is stored of a stream; good until something is written. */
  storedRows(head: StreamHead): StoredRows {
    const spans = (statement: StatementSync, kind: LogKind, timestampNs: bigint) =>
      partOf(head, kind).count === 0
        ? []
        : statement.all(head.key, kind, timestampNs) as unknown as ChunkSpan[];
    return new StoredRows({
      channels: head.channels,
      nextInOrder: (timestampNs) => spans(this.#next, LogKind.InOrder, timestampNs)[0],
      lateFrom: (timestampNs) => spans(this.#reaching, LogKind.Late, timestampNs),
      loadInOrder: (start) => this.#load(head, LogKind.InOrder, start),
      loadLate: (start) => this.#load(head, LogKind.Late, start),
    });
  }

  removeStream(head: StreamHead): void {
    this.#removeStream.run(head.key);
    this.forget();
  }

  /** Forgets decoded chunks: after a rollback they may not be in the table. */
  forget(): void {
    this.#decoded.clear();
  }
}

/** Index of a channel in the stream's list; `hint` is where it stands when lists are equal. */
function placeOf(head: StreamHead, name: string, hint: number): number {
  return head.channels[hint] === name ? hint : head.channels.indexOf(name);
}

function partOf(head: StreamHead, kind: LogKind): LogPart {
  return kind === LogKind.InOrder ? head.inOrder : head.late;
}

function cacheKey(head: StreamHead, kind: LogKind, start: number): string {
  return `${head.key}/${kind}/${start}`;
}

function identityOf(head: StreamHead, kind: LogKind, start: number): number {
  return fnv1a32(cacheKey(head, kind, start));
}

function segmentOf(head: StreamHead, chunk: Chunk): Segment {
  return {
    streamId: head.id,
    channels: Array.from(chunk.channels, (index) => head.channels[index]!),
    timestampsNs: chunk.timestampsNs,
    values: chunk.values,
  };
}
