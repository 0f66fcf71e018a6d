import type { Clock } from "../base/clock.ts";
import { sha256Hex } from "../base/hash.ts";
import { type Segment, sliceSegment, sortSegment } from "../signal/segment.ts";
import { expiryNs, firstAnswer, isStanding, refuseOtherRequest } from "./_helpers/answer_table.ts";
import { checkAppendOptions, checkLimit, checkOffset } from "./_helpers/check.ts";
import { classify } from "./_helpers/classify.ts";
import { clipSegment, emptySegment, mergeRows } from "./_helpers/rows.ts";
import { eventChannels, isRevised, openingSpan } from "./_helpers/state_table.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  type AppendOptions,
  type AppendResult,
  type BehindStream,
  type Commit,
  DEFAULT_SETTINGS,
  FEED_MAX,
  type FeedEntry,
  FORECASTS_KEPT,
  IDEMPOTENCY_KEYS_MAX,
  type IssuedForecast,
  type LedgerChange,
  type LedgerEntry,
  mergeSettings,
  PAGE_MAX,
  READ_SAMPLES_MAX,
  type Snapshot,
  SNAPSHOTS_KEPT,
  type Store,
  type StoreStats,
  type StreamRecord,
  type StreamSettings,
} from "./store.ts";

interface Piece {
  /** Samples of the same log before this piece. */
  readonly start: number;
  readonly segment: Segment;
}

interface MemoryStream {
  readonly id: string;
  readonly createdNs: bigint;
  settings: StreamSettings;
  channels: readonly string[];
  firstNs: bigint | null;
  lastNs: bigint | null;
  inOrderCount: number;
  lateCount: number;
  /** Append-only, so an undone request only has to cut them back. */
  readonly inOrder: Piece[];
  readonly late: Piece[];
  readonly snapshots: Snapshot[];
  readonly forecasts: IssuedForecast[];
  readonly events: Map<string, AlarmEvent>;
}

interface Answer {
  readonly requestHash: string;
  readonly createdNs: bigint;
  readonly results: readonly AppendResult[];
}

/**
 * Makes a store that forgets all at the end of the process: the plain twin of the others, for
 * tests, demonstrations and stateless use. Nothing of it is durable.
 */
export function openMemoryStore(options: { readonly clock: Clock }): Store {
  return new MemoryStore(options.clock);
}

