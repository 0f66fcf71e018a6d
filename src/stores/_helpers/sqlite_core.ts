import type { DatabaseSync, StatementSync } from "node:sqlite";
import { concatSegments, type Segment } from "../../signal/segment.ts";
import {
  type AlarmEvent,
  type AppendOptions,
  type AppendResult,
  type BehindStream,
  type Commit,
  DEFAULT_SETTINGS,
  type FeedEntry,
  type IssuedForecast,
  type LedgerChange,
  type LedgerEntry,
  type Snapshot,
  type StreamRecord,
  type StreamSettings,
} from "../store.ts";
import { AnswerTable } from "./answer_table.ts";
import { ChunkTable, LogKind } from "./chunk_table.ts";
import { classify, isPlainTail } from "./classify.ts";
import { FeedTable } from "./feed_table.ts";
import { Journal, JOURNAL_PIECE_VALUES_MAX, journalValues } from "./journal.ts";
import { LedgerTable } from "./ledger_table.ts";
import { emptySegment, mergeRows } from "./rows.ts";
import { StorageFullError } from "../../base/errors.ts";
import { pageFaults } from "./page_check.ts";
import { openingErrorOf, storeErrorOf } from "./sqlite_error.ts";
import { openDatabase } from "./sqlite_schema.ts";
import type { StoredRows } from "./stored_rows.ts";
import { StateTable } from "./state_table.ts";
import { recordOf, type StreamHead, StreamTable } from "./stream_table.ts";

/** Streams of one request that may be journaled. */
const PLAIN_SEGMENTS_MAX = 64;

/** One request to append; its segments are sorted by time. */
export interface AppendRequest {
  readonly segments: readonly Segment[];
  readonly options: AppendOptions;
}

/** What became of a request: its results, or why nothing of it was stored. */
export type AppendOutcome =
  | { readonly results: AppendResult[] }
  | { readonly error: unknown };

/**
 * The store on one SQLite file, synchronous: what the worker of `sqlite.ts` runs. Every method
 * that writes is one transaction, durable when it returns.
 */
export class SqliteCore {
  /** What is wrong with the file's pages as of its opening; none where all is well. */
  readonly faults: readonly string[];
  readonly #database: DatabaseSync;
  readonly #streams: StreamTable;
  readonly #chunks: ChunkTable;
  readonly #states: StateTable;
  readonly #answers: AnswerTable;
  readonly #feed: FeedTable;
  readonly #ledgers: LedgerTable;
  readonly #journal: Journal;
  /** Prepared, since every request runs them. */
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  #transactions = 0;
  #appends = 0;
  /** A part of the running transaction could not be done whole: nothing of it may stand. */
  #isSpoiled = false;

