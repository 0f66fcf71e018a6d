/** Lengths within which a sampling period may be a step of the calendar, in days. */
const CALENDAR_STEPS = [
  { months: 1, daysMin: 28, daysMax: 31 },
  { months: 3, daysMin: 89, daysMax: 92 },
  { months: 12, daysMin: 365, daysMax: 366 },
] as const;

const DAY_NS = 86_400_000_000_000n;
const DAY_S = 86_400;

/** Newest samples that tell which weekdays a stream leaves out: six weeks of days. */
export const IDLE_SAMPLES = 42;

/** A weekday without a sample in all of these weeks is left out, */
const IDLE_WEEKS = 6;
/** where every other one had samples in so many of them: holidays fall on any. */
const BUSY_WEEKS_MIN = 4;
/** Weekdays that may be left out. */
const IDLE_WEEKDAYS_MAX = 3;

const NO_WEEKDAYS: ReadonlySet<number> = new Set();

/** The weekday of a time, 0 = Sunday, in UTC; 1970-01-01 was a Thursday. */
function weekdayOf(day: number): number {
  return ((day + 4) % 7 + 7) % 7;
}

/**
 * Weekdays on which a daily series has no samples, as prices have none on weekends: those without
 * one in the newest six weeks, where every other weekday had one in four of them at least.
 *
 * @param unixS  seconds since the Unix epoch of the newest samples, increasing       [sample]
 * @returns      0 = Sunday, in UTC; none where samples do not come a day or a few days apart
 */
export function idleWeekdays(unixS: Float64Array): ReadonlySet<number> {
  const days = Array.from(unixS, (time) => Math.floor(time / DAY_S));
  const last = days.at(-1);
  if (last === undefined || last - days[0]! < 7 * IDLE_WEEKS - IDLE_WEEKDAYS_MAX) {
    return NO_WEEKDAYS;
  }
  const counts = new Uint32Array(7);
  for (const [i, day] of days.entries()) {
    if (day <= last - 7 * IDLE_WEEKS) continue;
    if (i > 0 && day === days[i - 1]) return NO_WEEKDAYS;
    counts[weekdayOf(day)] = counts[weekdayOf(day)]! + 1;
  }
  const isWeekly = counts.every((count) => count === 0 || count >= BUSY_WEEKS_MIN);
  const idle = [...counts.keys()].filter((weekday) => counts[weekday] === 0);
  return isWeekly && idle.length <= IDLE_WEEKDAYS_MAX ? new Set(idle) : NO_WEEKDAYS;
}

/**
 * The next times of a series that goes on as it did: steps of the calendar (month, quarter, year)
 * where the last two samples lie exactly one apart in UTC, else whole sampling periods; days
 * without the weekdays that are left out.
 *
 * @param lastNs      time of the last sample
 * @param previousNs  time of the sample before it; null when there is none
 * @param periodS     sampling period in seconds
 * @param count       number of times
 * @param idle        weekdays without samples, of {@linkcode idleWeekdays}
 * @returns           increasing, all after `lastNs`                                     [time]
 */
export function nextTimes(
  lastNs: bigint,
  previousNs: bigint | null,
  periodS: number,
  count: number,
  idle: ReadonlySet<number> = NO_WEEKDAYS,
): BigInt64Array {
  if (idle.size > 0 && isDay(periodS)) return nextDays(lastNs, count, idle);
  const months = previousNs === null ? null : calendarStep(previousNs, lastNs, periodS);
  const times = new BigInt64Array(count);
  if (months === null) {
    // Seconds as whole nanoseconds: a period such as 0.1 s must not drift.
    const periodNs = BigInt(Math.max(1, Math.round(periodS * 1e9)));
    for (let i = 0; i < count; i++) times[i] = lastNs + BigInt(i + 1) * periodNs;
  } else {
    const anchor = isMonthEnd(lastNs) && isMonthEnd(previousNs!) ? "end" : "day";
    for (let i = 0; i < count; i++) times[i] = addMonths(lastNs, months * (i + 1), anchor);
  }
  return times;
}

/** Whether a period is a day, as those of samples with some jitter are. */
function isDay(periodS: number): boolean {
  return Math.abs(periodS / DAY_S - 1) < 0.01;
}

function nextDays(lastNs: bigint, count: number, idle: ReadonlySet<number>): BigInt64Array {
  const times = new BigInt64Array(count);
  let timeNs = lastNs;
  for (let i = 0; i < count;) {
    timeNs += DAY_NS;
    if (!idle.has(weekdayOf(Number(timeNs / DAY_NS)))) times[i++] = timeNs;
  }
  return times;
}

/** The step in months when both times lie exactly that far apart and the period agrees. */
function calendarStep(previousNs: bigint, lastNs: bigint, periodS: number): number | null {
  const days = periodS / 86_400;
  const step = CALENDAR_STEPS.find(({ daysMin, daysMax }) => days >= daysMin && days <= daysMax);
  if (step === undefined) return null;
  const anchor = isMonthEnd(lastNs) && isMonthEnd(previousNs) ? "end" : "day";
  return addMonths(previousNs, step.months, anchor) === lastNs ? step.months : null;
}

function isMonthEnd(timeNs: bigint): boolean {
  return splitDay(timeNs + DAY_NS).date.getUTCDate() === 1;
}

function splitDay(timeNs: bigint): { date: Date; withinNs: bigint } {
  const withinNs = ((timeNs % DAY_NS) + DAY_NS) % DAY_NS;
  return { date: new Date(Number((timeNs - withinNs) / 1_000_000n)), withinNs };
}

/** The same day of a later month (its last day where it is shorter, or where `anchor` is "end"). */
function addMonths(timeNs: bigint, months: number, anchor: "day" | "end"): bigint {
  const { date, withinNs } = splitDay(timeNs);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const day = anchor === "end" ? lastDay : Math.min(date.getUTCDate(), lastDay);
  return BigInt(Date.UTC(year, month, day)) * 1_000_000n + withinNs;
}
