import type { Clock } from "../base/clock.ts";
import { LimitError, NotFoundError, OverloadError } from "../base/errors.ts";
import { fnv1a32 } from "../base/hash.ts";
import type { Segment } from "../signal/segment.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type {
  BehindStream,
  IssuedForecast,
  Store,
  StreamRecord,
  StreamSettings,
} from "../stores/store.ts";
import { Advancer } from "./advance.ts";
import { detectInParts } from "./detect_once.ts";
import {
  type Applied,
  type Claim,
  type ComponentsResult,
  DETECT_ONCE_VALUES_MAX,
  type DetectResult,
  type Engine,
  ENGINE_QUEUE_VALUES_MAX,
  type EngineStats,
  FORECAST_ONCE_CHANNELS_MAX,
  type ForecastRequest,
  type ForecastResult,
  type PastQuestion,
  type ProvenState,
  READ_WAIT_MS_MAX,
  StreamFailedError,
  type StreamState,
  type StreamSummary,
} from "./engine.ts";
import { statesToLeave } from "./eviction.ts";
import type { Feedback } from "./feedback.ts";
import { inTime } from "./in_time.ts";
import { Rewinds } from "./rewind.ts";
import { KeptPaces } from "./pace.ts";
import type { PartsOf } from "./shard.ts";
import { openPorts, type ShardPort } from "./shard_port.ts";
import { isCommitDue, STATE_CACHE_BYTES_MAX, STATE_CACHE_COUNT_MAX } from "./snapshots.ts";
import { tallyStates } from "./summary.ts";
import { Track } from "./track.ts";

/** Milliseconds between two looks at which states are due to be committed. */
export const COMMIT_TICK_MS = 250;
/** Streams that are looked up at a time when catching up after a start. */
export const CATCH_UP_PAGE = 100;
/** States that one look commits at most, so that saving never crowds out absorbing. */
export const COMMITS_PER_TICK_MAX = 32;

/** What an engine stands on, and its limits where a test wants others. */
export interface EngineOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Threads that hold states; default: the cores less one, at least one. */
  readonly workers?: number | undefined;
  /** Holds the states in this thread, with these models and detectors; for tests. */
  readonly parts?: PartsOf;
  /** Files of trained models by name, known before a state is opened. */
  readonly models?: ReadonlyMap<string, Uint8Array>;
  /** Default COMMIT_TICK_MS; 0 = states are looked at only when `tick` is called. */
  readonly tickMs?: number;
  readonly queueValuesMax?: number;
  readonly readWaitMsMax?: number;
  readonly rewindsMax?: number;
  readonly stateCacheBytesMax?: number | undefined;
  readonly stateCacheCountMax?: number;
}

/**
 * Opens the engine: states spread over workers by their stream's name, brought up to date from the
 * store whenever they are touched.
 *
 * @throws {Error} a worker cannot start
 */
export async function openEngine(options: EngineOptions): Promise<StreamEngine> {
  const engine = new StreamEngine(options);
  await engine.start();
  return engine;
}

