import type { Clock } from "../base/clock.ts";
import { LimitError, NotFoundError, OverloadError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import type { Store } from "../stores/store.ts";
import { BACKTEST_STATES, BacktestFolder, type BacktestRecord } from "./backtest_files.ts";
import type { BacktestOutcome, BacktestPort, BacktestReport } from "./backtest_port.ts";
import {
  backtestPlan,
  type BacktestQuestion,
  checkBacktestSize,
  requireChannels,
} from "./backtest_question.ts";
import { givenRanges } from "./given_ranges.ts";
import type { ModelService } from "./model_service.ts";
import { onlySegment, readRange, type StreamRange } from "./range.ts";
import type { Log } from "./telemetry.ts";
import type { SampleSource } from "./sample_source.ts";

/** Backtests that wait for the one that runs; beyond, a new one is asked to come back. */
export const BACKTEST_QUEUE_MAX = 4;
/** Backtests that are over and still told of; the oldest go first. */
export const BACKTESTS_KEPT_MAX = 16;
/** A backtest that is not over by then is ended. */
export const BACKTEST_MS_MAX = 15 * 60_000;

/** When to come back to a full queue. */
const RETRY_AFTER_S = 30;

/** Starts of a backtest that never ended; beyond, it has failed. */
export const BACKTEST_ATTEMPTS_MAX = 3;

export { BACKTEST_STATES };

/** A backtest as it is answered. */
export interface BacktestShape extends Omit<BacktestRecord, "order" | "attempts"> {
  /** Forecasts that are made, and all there will be; 0 of 0 before it runs. */
  progress: { done: number; total: number };
  report: BacktestReport | null;
}

/** What backtests stand on. */
export interface BacktestsParts {
  readonly store: Store;
  readonly models: ModelService;
  readonly port: BacktestPort;
  readonly clock: Clock;
  readonly log: Log;
  /** Folder of the backtests' folders; without one they are kept in memory. */
  readonly folder?: string;
  /** Default {@linkcode BACKTEST_MS_MAX}. */
  readonly msMax?: number;
}

/** A backtest in memory. */
interface Backtest {
  record: BacktestRecord;
  readonly folder: BacktestFolder | null;
  progress: { done: number; total: number };
  /** Null once it is over. */
  segment: Segment | null;
  readonly ending: AbortController;
  outcome: BacktestOutcome | null;
}

function isOver({ record }: Backtest): boolean {
  return record.endedAt !== null;
}

function shapeOf({ record, progress, outcome }: Backtest): BacktestShape {
  const { order: _, attempts: __, ...told } = record;
  return { ...told, progress, report: outcome?.report ?? null };
}

function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

/** Why a backtest was ended: somebody wanted it, or the service ends. */
class CanceledError extends Error {}

/**
 * Backtests on users' own samples: one runs, in a thread of its own; some wait. What was asked for
 * and what was found outlive the process; one that had not ended begins anew.
 */
export class Backtests {
  readonly #parts: BacktestsParts;
  /** In the order in which they were asked for. */
  readonly #all = new Map<string, Backtest>();
  /** Being written to disk: they count as waiting. */
  #arriving = 0;
  /** Order of the newest. */
  #newest = 0;
  #running: Promise<void> | null = null;
  #isClosing = false;

  constructor(parts: BacktestsParts) {
    this.#parts = parts;
  }

  /** Reads what is kept, and goes on with what had not ended; to be called first. */
  async start(): Promise<void> {
    const { folder } = this.#parts;
    if (folder === undefined) return;
    await Deno.mkdir(folder, { recursive: true });
    const found: Backtest[] = [];
    for await (const entry of Deno.readDir(folder)) {
      const backtest = await this.#load(new BacktestFolder(`${folder}/${entry.name}`));
      if (backtest !== null) found.push(backtest);
    }
    found.sort((a, b) => a.record.order - b.record.order);
    for (const backtest of found) this.#all.set(backtest.record.id, backtest);
    this.#newest = found.at(-1)?.record.order ?? 0;
    await this.#forgetOld();
    this.#pump();
  }

  async #load(folder: BacktestFolder): Promise<Backtest | null> {
    try {
      const record = await folder.readRecord();
      if (record === null) {
        // The process ended while it was written: nobody was told that it is there.
        await folder.remove();
        return null;
      }
      const isFinished = record.state === "finished";
      const backtest: Backtest = {
        ...{ record, folder, progress: { done: 0, total: 0 }, ending: new AbortController() },
        segment: record.endedAt === null ? await folder.readSamples() : null,
        outcome: isFinished ? await folder.readOutcome() : null,
      };
      if (record.endedAt === null) await this.#set(backtest, { state: "queued" });
      else await folder.removeSamples();
      return backtest;
    } catch (error) {
      const fault = { path: folder.path, error: String(error) };
      this.#parts.log.warning("The backtest in {path} cannot be read: {error}", fault);
      return null;
    }
  }

  /** Changes a record, on disk first. */
  async #set(backtest: Backtest, change: Partial<BacktestRecord>): Promise<void> {
    const record = { ...backtest.record, ...change };
    await backtest.folder?.saveRecord(record);
    backtest.record = record;
  }

  /**
   * Asks for a backtest on a stream's samples.
   *
   * @throws {NotFoundError | InvalidValueError | LimitError | OverloadError} nothing was begun
   */
  async onStream(question: BacktestQuestion, range: StreamRange): Promise<BacktestShape> {
    const { store } = this.#parts;
    const { id, fromNs, toNs } = range;
    const record = await store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    this.#checkRoom();
    requireChannels(question.channels, record.channels);
    const wanted = question.channels ?? record.channels;
    const segment = await readRange(store, range, wanted, checkBacktestSize);
    const timeOf = (timeNs: bigint | undefined) =>
      timeNs === undefined ? null : formatTimestamp(timeNs);
    const source: SampleSource = { kind: "stream", id, from: timeOf(fromNs), to: timeOf(toNs) };
    const given = givenRanges(question.ranges ?? {}, record.channels);
    const ranges = { ...record.settings.channels, ...given };
    const { seasonsS = record.settings.seasonsS } = question;
    return await this.#submit({ ...question, ranges, seasonsS }, segment, source);
  }

  /** Asks for a backtest on samples that are sent along; as {@linkcode onStream}. */
  async onSegments(
    question: BacktestQuestion,
    segments: readonly Segment[],
    mediaType: string,
  ): Promise<BacktestShape> {
    this.#checkRoom();
    const segment = onlySegment(segments);
    requireChannels(question.channels, segment.channels);
    const ranges = givenRanges(question.ranges ?? {}, segment.channels);
    return await this.#submit({ ...question, ranges }, segment, { kind: "upload", mediaType });
  }

  /** @throws {OverloadError} {@linkcode BACKTEST_QUEUE_MAX} wait already */
  #checkRoom(): void {
    const queued = [...this.#all.values()].filter(({ record }) => record.state === "queued");
    const waiting = queued.length + this.#arriving;
    if (this.#isClosing) throw new OverloadError("The service is shutting down", RETRY_AFTER_S);
    if (waiting < BACKTEST_QUEUE_MAX) return;
    throw new OverloadError(`${waiting} backtests wait already`, RETRY_AFTER_S);
  }

  async #submit(
    question: BacktestQuestion,
    given: Segment,
    source: SampleSource,
  ): Promise<BacktestShape> {
    const plan = backtestPlan(question, given, this.#parts.models);
    const { segment, horizon, origins, models, bounds, seasonsS } = plan;
    const { channels, timestampsNs: { length: rows } } = segment;
    const record: BacktestRecord = {
      id: newId(),
      order: ++this.#newest,
      ...{ attempts: 0, state: "queued", source, channels: [...channels], rows },
      ...{ horizon, origins, models, ranges: { ...bounds }, seasonsS: [...seasonsS] },
      createdAt: this.#now(),
      ...{ startedAt: null, endedAt: null, error: null },
    };
    return shapeOf(await this.#keep(record, segment));
  }

  /** Takes a backtest in; resolves when it is on disk. */
  async #keep(record: BacktestRecord, segment: Segment): Promise<Backtest> {
    const { folder: root } = this.#parts;
    const folder = root === undefined ? null : new BacktestFolder(`${root}/${record.id}`);
    this.#arriving++;
    try {
      await folder?.create(record, segment);
    } finally {
      this.#arriving--;
    }
    const backtest: Backtest = {
      ...{ record, folder, segment, outcome: null },
      progress: { done: 0, total: 0 },
      ending: new AbortController(),
    };
    this.#all.set(record.id, backtest);
    this.#pump();
    return backtest;
  }

  #now(): string {
    return formatTimestamp(this.#parts.clock.nowNs());
  }

  async #forgetOld(): Promise<void> {
    const over = [...this.#all.values()].filter(isOver);
    for (const { record, folder } of over.slice(0, Math.max(0, over.length - BACKTESTS_KEPT_MAX))) {
      this.#all.delete(record.id);
      await folder?.remove();
    }
  }

  #pump(): void {
    if (this.#running !== null || this.#isClosing) return;
    const next = [...this.#all.values()].find(({ record }) => record.state === "queued");
    if (next === undefined) return;
    this.#running = this.#run(next)
      .then(() => this.#forgetOld())
      .catch((error) => this.#fail(next, String(error)))
      .finally(() => {
        this.#running = null;
        this.#pump();
      });
  }

  /** A disk that cannot be written: what is told is not what a restart will find. */
  #fail(backtest: Backtest, error: string): void {
    const { id, endedAt } = backtest.record;
    this.#parts.log.error("The backtest {id} cannot be kept: {error}", { id, error });
    if (endedAt !== null || this.#isClosing) return;
    backtest.record = { ...backtest.record, state: "failed", error, endedAt: this.#now() };
  }

  async #run(backtest: Backtest): Promise<void> {
    const { ending } = backtest;
    const { attempts } = backtest.record;
    // Nothing is awaited before: who asked sees at once that it runs.
    backtest.record = { ...backtest.record, state: "running", startedAt: this.#now() };
    const msMax = this.#parts.msMax ?? BACKTEST_MS_MAX;
    const late = () => ending.abort(new LimitError("BACKTEST_MS_MAX", msMax, msMax, "origins"));
    const timer = setTimeout(late, msMax);
    try {
      if (attempts >= BACKTEST_ATTEMPTS_MAX) {
        throw new Error(`The service ended ${attempts} times while this backtest ran`);
      }
      await this.#set(backtest, { attempts: attempts + 1 });
      const outcome = await this.#forecast(backtest);
      await backtest.folder?.saveOutcome(outcome);
      backtest.outcome = outcome;
      await this.#end(backtest, { state: "finished" });
    } catch (error) {
      const isCanceled = error instanceof CanceledError;
      const reason = error instanceof Error ? error.message : String(error);
      // An end that the service wants is none of the backtest's: it begins anew with it.
      if (isCanceled && this.#isClosing) await this.#set(backtest, { state: "queued", attempts });
      else if (isCanceled) await this.#end(backtest, { state: "canceled" });
      else await this.#end(backtest, { state: "failed", error: reason });
    } finally {
      clearTimeout(timer);
    }
  }

  async #forecast(backtest: Backtest): Promise<BacktestOutcome> {
    const { source, horizon, origins, models, ranges: bounds, seasonsS } = backtest.record;
    const files = await this.#parts.models.files(models);
    // It may have been ended before it came this far.
    backtest.ending.signal.throwIfAborted();
    const title = source.kind === "stream" ? source.id : "Samples that were sent";
    return await this.#parts.port.run(
      {
        ...{ title, segment: backtest.segment!, horizon, origins, models },
        ...{ bounds, seasonsS, files },
      },
      (done, total) => backtest.progress = { done, total },
      backtest.ending.signal,
    );
  }

  async #end(backtest: Backtest, change: Partial<BacktestRecord>): Promise<void> {
    await this.#set(backtest, { ...change, endedAt: this.#now() });
    backtest.segment = null;
    await backtest.folder?.removeSamples();
  }

  /** All of them without their reports, the newest first. */
  list(): BacktestShape[] {
    return [...this.#all.values()].reverse().map((one) => ({ ...shapeOf(one), report: null }));
  }

  /** @throws {NotFoundError} no such backtest */
  get(id: string): BacktestShape {
    return shapeOf(this.#require(id));
  }

  /** Page and pictures. @throws {NotFoundError} no such backtest, or it is not finished */
  outcome(id: string): BacktestOutcome {
    const { outcome } = this.#require(id);
    if (outcome === null) throw new NotFoundError("finished backtest", id);
    return outcome;
  }

  #require(id: string): Backtest {
    const backtest = this.#all.get(id);
    if (backtest === undefined) throw new NotFoundError("backtest", id);
    return backtest;
  }

  /** Ends a backtest that waits or runs; forgets one that is over. */
  async remove(id: string): Promise<void> {
    const backtest = this.#require(id);
    const { state } = backtest.record;
    if (state === "running") {
      backtest.ending.abort(new CanceledError());
      return;
    }
    if (state === "queued") {
      // It does not begin while its record is written.
      backtest.record = { ...backtest.record, state: "canceled" };
      await this.#end(backtest, {});
      return;
    }
    this.#all.delete(id);
    await backtest.folder?.remove();
  }

  /** Ends the one that runs; resolves when its thread is gone. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const { ending } of this.#all.values()) ending.abort(new CanceledError());
    await this.#running;
  }
}
