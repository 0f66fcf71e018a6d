import type { Clock } from "../base/clock.ts";
import { decodeError, registerErrorClass, RemotePort } from "../base/remote_port.ts";
import { type Segment, sortSegment } from "../signal/segment.ts";
import {
  appendOverload,
  checkAppendOptions,
  checkLimit,
  checkOffset,
  requestBytes,
} from "./_helpers/check.ts";
import type { AppendRequest } from "./_helpers/sqlite_core.ts";
import { unpackResult } from "./_helpers/sent_result.ts";
import type { SentOutcome } from "./_helpers/sqlite_worker.ts";
import {
  type AlarmEvent,
  APPEND_QUEUE_BYTES_MAX,
  type AppendOptions,
  type AppendResult,
  type BehindStream,
  type Commit,
  CorruptChunkError,
  type FeedEntry,
  type IssuedForecast,
  type LedgerChange,
  type LedgerEntry,
  PAGE_MAX,
  READ_SAMPLES_MAX,
  type Snapshot,
  type Store,
  type StoreStats,
  type StreamRecord,
  type StreamSettings,
} from "./store.ts";

/** Name of the database inside the data folder. */
export const DATABASE_FILE = "driftline.sqlite";
/** Bytes of append requests in one transaction; a single larger request stands alone. */
export const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Append requests in one transaction. */
export const GROUP_REQUESTS_MAX = 1_024;

registerErrorClass(CorruptChunkError);

/** Where the store keeps its file and what time it goes by. */
export interface SqliteStoreOptions {
  /** Data folder; made when it is missing. */
  readonly folder: string;
  readonly clock: Clock;
  /** Told what is wrong with the file's pages, where something is. */
  readonly onFaults?: (faults: readonly string[]) => void;
  /** Bytes that may wait; default APPEND_QUEUE_BYTES_MAX. */
  readonly queueBytesMax?: number;
}