  /** @throws {Error} the file is in use, another program's, or damaged beyond reading */
  constructor(path: string) {
    this.#database = openDatabase(path);
    try {
      this.faults = pageFaults(this.#database);
      this.#streams = new StreamTable(this.#database);
      this.#chunks = new ChunkTable(this.#database);
      this.#states = new StateTable(this.#database);
      this.#answers = new AnswerTable(this.#database);
      this.#feed = new FeedTable(this.#database);
      this.#ledgers = new LedgerTable(this.#database);
      this.#savepoint = this.#database.prepare("SAVEPOINT request");
      this.#release = this.#database.prepare("RELEASE request");
      this.#journal = new Journal(this.#database);
      this.#recover();
      this.#settleIfRoom();
    } catch (error) {
      this.#database.close();
      throw openingErrorOf(error, path);
    }
  }

  /** Runs `change` as one transaction; a throw undoes all of it, in memory, too. */
  #transact<T>(change: (touched: Set<string>) => T): T {
    const touched = new Set<string>();
    this.#isSpoiled = false;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = change(touched);
      this.#database.exec("COMMIT");
      this.#transactions++;
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#forget(touched);
      this.#recover();
      throw storeErrorOf(error);
    }
  }

  /** What waits to be packed, as the file has it. */
  #recover(): void {
    this.#streams.forget(this.#journal.ids);
    this.#journal.read((key) => this.#streams.byKey(key));
  }

  /** The head of a stream as it is: what waits to be packed included. */
  #head(id: string): StreamHead | null {
    return this.#journal.headOf(id) ?? this.#streams.get(id);
  }

  /** Packs what waits of one stream, inside a transaction. */
  #pack(id: string): void {
    const taken = this.#journal.take(id);
    if (taken === undefined) return;
    this.#chunks.append(taken.head, LogKind.InOrder, taken.segment);
    this.#streams.write(taken.head);
  }

  /** Packs all that waits, inside a transaction. */
  #packAll(touched: Set<string>): void {
    for (const id of this.#journal.ids) {
      touched.add(id);
      this.#pack(id);
    }
    this.#journal.clear();
  }

  /** Packs all that waits, for what reads the tables themselves. */
  #settle(): void {
    if (this.#journal.ids.length > 0) this.#transact((touched) => this.#packAll(touched));
  }

  /** On a full disk what waits stays where it is: it is read from there. */
  #settleIfRoom(): void {
    try {
      this.#settle();
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
    }
  }

  #forget(touched: ReadonlySet<string>): void {
    this.#streams.forget(touched);
    this.#chunks.forget();
  }

  putStream(
    id: string,
    settings: Partial<StreamSettings>,
    nowNs: bigint,
  ): { record: StreamRecord; created: boolean } {
    return this.#transact((touched) => {
      touched.add(id);
      this.#pack(id);
      const { head, created } = this.#streams.put(id, settings, nowNs);
      return { record: recordOf(head), created };
    });
  }

  getStream(id: string): StreamRecord | null {
    const head = this.#head(id);
    return head === null ? null : recordOf(head);
  }

  listStreams(after: string, limit: number): StreamRecord[] {
    return this.#streams.list(after, limit)
      .map((head) => recordOf(this.#journal.headOf(head.id) ?? head));
  }

  listBehind(after: string, limit: number): BehindStream[] {
    this.#settle();
    return this.#streams.listBehind(after, limit);
  }

  deleteStream(id: string): boolean {
    const head = this.#head(id);
    if (head === null) return false;
    return this.#transact((touched) => {
      touched.add(id);
      this.#journal.take(id);
      this.#chunks.removeStream(head);
      this.#states.removeStream(head);
      this.#feed.removeStream(head);
      this.#streams.remove(head);
      return true;
    });
  }

  /** Group commit: all requests share one transaction; one that is refused undoes only itself. */
  append(requests: readonly AppendRequest[], nowNs: bigint): AppendOutcome[] {
    return this.#transact((touched) => {
      const outcomes = requests.map((request): AppendOutcome => {
        this.#appends++;
        try {
          return { results: this.#appendOne(request, nowNs, touched) };
        } catch (error) {
          // A full disk and its like end the transaction: then no request of the group stands.
          if (this.#isSpoiled || !this.#database.isTransaction) throw error;
          return { error };
        }
      });
      if (this.#journal.isFull) this.#packAll(touched);
      else this.#journal.write();
      return outcomes;
    });
  }

  #appendOne(
    request: AppendRequest,
    nowNs: bigint,
    touched: Set<string>,
  ): AppendResult[] {
    const known = this.#answers.find(
      request.options,
      nowNs,
      (id) => this.#head(id)?.createdNs ?? null,
    );
    if (known !== null) return known;
    const plain = this.#appendPlain(request, nowNs, touched);
    if (plain !== null) return plain;
    // What is undone below must be this request's own.
    for (const { streamId } of request.segments) {
      touched.add(streamId);
      this.#pack(streamId);
    }
    const own = new Set<string>();
    this.#savepoint.run();
    try {
      const results = request.segments.map((segment) => {
        own.add(segment.streamId);
        return this.#appendSegment(segment, nowNs);
      });
      this.#answers.put(request.options, results, nowNs);
      this.#release.run();
      return results;
    } catch (error) {
      if (this.#database.isTransaction) {
        this.#database.exec("ROLLBACK TO request");
        this.#release.run();
      }
      this.#forget(own);
      throw error;
    }
  }

  /**
   * Journals a request whose samples are all newer than what their streams have; null for any other
   * one, of which then nothing is done. Nothing here can fail half-way but the disk.
   */
  #appendPlain(
    request: AppendRequest,
    nowNs: bigint,
    touched: Set<string>,
  ): AppendResult[] | null {
    const { segments, options } = request;
    const heads: StreamHead[] = [];
    for (const segment of segments) {
      const head = this.#head(segment.streamId);
      if (head === null || heads.includes(head) || !isPlain(segment, head)) return null;
      heads.push(head);
      // Finding a stream among hundreds is not for here.
      if (heads.length > PLAIN_SEGMENTS_MAX) return null;
    }
    const results = segments.map((segment, index): AppendResult => {
      const head = heads[index]!;
      touched.add(head.id);
      const inOrderStart = head.inOrder.count;
      this.#journal.add(head, segment);
      const record = recordOf(head);
      return {
        streamId: head.id,
        created: false,
        accepted: segment.timestampsNs.length,
        duplicates: 0,
        late: 0,
        rejected: 0,
        conflicts: [],
        logOffset: record.logOffset,
        inOrder: segment,
        inOrderStart,
        record,
        replayed: false,
      };
    });
    try {
      this.#answers.put(options, results, nowNs);
    } catch (error) {
      this.#isSpoiled = true;
      throw error;
    }
    return results;
  }

  #appendSegment(segment: Segment, nowNs: bigint): AppendResult {
    const id = segment.streamId;
    const present = this.#streams.get(id);
    const head = present ?? this.#streams.create(id, DEFAULT_SETTINGS, nowNs);
    // Most bodies are newer than all that is stored, and look nothing up.
    let stored: StoredRows | undefined;
    const plan = classify(
      segment,
      { channels: head.channels, lastInOrderNs: head.lastNs },
      (timestampNs) => (stored ??= this.#chunks.storedRows(head)).find(timestampNs),
    );
    const inOrderStart = head.inOrder.count;
    head.channels = plan.channels;
    if (plan.lateRows !== null) {
      this.#chunks.append(head, LogKind.Late, plan.lateRows);
      widen(head, plan.lateRows);
    }
    if (plan.inOrder !== null) {
      this.#chunks.append(head, LogKind.InOrder, plan.inOrder);
      widen(head, plan.inOrder);
    }
    if (plan.lateRows !== null || plan.inOrder !== null) this.#streams.write(head);
    const record = recordOf(head);
    return {
      streamId: id,
      created: present === null,
      accepted: plan.accepted,
      duplicates: plan.duplicates,
      late: plan.late,
      rejected: plan.rejected,
      conflicts: plan.conflicts,
      logOffset: record.logOffset,
      inOrder: plan.inOrder,
      inOrderStart,
      record,
      replayed: false,
    };
  }

  /** Packed samples, then those that wait: a read writes nothing, so it needs no room on disk. */
  #readFrom(head: StreamHead, offset: number, limit: number): Segment | null {
    const end = Math.min(head.inOrder.count, offset + limit);
    const packed = this.#journal.packedCount(head);
    const stored = offset < packed
      ? this.#chunks.readFrom(head, offset, Math.min(end, packed) - offset)
      : null;
    const pieces = this.#journal.readFrom(head, offset, end);
    if (stored !== null) pieces.unshift(stored);
    if (pieces.length <= 1) return pieces[0] ?? null;
    return concatSegments(pieces);
  }

  readInOrder(id: string, fromOffset: number, limit: number): Segment | null {
    const head = this.#head(id);
    return head === null ? null : this.#readFrom(head, fromOffset, limit);
  }

  readObservations(id: string, fromNs: bigint, toNs: bigint, limit: number): Segment {
    const head = this.#head(id);
    if (head === null) return emptySegment(id);
    const range = { fromNs, toNs, limit };
    const packed = [LogKind.InOrder, LogKind.Late].flatMap((kind) =>
      this.#chunks.readBetween(head, kind, range)
    );
    const parts = [...packed, ...this.#journal.readBetween(head, fromNs, toNs)];
    return mergeRows(id, head.channels, parts, limit);
  }

  readTail(id: string, count: number): Segment | null {
    const head = this.#head(id);
    if (head === null) return null;
    return this.#readFrom(head, Math.max(0, head.inOrder.count - count), count);
  }

  latestSnapshot(id: string, modelHash: string | undefined): Snapshot | null {
    const head = this.#head(id);
    return head === null ? null : this.#states.latestSnapshot(head, modelHash);
  }

  commit(commits: readonly Commit[]): void {
    this.#transact(() => {
      for (const { streamCreatedNs, snapshot, events, ends = [], forecast } of commits) {
        const head = this.#head(snapshot.streamId);
        if (head === null || head.createdNs !== streamCreatedNs) continue;
        this.#states.putSnapshot(head, snapshot);
        for (const event of events) {
          if (this.#states.putEvent(head, event)) this.#feed.add(head, { opened: event });
        }
        for (const ended of ends) {
          this.#states.reviseEvent(head, ended);
          this.#feed.add(head, { ended });
        }
        if (forecast !== null) this.#states.putForecast(head, forecast);
      }
    });
  }

  readFeed(after: number, limit: number): FeedEntry[] {
    return this.#feed.read(after, limit);
  }

  readLedger(ledger: string, after: string, limit: number): LedgerEntry[] {
    return this.#ledgers.read(ledger, after, limit);
  }

  writeLedger({ puts, removes, feedSettled = 0 }: LedgerChange): void {
    this.#transact(() => {
      for (const { ledger, key } of removes) this.#ledgers.remove(ledger, key);
      for (const entry of puts) this.#ledgers.put(entry);
      this.#feed.settle(feedSettled);
    });
  }

  readEvents(id: string, fromNs: bigint, toNs: bigint, limit: number): AlarmEvent[] {
    const head = this.#head(id);
    return head === null ? [] : this.#states.readEvents(head, fromNs, toNs, limit);
  }

  countEvents(id: string, fromNs: bigint): number {
    const head = this.#head(id);
    return head === null ? 0 : this.#states.countEvents(head, fromNs);
  }

  readForecasts(id: string, limit: number): IssuedForecast[] {
    const head = this.#head(id);
    return head === null ? [] : this.#states.readForecasts(head, limit);
  }

  stats(): { streams: number; samples: number; transactions: number; appends: number } {
    const { streams, samples } = this.#streams.totals();
    return {
      streams,
      samples: samples + this.#journal.samples,
      transactions: this.#transactions,
      appends: this.#appends,
    };
  }

  /**
   * Packs what waits, copies the write-ahead log back into the file and lets go of both. On a full
   * disk the log stays as it is: whoever opens the file next reads it there.
   */
  close(): void {
    try {
      this.#settleIfRoom();
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      if (!(storeErrorOf(error) instanceof StorageFullError)) throw error;
    } finally {
      this.#database.close();
    }
  }
}

/** True when a segment may wait in the journal: newer than all before, and of known channels. */
function isPlain(segment: Segment, head: StreamHead): boolean {
  const { channels, timestampsNs } = segment;
  if (timestampsNs.length === 0 || journalValues(segment) > JOURNAL_PIECE_VALUES_MAX) return false;
  for (let i = 0; i < channels.length; i++) {
    if (head.channels[i] !== channels[i] && !head.channels.includes(channels[i]!)) return false;
  }
  return isPlainTail(segment, { channels: head.channels, lastInOrderNs: head.lastNs });
}

/** First and last timestamp over all that is stored; the last one is always an in-order one. */
function widen(head: StreamHead, stored: Segment): void {
  const first = stored.timestampsNs[0]!;
  const last = stored.timestampsNs[stored.timestampsNs.length - 1]!;
  if (head.firstNs === null || first < head.firstNs) head.firstNs = first;
  if (head.lastNs === null || last > head.lastNs) head.lastNs = last;
}
