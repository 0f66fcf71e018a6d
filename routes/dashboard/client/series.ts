/** What the charts draw: plain points, oldest first. */
import type { ForecastShape, ObservationsShape } from "./api.ts";

export interface Point {
  readonly x: number;
  readonly y: number | null;
}

/** One future time with its intervals. */
export interface FanPoint {
  readonly x: number;
  readonly median: number | null;
  readonly low80: number | null;
  readonly high80: number | null;
  readonly low95: number | null;
  readonly high95: number | null;
}

/** An alarm at the value that raised it. */
export interface Mark extends Point {
  readonly score: number;
}

/** A one-step error in standard deviations. */
export interface Innovation {
  readonly x: number;
  readonly z: number;
  readonly isAlarm: boolean;
}

/** Samples of one channel as points. */
export function historyOf(observations: ObservationsShape, channel: string): Point[] {
  const column = observations.channels[channel] ?? [];
  return observations.timestamps.map((time, i) => ({ x: Date.parse(time), y: column[i] ?? null }));
}

/** A forecast of one channel as a fan. */
export function fanOf(forecast: ForecastShape, channel: string): FanPoint[] {
  return (forecast.channels[channel] ?? []).map(({ timestamp, median, intervals }) => ({
    x: Date.parse(timestamp),
    median,
    low80: intervals["80"]?.[0] ?? null,
    high80: intervals["80"]?.[1] ?? null,
    low95: intervals["95"]?.[0] ?? null,
    high95: intervals["95"]?.[1] ?? null,
  }));
}

/** The longest step that still joins two samples: beyond it, the line has a gap. */
export function gapMs(points: readonly Point[]): number {
  const steps: number[] = [];
  for (let i = 1; i < points.length; i++) steps.push(points[i]!.x - points[i - 1]!.x);
  if (steps.length === 0) return Infinity;
  steps.sort((a, b) => a - b);
  // Weekends in a daily series, or unevenly thinned samples, are no gaps.
  return 8 * (steps[Math.floor(steps.length * 0.9)] ?? Infinity);
}

/** Free space above and below what is shown, as a share of its height. */
const MARGIN = 0.06;

/** Lowest and highest value shown from a time on, with a margin; null where there is none. */
export function valueBounds(
  history: readonly Point[],
  fan: readonly FanPoint[],
  fromMs: number | null,
): { low: number; high: number } | null {
  let low = Infinity;
  let high = -Infinity;
  const take = (value: number | null) => {
    if (value === null) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const { x, y } of history) if (fromMs === null || x >= fromMs) take(y);
  for (const { low95, high95 } of fan) {
    take(low95);
    take(high95);
  }
  if (low > high) return null;
  // A constant series stands in the middle.
  const margin = high > low ? MARGIN * (high - low) : Math.abs(high) * MARGIN || 1;
  return { low: low - margin, high: high + margin };
}

/** The index of the point nearest in time; -1 without points. */
export function nearest(points: readonly { readonly x: number }[], x: number): number {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]!.x < x) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && x - points[low - 1]!.x < points[low]!.x - x) low--;
  return points.length === 0 ? -1 : low;
}

/** A part of the past to look at; `spanMs` null is all of it. */
export interface Range {
  readonly label: string;
  readonly spanMs: number | null;
}

const SECOND = 1_000;
const DAY = 86_400 * SECOND;
const RANGES: readonly (readonly [string, number])[] = [
  ["1 minute", 60 * SECOND],
  ["10 minutes", 600 * SECOND],
  ["1 hour", 3_600 * SECOND],
  ["6 hours", 21_600 * SECOND],
  ["1 day", DAY],
  ["3 days", 3 * DAY],
  ["1 week", 7 * DAY],
  ["1 month", 31 * DAY],
  ["3 months", 92 * DAY],
  ["1 year", 366 * DAY],
  ["3 years", 1_096 * DAY],
  ["10 years", 3_653 * DAY],
  ["30 years", 10_958 * DAY],
];

/** Ranges that show at least ten samples and less than everything; then everything. */
export function rangesFor(spanMs: number, periodS: number | null): Range[] {
  // While the period is not known, no length is known to show a few samples.
  const least = periodS === null ? Infinity : 10 * periodS * SECOND;
  const fitting = RANGES
    .filter(([, length]) => length >= least && length < spanMs)
    .map(([label, length]) => ({ label, spanMs: length }));
  return [...fitting, { label: "Everything", spanMs: null }];
}

/**
 * The range to begin with: enough of the past to see its rhythm, and not so much that the forecast
 * beside it cannot be seen.
 */
export function firstRange(
  ranges: readonly Range[],
  periodS: number | null,
  horizon: number,
): Range {
  const wanted = Math.max(60, 4 * horizon) * (periodS ?? 1) * SECOND;
  return ranges.find(({ spanMs }) => spanMs !== null && spanMs >= wanted) ?? ranges.at(-1)!;
}
