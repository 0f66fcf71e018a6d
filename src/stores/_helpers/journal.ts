import type { DatabaseSync, StatementSync } from "node:sqlite";
import { crc32c } from "../../base/hash.ts";
import { concatSegments, type Segment, sliceSegment } from "../../signal/segment.ts";
import { CorruptChunkError } from "../store.ts";
import { clipSegment } from "./rows.ts";
import type { StreamHead } from "./stream_table.ts";

/**
 * Samples that are durable but not packed yet. A transaction writes all that is plainly new as one
 * row here, whatever streams it belongs to; after many transactions each stream gets its samples as
 * one piece, and the rows go. That costs a tenth of a row, an index entry and a stream's row a
 * request, and leaves full chunks instead of many small ones.
 *
 *   header   version u32, pieces u32
 *   piece    stream's key f64, in-order samples before it f64, length u32, channels u32
 *            channel indices u32 × channels, padding to 8 bytes
 *            timestamps i64 × length, values f64 × length × channels
 *   trailer  CRC-32C of all before, u32
 *
 * Little-endian. A piece knows where it belongs, so that reading one again that has been packed
 * meanwhile changes nothing.
 */

/** Pieces that wait at most; then all are packed. */
export const JOURNAL_PIECES_MAX = 1_024;
/** Values, timestamps included, that wait at most (8 bytes each). */
export const JOURNAL_VALUES_MAX = 262_144;
/** Values of one piece at most, timestamps included: a larger one is a good chunk by itself. */
export const JOURNAL_PIECE_VALUES_MAX = 16_384;

const VERSION = 1;
const HEADER_BYTES = 8;
const PIECE_HEADER_BYTES = 24;
const TRAILER_BYTES = 4;

/** Samples of one stream that stand behind its `start` first ones. */
interface Piece {
  readonly key: number;
  readonly start: number;
  readonly channels: Uint32Array;
  readonly timestampsNs: BigInt64Array;
  readonly values: readonly Float64Array[];
}

/** What waits of one stream; its head counts it already. */
interface Waiting {
  readonly head: StreamHead;
  readonly segments: Segment[];
  samples: number;
}

/** Values of a segment, timestamps included. */
export function journalValues(segment: Segment): number {
  return segment.timestampsNs.length * (segment.channels.length + 1);
}

/** The table of rows that wait to be packed, and their content in memory. */
export class Journal {
  readonly #insert: StatementSync;
  readonly #all: StatementSync;
  readonly #clear: StatementSync;
  readonly #waiting = new Map<string, Waiting>();
  /** Of the transaction that runs. */
  #written: Piece[] = [];
  /** What the table would hold with them. */
  #pieces = 0;
  #values = 0;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare("INSERT INTO journal (bytes) VALUES (?)");
    this.#all = database.prepare("SELECT sequence, bytes FROM journal ORDER BY sequence");
    this.#clear = database.prepare("DELETE FROM journal");
  }

  /** Samples that wait, over all streams. */
  get samples(): number {
    let sum = 0;
    for (const { samples } of this.#waiting.values()) sum += samples;
    return sum;
  }

  get isFull(): boolean {
    return this.#pieces > JOURNAL_PIECES_MAX || this.#values > JOURNAL_VALUES_MAX;
  }

  /** The head of a stream of which something waits: newer than its row. */
  headOf(id: string): StreamHead | undefined {
    return this.#waiting.get(id)?.head;
  }

  /** In-order samples of a stream that are packed: what waits stands behind them. */
  packedCount(head: StreamHead): number {
    return head.inOrder.count - (this.#waiting.get(head.id)?.samples ?? 0);
  }

  /** What waits of a stream from one in-order offset up to another, as views. */
  readFrom(head: StreamHead, offset: number, end: number): Segment[] {
    const pieces: Segment[] = [];
    let start = this.packedCount(head);
    for (const segment of this.#waiting.get(head.id)?.segments ?? []) {
      if (start >= end) break;
      const next = start + segment.timestampsNs.length;
      if (next > offset) {
        pieces.push(sliceSegment(segment, Math.max(0, offset - start), end - start));
      }
      start = next;
    }
    return pieces;
  }

  /** What waits of a stream with fromNs <= t <= toNs, as views. */
  readBetween(head: StreamHead, fromNs: bigint, toNs: bigint): Segment[] {
    const segments = this.#waiting.get(head.id)?.segments ?? [];
    return segments.map((segment) => clipSegment(segment, fromNs, toNs))
      .filter(({ timestampsNs }) => timestampsNs.length > 0);
  }

  /** Takes samples newer than all before, of channels that the stream has; moves its head on. */
  add(head: StreamHead, segment: Segment): void {
    const { timestampsNs, values } = segment;
    const channels = Uint32Array.from(
      segment.channels,
      (name, i) => head.channels[i] === name ? i : head.channels.indexOf(name),
    );
    this.#written.push({
      key: head.key,
      start: head.inOrder.count,
      channels,
      timestampsNs,
      values,
    });
    this.#await(head, segment);
  }

  #await(head: StreamHead, segment: Segment): void {
    let waiting = this.#waiting.get(head.id);
    if (waiting === undefined) {
      waiting = { head, segments: [], samples: 0 };
      this.#waiting.set(head.id, waiting);
    }
    const length = segment.timestampsNs.length;
    waiting.segments.push(segment);
    waiting.samples += length;
    head.inOrder.count += length;
    head.firstNs ??= segment.timestampsNs[0]!;
    head.lastNs = segment.timestampsNs[length - 1]!;
    this.#pieces++;
    this.#values += journalValues(segment);
  }

  /** Writes what the transaction has added, as one row. */
  write(): void {
    if (this.#written.length > 0) this.#insert.run(encodePieces(this.#written));
    this.#written = [];
  }

  /**
   * Takes out what waits of a stream: its head is then as its row is. The rows here stay, and
   * what they say of the stream is passed over from now on.
   */
  take(id: string): { head: StreamHead; segment: Segment } | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    const { head, segments, samples } = waiting;
    this.#waiting.delete(id);
    head.inOrder.count -= samples;
    return { head, segment: segments.length === 1 ? segments[0]! : concatSegments(segments) };
  }

  /** Streams of which something waits. */
  get ids(): string[] {
    return [...this.#waiting.keys()];
  }

  /** Drops the rows, once nothing of them waits. */
  clear(): void {
    this.#clear.run();
    this.#written = [];
    this.#pieces = 0;
    this.#values = 0;
  }

  /**
   * Begins again from the table: after the start, and after a transaction was undone.
   *
   * @param headOf  the row of a stream's key; null once it was deleted
   * @throws {CorruptChunkError} a row is damaged, or something between two rows is missing
   */
  read(headOf: (key: number) => StreamHead | null): void {
    this.#waiting.clear();
    this.#written = [];
    this.#pieces = 0;
    this.#values = 0;
    const rows = this.#all.all() as unknown as { sequence: number; bytes: Uint8Array }[];
    for (const { sequence, bytes } of rows) {
      const place = `journal/${sequence}`;
      for (const piece of decodePieces(bytes, place)) {
        const head = headOf(piece.key);
        if (head === null || piece.start < head.inOrder.count) continue;
        if (piece.start > head.inOrder.count) {
          throw new CorruptChunkError(place, `what comes before it of "${head.id}" is missing`);
        }
        this.#await(head, {
          streamId: head.id,
          channels: Array.from(piece.channels, (index) => head.channels[index]!),
          timestampsNs: piece.timestampsNs,
          values: piece.values,
        });
      }
    }
  }
}

