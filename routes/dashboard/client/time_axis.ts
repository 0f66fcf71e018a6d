/**
 * Ticks of a time axis at round times of a zone. Chart.js' own time scale knows the browser's zone
 * only, and needs a package more.
 */
import type { Zone } from "./format.ts";

/** A tick: where it stands and what it says. */
export interface TimeTick {
  readonly value: number;
  readonly label: string;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Steps of a fixed length, in milliseconds. */
const FIXED_STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
];
const DAY_STEPS = [1, 2, 7, 14];
/** Steps in months; those of whole years are multiples of 12. */
const MONTH_STEPS = [1, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 6_000];
const MONTH = 30.44 * DAY;

interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

function partsOf(timeMs: number, zone: Zone): Parts {
  const date = new Date(timeMs);
  return zone === "utc"
    ? { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate() }
    : { year: date.getFullYear(), month: date.getMonth(), day: date.getDate() };
}

function timeOf(year: number, month: number, day: number, zone: Zone): number {
  return zone === "utc" ? Date.UTC(year, month, day) : new Date(year, month, day).getTime();
}

/**
 * Round times between two others.
 *
 * @param minMs     start of the axis
 * @param maxMs     its end, after the start
 * @param countMax  most ticks that fit
 * @returns         ticks in order of time
 */
export function timeTicks(minMs: number, maxMs: number, countMax: number, zone: Zone): TimeTick[] {
  const least = (maxMs - minMs) / Math.max(1, countMax);
  const fixed = FIXED_STEPS.find((step) => step >= least);
  if (fixed !== undefined) return fixedTicks(minMs, maxMs, fixed, zone);
  const days = DAY_STEPS.find((count) => count * DAY >= least);
  const start = partsOf(minMs, zone);
  const values: number[] = [];
  if (days !== undefined) {
    // Counted from the first of the month, so that the ticks stay when the window moves.
    for (let month = 0;; month++) {
      const first = timeOf(start.year, start.month + month, 1, zone);
      if (first > maxMs) break;
      const next = timeOf(start.year, start.month + month + 1, 1, zone);
      for (let day = 1; day <= 31; day += days) {
        const value = timeOf(start.year, start.month + month, day, zone);
        // A tick just before the first of the next month would stand in its way.
        if (value < next - (days - 1) * DAY / 2) values.push(value);
      }
    }
    return labelled(values, minMs, maxMs, days * DAY, zone);
  }
  const months = MONTH_STEPS.find((count) => count * MONTH >= least) ?? MONTH_STEPS.at(-1)!;
  const firstMonth = start.year * 12 + start.month;
  for (let month = Math.floor(firstMonth / months) * months;; month += months) {
    const value = timeOf(Math.floor(month / 12), month % 12, 1, zone);
    if (value > maxMs) break;
    values.push(value);
  }
  return labelled(values, minMs, maxMs, months * MONTH, zone);
}

function fixedTicks(minMs: number, maxMs: number, step: number, zone: Zone): TimeTick[] {
  const { year, month, day } = partsOf(minMs, zone);
  const midnight = timeOf(year, month, day, zone);
  const values: number[] = [];
  const first = midnight + Math.ceil((minMs - midnight) / step) * step;
  for (let value = first; value <= maxMs; value += step) values.push(value);
  return labelled(values, minMs, maxMs, step, zone);
}

function labelled(
  values: readonly number[],
  minMs: number,
  maxMs: number,
  step: number,
  zone: Zone,
): TimeTick[] {
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat("en-GB", {
      ...options,
      hourCycle: "h23",
      ...(zone === "utc" ? { timeZone: "UTC" } : {}),
    });
  const dayMonth = format({ day: "numeric", month: "short" });
  const monthOnly = format({ month: "short" });
  const yearOnly = format({ year: "numeric" });
  const clock = format({
    hour: "2-digit",
    minute: "2-digit",
    ...(step < MINUTE ? { second: "2-digit" } : {}),
    ...(step < SECOND ? { fractionalSecondDigits: 3 } : {}),
  });
  const label = (value: number): string => {
    const { year, month, day } = partsOf(value, zone);
    if (value !== timeOf(year, month, day, zone)) return clock.format(value);
    if (step < 20 * DAY) {
      return month === 0 && day === 1 ? yearOnly.format(value) : dayMonth.format(value);
    }
    return month === 0 ? yearOnly.format(value) : monthOnly.format(value);
  };
  return values
    .filter((value) => value >= minMs && value <= maxMs)
    .map((value) => ({ value, label: label(value) }));
}
