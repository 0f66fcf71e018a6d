/** A service over the memory store and an engine that needs no Worker, for the tests of routes. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { type AppOptions, createApp } from "../../routes/app.ts";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError, NotFoundError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { type JobPort, LocalJobPort } from "../../src/service/job_port.ts";
import { priorDependence } from "../../src/models/dependence.ts";
import type { Model } from "../../src/models/model.ts";
import { latentPaths } from "../../src/models/paths.ts";
import {
  type ChannelAnswers,
  channelAnswers,
  checkDraws,
  roundInto,
} from "../../src/streams/answers.ts";
import { Backtests } from "../../src/service/backtests.ts";
import type {
  Applied,
  Claim,
  ComponentsResult,
  DetectResult,
  Engine,
  EngineStats,
  ForecastRequest,
  ForecastResult,
  PastQuestion,
  ProvenState,
  RegressionAnswer,
  RegressorRequest,
  StreamState,
  StreamSummary,
} from "../../src/streams/engine.ts";
import { DeviceWatch } from "../../src/service/devices.ts";
import { ModelService } from "../../src/service/model_service.ts";
import type { SendWebhook } from "../../src/service/alerts/webhook_sender.ts";
import { Service } from "../../src/service/service.ts";
import { type Log, silentLog, Telemetry } from "../../src/service/telemetry.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import type {
  AlarmEvent,
  IssuedForecast,
  Store,
  StreamRecord,
  StreamSettings,
} from "../../src/stores/store.ts";
import type { Feedback } from "../../src/streams/feedback.ts";
import { newestUntil } from "../../src/streams/rewind.ts";
import { HeldBacktestPort } from "../service/_backtests.ts";
import { BASE, makeJobs, testContext } from "../service/_tuning.ts";

/** A value above this opens an alarm in {@linkcode LastValueEngine}. */
export const ALARM_ABOVE = 1_000;

const MODEL_HASH = sha256Hex("last value");

/**
 * An engine that predicts the last value: what the routes make of an engine's answers can be
 * compared exactly. Quantile q of lead k is last + k · (q − 1/2).
 */
export class LastValueEngine implements Engine {
  readonly #store: Store;
  readonly #applied = new Map<string, number>();
  readonly #appliedListeners = new Set<(applied: Applied) => void>();
  readonly #forecastListeners = new Set<(forecast: IssuedForecast) => void>();
  /** Thrown by `submit` instead of absorbing, when set. */
  failure: Error | null = null;
  dropped: string[] = [];
  /** What was said; only alarm 0 is known. */
  readonly feedback: Feedback[] = [];
  /** Of the last forecast of samples that were sent along. */
  onceSettings: Partial<StreamSettings> | null = null;
  /** Files of trained models by name. */
  readonly models = new Map<string, Uint8Array>();

  constructor(store: Store) {
    this.#store = store;
  }

