import type { Clock } from "../base/clock.ts";
import { InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import { hasValue, type Segment, validateStreamId } from "../signal/segment.ts";
import { formatTimestamp, type TimestampPrecision } from "../signal/timestamp.ts";
import { withoutMissing } from "../stores/channel_range.ts";
import type {
  AlarmEvent,
  AppendOptions,
  AppendResult,
  Store,
  StreamSettings,
} from "../stores/store.ts";
import { type Applied, COMPONENT_TIMES_MAX, type Engine } from "../streams/engine.ts";
import { Alerts } from "./alerts/alerts.ts";
import { makeSender, type SendWebhook } from "./alerts/webhook_sender.ts";
import { type AnswersShape, answersShape } from "./answer_shapes.ts";
import type { Backtests } from "./backtests.ts";
import { channelComponentsShape, type ComponentsShape } from "./component_shapes.ts";
import { removeFeedback } from "../streams/feedback_log.ts";
import { EventHub, SUBSCRIBER_QUEUE_MAX } from "./events.ts";
import { Heartbeats } from "./heartbeats.ts";
import { mergeByStream, oneRowATime } from "./merge.ts";
import { type ForecastQuestion, requireChannels, streamForecast } from "./forecasts.ts";
import { countsText, coverageText } from "./counts_text.ts";
import { channelsOf, type Observations, readObservations } from "./observations.ts";
import { type ProofQuestion, type ProofShape, stateProof } from "./proofs.ts";
import { readRange, type StreamRange } from "./range.ts";
import {
  type AnomalyShape,
  anomalyShape,
  type ForecastShape,
  forecastShape,
  type IngestShape,
  ingestShape,
  revisionShape,
  type SampleShape,
  sampleShape,
  type StreamShape,
  streamShape,
  type StreamStateShape,
  streamStateShape,
} from "./shapes.ts";
import {
  reconciledForecasts,
  type ReconciledQuestion,
  type ReconciledShape,
} from "./reconciled.ts";
import { RecentPredictions } from "./recent.ts";
import { forecastsText, type ScrapeQuestion } from "./scrape.ts";
import { unitNote } from "./unit_note.ts";
import { type ListingShape, listStreams } from "./listing.ts";
import type { ModelService } from "./model_service.ts";
import type { Log, Telemetry } from "./telemetry.ts";

/** Alarms of one answer. */
export const ANOMALIES_MAX = 10_000;

const WARNING_STEP_MS = 1_000;

/** What a service stands on. */
export interface ServiceParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly models: ModelService;
  readonly backtests: Backtests;
  readonly telemetry: Telemetry;
  readonly log: Log;
  readonly clock: Clock;
  /** Whether webhooks may reach addresses that are not public; default false. */
  readonly isPrivateAllowed?: boolean;
  /** How webhooks are sent; default over the network. */
  readonly send?: SendWebhook;
}

/** How samples are taken in. */
export interface IngestOptions extends AppendOptions {
  /** Answer only after the states have absorbed what was accepted. */
  readonly isAppliedAwaited: boolean;
  /** Values that the protocol left out, for the counters. */
  readonly ignoredCount: number;
  /** Unit that integer times were read in; absent where the protocol has none. */
  readonly precision?: TimestampPrecision | undefined;
}

/**
 * The use cases: everything that a route or the command line can ask for. Bodies are decoded and
 * questions parsed before; answers are shapes ready for JSON.
 */
export class Service {
  readonly events = new EventHub();
  readonly alerts: Alerts;
  readonly heartbeats: Heartbeats;
  readonly models: ModelService;
  readonly backtests: Backtests;
  readonly telemetry: Telemetry;
  readonly log: Log;
  readonly clock: Clock;
  readonly #store: Store;
  readonly #engine: Engine;
  readonly #recent = new RecentPredictions();
  readonly #closing = new AbortController();
  #warnedMs = -Infinity;

