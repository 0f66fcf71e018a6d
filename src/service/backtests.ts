import type { Clock } from "../base/clock.ts";
import { InvalidValueError, LimitError, NotFoundError, OverloadError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import type { Store } from "../stores/store.ts";
import type { BacktestOutcome, BacktestPort, BacktestReport } from "./backtest_port.ts";
import type { ModelService } from "./model_service.ts";
import { onlySegment, readRange, type StreamRange } from "./range.ts";

/** Backtests that wait for the one that runs; beyond, a new one is asked to come back. */
export const BACKTEST_QUEUE_MAX = 4;
/** Backtests that are over and still told of; the oldest go first. */
export const BACKTESTS_KEPT_MAX = 16;
/** Values of one backtest's samples, rows · channels. */
export const BACKTEST_VALUES_MAX = 200_000;
/** Channels of one backtest. */
export const BACKTEST_CHANNELS_MAX = 16;
/** Origins of one backtest, which are its windows. */
export const BACKTEST_ORIGINS_MAX = 100;
/** Samples ahead. */
export const BACKTEST_HORIZON_MAX = 1_000;
/** Fits of models in one backtest: origins · models · channels. */
export const BACKTEST_FITS_MAX = 2_000;
/** A backtest that is not over by then is ended. */
export const BACKTEST_MS_MAX = 15 * 60_000;

/** Origins unless told otherwise. */
export const BACKTEST_ORIGINS_DEFAULT = 8;
/** Samples ahead unless told otherwise; at most a quarter of the series. */
export const BACKTEST_HORIZON_DEFAULT = 24;

/** When to come back to a full queue. */
const RETRY_AFTER_S = 30;

/** States of a backtest. */
export const BACKTEST_STATES = ["queued", "running", "finished", "canceled", "failed"] as const;

/** What is asked of a backtest. */
export interface BacktestQuestion {
  readonly horizon?: number | undefined;
  readonly origins?: number | undefined;
  /** Names of models; default: those of the program. Peers are always there. */
  readonly models?: readonly string[] | undefined;
  readonly channels?: readonly string[] | undefined;
}

/** Where the samples come from. */
export type BacktestSource =
  | { kind: "stream"; id: string; from: string | null; to: string | null }
  | { kind: "upload"; mediaType: string };

/** A backtest as it is answered. */
export interface BacktestShape {
  id: string;
  state: typeof BACKTEST_STATES[number];
  source: BacktestSource;
  channels: string[];
  rows: number;
  horizon: number;
  origins: number;
  models: string[];
  /** Forecasts that are made, and all there will be; 0 of 0 before it runs. */
  progress: { done: number; total: number };
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  error: string | null;
  report: BacktestReport | null;
}

/** What backtests stand on. */
export interface BacktestsParts {
  readonly store: Store;
  readonly models: ModelService;
  readonly port: BacktestPort;
  readonly clock: Clock;
  /** Default {@linkcode BACKTEST_MS_MAX}. */
  readonly msMax?: number;
}

interface Backtest {
  shape: BacktestShape;
  readonly segment: Segment;
  readonly ending: AbortController;
  outcome: BacktestOutcome | null;
}

function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

function limit(name: string, most: number, actual: number, field: string): void {
  if (actual > most) throw new LimitError(name, most, actual, field);
}

function wholeFrom1(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new InvalidValueError(field, value, "a whole number of at least 1");
}

/** Why a backtest was ended. */
class CanceledError extends Error {}

/**
 * Backtests on users' own samples: one runs, in a thread of its own; some wait. They are kept in
 * memory, and are gone after a restart.
 */
export class Backtests {
  readonly #parts: BacktestsParts;
  /** In the order in which they were asked for. */
  readonly #all = new Map<string, Backtest>();
  #running: Promise<void> | null = null;
  #isClosing = false;

  constructor(parts: BacktestsParts) {
    this.#parts = parts;
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
    const segment = await readRange(store, range, wanted, checkValues);
    const timeOf = (timeNs: bigint | undefined) =>
      timeNs === undefined ? null : formatTimestamp(timeNs);
    const source: BacktestSource = { kind: "stream", id, from: timeOf(fromNs), to: timeOf(toNs) };
    return this.#submit(question, segment, source);
  }

  /** Asks for a backtest on samples that are sent along; as {@linkcode onStream}. */
  onSegments(
    question: BacktestQuestion,
    segments: readonly Segment[],
    mediaType: string,
  ): BacktestShape {
    this.#checkRoom();
    const segment = onlySegment(segments);
    requireChannels(question.channels, segment.channels);
    return this.#submit(question, segment, { kind: "upload", mediaType });
  }

  /** @throws {OverloadError} {@linkcode BACKTEST_QUEUE_MAX} wait already */
  #checkRoom(): void {
    const waiting = [...this.#all.values()].filter(({ shape }) => shape.state === "queued");
    if (this.#isClosing) throw new OverloadError("The service is shutting down", RETRY_AFTER_S);
    if (waiting.length < BACKTEST_QUEUE_MAX) return;
    throw new OverloadError(`${waiting.length} backtests wait already`, RETRY_AFTER_S);
  }

  #submit(question: BacktestQuestion, given: Segment, source: BacktestSource): BacktestShape {
    const channels = [...question.channels ?? given.channels];
    const rows = given.timestampsNs.length;
    limit("BACKTEST_CHANNELS_MAX", BACKTEST_CHANNELS_MAX, channels.length, "channels");
    checkValues(rows * channels.length);
    const { horizon = defaultHorizon(rows), origins = BACKTEST_ORIGINS_DEFAULT } = question;
    wholeFrom1("horizon", horizon);
    wholeFrom1("origins", origins);
    limit("BACKTEST_HORIZON_MAX", BACKTEST_HORIZON_MAX, horizon, "horizon");
    limit("BACKTEST_ORIGINS_MAX", BACKTEST_ORIGINS_MAX, origins, "origins");
    const known = this.#parts.models;
    const models = [
      ...new Set(
        question.models ??
          known.list().filter(({ origin }) => origin === "built-in").map(({ name }) => name),
      ),
    ];
    if (models.length === 0) throw new InvalidValueError("models", "[]", "at least one model");
    for (const name of models) known.require(name);
    const fits = origins * models.length * channels.length;
    limit("BACKTEST_FITS_MAX", BACKTEST_FITS_MAX, fits, "origins");
    if (rows < 2 || rows - horizon < Math.max(2, Math.ceil(rows / 2))) {
      const least = `more samples (${rows} are there), or a shorter horizon`;
      throw new InvalidValueError("horizon", horizon, least);
    }
    const segment = {
      streamId: given.streamId,
      channels,
      timestampsNs: given.timestampsNs.slice(),
      values: channels.map((name) =>
        given.values[given.channels.indexOf(name)]?.slice() ?? new Float64Array(rows).fill(NaN)
      ),
    };
    const backtest: Backtest = {
      shape: {
        id: newId(),
        ...{ state: "queued", source, channels, rows, horizon, origins, models },
        progress: { done: 0, total: 0 },
        createdAt: this.#now(),
        ...{ startedAt: null, endedAt: null, error: null, report: null },
      },
      segment,
      ending: new AbortController(),
      outcome: null,
    };
    this.#all.set(backtest.shape.id, backtest);
    this.#forgetOld();
    this.#pump();
    return backtest.shape;
  }

  #now(): string {
    return formatTimestamp(this.#parts.clock.nowNs());
  }

  #forgetOld(): void {
    const over = [...this.#all.values()].filter(({ shape }) => shape.endedAt !== null);
    for (const { shape } of over.slice(0, Math.max(0, over.length - BACKTESTS_KEPT_MAX))) {
      this.#all.delete(shape.id);
    }
  }

  #pump(): void {
    if (this.#running !== null || this.#isClosing) return;
    const next = [...this.#all.values()].find(({ shape }) => shape.state === "queued");
    if (next === undefined) return;
    this.#running = this.#run(next).finally(() => {
      this.#running = null;
      this.#forgetOld();
      this.#pump();
    });
  }

  async #run(backtest: Backtest): Promise<void> {
    const { segment, ending } = backtest;
    const set = (change: Partial<BacktestShape>) => {
      backtest.shape = { ...backtest.shape, ...change };
    };
    set({ state: "running", startedAt: this.#now() });
    const { source, horizon, origins, models } = backtest.shape;
    const msMax = this.#parts.msMax ?? BACKTEST_MS_MAX;
    const late = () => ending.abort(new LimitError("BACKTEST_MS_MAX", msMax, msMax, "origins"));
    const timer = setTimeout(late, msMax);
    try {
      const files = await this.#parts.models.files(models);
      const title = source.kind === "stream" ? source.id : "Samples that were sent";
      const outcome = await this.#parts.port.run(
        { ...{ title, segment, horizon, origins, models, files } },
        (done, total) => set({ progress: { done, total } }),
        ending.signal,
      );
      backtest.outcome = outcome;
      set({ state: "finished", report: outcome.report });
    } catch (error) {
      const isCanceled = error instanceof CanceledError;
      const reason = error instanceof Error ? error.message : String(error);
      set({ state: isCanceled ? "canceled" : "failed", error: isCanceled ? null : reason });
    } finally {
      clearTimeout(timer);
      set({ endedAt: this.#now() });
    }
  }

  /** All of them without their reports, the newest first. */
  list(): BacktestShape[] {
    return [...this.#all.values()].reverse().map(({ shape }) => ({ ...shape, report: null }));
  }

  /** @throws {NotFoundError} no such backtest */
  get(id: string): BacktestShape {
    return this.#require(id).shape;
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
  remove(id: string): void {
    const backtest = this.#require(id);
    const { state } = backtest.shape;
    if (state === "running") {
      backtest.ending.abort(new CanceledError());
      return;
    }
    if (state === "queued") {
      backtest.shape = { ...backtest.shape, state: "canceled", endedAt: this.#now() };
      return;
    }
    this.#all.delete(id);
  }

  /** Ends the one that runs; resolves when its thread is gone. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const { ending } of this.#all.values()) ending.abort(new CanceledError());
    await this.#running;
  }
}

function defaultHorizon(rows: number): number {
  return Math.max(1, Math.min(BACKTEST_HORIZON_DEFAULT, Math.floor(rows / 4)));
}

/** @throws {LimitError} {@linkcode BACKTEST_VALUES_MAX} */
function checkValues(values: number): void {
  limit("BACKTEST_VALUES_MAX", BACKTEST_VALUES_MAX, values, "samples");
}

function requireChannels(asked: readonly string[] | undefined, known: readonly string[]): void {
  for (const name of asked ?? []) {
    if (known.includes(name)) continue;
    throw new InvalidValueError("channels", name, `some of ${known.slice(0, 20).join(", ")}`);
  }
}