  async submit(record: StreamRecord, inOrder: Segment, start: number): Promise<Applied> {
    if (this.failure !== null) throw this.failure;
    const length = inOrder.timestampsNs.length;
    const appliedOffset = start + length;
    const alarms = alarmsOf(inOrder, appliedOffset);
    const bytes = new TextEncoder().encode(String(appliedOffset));
    const stateHash = sha256Hex(bytes);
    const snapshot = {
      streamId: record.id,
      appliedOffset,
      modelHash: MODEL_HASH,
      stateHash,
      bytes,
    };
    const forecast = forecastOf(inOrder, { horizon: 2, quantiles: Float64Array.of(0.1, 0.5, 0.9) });
    await this.#store.commit([
      { streamCreatedNs: record.createdNs, snapshot, events: alarms, forecast },
    ]);
    this.#applied.set(record.id, appliedOffset);
    const columns = () => inOrder.channels.map(() => new Float64Array(length).fill(NaN));
    const score = Float64Array.from({ length }, (_, i) => i);
    const applied: Applied = {
      segment: inOrder,
      start,
      appliedOffset,
      expected: columns(),
      scale: columns(),
      score,
      flag: new Float64Array(length),
      alarms,
      ended: [],
    };
    for (const listener of this.#appliedListeners) listener(applied);
    for (const listener of this.#forecastListeners) listener(forecast);
    return applied;
  }

  async summarize(id: string): Promise<StreamSummary> {
    return await this.describe(id);
  }

  async describe(id: string): Promise<StreamState> {
    const record = await this.#store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    const summary = {
      periodS: 60,
      seasonsS: [3600],
      coverage: [{ level: 0.8, value: 0.79, count: 10, width: 2, relativeWidth: 0.5 }, {
        level: 0.95,
        value: NaN,
        count: 0,
        width: NaN,
        relativeWidth: NaN,
      }],
      weights: { lastValue: 1 },
    };
    return {
      ...summary,
      appliedOffset: record.inOrderCount,
      sampleCount: record.inOrderCount,
      modelHash: MODEL_HASH,
      stateHash: sha256Hex(String(record.inOrderCount)),
      stateBytes: 1,
      perChannel: Object.fromEntries(record.channels.map((name) => [name, summary])),
      failed: null,
    };
  }

  async forecast(id: string, request: ForecastRequest): Promise<ForecastResult> {
    const [tail] = await this.#store.readTails([id], 1);
    if (tail === null || tail === undefined) throw new InvalidValueError("id", id, "a sample");
    return forecastOf(tail, request);
  }

  async forecastAsOf(
    id: string,
    past: PastQuestion,
    request: ForecastRequest,
  ): Promise<ForecastResult> {
    const record = await this.#store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    const newest = await newestUntil(this.#store, record, past, 1);
    if (newest === null) throw new InvalidValueError("id", id, "a sample");
    return forecastOf(newest, request);
  }

  /** The hash of a state is that of its count of samples. */
  prove(_: string, claim: Claim): Promise<ProvenState> {
    const replayedHash = sha256Hex(String(claim.appliedOffset));
    const isProven = claim.stateHash === replayedHash;
    return Promise.resolve({ ...claim, replayedHash, isProven });
  }

  /** The value is the signal, and 5 where there is none. */
  components(_: string, samples: Segment): Promise<ComponentsResult> {
    const values = samples.values[0]!;
    const signal = values.map((value) => Number.isNaN(value) ? 5 : value);
    const zero = values.map(() => 0);
    return Promise.resolve({
      timesNs: samples.timestampsNs,
      values,
      parts: {
        ...{ signal, signalDeviation: zero, level: signal, levelDeviation: zero, slope: zero },
        ...{ shortTerm: zero, seasons: [{ lengthS: 60, values: zero }], noiseDeviation: 2 },
      },
      range: { lower: 3 },
      ...{ appliedOffset: 2, modelHash: MODEL_HASH, stateHash: MODEL_HASH },
    });
  }

  async reach(id: string): Promise<void> {
    if (await this.#store.getStream(id) === null) throw new NotFoundError("stream", id);
  }

  forecastOnce(
    segment: Segment,
    settings: Partial<StreamSettings>,
    request: ForecastRequest,
  ): Promise<ForecastResult> {
    this.onceSettings = settings;
    return Promise.resolve(forecastOf(segment, request));
  }

  detectOnce(segment: Segment): Promise<DetectResult> {
    const length = segment.timestampsNs.length;
    return Promise.resolve({
      segment,
      score: Float64Array.from({ length }, (_, i) => i),
      flag: new Float64Array(length),
      expected: [],
      scale: [],
      alarms: alarmsOf(segment, length),
      ended: [],
    });
  }

  async giveFeedback(id: string, feedback: Feedback): Promise<void> {
    if (feedback.number !== 0) throw new NotFoundError("alarm", String(feedback.number));
    await this.reach(id);
    this.feedback.push(feedback);
  }

  setModel(name: string, bytes: Uint8Array | null): Promise<void> {
    if (bytes === null) this.models.delete(name);
    else this.models.set(name, bytes);
    return Promise.resolve();
  }

  drop(id: string): Promise<void> {
    this.dropped.push(id);
    return Promise.resolve();
  }

  drain(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  stats(): EngineStats {
    return {
      workers: 0,
      states: this.#applied.size,
      stateBytes: 0,
      queuedSamples: 0,
      catchUpSamples: 0,
      absorbedSamples: 0,
      loadedStates: 0,
      failedStreams: 0,
      coverage: [{ level: 0.8, value: 0.79, count: 10, relativeWidth: 0.5 }],
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

function alarmsOf(segment: Segment, appliedOffset: number): AlarmEvent[] {
  const column = segment.values[0]!;
  return [...column.entries()].filter(([, value]) => value > ALARM_ABOVE).map(([row, value]) => ({
    streamId: segment.streamId,
    timestampNs: segment.timestampsNs[row]!,
    kind: "anomaly",
    score: 9,
    flag: 2,
    channels: [segment.channels[0]!],
    value: [value],
    expected: [null],
    appliedOffset,
    modelHash: MODEL_HASH,
    stateHash: sha256Hex(String(appliedOffset)),
  }));
}

function forecastOf(segment: Segment, request: ForecastRequest): ForecastResult {
  const originNs = segment.timestampsNs.at(-1)!;
  const horizon = request.horizon ?? 3;
  if (horizon < 1 || horizon > 10_000) {
    throw new InvalidValueError("horizon", horizon, "an integer from 1 to 10000");
  }
  const timesNs = request.timesNs ??
    BigInt64Array.from({ length: horizon }, (_, i) => originNs + BigInt(i + 1) * 60_000_000_000n);
  if (timesNs[0]! <= originNs) throw new InvalidValueError("times[0]", timesNs[0], "the future");
  const values: Record<string, Float64Array> = {};
  const answers: Record<string, ChannelAnswers> = {};
  for (const [i, name] of segment.channels.entries()) {
    if (request.channels !== undefined && !request.channels.includes(name)) continue;
    const last = segment.values[i]!.at(-1)!;
    const rowsOf = (quantiles: Float64Array) =>
      Float64Array.from(
        [...timesNs].flatMap((_, row) =>
          [...quantiles].map((quantile) => last + (row + 1) * (quantile - 0.5))
        ),
      );
    const round = request.isWhole === true ? (own: Float64Array) => roundInto(own, {}) : null;
    values[name] = rowsOf(request.quantiles);
    round?.(values[name]);
    if (request.draws === undefined) continue;
    checkDraws(request.draws, timesNs.length, segment.channels.length);
    const model = {
      forecast: (_: unknown, __: unknown, quantiles: Float64Array) => rowsOf(quantiles),
      draws: (_: unknown, timesS: Float64Array, count: number, seed: number) =>
        latentPaths(priorDependence(), timesS, count, seed),
    } as unknown as Model;
    answers[name] = channelAnswers(model, null, {
      timesS: Float64Array.from(timesNs, (_, row) => row + 1),
      quantiles: request.quantiles,
      draws: request.draws,
      round,
    });
  }
  return {
    streamId: segment.streamId,
    originNs,
    timesNs,
    quantiles: request.quantiles,
    values,
    appliedOffset: segment.timestampsNs.length,
    modelHash: MODEL_HASH,
    stateHash: MODEL_HASH,
    ...(request.draws === undefined ? {} : { answers }),
    ...(request.regressors === undefined ? {} : { regression: echoOf(request.regressors) }),
  };
}

/** The regressors as they were asked for, each as a channel's effect. */
function echoOf({ covariates, calendar }: RegressorRequest): Record<string, RegressionAnswer> {
  const share = calendar === null ? 0.5 : 1;
  return Object.fromEntries(
    Object.entries(covariates).map(([name, values]) =>
      [name, { share, effect: values ?? new Float64Array(0) }] as const
    ),
  );
}

export interface Fixture {
  readonly app: OpenAPIHono;
  readonly service: Service;
  readonly engine: LastValueEngine;
  readonly store: Store;
  readonly clock: ManualClock;
  readonly backtestPort: HeldBacktestPort;
  /** Reads models and jobs from the folder; needed where a test has to do with them. */
  start(): Promise<void>;
  /** Sends JSON and returns the parsed answer. */
  send(method: string, path: string, body?: unknown): Promise<{ status: number; body: any }>;
}

/** Opens an app of its own for one test. */
export function openFixture(
  options: AppOptions & {
    readonly folder?: string;
    readonly port?: JobPort;
    /** Default: one that says nothing. */
    readonly log?: Log;
    /** Default: webhooks go nowhere. */
    readonly sendWebhook?: SendWebhook;
    /** Default: one in memory, and a clock of its own. */
    readonly on?: { readonly store: Store; readonly clock: ManualClock };
  } = {},
): Fixture {
  const clock = options.on?.clock ?? new ManualClock();
  const store = options.on?.store ?? openMemoryStore({ clock });
  const engine = new LastValueEngine(store);
  const telemetry = new Telemetry({ processMetrics: false });
  // No test writes there but those of models and jobs, which give a folder of their own.
  const { models, jobs } = makeJobs(
    options.folder ?? "/nowhere",
    options.port,
    clock,
    (name, bytes) => engine.setModel(name, bytes),
  );
  const shipped = new Map([["neural", BASE]]);
  const devices = new DeviceWatch("cpu", () => new LocalJobPort(testContext()).devices());
  const modelService = new ModelService({ store, models, jobs, devices, shipped });
  const backtestPort = new HeldBacktestPort();
  const service = new Service({
    ...{ store, engine, telemetry, clock },
    models: modelService,
    backtests: new Backtests({
      ...{ store, models: modelService, port: backtestPort, log: silentLog, clock },
    }),
    log: options.log ?? silentLog,
    send: options.sendWebhook ??
      (() => Promise.resolve({ status: null, error: "nowhere", retryAfterS: null })),
  });
  const app = createApp(service, options);
  const send = async (method: string, path: string, body?: unknown) => {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = typeof body === "string" ? body : JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    const response = await app.request(path, init);
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  };
  const start = async () => {
    await models.load();
    await jobs.start();
  };
  return { app, service, engine, store, clock, backtestPort, send, start };
}

/** Posts a body as it is; an answer without one is null. */
export async function post(
  app: ReturnType<typeof openFixture>["app"],
  path: string,
  contentType: string,
  body: BodyInit,
  headers: Record<string, string> = {},
) {
  const response = await app.request(path, {
    method: "POST",
    body,
    headers: { "Content-Type": contentType, ...headers },
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}