  constructor(parts: ServiceParts) {
    const { store, engine, models, backtests, telemetry, log, clock } = parts;
    const isPrivateAllowed = parts.isPrivateAllowed ?? false;
    const send = parts.send ?? makeSender({ isPrivateAllowed });
    this.models = models;
    this.backtests = backtests;
    this.#store = store;
    this.#engine = engine;
    this.telemetry = telemetry;
    this.log = log;
    this.clock = clock;
    this.alerts = new Alerts({ store, engine, log, clock, send, isPrivateAllowed });
    this.heartbeats = new Heartbeats({
      ...{ store, clock, log },
      onAlarm: (alarm) => this.#publishAlarms(alarm.streamId, [alarm]),
    });
    engine.onApplied((applied) => this.#publishApplied(applied));
    engine.onForecast((forecast) => {
      if (!this.events.hasSubscribers(forecast.streamId)) return;
      const data = { ...forecastShape(forecast, [80, 95]) };
      this.events.publish(forecast.streamId, { kind: "forecast", data });
    });
  }

  /** False from the moment that the service begins to shut down. */
  get isReady(): boolean {
    return !this.#closing.signal.aborted;
  }

  /** Aborted when the service begins to shut down. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * Stores what was sent, all of it or nothing, and hands what is in order to the states. Resolves
   * when it is durable, or applied where that is awaited.
   *
   * @throws {OverloadError} too much waits already; nothing was stored, unless only the wait for
   *   the state failed, when a retry finds duplicates
   */
  async ingest(segments: readonly Segment[], options: IngestOptions): Promise<IngestShape[]> {
    for (const { streamId } of segments) validateStreamId(streamId);
    const { isAppliedAwaited, ignoredCount, precision, ...append } = options;
    const merged = mergeByStream(segments);
    const results = await this.#store.append(merged, append);
    const notes = merged.map((one) => precision === undefined ? null : unitNote(one, precision));
    for (const [i, note] of notes.entries()) {
      if (note !== null) this.#warn("{stream}: {note}", { stream: merged[i]!.streamId, note });
    }
    this.heartbeats.hear(results);
    const applied = results.map((result) => this.#submit(result));
    for (const result of results) this.telemetry.countSamples(result, 0);
    this.telemetry.countSamples({ accepted: 0, duplicates: 0, late: 0, rejected: 0 }, ignoredCount);
    if (!isAppliedAwaited) return results.map((result, i) => ingestShape(result, notes[i]!));
    await Promise.all(applied);
    await Promise.all(results.map(({ streamId }) => this.#engine.reach(streamId)));
    return results.map((result, i) => ingestShape(result, notes[i]!, result.record.inOrderCount));
  }

  /** A refused or failed submission loses nothing: the log has the samples, a read catches up. */
  async #submit({ record, inOrder, inOrderStart, replayed }: AppendResult): Promise<void> {
    if (inOrder === null || replayed) return;
    const sampleCount = inOrder.timestampsNs.length;
    this.telemetry.addUnapplied(sampleCount);
    try {
      await this.#engine.submit(record, inOrder, inOrderStart);
    } catch (error) {
      this.telemetry.countFailure("absorb");
      this.#warn("Samples of {stream} wait in the log: {error}", {
        stream: record.id,
        error: String(error),
      });
    } finally {
      this.telemetry.addUnapplied(-sampleCount);
    }
  }

  /** An overload refuses thousands of submissions a second; one line a second says so. */
  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.#warnedMs < WARNING_STEP_MS) return;
    this.#warnedMs = nowMs;
    this.log.warning(message, { ...fields });
  }