/**
 * Opens the store of one machine: SQLite in write-ahead mode with fsync at every commit, in a
 * worker of its own. Requests that arrive while a transaction runs share the next one.
 *
 * @throws {Error} the file is in use by another process, another program's or a newer version's, or
 *   damaged beyond reading
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  Deno.mkdirSync(options.folder, { recursive: true });
  const url = new URL("./_helpers/sqlite_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", name: "driftline-store" });
  const port = new RemotePort(worker);
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    port.fail(new Error(`The store's worker failed: ${event.message}`));
  });
  const path = `${options.folder}/${DATABASE_FILE}`;
  try {
    const faults = await port.call<readonly string[]>("open", path);
    if (faults.length > 0) options.onFaults?.(faults);
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return new SqliteStore(worker, port, { ...options, path });
}

interface QueuedAppend {
  readonly request: AppendRequest;
  readonly bytes: number;
  readonly settled: PromiseWithResolvers<AppendResult[]>;
}

class SqliteStore implements Store {
  readonly #worker: Worker;
  readonly #port: RemotePort;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #queueBytesMax: number;
  #queue: QueuedAppend[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | null = null;

  constructor(
    worker: Worker,
    port: RemotePort,
    options: SqliteStoreOptions & { readonly path: string },
  ) {
    this.#worker = worker;
    this.#port = port;
    this.#clock = options.clock;
    this.#path = options.path;
    this.#queueBytesMax = options.queueBytesMax ?? APPEND_QUEUE_BYTES_MAX;
  }

  async append(
    segments: readonly Segment[],
    options: AppendOptions = {},
  ): Promise<AppendResult[]> {
    checkAppendOptions(options);
    const bytes = requestBytes(segments);
    if (this.#queuedBytes + bytes > this.#queueBytesMax) throw appendOverload(this.#queuedBytes);
    const request = { segments: segments.map(sortSegment), options };
    const settled = Promise.withResolvers<AppendResult[]>();
    this.#queue.push({ request, bytes, settled });
    this.#queuedBytes += bytes;
    this.#flushing ??= this.#flush();
    return await settled.promise;
  }

  /** Sends group after group until the queue is empty; only one is under way at any time. */
  async #flush(): Promise<void> {
    // One turn of grace lets requests that arrive together share their first transaction.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        const outcomes = await this.#port.call<SentOutcome[]>("append", {
          requests: group.map((queued) => queued.request),
          nowNs: this.#clock.nowNs(),
        });
        for (const [index, queued] of group.entries()) settle(queued, outcomes[index]!);
      } catch (error) {
        for (const queued of group) queued.settled.reject(error);
      }
      for (const queued of group) this.#queuedBytes -= queued.bytes;
    }
    this.#flushing = null;
  }

  #takeGroup(): QueuedAppend[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      bytes += queued.bytes;
      if (count > 0 && (bytes > GROUP_BYTES_MAX || count === GROUP_REQUESTS_MAX)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  putStream(
    id: string,
    settings: Partial<StreamSettings>,
  ): Promise<{ record: StreamRecord; created: boolean }> {
    return this.#port.call("putStream", { id, settings, nowNs: this.#clock.nowNs() });
  }

  getStream(id: string): Promise<StreamRecord | null> {
    return this.#port.call("getStream", id);
  }

  async listStreams(options: { after?: string; limit: number }): Promise<StreamRecord[]> {
    checkLimit(options.limit, PAGE_MAX);
    return await this.#port.call("listStreams", {
      after: options.after ?? "",
      limit: options.limit,
    });
  }

  async listBehind(options: { after?: string; limit: number }): Promise<BehindStream[]> {
    checkLimit(options.limit, PAGE_MAX);
    return await this.#port.call("listBehind", {
      after: options.after ?? "",
      limit: options.limit,
    });
  }

  deleteStream(id: string): Promise<boolean> {
    return this.#port.call("deleteStream", id);
  }

  async readInOrder(id: string, fromOffset: number, limit: number): Promise<Segment | null> {
    checkOffset(fromOffset, "fromOffset");
    checkLimit(limit, READ_SAMPLES_MAX);
    return await this.#port.call("readInOrder", { id, fromOffset, limit });
  }

  async readObservations(
    id: string,
    fromNs: bigint,
    toNs: bigint,
    limit: number,
  ): Promise<Segment> {
    checkLimit(limit, READ_SAMPLES_MAX);
    return await this.#port.call("readObservations", { id, fromNs, toNs, limit });
  }

  async readTails(ids: readonly string[], count: number): Promise<(Segment | null)[]> {
    checkLimit(count, READ_SAMPLES_MAX, "count");
    return await this.#port.call("readTails", { ids, count });
  }

  latestSnapshot(id: string, modelHash?: string): Promise<Snapshot | null> {
    return this.#port.call("latestSnapshot", { id, modelHash });
  }

  commit(commits: readonly Commit[]): Promise<void> {
    return this.#port.call("commit", commits);
  }

  async readEvents(
    id: string,
    fromNs: bigint,
    toNs: bigint,
    limit: number,
  ): Promise<AlarmEvent[]> {
    checkLimit(limit, READ_SAMPLES_MAX);
    return await this.#port.call("readEvents", { id, fromNs, toNs, limit });
  }

  countEvents(ids: readonly string[], fromNs: bigint): Promise<number[]> {
    return this.#port.call("countEvents", { ids, fromNs });
  }

  async readFeed(after: number, limit: number): Promise<FeedEntry[]> {
    checkLimit(limit, PAGE_MAX);
    return await this.#port.call("readFeed", { after, limit });
  }

  async readLedger(
    ledger: string,
    { after = "", limit }: { after?: string; limit: number },
  ): Promise<LedgerEntry[]> {
    checkLimit(limit, PAGE_MAX);
    return await this.#port.call("readLedger", { ledger, after, limit });
  }

  writeLedger(change: LedgerChange): Promise<void> {
    return this.#port.call("writeLedger", change);
  }

  async readForecasts(id: string, limit: number): Promise<IssuedForecast[]> {
    checkLimit(limit, PAGE_MAX);
    return await this.#port.call("readForecasts", { id, limit });
  }

  async stats(): Promise<StoreStats> {
    const counts = await this.#port.call<Omit<StoreStats, "bytes" | "queuedBytes">>("stats", null);
    const bytes = fileBytes(this.#path) + fileBytes(`${this.#path}-wal`);
    return { ...counts, bytes, queuedBytes: this.#queuedBytes };
  }

  async close(): Promise<void> {
    while (this.#flushing !== null) await this.#flushing;
    await this.#port.call("close", null);
    this.#worker.terminate();
    this.#port.fail(new Error("The store is closed"));
  }
}

function settle(queued: QueuedAppend, outcome: SentOutcome): void {
  if ("error" in outcome) {
    queued.settled.reject(decodeError(outcome.error));
    return;
  }
  const { segments } = queued.request;
  queued.settled.resolve(
    outcome.results.map((result, index) => unpackResult(result, segments[index])),
  );
}

function fileBytes(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
