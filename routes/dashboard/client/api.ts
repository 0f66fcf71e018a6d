/// <reference lib="dom" />
/** The service's own HTTP API, as this page reads it. */
import type {
  AggregateShape,
  AnswersShape,
  ThresholdShape,
} from "../../../src/service/answer_shapes.ts";
import type { AlertShape, RuleShape } from "../../../src/service/alerts/alert_shapes.ts";
import type {
  ChannelComponentsShape,
  ComponentsShape,
} from "../../../src/service/component_shapes.ts";
import type { DevicesShape } from "../../../src/service/devices.ts";
import type { JobShape } from "../../../src/service/job_shape.ts";
import type { ServingModel } from "../../../src/service/models.ts";
import type {
  AnomalyShape,
  ForecastPointShape,
  ForecastShape,
  RevisionShape,
  SampleShape,
  StreamShape,
  StreamStateShape,
} from "../../../src/service/shapes.ts";

export type {
  AnomalyShape,
  ForecastPointShape,
  ForecastShape,
  RevisionShape,
  SampleShape,
  StreamStateShape,
};
export type { AggregateShape, AnswersShape, ChannelComponentsShape, ThresholdShape };
export type { AlertShape, DevicesShape, JobShape, RuleShape, ServingModel };

/** One line of the list of streams. */
export interface ListedStream extends StreamShape {
  readonly status: "live" | "stale" | "empty";
  readonly lastValues: Readonly<Record<string, number | null>>;
  readonly sparkline: Readonly<Record<string, readonly (number | null)[]>>;
  readonly alarms24h: number;
}

export interface StreamPage {
  readonly streams: readonly ListedStream[];
  readonly next?: string | null;
}

export interface ObservationsShape {
  readonly id: string;
  readonly timestamps: readonly string[];
  readonly channels: Readonly<Record<string, readonly (number | null)[]>>;
  readonly decimated: boolean;
  readonly count: number;
}

/** What went wrong, in the words of the service's problem details. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly detail: string;

  constructor(status: number, title: string, detail: string) {
    super(title);
    this.status = status;
    this.detail = detail;
  }
}

async function read<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
  const search = new URLSearchParams(query).toString();
  return await ask(search === "" ? path : `${path}?${search}`, {});
}

/** Asks for something to be done; an answer without a body is null. */
function send<T>(method: "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
  const json = { "Content-Type": "application/json" };
  const content = body === undefined ? {} : { headers: json, body: JSON.stringify(body) };
  return ask(path, { method, ...content });
}

async function ask<T>(address: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch {
    throw new ApiError(0, "The service does not answer", "Trying again as soon as it is back.");
  }
  if (response.status === 204) return null as T;
  if (response.ok) return await response.json();
  const problem = await response.json().catch(() => ({}));
  throw new ApiError(
    response.status,
    problem.title ?? `The service answered ${response.status}`,
    problem.detail ?? "",
  );
}

const base = (id: string) => `/v1/streams/${encodeURIComponent(id)}`;

/** Streams after a name, in order of their names. */
export function listStreams(after: string | null, limit: number): Promise<StreamPage> {
  return read("/v1/streams", { limit: String(limit), ...(after === null ? {} : { after }) });
}

/** A stream with its state. */
export function readStream(id: string): Promise<StreamStateShape> {
  return read(base(id));
}

/** At most `maxPoints` samples a channel from `from` on, oldest first. */
export function readObservations(
  id: string,
  options: { from?: string | undefined; maxPoints: number },
): Promise<ObservationsShape> {
  return read(`${base(id)}/observations`, {
    ...(options.from === undefined ? {} : { from: options.from }),
    maxPoints: String(options.maxPoints),
  });
}

/** What a forecast of one channel may leave out of what is known today. */
export interface KnownThen {
  /** Samples after this time; null = none. */
  readonly asOfMs: number | null;
  /** A channel; empty = none. */
  readonly without: string;
}

/** Median, 80 % and 95 % intervals of one channel. */
export function readForecast(
  id: string,
  channel: string,
  horizon: number,
  { asOfMs, without }: KnownThen,
): Promise<ForecastShape> {
  return read(`${base(id)}/forecast`, {
    channel,
    horizon: String(horizon),
    level: "80,95",
    ...(asOfMs === null ? {} : { asOf: new Date(asOfMs).toISOString() }),
    ...(without === "" ? {} : { without }),
  });
}

/** A threshold that is asked for, and the side of it. */
export interface AskedThreshold {
  readonly threshold: number;
  /** Null = the side that the next value is not on. */
  readonly direction: "up" | "down" | null;
}