class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #streams = new Map<string, MemoryStream>();
  readonly #answers = new Map<string, Answer>();
  readonly #ledgers = new Map<string, Map<string, LedgerEntry>>();
  #feed: FeedEntry[] = [];
  #feedSequence = 0;
  #lastCreatedNs = 0n;
  #transactions = 0;
  #appends = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #create(id: string, settings: StreamSettings): MemoryStream {
    const nowNs = this.#clock.nowNs();
    const after = this.#lastCreatedNs + 1n;
    this.#lastCreatedNs = nowNs > after ? nowNs : after;
    const stream: MemoryStream = {
      id,
      createdNs: this.#lastCreatedNs,
      settings,
      channels: [],
      firstNs: null,
      lastNs: null,
      inOrderCount: 0,
      lateCount: 0,
      inOrder: [],
      late: [],
      snapshots: [],
      forecasts: [],
      events: new Map(),
    };
    this.#streams.set(id, stream);
    return stream;
  }

  // deno-lint-ignore require-await
  async putStream(
    id: string,
    change: Partial<StreamSettings>,
  ): Promise<{ record: StreamRecord; created: boolean }> {
    const present = this.#streams.get(id);
    const settings = mergeSettings(present?.settings ?? DEFAULT_SETTINGS, change);
    this.#transactions++;
    if (present === undefined) {
      return { record: recordOf(this.#create(id, settings)), created: true };
    }
    present.settings = settings;
    return { record: recordOf(present), created: false };
  }

  getStream(id: string): Promise<StreamRecord | null> {
    const stream = this.#streams.get(id);
    return Promise.resolve(stream === undefined ? null : recordOf(stream));
  }

  // deno-lint-ignore require-await
  async listStreams(options: { after?: string; limit: number }): Promise<StreamRecord[]> {
    checkLimit(options.limit, PAGE_MAX);
    const after = options.after ?? "";
    return [...this.#streams.values()]
      .filter((stream) => compareCodePoints(stream.id, after) > 0)
      .sort((a, b) => compareCodePoints(a.id, b.id))
      .slice(0, options.limit)
      .map(recordOf);
  }

  // deno-lint-ignore require-await
  async listBehind(options: { after?: string; limit: number }): Promise<BehindStream[]> {
    checkLimit(options.limit, PAGE_MAX);
    const after = options.after ?? "";
    return [...this.#streams.values()]
      .map(({ id, snapshots, inOrderCount }) => ({
        id,
        samples: inOrderCount - (snapshots.at(-1)?.appliedOffset ?? 0),
      }))
      .filter(({ id, samples }) => samples > 0 && compareCodePoints(id, after) > 0)
      .sort((a, b) => compareCodePoints(a.id, b.id))
      .slice(0, options.limit);
  }

  deleteStream(id: string): Promise<boolean> {
    this.#feed = this.#feed.filter((entry) => told(entry).streamId !== id);
    return Promise.resolve(this.#streams.delete(id));
  }

  // deno-lint-ignore require-await
  async append(
    segments: readonly Segment[],
    options: AppendOptions = {},
  ): Promise<AppendResult[]> {
    checkAppendOptions(options);
    const known = this.#findAnswer(options);
    if (known !== null) return known.map(firstAnswer);
    const undo: (() => void)[] = [];
    try {
      const results = segments.map((segment) => this.#appendSegment(sortSegment(segment), undo));
      this.#putAnswer(options, results);
      this.#transactions++;
      this.#appends++;
      return results;
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  #appendSegment(segment: Segment, undo: (() => void)[]): AppendResult {
    const id = segment.streamId;
    const present = this.#streams.get(id);
    const stream = present ?? this.#create(id, DEFAULT_SETTINGS);
    if (present === undefined) undo.push(() => this.#streams.delete(id));
    else undo.push(rememberLengths(stream));
    const head = { channels: stream.channels, lastInOrderNs: stream.lastNs };
    const plan = classify(segment, head, (timestampNs) => storedRow(stream, timestampNs));
    const inOrderStart = stream.inOrderCount;
    stream.channels = plan.channels;
    if (plan.lateRows !== null) {
      stream.late.push({ start: stream.lateCount, segment: copySegment(plan.lateRows) });
      stream.lateCount += plan.lateRows.timestampsNs.length;
      widen(stream, plan.lateRows);
    }
    if (plan.inOrder !== null) {
      stream.inOrder.push({ start: inOrderStart, segment: copySegment(plan.inOrder) });
      stream.inOrderCount += plan.inOrder.timestampsNs.length;
      widen(stream, plan.inOrder);
    }
    const { accepted, duplicates, late, rejected, conflicts, inOrder } = plan;
    const record = recordOf(stream);
    return {
      streamId: id,
      created: present === undefined,
      ...{ accepted, duplicates, late, rejected, conflicts, inOrder, inOrderStart },
      logOffset: record.logOffset,
      record,
      replayed: false,
    };
  }

  #findAnswer(options: AppendOptions): readonly AppendResult[] | null {
    if (options.idempotencyKey === undefined) return null;
    const answer = this.#answers.get(options.idempotencyKey);
    if (answer === undefined || answer.createdNs < expiryNs(this.#clock.nowNs())) return null;
    if (!isStanding(answer.results, (id) => this.#streams.get(id)?.createdNs ?? null)) return null;
    refuseOtherRequest(options, answer.requestHash);
    return answer.results;
  }

  #putAnswer(options: AppendOptions, results: readonly AppendResult[]): void {
    if (options.idempotencyKey === undefined) return;
    const createdNs = this.#clock.nowNs();
    const requestHash = options.requestHash ?? "";
    // Deleted first, so that a key that is used anew is not the oldest.
    this.#answers.delete(options.idempotencyKey);
    this.#answers.set(options.idempotencyKey, { requestHash, createdNs, results });
    for (const key of this.#answers.keys()) {
      if (this.#answers.size <= IDEMPOTENCY_KEYS_MAX) break;
      this.#answers.delete(key);
    }
  }

  // deno-lint-ignore require-await
  async readInOrder(id: string, fromOffset: number, limit: number): Promise<Segment | null> {
    checkOffset(fromOffset, "fromOffset");
    checkLimit(limit, READ_SAMPLES_MAX);
    const stream = this.#streams.get(id);
    return stream === undefined ? null : readFrom(stream, fromOffset, limit);
  }

  // deno-lint-ignore require-await
  async readObservations(
    id: string,
    fromNs: bigint,
    toNs: bigint,
    limit: number,
  ): Promise<Segment> {
    checkLimit(limit, READ_SAMPLES_MAX);
    const stream = this.#streams.get(id);
    if (stream === undefined) return emptySegment(id);
    const parts = [...stream.inOrder, ...stream.late].map((piece) =>
      clipSegment(piece.segment, fromNs, toNs)
    );
    return mergeRows(id, stream.channels, parts, limit);
  }

  // deno-lint-ignore require-await
  async readTails(ids: readonly string[], count: number): Promise<(Segment | null)[]> {
    checkLimit(count, READ_SAMPLES_MAX, "count");
    return ids.map((id) => {
      const stream = this.#streams.get(id);
      if (stream === undefined) return null;
      return readFrom(stream, Math.max(0, stream.inOrderCount - count), count);
    });
  }

  latestSnapshot(id: string, modelHash?: string): Promise<Snapshot | null> {
    const stream = this.#streams.get(id);
    const newest = stream?.snapshots.findLast((snapshot) =>
      (modelHash === undefined || snapshot.modelHash === modelHash) &&
      snapshot.appliedOffset <= stream.inOrderCount &&
      sha256Hex(snapshot.bytes) === snapshot.stateHash
    );
    return Promise.resolve(newest ?? null);
  }

  // deno-lint-ignore require-await
  async commit(commits: readonly Commit[]): Promise<void> {
    for (const { streamCreatedNs, snapshot, events, ends = [], forecast } of commits) {
      const stream = this.#streams.get(snapshot.streamId);
      if (stream === undefined || stream.createdNs !== streamCreatedNs) continue;
      replaceOffset(stream.snapshots, snapshot, SNAPSHOTS_KEPT);
      if (forecast !== null) replaceOffset(stream.forecasts, forecast, FORECASTS_KEPT);
      for (const event of events) {
        const key = `${event.timestampNs} ${eventChannels(event)}`;
        if (!stream.events.has(key)) this.#tell({ opened: event });
        stream.events.set(key, event);
      }
      for (const ended of ends) {
        const [fromNs, toNs] = openingSpan(ended);
        for (const [key, event] of stream.events) {
          const isNear = event.timestampNs >= fromNs && event.timestampNs <= toNs;
          if (isNear && isRevised(event, ended)) {
            stream.events.set(key, { ...event, reason: ended.reason });
          }
        }
        this.#tell({ ended });
      }
    }
    this.#transactions++;
  }

  #tell(what: { opened: AlarmEvent } | { ended: AlarmEnd }): void {
    this.#feed.push({ sequence: ++this.#feedSequence, ...what });
    if (this.#feed.length > FEED_MAX) this.#feed.shift();
  }

  // deno-lint-ignore require-await
  async readFeed(after: number, limit: number): Promise<FeedEntry[]> {
    checkLimit(limit, PAGE_MAX);
    return this.#feed.filter(({ sequence }) => sequence > after).slice(0, limit);
  }

  // deno-lint-ignore require-await
  async readLedger(
    ledger: string,
    { after = "", limit }: { after?: string; limit: number },
  ): Promise<LedgerEntry[]> {
    checkLimit(limit, PAGE_MAX);
    return [...this.#ledgers.get(ledger)?.values() ?? []]
      .filter(({ key }) => compareCodePoints(key, after) > 0)
      .sort((a, b) => compareCodePoints(a.key, b.key))
      .slice(0, limit);
  }

  writeLedger({ puts, removes, feedSettled = 0 }: LedgerChange): Promise<void> {
    for (const { ledger, key } of removes) this.#ledgers.get(ledger)?.delete(key);
    for (const entry of puts) {
      const entries = this.#ledgers.get(entry.ledger) ?? new Map<string, LedgerEntry>();
      this.#ledgers.set(entry.ledger, entries.set(entry.key, structuredClone(entry)));
    }
    this.#feed = this.#feed.filter(({ sequence }) => sequence > feedSettled);
    this.#transactions++;
    return Promise.resolve();
  }

  // deno-lint-ignore require-await
  async readEvents(
    id: string,
    fromNs: bigint,
    toNs: bigint,
    limit: number,
  ): Promise<AlarmEvent[]> {
    checkLimit(limit, READ_SAMPLES_MAX);
    return [...this.#streams.get(id)?.events.values() ?? []]
      .filter((event) => event.timestampNs >= fromNs && event.timestampNs <= toNs)
      .sort((a, b) => Number(a.timestampNs - b.timestampNs))
      .slice(0, limit);
  }

  countEvents(ids: readonly string[], fromNs: bigint): Promise<number[]> {
    return Promise.resolve(ids.map((id) => {
      const events = [...this.#streams.get(id)?.events.values() ?? []];
      return events.filter((event) => event.timestampNs >= fromNs).length;
    }));
  }

  // deno-lint-ignore require-await
  async readForecasts(id: string, limit: number): Promise<IssuedForecast[]> {
    checkLimit(limit, PAGE_MAX);
    return (this.#streams.get(id)?.forecasts ?? []).slice(-limit).reverse();
  }

  stats(): Promise<StoreStats> {
    let samples = 0;
    for (const stream of this.#streams.values()) samples += stream.inOrderCount + stream.lateCount;
    return Promise.resolve({
      streams: this.#streams.size,
      samples,
      transactions: this.#transactions,
      appends: this.#appends,
      bytes: 0,
      queuedBytes: 0,
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function told(entry: FeedEntry): AlarmEvent | AlarmEnd {
  return "opened" in entry ? entry.opened : entry.ended;
}

function recordOf(stream: MemoryStream): StreamRecord {
  const { id, createdNs, settings, channels, inOrderCount, firstNs, lastNs } = stream;
  const logOffset = inOrderCount + stream.lateCount;
  return { id, createdNs, settings, channels, logOffset, inOrderCount, firstNs, lastNs };
}

/** By code point, as SQLite compares UTF-8; JavaScript's own order is by UTF-16 unit. */
function compareCodePoints(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function rememberLengths(stream: MemoryStream): () => void {
  const { channels, firstNs, lastNs, inOrderCount, lateCount } = stream;
  const inOrderLength = stream.inOrder.length;
  const lateLength = stream.late.length;
  return () => {
    Object.assign(stream, { channels, firstNs, lastNs, inOrderCount, lateCount });
    stream.inOrder.length = inOrderLength;
    stream.late.length = lateLength;
  };
}

/** What is stored must not change when the caller's arrays do. */
function copySegment(segment: Segment): Segment {
  return {
    ...segment,
    timestampsNs: segment.timestampsNs.slice(),
    values: segment.values.map((column) => column.slice()),
  };
}

function widen(stream: MemoryStream, stored: Segment): void {
  const first = stored.timestampsNs[0]!;
  const last = stored.timestampsNs[stored.timestampsNs.length - 1]!;
  if (stream.firstNs === null || first < stream.firstNs) stream.firstNs = first;
  if (stream.lastNs === null || last > stream.lastNs) stream.lastNs = last;
}

function storedRow(stream: MemoryStream, timestampNs: bigint): Float64Array | null {
  const parts = [...stream.inOrder, ...stream.late].map((piece) =>
    clipSegment(piece.segment, timestampNs, timestampNs)
  );
  const merged = mergeRows(stream.id, stream.channels, parts, 1);
  if (merged.timestampsNs.length === 0) return null;
  return Float64Array.from(merged.values, (column) => column[0]!);
}

function readFrom(stream: MemoryStream, offset: number, limit: number): Segment | null {
  const end = Math.min(stream.inOrderCount, offset + limit);
  if (offset >= end) return null;
  const pieces = stream.inOrder
    .filter(({ start, segment }) => start < end && start + segment.timestampsNs.length > offset)
    .map(({ start, segment }) => sliceSegment(segment, Math.max(0, offset - start), end - start));
  return mergeRows(stream.id, stream.channels, pieces, limit);
}

/** Appends an entry in place of one of the same offset and model, and forgets the oldest. */
function replaceOffset<T extends { readonly appliedOffset: number; readonly modelHash: string }>(
  entries: T[],
  entry: T,
  kept: number,
): void {
  const at = entries.findIndex((other) =>
    other.appliedOffset === entry.appliedOffset && other.modelHash === entry.modelHash
  );
  if (at >= 0) entries.splice(at, 1);
  entries.push(entry);
  if (entries.length > kept) entries.shift();
}
