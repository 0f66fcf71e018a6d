import type { Dataset } from "../../../datasets/mod.ts";
import type { AnomalyShape, ForecastPointShape } from "../../service/shapes.ts";
import { type Segment, sliceSegment } from "../../signal/segment.ts";
import { formatTimestamp } from "../../signal/timestamp.ts";
import type { Client } from "./client.ts";
import { Backtest, type BacktestScore, type HeldOut } from "./score.ts";

/** How one data set is shown. */
export interface DemoSeries {
  readonly dataset: Dataset;
  /** Only this many of the newest samples are replayed. */
  readonly samplesMax: number;
  /** Leads of each held-out forecast. */
  readonly horizon: number;
  /** Held-out forecasts, each a horizon after the one before. */
  readonly originCount: number;
  /** Newest samples left for the time after the report, when they come one by one. */
  readonly liveCount: number;
  /** Declared range of the values. */
  readonly range?: { readonly lower?: number; readonly upper?: number };
}

/** What the replay of one series showed. */
export interface DemoResult {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly licence: string;
  readonly channel: string;
  readonly unit: string;
  readonly sampleCount: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly elapsedS: number;
  readonly seasonLength: number;
  readonly forecast: readonly ForecastPointShape[];
  readonly backtest: BacktestScore;
  readonly anomalies: readonly AnomalyShape[];
}

/** Samples of one request while the past is sent. */
const BATCH_SAMPLES = 200;
/** Times of the forecast that is shown. */
const SHOWN_TIMES = 8;

function column(points: readonly ForecastPointShape[], level: string, bound: 0 | 1): number[] {
  return points.map(({ intervals }) => intervals[level]?.[bound] ?? NaN);
}

function heldOutOf(points: readonly ForecastPointShape[]): HeldOut {
  return {
    median: points.map(({ median }) => median ?? NaN),
    low80: column(points, "80", 0),
    high80: column(points, "80", 1),
    low95: column(points, "95", 0),
    high95: column(points, "95", 1),
  };
}

/** The newest samples of a data set. */
export async function newest({ dataset, samplesMax }: DemoSeries): Promise<Segment> {
  const segment = await dataset.load();
  const length = segment.timestampsNs.length;
  return sliceSegment(segment, Math.max(0, length - samplesMax), length);
}

/**
 * Sends a series to the service, oldest sample first. From the first held-out origin on, each
 * horizon is forecast before it is sent: the backtest is what a user would have seen.
 *
 * @param segment    samples to send; the last `liveCount` are left for later
 * @param onProgress receives the count of samples sent so far
 */
export async function replay(
  client: Client,
  series: DemoSeries,
  options: {
    readonly segment: Segment;
    readonly nowMs: () => number;
    readonly onProgress: (sent: number) => void;
  },
): Promise<DemoResult> {
  const { dataset, horizon, originCount } = series;
  const { segment, nowMs, onProgress } = options;
  const startMs = nowMs();
  const id = segment.streamId;
  const channel = segment.channels[0]!;
  const end = segment.timestampsNs.length - series.liveCount;
  const firstOrigin = end - originCount * horizon;
  await client.configure(id, {
    horizon,
    labels: { title: dataset.title, unit: dataset.units[channel] ?? "" },
    ...(series.range === undefined ? {} : { channels: { [channel]: series.range } }),
  });
  for (let at = 0; at < firstOrigin; at += BATCH_SAMPLES) {
    const next = Math.min(firstOrigin, at + BATCH_SAMPLES);
    await client.send(segment, at, next);
    onProgress(next);
  }
  const backtest = new Backtest(segment.values[0]!, dataset.seasonLength, horizon);
  for (let origin = firstOrigin; origin < end; origin += horizon) {
    const held = segment.timestampsNs.subarray(origin, origin + horizon);
    const { channels } = await client.forecast(id, { times: Array.from(held, formatTimestamp) });
    backtest.add(origin, heldOutOf(channels[channel]!));
    await client.send(segment, origin, origin + horizon);
    onProgress(origin + horizon);
  }
  const [forecast, anomalies] = await Promise.all([
    client.forecast(id, { horizon: SHOWN_TIMES }),
    client.anomalies(id),
  ]);
  return {
    id,
    title: dataset.title,
    source: dataset.origin.source,
    licence: dataset.origin.licence,
    channel,
    unit: dataset.units[channel] ?? "",
    sampleCount: end,
    firstTimestamp: formatTimestamp(segment.timestampsNs[0]!),
    lastTimestamp: formatTimestamp(segment.timestampsNs[end - 1]!),
    elapsedS: (nowMs() - startMs) / 1000,
    seasonLength: dataset.seasonLength,
    forecast: forecast.channels[channel]!,
    backtest: backtest.score(),
    anomalies,
  };
}
