import { LimitError } from "../../base/errors.ts";
import { CHANNEL_COUNT_MAX, isStrictlyIncreasing, type Segment } from "../../signal/segment.ts";
import { type Conflict, CONFLICTS_NAMED_MAX } from "../store.ts";

/** What classification has to know of a stream. */
export interface LogHead {
  /** The stream's channels in the order of their first appearance. */
  readonly channels: readonly string[];
  /** Timestamp of the last in-order sample; null while there is none. */
  readonly lastInOrderNs: bigint | null;
}

/**
 * The values stored under one timestamp by stream channel, NaN is missing; null = none stored.
 * Timestamps are asked for in ascending order; an answer may be overwritten by the next one.
 */
export type StoredRow = (timestampNs: bigint) => Float64Array | null;

/** The outcome of a segment before anything is written. */
export interface AppendPlan {
  readonly accepted: number;
  readonly duplicates: number;
  readonly late: number;
  readonly rejected: number;
  readonly conflicts: readonly Conflict[];
  /** The stream's channels with the new ones of this segment. */
  readonly channels: readonly string[];
  /** Samples that advance the state; the segment itself when all of it does. */
  readonly inOrder: Segment | null;
  /** Samples stored behind the newest one: one row a timestamp, only the values that are new. */
  readonly lateRows: Segment | null;
}

/**
 * Sorts the rows of a segment into accepted, duplicate, late and rejected (see `AppendResult`).
 *
 * @param segment  sorted by time; may repeat timestamps
 * @throws {LimitError} the stream would get more than CHANNEL_COUNT_MAX channels
 */
export function classify(segment: Segment, head: LogHead, stored: StoredRow): AppendPlan {
  const length = segment.timestampsNs.length;
  const nothing = { accepted: 0, duplicates: 0, late: 0, rejected: 0, conflicts: [] };
  if (length === 0) {
    return { ...nothing, channels: head.channels, inOrder: null, lateRows: null };
  }
  if (!isPlainTail(segment, head)) return new Classifier(segment, head, stored).run();
  const channels = growChannels(head.channels, segment);
  return { ...nothing, accepted: length, channels, inOrder: segment, lateRows: null };
}

/** True when every row is newer than the log and than the row before it: the common case. */
export function isPlainTail(segment: Segment, head: LogHead): boolean {
  const { timestampsNs } = segment;
  if (head.lastInOrderNs !== null && timestampsNs[0]! <= head.lastInOrderNs) return false;
  return isStrictlyIncreasing(timestampsNs);
}

/** The stream's channels and, behind them, those that the segment brings. */
function growChannels(present: readonly string[], segment: Segment): readonly string[] {
  const known = new Set(present);
  const fresh = segment.channels.filter((name) => !known.has(name));
  if (fresh.length === 0) return present;
  const count = present.length + fresh.length;
  if (count > CHANNEL_COUNT_MAX) {
    throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, count, "channels");
  }
  return [...present, ...fresh];
}

/** Rows that will be written, gathered timestamp by timestamp. */
class RowBuffer {
  readonly #segment: Segment;
  readonly #times: bigint[] = [];
  readonly #values: number[] = [];

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  push(timestampNs: bigint, row: Float64Array): void {
    this.#times.push(timestampNs);
    for (let c = 0; c < row.length; c++) this.#values.push(row[c]!);
  }

  take(): Segment | null {
    if (this.#times.length === 0) return null;
    const { streamId, channels } = this.#segment;
    const width = channels.length;
    const values = channels.map((_, c) =>
      Float64Array.from(this.#times, (_, i) => this.#values[i * width + c]!)
    );
    return { streamId, channels, timestampsNs: BigInt64Array.from(this.#times), values };
  }
}

/** What a row does to the values known so far under its timestamp. */
const enum RowOutcome {
  Nothing,
  Stored,
  Conflict,
}

class Classifier {
  readonly #segment: Segment;
  readonly #head: LogHead;
  readonly #stored: StoredRow;
  readonly #channels: readonly string[];
  /** Index of each of the segment's channels in the stream's list. */
  readonly #places: readonly number[];
  readonly #inOrder: RowBuffer;
  readonly #late: RowBuffer;
  readonly #conflicts: Conflict[] = [];
  #accepted = 0;
  #duplicates = 0;
  #lateCount = 0;
  #rejected = 0;

  constructor(segment: Segment, head: LogHead, stored: StoredRow) {
    this.#segment = segment;
    this.#head = head;
    this.#stored = stored;
    this.#channels = growChannels(head.channels, segment);
    const places = new Map(this.#channels.map((name, index) => [name, index]));
    this.#places = segment.channels.map((name) => places.get(name)!);
    this.#inOrder = new RowBuffer(segment);
    this.#late = new RowBuffer(segment);
  }

  run(): AppendPlan {
    const { timestampsNs } = this.#segment;
    for (let start = 0; start < timestampsNs.length;) {
      let end = start + 1;
      while (end < timestampsNs.length && timestampsNs[end] === timestampsNs[start]) end++;
      this.#takeTimestamp(timestampsNs[start]!, start, end);
      start = end;
    }
    const inOrder = this.#inOrder.take();
    const lateRows = this.#late.take();
    return {
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      late: this.#lateCount,
      rejected: this.#rejected,
      conflicts: this.#conflicts,
      channels: inOrder === null && lateRows === null ? this.#head.channels : this.#channels,
      inOrder,
      lateRows,
    };
  }

  /** Rows `[start, end)` share one timestamp: the first is held against the store, each later one
   * also against those before it. */
  #takeTimestamp(timestampNs: bigint, start: number, end: number): void {
    const last = this.#head.lastInOrderNs;
    const isNew = last === null || timestampNs > last;
    const base = isNew ? null : this.#stored(timestampNs);
    const known = this.#places.map((place) => base?.[place] ?? NaN);
    const fresh = new Float64Array(known.length).fill(NaN);
    let exists = base !== null;
    let isWritten = false;
    for (let row = start; row < end; row++) {
      const outcome = this.#takeRow(row, known, fresh);
      if (outcome === RowOutcome.Conflict) this.#rejected++;
      else if (outcome === RowOutcome.Nothing && exists) this.#duplicates++;
      else {
        exists = true;
        isWritten = true;
        if (isNew) this.#accepted++;
        else this.#lateCount++;
      }
    }
    if (isWritten) (isNew ? this.#inOrder : this.#late).push(timestampNs, fresh);
  }

  #takeRow(row: number, known: number[], fresh: Float64Array): RowOutcome {
    let isConflict = false;
    let isFilling = false;
    for (const [channel, column] of this.#segment.values.entries()) {
      const given = column[row]!;
      const present = known[channel]!;
      if (Number.isNaN(given) || Object.is(given, present)) continue;
      if (Number.isNaN(present)) isFilling = true;
      else {
        isConflict = true;
        this.#nameConflict(row, channel, present, given);
      }
    }
    if (isConflict) return RowOutcome.Conflict;
    if (!isFilling) return RowOutcome.Nothing;
    for (const [channel, column] of this.#segment.values.entries()) {
      const given = column[row]!;
      if (Number.isNaN(given) || !Number.isNaN(known[channel]!)) continue;
      known[channel] = given;
      fresh[channel] = given;
    }
    return RowOutcome.Stored;
  }

  #nameConflict(row: number, channel: number, stored: number, given: number): void {
    if (this.#conflicts.length >= CONFLICTS_NAMED_MAX) return;
    this.#conflicts.push({
      timestampNs: this.#segment.timestampsNs[row]!,
      channel: this.#segment.channels[channel]!,
      stored,
      given,
    });
  }
}