/** The engine on this machine: this thread keeps order, the shards compute. */
export class StreamEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #ports: readonly ShardPort[];
  /** Files of trained models by name: a Worker that starts anew is given them first. */
  readonly #models: Map<string, Uint8Array>;
  readonly #advancer: Advancer;
  /** The longest unused first. */
  readonly #tracks = new Map<string, Track>();
  readonly #paces = new KeptPaces();
  /** Streams whose old state has yet to leave its shard before a new one may enter. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #appliedListeners = new Set<(applied: Applied) => void>();
  readonly #forecastListeners = new Set<(forecast: IssuedForecast) => void>();
  #queuedSamples = 0;
  #queuedValues = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ticking: Promise<void> | null = null;
  #catchingUp: Promise<void> | null = null;
  /** Samples between log and state at the start, of the streams that are yet to be caught up. */
  readonly #behind = new Map<string, number>();
  readonly #rewinds: Rewinds;
  readonly #waitMs: number;
  #detectionCount = 0;
  #isClosing = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#rewinds = new Rewinds(options.store, options.rewindsMax);
    this.#waitMs = options.readWaitMsMax ?? READ_WAIT_MS_MAX;
    this.#models = new Map(options.models);
    this.#ports = openPorts(options, (index) => this.#forgetShard(index));
    this.#advancer = new Advancer(options.store, options.clock, {
      applied: (applied) => this.#appliedListeners.forEach((listener) => listener(applied)),
      issued: (forecast) => this.#forecastListeners.forEach((listener) => listener(forecast)),
    });
  }

  async start(): Promise<void> {
    await Promise.all(this.#ports.map((port) => port.call("ping", null)));
    await Promise.all(this.#ports.map((port) => this.#giveModels(port)));
    const tickMs = this.#options.tickMs ?? COMMIT_TICK_MS;
    if (tickMs === 0) return;
    this.#timer = setInterval(() => this.tick(), tickMs);
    // A store that fails here fails every request, too: those say why.
    this.#catchingUp = this.catchUp().catch(() => {});
  }

  /**
   * Absorbs what a crash left between log and state, stream by stream, so that alarms in it open
   * without waiting for somebody to ask. Runs by itself after the start.
   */
  async catchUp(): Promise<void> {
    let page: BehindStream[];
    let after = "";
    do {
      page = await this.#store.listBehind({ after, limit: CATCH_UP_PAGE });
      for (const { id, samples } of page) this.#behind.set(id, samples);
      after = page.at(-1)?.id ?? after;
    } while (page.length === CATCH_UP_PAGE);
    for (const id of this.#behind.keys()) {
      if (this.#isClosing) return;
      // A stream that fails says so itself when it is asked for.
      await this.reach(id).catch(() => {});
      this.#behind.delete(id);
    }
  }

  /** Samples that no state had absorbed at the start, and none has by now. */
  #catchUpSamples(): number {
    let sum = 0;
    for (const [id, samples] of this.#behind) {
      const track = this.#tracks.get(id);
      sum += track?.isLoaded ? Math.min(samples, track.target - track.applied) : samples;
    }
    return sum;
  }

  /** All calls are on their way before any later one can be. */
  async #giveModels(port: ShardPort): Promise<void> {
    const calls = [...this.#models].map(([name, bytes]) => port.call("setModel", { name, bytes }));
    await Promise.all(calls);
  }

  async setModel(name: string, bytes: Uint8Array | null): Promise<void> {
    if (bytes === null) this.#models.delete(name);
    else this.#models.set(name, bytes);
    await Promise.all(this.#ports.map((port) => port.call("setModel", { name, bytes })));
  }

  /** A worker died: what it held is loaded again at the next touch, with the models it had. */
  #forgetShard(index: number): void {
    // A model that cannot be opened there says so when a stream asks for it.
    this.#giveModels(this.#ports[index]!).catch(() => {});
    for (const track of this.#tracks.values()) {
      if (track.port === this.#ports[index]) track.isLoaded = false;
    }
  }

  /** The stream's track, as the one used last; a stream made anew gets a new one. */
  #track(record: StreamRecord): Track {
    const { id } = record;
    let track = this.#tracks.get(id);
    if (track !== undefined && track.createdNs !== record.createdNs) {
      this.#leave(track);
      track = undefined;
    }
    if (track === undefined) {
      const port = this.#ports[fnv1a32(id) % this.#ports.length]!;
      const after = this.#leaving.get(id) ?? Promise.resolve();
      track = new Track(record, port, after, this.#paces.take(record));
    }
    this.#tracks.delete(id);
    this.#tracks.set(id, track);
    track.target = Math.max(track.target, record.inOrderCount);
    track.channelCount = Math.max(track.channelCount, record.channels.length);
    return track;
  }

  async submit(record: StreamRecord, inOrder: Segment, start: number): Promise<Applied> {
    const track = this.#track(record);
    track.pace.noteArrival(this.#clock.monotonicMs());
    if (track.failed !== null) throw new StreamFailedError(track.id, track.failed);
    return await this.#queued(inOrder, () => {
      const settled = Promise.withResolvers<Applied>();
      track.enqueue({ segment: inOrder, start, settled });
      // What goes wrong reaches the submission itself, so that here nothing is left to handle.
      track.exclusive(() => this.#advancer.advance(track, 0)).catch(() => {});
      return settled.promise;
    });
  }

  /** Counts a segment as queued while `work` runs; refuses it where too much is queued already. */
  async #queued<T>(segment: Segment, work: () => Promise<T>): Promise<T> {
    const samples = segment.timestampsNs.length;
    const values = samples * (segment.channels.length + 1);
    const queueMax = this.#options.queueValuesMax ?? ENGINE_QUEUE_VALUES_MAX;
    if (this.#queuedValues + values > queueMax) {
      throw new OverloadError(`${this.#queuedSamples} samples wait to be absorbed already`, 1);
    }
    this.#queuedSamples += samples;
    this.#queuedValues += values;
    try {
      return await work();
    } finally {
      this.#queuedSamples -= samples;
      this.#queuedValues -= values;
    }
  }

  /** Runs `read` on a state that has absorbed all of the log; who asks is taken to ask again. */
  async #consistent<T>(id: string, read: (track: Track) => Promise<T>, isAsked = true): Promise<T> {
    const record = await this.#store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    const track = this.#track(record);
    const work = track.exclusive(async () => {
      await this.#advancer.advance(track, record.inOrderCount);
      return await read(track);
    });
    if (isAsked) track.pace.noteQuestion(this.#clock.monotonicMs());
    try {
      return await inTime(work, this.#waitMs, `The state of "${id}" is behind its log`);
    } catch (error) {
      await this.#requireUnchanged(record);
      throw error;
    }
  }

  /**
   * A stream that is deleted while its log is read makes the read fail in odd ways.
   *
   * @throws {NotFoundError} it was deleted
   * @throws {OverloadError} it was made anew: a read that comes now is answered
   */
  async #requireUnchanged({ id, createdNs }: StreamRecord): Promise<void> {
    const now = await this.#store.getStream(id);
    if (now === null) throw new NotFoundError("stream", id);
    if (now.createdNs === createdNs) return;
    throw new OverloadError(`Stream "${id}" was deleted and made anew meanwhile`, 1);
  }

  async describe(id: string): Promise<StreamState> {
    try {
      return await this.#consistent(id, (track) => track.port.call("describe", { streamId: id }));
    } catch (error) {
      if (error instanceof StreamFailedError) return this.#describeFailed(id);
      throw error;
    }
  }

  summarize(id: string): Promise<StreamSummary> {
    return this.#consistent(id, (track) => track.port.call("summarize", { streamId: id }));
  }

  async #describeFailed(id: string): Promise<StreamState> {
    const track = this.#tracks.get(id);
    const snapshot = await this.#store.latestSnapshot(id);
    return {
      appliedOffset: snapshot?.appliedOffset ?? 0,
      sampleCount: snapshot?.appliedOffset ?? 0,
      modelHash: snapshot?.modelHash ?? "",
      stateHash: snapshot?.stateHash ?? "",
      stateBytes: snapshot?.bytes.length ?? 0,
      periodS: null,
      seasonsS: [],
      coverage: [],
      perChannel: {},
      failed: track?.failed ?? "the state was given up",
    };
  }

  forecast(id: string, request: ForecastRequest): Promise<ForecastResult> {
    return this.#consistent(id, (track) => track.port.call("forecast", { streamId: id, request }));
  }

  forecastAsOf(id: string, past: PastQuestion, request: ForecastRequest): Promise<ForecastResult> {
    return this.#replayed(
      id,
      (port, record, signal) => this.#rewinds.forecast(port, record, past, request, signal),
    );
  }

  prove(id: string, claim: Claim): Promise<ProvenState> {
    return this.#replayed(
      id,
      (port, record, signal) => this.#rewinds.prove(port, record, claim, signal),
    );
  }

  /** What a replay of the past tells, within a time. */
  async #replayed<T>(
    id: string,
    ask: (port: ShardPort, record: StreamRecord, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const record = await this.#store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    const stop = new AbortController();
    try {
      const work = ask(this.#calmPort(), record, stop.signal);
      return await inTime(work, this.#waitMs, `The past of "${id}" is not replayed yet`);
    } catch (error) {
      await this.#requireUnchanged(record);
      throw error;
    } finally {
      stop.abort();
    }
  }

  components(id: string, samples: Segment): Promise<ComponentsResult> {
    return this.#consistent(
      id,
      (track) => track.port.call("components", { streamId: id, samples }),
    );
  }

  giveFeedback(id: string, feedback: Feedback): Promise<void> {
    return this.#consistent(id, (track) => this.#advancer.giveFeedback(track, feedback));
  }

  reach(id: string): Promise<void> {
    return this.#consistent(id, () => Promise.resolve(), false);
  }

  async forecastOnce(
    segment: Segment,
    settings: Partial<StreamSettings>,
    request: ForecastRequest,
  ): Promise<ForecastResult> {
    checkOnce("FORECAST_ONCE_CHANNELS_MAX", FORECAST_ONCE_CHANNELS_MAX, segment.channels.length);
    const known = withoutMissing(segment, settings.channels ?? {});
    const argument = { segment: known, settings, request };
    return await this.#queued(known, () => this.#calmPort().call("forecastOnce", argument));
  }

  async detectOnce(
    segment: Segment,
    settings: Partial<StreamSettings> = {},
  ): Promise<DetectResult> {
    const values = segment.timestampsNs.length * segment.channels.length;
    checkOnce("DETECT_ONCE_VALUES_MAX", DETECT_ONCE_VALUES_MAX, values);
    const key = this.#detectionCount++;
    return await this.#queued(
      segment,
      () => detectInParts(this.#calmPort(), { segment, settings, key }),
    );
  }

  /** The shard with the least to do, for work that is no stream's. */
  #calmPort(): ShardPort {
    return this.#ports.reduce((a, b) => b.openCalls < a.openCalls ? b : a);
  }

  async drop(id: string): Promise<void> {
    const track = this.#tracks.get(id);
    if (track !== undefined) this.#leave(track);
    await this.#leaving.get(id);
  }

  /** Takes a track out; its state leaves the shard when the work that waits is done. */
  #leave(track: Track): void {
    this.#tracks.delete(track.id);
    const left = track.exclusive(() => this.#unload(track)).catch(() => {}).then(() => {
      if (this.#leaving.get(track.id) === left) this.#leaving.delete(track.id);
    });
    this.#leaving.set(track.id, left);
  }

  async #unload(track: Track): Promise<void> {
    if (track.isLoaded) await track.port.call("drop", { streamId: track.id });
    track.isLoaded = false;
  }

  /** Commits what is due and catches up what fell behind; runs by itself every tick. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick().finally(() => this.#ticking = null);
    return this.#ticking;
  }

  async #tick(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const due: Track[] = [];
    for (const track of this.#tracks.values()) {
      if (due.length === COMMITS_PER_TICK_MAX) break;
      if (track.workCount > 0 || track.failed !== null) continue;
      const isBehind = track.isLoaded && track.applied < track.target;
      const isDue = track.retryMs === null
        ? isCommitDue(track.uncommitted, nowMs)
        : nowMs >= track.retryMs;
      if (isBehind || isDue) due.push(track);
    }
    await Promise.all(due.map((track) => this.#bringHome(track)));
    await this.#evict();
  }

  /** Absorbs what the log holds and commits; a failure is kept on the track or tried again. */
  async #bringHome(track: Track): Promise<void> {
    await track.exclusive(async () => {
      await this.#advancer.advance(track, track.target);
      await this.#advancer.commit(track);
    }).catch(() => {});
  }

  /** Puts states away while they are too many or too large. */
  async #evict(): Promise<void> {
    const limits = {
      bytesMax: this.#options.stateCacheBytesMax ?? STATE_CACHE_BYTES_MAX,
      countMax: this.#options.stateCacheCountMax ?? STATE_CACHE_COUNT_MAX,
    };
    const leaving = statesToLeave(this.#tracks.values(), limits, this.#clock.monotonicMs());
    await Promise.all(leaving.map((track) => this.#putAway(track)));
  }

  async #putAway(track: Track): Promise<void> {
    await track.exclusive(async () => {
      await this.#advancer.commit(track, { isIssued: false });
      // Work that came meanwhile needs the state: it stays. Else nobody can come in between, since
      // the message to the shard is on its way before this turn ends.
      if (track.workCount > 1 || this.#tracks.get(track.id) !== track) return;
      this.#tracks.delete(track.id);
      this.#paces.keep(track, track.pace);
      await this.#unload(track);
    }).catch(() => {});
  }

  async drain(): Promise<void> {
    await this.#ticking;
    await Promise.all([...this.#tracks.values()].map((track) => this.#bringHome(track)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#isClosing = true;
    this.#advancer.stop();
    await this.#ticking;
    await this.#catchingUp;
    const tracks = [...this.#tracks.values()];
    await Promise.all(
      tracks.map((track) => track.exclusive(() => this.#advancer.commit(track)).catch(() => {})),
    );
    for (const port of this.#ports) port.close();
  }

  stats(): EngineStats {
    return {
      ...tallyStates([...this.#tracks.values()]),
      workers: this.#ports.length,
      queuedSamples: this.#queuedSamples,
      catchUpSamples: this.#catchUpSamples(),
      absorbedSamples: this.#advancer.absorbedSamples,
      loadedStates: this.#advancer.loadedStates,
    };
  }

  onApplied(listener: (applied: Applied) => void): () => void {
    this.#appliedListeners.add(listener);
    return () => this.#appliedListeners.delete(listener);
  }

  onForecast(listener: (forecast: IssuedForecast) => void): () => void {
    this.#forecastListeners.add(listener);
    return () => this.#forecastListeners.delete(listener);
  }
}

/** @throws {LimitError} more than work without a stream may have */
function checkOnce(limitName: string, limit: number, given: number): void {
  if (given > limit) throw new LimitError(limitName, limit, given, "samples");
}