/** What the next values of a channel come to together, and when they cross a threshold. */
export async function readAnswers(
  id: string,
  { channel, horizon, asked }: {
    readonly channel: string;
    readonly horizon: number;
    readonly asked: AskedThreshold | null;
  },
): Promise<AnswersShape & { readonly timestamps: readonly string[] }> {
  const answer = await read<ForecastShape & AnswersShape>(`${base(id)}/forecast`, {
    channel,
    horizon: String(horizon),
    level: "80,95",
    aggregate: "total,mean,max,min",
    ...(asked === null ? {} : { threshold: String(asked.threshold) }),
    ...(asked === null || asked.direction === null ? {} : { direction: asked.direction }),
  });
  const timestamps = (answer.channels[channel] ?? []).map(({ timestamp }) => timestamp);
  return { ...answer, timestamps };
}

/** A channel's past from a time on, taken apart. */
export async function readComponents(
  id: string,
  channel: string,
  from: string | undefined,
): Promise<ChannelComponentsShape> {
  const { channels } = await read<ComponentsShape>(`${base(id)}/components`, {
    channel,
    ...(from === undefined ? {} : { from }),
  });
  return channels[channel]!;
}

/** Alarms from a time on, oldest first. */
export async function readAnomalies(
  id: string,
  options: { from?: string | undefined; limit: number },
): Promise<readonly AnomalyShape[]> {
  const { anomalies } = await read<{ anomalies: AnomalyShape[] }>(`${base(id)}/anomalies`, {
    ...(options.from === undefined ? {} : { from: options.from }),
    limit: String(options.limit),
  });
  return anomalies;
}

/** The last samples with what was predicted before each was seen, oldest first. */
export async function readInnovations(id: string, limit: number): Promise<readonly SampleShape[]> {
  const { samples } = await read<{ samples: SampleShape[] }>(`${base(id)}/innovations`, {
    limit: String(limit),
  });
  return samples;
}

/** What serves, the default first. */
export async function listModels(): Promise<readonly ServingModel[]> {
  return (await read<{ models: ServingModel[] }>("/v1/models")).models;
}

/** The jobs, the newest first. */
export async function listJobs(): Promise<readonly JobShape[]> {
  return (await read<{ jobs: JobShape[] }>("/v1/jobs")).jobs;
}

/** What jobs run on. */
export function readDevices(): Promise<DevicesShape> {
  return read("/v1/devices");
}

/** Alerts in a state, the newest first. */
export async function listAlerts(state: string, limit: number): Promise<readonly AlertShape[]> {
  const query = { state, limit: String(limit) };
  return (await read<{ alerts: AlertShape[] }>("/v1/alerts", query)).alerts;
}

/** Acknowledges or resolves an alert. */
export function actOnAlert(id: string, what: "acknowledge" | "resolve"): Promise<AlertShape> {
  return send("POST", `/v1/alerts/${id}/${what}`);
}

/** The alert rules. */
export async function listRules(): Promise<readonly RuleShape[]> {
  return (await read<{ rules: RuleShape[] }>("/v1/alerts/rules")).rules;
}

/** Makes a rule. */
export function makeRule(body: unknown): Promise<RuleShape> {
  return send("POST", "/v1/alerts/rules", body);
}

/** Deletes a rule. */
export function deleteRule(id: string): Promise<void> {
  return send("DELETE", `/v1/alerts/rules/${id}`);
}

/** Samples of an event's picture. */
const EVENT_SAMPLES = 120;

/**
 * The samples up to now in an alert's first channel, with what was predicted of each while the
 * service remembers it; else the samples alone.
 */
export async function readEvent({ stream, channels, openedAt }: AlertShape) {
  const openedMs = Date.parse(openedAt);
  const recent = await readInnovations(stream, 2 * EVENT_SAMPLES);
  const opened = recent.findIndex(({ timestamp }) => Date.parse(timestamp) >= openedMs);
  if (opened > 0 || (opened === 0 && Date.parse(recent[0]!.timestamp) === openedMs)) {
    const channel = channels[0] ?? Object.keys(recent.at(-1)!.values)[0]!;
    const from = Math.max(0, opened - EVENT_SAMPLES / 2);
    return recent.slice(from, from + EVENT_SAMPLES).map((sample) => ({
      timeMs: Date.parse(sample.timestamp),
      value: sample.values[channel] ?? null,
      expected: sample.expected[channel] ?? null,
      scale: sample.scale[channel] ?? null,
    }));
  }
  const { periodS } = await readStream(stream);
  const fromMs = openedMs - (periodS ?? 60) * 1_000 * EVENT_SAMPLES / 2;
  const from = new Date(fromMs).toISOString();
  const stored = await readObservations(stream, { from, maxPoints: EVENT_SAMPLES });
  const column = stored.channels[channels[0] ?? Object.keys(stored.channels)[0]!] ?? [];
  return stored.timestamps.map((timestamp, i) => ({
    timeMs: Date.parse(timestamp),
    value: column[i] ?? null,
    expected: null,
    scale: null,
  }));
}

/** Address of a stream's events. */
export function eventsUrl(id: string): string {
  return `${base(id)}/events`;
}

/** Address of a stream's page. */
export function pageUrl(id: string): string {
  return `/stream?id=${encodeURIComponent(id)}`;
}