  #publishApplied(applied: Applied): void {
    this.#recent.add(applied);
    const { streamId } = applied.segment;
    if (this.events.hasSubscribers(streamId)) this.#publishSamples(applied);
    this.#publishAlarms(streamId, applied.alarms);
    for (const ended of applied.ended) {
      this.events.publish(streamId, { kind: "revision", data: { ...revisionShape(ended) } });
    }
  }

  #publishSamples(applied: Applied): void {
    const { streamId, timestampsNs } = applied.segment;
    const length = timestampsNs.length;
    // A long segment would only push its own beginning out of the subscribers' queues.
    for (let row = Math.max(0, length - SUBSCRIBER_QUEUE_MAX / 2); row < length; row++) {
      this.events.publish(streamId, { kind: "sample", data: { ...sampleShape(applied, row) } });
    }
  }

  #publishAlarms(streamId: string, alarms: readonly AlarmEvent[]): void {
    this.telemetry.countAlarms(alarms.length);
    if (!this.events.hasSubscribers(streamId)) return;
    for (const alarm of alarms) {
      this.events.publish(streamId, { kind: "anomaly", data: { ...anomalyShape(alarm) } });
    }
  }

  /** @throws {InvalidValueError} a setting that cannot be taken */
  async putStream(
    id: string,
    settings: Partial<StreamSettings>,
  ): Promise<{ stream: StreamShape; isCreated: boolean }> {
    validateStreamId(id, "id");
    if (settings.model !== undefined) this.models.require(settings.model);
    const { record, created } = await this.#store.putStream(id, settings);
    if (!created) await this.#engine.drop(id);
    this.alerts.streamChanged(id);
    return { stream: streamShape(record), isCreated: created };
  }

  listStreams(options: { after?: string; limit: number }): Promise<ListingShape> {
    return listStreams(this.#store, this.clock, options);
  }

  /** @throws {NotFoundError} no such stream */
  async getStream(id: string): Promise<StreamStateShape> {
    const before = await this.#record(id);
    const state = await this.#engine.describe(id);
    return streamStateShape(await this.#store.getStream(id) ?? before, state);
  }

  /** @throws {NotFoundError} no such stream */
  async deleteStream(id: string): Promise<void> {
    const isDeleted = await this.#store.deleteStream(id);
    await this.#engine.drop(id);
    await removeFeedback(this.#store, id);
    this.events.close(id);
    this.#recent.forget(id);
    await this.heartbeats.forget(id);
    await this.alerts.streamDeleted(id);
    if (!isDeleted) throw new NotFoundError("stream", id);
  }

  /** @throws {NotFoundError | InvalidValueError} no such stream, no sample, a time in the past */
  async forecast(id: string, question: ForecastQuestion): Promise<ForecastShape & AnswersShape> {
    const record = await this.#record(id);
    const forecast = await streamForecast(
      { store: this.#store, engine: this.#engine },
      record,
      question,
    );
    return {
      ...forecastShape(forecast, question.levels, record.logOffset),
      ...answersShape(forecast, question.levels),
    };
  }

  /** Newest values and forecasts in Prometheus' text format; throws as `forecastsText` does. */
  forecastMetrics(question: ScrapeQuestion): Promise<string> {
    const { clock } = this;
    return forecastsText({ store: this.#store, engine: this.#engine, clock }, question);
  }

  /** Whether a state is what the log makes it; throws as `stateProof` does. */
  async prove(id: string, question: ProofQuestion): Promise<ProofShape> {
    const record = await this.#record(id);
    return await stateProof({ store: this.#store, engine: this.#engine }, record, question);
  }

  /** Forecasts of streams and of their sums that add up; throws as `forecast` does. */
  reconcile(question: ReconciledQuestion): Promise<ReconciledShape> {
    return reconciledForecasts({ store: this.#store, engine: this.#engine }, question);
  }

  /**
   * What a stretch of the past was made of, gaps filled.
   *
   * @throws {NotFoundError | InvalidValueError} no such stream or channel, too few values
   * @throws {LimitError} COMPONENT_TIMES_MAX
   */
  async components(
    range: StreamRange,
    asked: readonly string[] | undefined,
    levels: readonly number[],
  ): Promise<ComponentsShape> {
    const { id } = range;
    const record = await this.#record(id);
    requireChannels(asked, record.channels);
    const channels: ComponentsShape["channels"] = {};
    const names = asked ?? record.channels;
    const { covariates = [] } = record.settings;
    const read = [...new Set([...names, ...covariates])];
    const samples = await readRange(this.#store, range, read, (values) => {
      const count = values / read.length * names.length;
      if (count <= COMPONENT_TIMES_MAX) return;
      throw new LimitError("COMPONENT_TIMES_MAX", COMPONENT_TIMES_MAX, count, "from");
    });
    let provenance: ComponentsShape["provenance"] | null = null;
    // Of channels that nobody named, one that is silent keeps none of the others from being told.
    const heard = names.filter((name) =>
      asked !== undefined || hasValue(samples.values[samples.channels.indexOf(name)]!)
    );
    for (const name of heard.length > 0 ? heard : names) {
      const result = await this.#engine.components(id, channelsOf(samples, [name, ...covariates]));
      const { modelHash, stateHash, appliedOffset } = result;
      provenance ??= { modelHash, stateHash, appliedOffset, logOffset: record.logOffset };
      channels[name] = channelComponentsShape(result, levels);
    }
    return { id, channels, provenance: provenance! };
  }

  /** Alarms with fromNs <= t <= toNs, oldest first; `next` is where the rest begins. */
  async anomalies(
    id: string,
    range: { readonly fromNs: bigint; readonly toNs: bigint; readonly limit: number },
  ): Promise<{ id: string; anomalies: AnomalyShape[]; next: string | null }> {
    await this.#record(id);
    await this.#engine.reach(id);
    const alarms = await this.#store.readEvents(id, range.fromNs, range.toNs, range.limit);
    const last = alarms.length < range.limit ? undefined : alarms.at(-1);
    return {
      id,
      anomalies: alarms.map(anomalyShape),
      next: last === undefined ? null : formatTimestamp(last.timestampNs + 1n),
    };
  }

  /**
   * Takes in what a person says of an alarm.
   *
   * @param alarm  its number among those of the stream, or the last missing heartbeat
   * @throws {NotFoundError | LimitError} no such stream or alarm, or too much was said already
   */
  async giveFeedback(
    id: string,
    alarm: number | "heartbeat",
    isFine: boolean,
  ): Promise<{ id: string; flag: number | "heartbeat"; fine: boolean }> {
    await this.#record(id);
    if (alarm === "heartbeat") await this.heartbeats.giveFeedback(id, isFine);
    else await this.#engine.giveFeedback(id, { number: alarm, isFine });
    return { id, flag: alarm, fine: isFine };
  }

  /** The last samples with their one-step predictions, oldest first. */
  async innovations(id: string, limit: number): Promise<{ id: string; samples: SampleShape[] }> {
    await this.#record(id);
    await this.#engine.reach(id);
    return { id, samples: this.#recent.read(id, limit) };
  }

  /** @throws {NotFoundError | InvalidValueError} no such stream or channel */
  async observations(
    id: string,
    range: {
      readonly fromNs: bigint;
      readonly toNs: bigint;
      readonly maxPoints: number;
      readonly channels?: readonly string[] | undefined;
    },
  ): Promise<Observations> {
    const record = await this.#record(id);
    requireChannels(range.channels, record.channels);
    return readObservations(this.#store, id, range);
  }

  /** A forecast of samples that are sent along; nothing is stored. */
  async forecastOnce(
    segment: Segment,
    settings: Partial<StreamSettings>,
    question: ForecastQuestion,
  ): Promise<ForecastShape & AnswersShape> {
    const { levels, ...request } = question;
    if (settings.model !== undefined) this.models.require(settings.model);
    const merged = oneRowATime(withoutMissing(segment, settings.channels ?? {}));
    requireValue(merged);
    requireChannels(question.channels, merged.channels);
    const forecast = await this.#engine.forecastOnce(merged, settings, request);
    return { ...forecastShape(forecast, levels), ...answersShape(forecast, levels) };
  }

  /** Scores and flags of samples that are sent along, in time order; nothing is stored. */
  async detectOnce(segment: Segment, settings: Partial<StreamSettings>): Promise<DetectionShape> {
    const merged = oneRowATime(segment);
    const result = await this.#engine.detectOnce(merged, { ...settings, detect: true });
    return {
      timestamps: Array.from(result.segment.timestampsNs, formatTimestamp),
      scores: [...result.score],
      flags: [...result.flag],
      anomalies: result.alarms.map(anomalyShape),
    };
  }

  /** @throws {NotFoundError} no such stream */
  async requireStream(id: string): Promise<void> {
    await this.#record(id);
  }

  /** Counters of this process in Prometheus text format. */
  async metrics(): Promise<string> {
    const [text, store] = await Promise.all([
      this.telemetry.text(this.events.subscriberCount),
      this.#store.stats(),
    ]);
    const { coverage, ...engine } = this.#engine.stats();
    return text + countsText({
      ...{ store, engine, alerts: this.alerts.stats(), heartbeats: this.heartbeats.stats() },
      jobs: this.models.jobs.stats(),
    }) + coverageText(coverage);
  }

  /** Says so to those who ask, gives up bodies that are not whole, and ends the event streams. */
  beginShutdown(): void {
    this.#closing.abort();
    this.events.close();
    this.heartbeats.beginShutdown();
    this.alerts.beginShutdown();
    this.models.beginShutdown();
  }

  /** Absorbs and commits what waits, closes engine and store. */
  async close(): Promise<void> {
    this.beginShutdown();
    await this.backtests.close();
    await this.models.close();
    await this.#engine.close();
    await this.heartbeats.close();
    await this.alerts.close();
    await this.#store.close();
  }

  async #record(id: string) {
    const record = await this.#store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    return record;
  }
}

/** Scores and flags of samples that were sent along. */
export interface DetectionShape {
  timestamps: string[];
  /** −log10 of a calibrated tail probability, by sample. */
  scores: number[];
  /** Evidence where an alarm opens, else 0, by sample. */
  flags: number[];
  anomalies: AnomalyShape[];
}

/** @throws {InvalidValueError} samples without any value, of which there is nothing to tell */
function requireValue({ values }: Segment): void {
  if (values.some(hasValue)) return;
  throw new InvalidValueError("values", "null", "at least one value that is not missing");
}
