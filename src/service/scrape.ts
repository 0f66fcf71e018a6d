import type { Clock } from "../base/clock.ts";
import { InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import type { StreamRecord } from "../stores/store.ts";
import { type ForecastResult, StreamFailedError } from "../streams/engine.ts";
import { type ForecastParts, streamForecast } from "./forecasts.ts";
import { quantileKey } from "./shapes.ts";

/** Streams that one scrape tells of. */
export const SCRAPE_STREAMS_MAX = 100;

/** Leads that one scrape may ask for. */
export const SCRAPE_LEADS_MAX = 10;

/** Gauges of forecasts in one scrape: channels · leads · quantiles of all its streams. */
export const SCRAPE_GAUGES_MAX = 50_000;

/** Samples looked through for the newest value of each channel. */
const TAIL_SAMPLES = 16;

/** How often a forecast is asked for again when samples come faster than its lead passes. */
const TRIES = 3;

const DAY_NS = 86_400_000_000_000n;

/** Time ahead of a stream's newest sample, and the label that names it. */
export interface Lead {
  readonly label: string;
  readonly ns: bigint;
}

/** What a scrape asks for. */
export interface ScrapeQuestion {
  /** Names of streams; null: all. */
  readonly streams: readonly string[] | null;
  /** Increasing; none: one sampling period ahead, as lead `next`. */
  readonly leads: readonly Lead[];
  /** Increasing. */
  readonly quantiles: Float64Array;
}

/** What scrapes are made from. */
export interface ScrapeParts extends ForecastParts {
  readonly clock: Clock;
}

/** One metric: its help, and its lines so far. */
class Gauge {
  readonly #name: string;
  #text: string;

  constructor(name: string, help: string) {
    this.#name = `driftline_${name}`;
    this.#text = `# HELP ${this.#name} ${help}\n# TYPE ${this.#name} gauge\n`;
  }

  get text(): string {
    return this.#text;
  }

  add(labels: Readonly<Record<string, string>>, value: number): void {
    if (!Number.isFinite(value)) return;
    const pairs = Object.entries(labels).map(([name, text]) => `${name}="${escapeLabel(text)}"`);
    this.#text += `${this.#name}{${pairs.join(",")}} ${value}\n`;
  }
}

/** The value of a label as the text format has it. */
function escapeLabel(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}

/** @throws {NotFoundError | LimitError} a stream that is not there, or too many */
async function recordsOf(
  { store }: ScrapeParts,
  names: readonly string[] | null,
): Promise<StreamRecord[]> {
  const check = (count: number) => {
    if (count <= SCRAPE_STREAMS_MAX) return;
    throw new LimitError("SCRAPE_STREAMS_MAX", SCRAPE_STREAMS_MAX, count, "stream");
  };
  if (names === null) {
    const records = await store.listStreams({ limit: SCRAPE_STREAMS_MAX + 1 });
    check(records.length);
    return records;
  }
  const unique = [...new Set(names)];
  check(unique.length);
  return await Promise.all(unique.map(async (name) => {
    const record = await store.getStream(name);
    if (record === null) throw new NotFoundError("stream", name);
    return record;
  }));
}

/** @throws {LimitError} more gauges than {@linkcode SCRAPE_GAUGES_MAX} */
function checkGauges(records: readonly StreamRecord[], question: ScrapeQuestion): void {
  const channels = records.reduce((total, record) => total + record.channels.length, 0);
  const count = channels * Math.max(1, question.leads.length) * question.quantiles.length;
  if (count > SCRAPE_GAUGES_MAX) {
    throw new LimitError("SCRAPE_GAUGES_MAX", SCRAPE_GAUGES_MAX, count, "stream");
  }
}

/** The forecast of one stream; null where it has none, a stream without a sample for instance. */
async function forecastAhead(
  parts: ScrapeParts,
  record: StreamRecord,
  { leads, quantiles }: ScrapeQuestion,
): Promise<ForecastResult | null> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { lastNs } = tries === 0 ? record : await parts.store.getStream(record.id) ?? record;
    if (lastNs === null) return null;
    const ahead = leads.length === 0
      ? { horizon: 1 }
      : { timesNs: BigInt64Array.from(leads, ({ ns }) => lastNs + ns) };
    try {
      return await streamForecast(parts, record, { levels: [], quantiles, ...ahead });
    } catch (error) {
      if (error instanceof StreamFailedError) return null;
      if (!(error instanceof InvalidValueError)) throw error;
      // The newest sample has passed the first lead meanwhile; anything else stays as it is.
      if (!error.field.startsWith("times")) return null;
    }
  }
  return null;
}

function addNewest(value: Gauge, time: Gauge, stream: string, tail: Segment | null): void {
  for (const [i, channel] of (tail?.channels ?? []).entries()) {
    const row = tail!.values[i]!.findLastIndex((value) => Number.isFinite(value));
    if (row < 0) continue;
    value.add({ stream, channel }, tail!.values[i]![row]!);
    time.add({ stream, channel }, Number(tail!.timestampsNs[row]! / 1_000_000n) / 1_000);
  }
}

function addForecast(
  gauge: Gauge,
  stream: string,
  { values }: ForecastResult,
  { leads, quantiles }: ScrapeQuestion,
): void {
  const labels = leads.length === 0 ? ["next"] : leads.map(({ label }) => label);
  for (const [channel, column] of Object.entries(values)) {
    for (const [row, lead] of labels.entries()) {
      for (const [k, q] of quantiles.entries()) {
        const quantile = quantileKey(q);
        gauge.add({ stream, channel, lead, quantile }, column[row * quantiles.length + k]!);
      }
    }
  }
}

/**
 * Newest values, forecasts at leads, and counts of alarms of streams, in Prometheus' text format.
 * A lead counts from a stream's newest sample.
 *
 * @throws {NotFoundError | LimitError | OverloadError} no such stream, too many of something, as
 *   the engine's
 */
export async function forecastsText(
  parts: ScrapeParts,
  question: ScrapeQuestion,
): Promise<string> {
  const records = await recordsOf(parts, question.streams);
  checkGauges(records, question);
  const ids = records.map(({ id }) => id);
  const value = new Gauge("value", "Newest value");
  const time = new Gauge("value_timestamp_seconds", "Time of the newest value");
  const forecast = new Gauge("forecast", "Quantile of the value so long after the newest sample");
  const available = new Gauge("forecast_available", "Whether there is a forecast");
  const alarms = new Gauge("alarms_24h", "Alarms of the last 24 hours");
  const [tails, counts] = await Promise.all([
    parts.store.readTails(ids, TAIL_SAMPLES),
    parts.store.countEvents(ids, parts.clock.nowNs() - DAY_NS),
  ]);
  for (const [i, record] of records.entries()) {
    const stream = record.id;
    addNewest(value, time, stream, tails[i]!);
    const result = await forecastAhead(parts, record, question);
    if (result !== null) addForecast(forecast, stream, result, question);
    available.add({ stream }, result === null ? 0 : 1);
    alarms.add({ stream }, counts[i]!);
  }
  return [value, time, forecast, available, alarms].map(({ text }) => text).join("");
}
