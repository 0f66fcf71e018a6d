/// <reference lib="dom" />
/** What one stream's page knows, and how it is fetched. */
import {
  type AnomalyShape,
  type ForecastShape,
  type KnownThen,
  readAnomalies,
  readForecast,
  readInnovations,
  readObservations,
  readStream,
  type SampleShape,
  type StreamStateShape,
} from "./api.ts";
import { alarmValues } from "./panels.ts";
import {
  fanOf,
  type FanPoint,
  firstRange,
  historyOf,
  type Innovation,
  type Mark,
  nearest,
  type Point,
  type Range,
  rangesFor,
} from "./series.ts";

/** Points of the history; more would fall on the same pixels. */
const POINTS_MAX = 1_200;
/** Samples that may come live before the history is thinned again by the service. */
const LIVE_POINTS_MAX = 2 * POINTS_MAX;
const ANOMALIES_MAX = 1_000;
const INNOVATIONS_MAX = 400;
/** Future times shown unless the reader asks for others: the fan must not dwarf the past. */
const HORIZON_SHOWN_MAX = 96;

/** All that is known today. */
export const KNOWN_NOW: KnownThen = { asOfMs: null, without: "" };

export class StreamView {
  readonly id: string;
  stream: StreamStateShape | undefined;
  channel = "";
  range: Range | undefined;
  ranges: readonly Range[] = [];
  horizon = 0;
  forecast: ForecastShape | null = null;
  /** What the forecast does not know: it is of the past, or of fewer channels. */
  known: KnownThen = KNOWN_NOW;
  anomalies: readonly AnomalyShape[] = [];
  innovations: Innovation[] = [];
  #history: Point[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get history(): readonly Point[] {
    return this.#history;
  }

  get fan(): readonly FanPoint[] {
    return this.forecast === null ? [] : fanOf(this.forecast, this.channel);
  }

  get originMs(): number | null {
    return this.forecast === null ? null : Date.parse(this.forecast.origin);
  }

  /** Whether new samples change nothing in the forecast. */
  get isReplayed(): boolean {
    return this.known.asOfMs !== null || this.known.without !== "";
  }

  /** Covariates that the forecast of this channel may do without. */
  get optional(): readonly string[] {
    const { covariates = [] } = this.stream ?? {};
    return covariates.includes(this.channel) ? [] : covariates;
  }

  get lastValue(): number | null {
    return this.#history.findLast((point) => point.y !== null)?.y ?? null;
  }

  /** Start of what is shown; null is the first sample. */
  get fromMs(): number | null {
    const last = this.stream?.lastTimestamp;
    const spanMs = this.range?.spanMs ?? null;
    return spanMs === null || last === null || last === undefined
      ? null
      : Date.parse(last) - spanMs;
  }

  /** Alarms of the channel shown, at the values that raised them. */
  get marks(): Mark[] {
    return this.ownAnomalies().map((anomaly) => {
      const x = Date.parse(anomaly.timestamp);
      const at = nearest(this.#history, x);
      const { value } = alarmValues(anomaly, this.channel);
      return { x, y: value ?? this.#history[at]?.y ?? null, score: anomaly.score };
    });
  }

  /** True once more came live than the charts need. */
  get isCrowded(): boolean {
    return this.#history.length > LIVE_POINTS_MAX;
  }

  /** Alarms that concern the channel shown. */
  ownAnomalies(): readonly AnomalyShape[] {
    return this.anomalies.filter(({ channels }) =>
      channels.length === 0 || channels.includes(this.channel)
    );
  }

  /** Reads the stream and settles what to show of it: channel, ranges, horizon. */
  async loadStream(): Promise<void> {
    const stream = await readStream(this.id);
    this.stream = stream;
    if (!stream.channels.includes(this.channel)) this.choose(stream.channels[0] ?? "");
    const { firstTimestamp, lastTimestamp } = stream;
    if (firstTimestamp === null || lastTimestamp === null) return;
    if (this.horizon === 0) this.horizon = Math.min(stream.horizon, HORIZON_SHOWN_MAX);
    this.ranges = rangesFor(
      Date.parse(lastTimestamp) - Date.parse(firstTimestamp),
      stream.periodS,
    );
    const label = this.range?.label;
    this.range = this.ranges.find((range) => range.label === label) ??
      firstRange(this.ranges, stream.periodS, this.horizon);
  }

  /** Shows another channel; what was known of the one before is forgotten. */
  choose(channel: string): void {
    this.channel = channel;
    this.innovations = [];
    this.#history = [];
    this.forecast = null;
    this.known = KNOWN_NOW;
  }

  async loadHistory(): Promise<void> {
    const fromMs = this.fromMs;
    const from = fromMs === null ? undefined : new Date(fromMs).toISOString();
    const [observations, anomalies, samples] = await Promise.all([
      readObservations(this.id, { from, maxPoints: POINTS_MAX }),
      readAnomalies(this.id, { from, limit: ANOMALIES_MAX }),
      readInnovations(this.id, INNOVATIONS_MAX),
    ]);
    this.#history = historyOf(observations, this.channel);
    this.anomalies = anomalies;
    this.innovations = [];
    for (const sample of samples) this.#addInnovation(sample);
  }

  async loadForecast(): Promise<void> {
    this.forecast = await readForecast(this.id, this.channel, this.horizon, this.known);
  }

  /** Takes a sample that came live: the newest point, and how wrong its prediction was. */
  addSample(sample: SampleShape): void {
    const { timestamp, values } = sample;
    const value = values[this.channel];
    if (this.stream === undefined || value === undefined) return;
    const x = Date.parse(timestamp);
    const last = this.#history.at(-1);
    if (last !== undefined && x <= last.x) return;
    this.stream.lastTimestamp = timestamp;
    this.stream.sampleCount++;
    this.#history.push({ x, y: value });
    const fromMs = this.fromMs;
    if (fromMs !== null) {
      const kept = this.#history.findIndex((point) => point.x >= fromMs);
      if (kept > 0) this.#history.splice(0, kept);
    }
    this.#addInnovation(sample);
  }

  #addInnovation({ timestamp, values, expected, scale }: SampleShape): void {
    const [value, predicted, deviation] = [values, expected, scale].map((column) =>
      column[this.channel] ?? NaN
    );
    const x = Date.parse(timestamp);
    const z = (value! - predicted!) / deviation!;
    if (!Number.isFinite(z)) return;
    const isAlarm = this.anomalies.some((anomaly) => Date.parse(anomaly.timestamp) === x);
    this.innovations.push({ x, z, isAlarm });
    if (this.innovations.length > INNOVATIONS_MAX) this.innovations.shift();
  }

  /** An alarm turned out to be of another reason. */
  reviseAnomaly(number: number, reason: string): void {
    // Numbers begin anew with the state, so that the newest of them is meant.
    const meant = this.anomalies.findLast((anomaly) => anomaly.number === number);
    this.anomalies = this.anomalies.map((one) => one === meant ? { ...one, reason } : one);
  }

  addAnomaly(anomaly: AnomalyShape): void {
    if (this.anomalies.some(({ timestamp }) => timestamp === anomaly.timestamp)) return;
    this.anomalies = [...this.anomalies, anomaly];
    const x = Date.parse(anomaly.timestamp);
    this.innovations = this.innovations.map((innovation) =>
      innovation.x === x ? { ...innovation, isAlarm: true } : innovation
    );
  }
}