function pieceBytes(channels: number, length: number): number {
  const head = PIECE_HEADER_BYTES + 4 * channels;
  return head + head % 8 + 8 * length * (channels + 1);
}

function encodePieces(pieces: readonly Piece[]): Uint8Array {
  let length = HEADER_BYTES + TRAILER_BYTES;
  for (const { channels, timestampsNs } of pieces) {
    length += pieceBytes(channels.length, timestampsNs.length);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  view.setUint32(4, pieces.length, true);
  let at = HEADER_BYTES;
  for (const { key, start, channels, timestampsNs, values } of pieces) {
    const count = timestampsNs.length;
    view.setFloat64(at, key, true);
    view.setFloat64(at + 8, start, true);
    view.setUint32(at + 16, count, true);
    view.setUint32(at + 20, channels.length, true);
    const end = at + pieceBytes(channels.length, count);
    at += PIECE_HEADER_BYTES;
    for (let i = 0; i < channels.length; i++) view.setUint32(at + 4 * i, channels[i]!, true);
    at += 4 * channels.length;
    at += at % 8;
    new BigInt64Array(bytes.buffer, at, count).set(timestampsNs);
    at += 8 * count;
    for (const column of values) {
      new Float64Array(bytes.buffer, at, count).set(column);
      at += 8 * count;
    }
    at = end;
  }
  view.setUint32(at, crc32c(bytes.subarray(0, at)), true);
  return bytes;
}

/** @throws {CorruptChunkError} the bytes are not what was written */
function decodePieces(stored: Uint8Array, place: string): Piece[] {
  // A copy begins at a whole eighth byte, as views of eight bytes need it.
  const bytes = stored.slice();
  const end = bytes.length - TRAILER_BYTES;
  const view = new DataView(bytes.buffer);
  if (end < HEADER_BYTES || crc32c(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    throw new CorruptChunkError(place, "its checksum differs");
  }
  const version = view.getUint32(0, true);
  if (version !== VERSION) throw new CorruptChunkError(place, `its version is ${version}`);
  const count = view.getUint32(4, true);
  let at = HEADER_BYTES;
  return Array.from({ length: count }, () => {
    const key = view.getFloat64(at, true);
    const start = view.getFloat64(at + 8, true);
    const length = view.getUint32(at + 16, true);
    const width = view.getUint32(at + 20, true);
    const next = at + pieceBytes(width, length);
    at += PIECE_HEADER_BYTES;
    const channels = new Uint32Array(bytes.buffer, at, width).slice();
    at += 4 * width;
    at += at % 8;
    const timestampsNs = new BigInt64Array(bytes.buffer, at, length).slice();
    at += 8 * length;
    const values = Array.from(
      { length: width },
      (_, c) => new Float64Array(bytes.buffer, at + 8 * length * c, length).slice(),
    );
    at = next;
    return { key, start, channels, timestampsNs, values };
  });
}
