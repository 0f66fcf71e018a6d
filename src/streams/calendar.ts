/** Lengths within which a sampling period may be a step of the calendar, in days. */
const CALENDAR_STEPS = [
  { months: 1, daysMin: 28, daysMax: 31 },
  { months: 3, daysMin: 89, daysMax: 92 },
  { months: 12, daysMin: 365, daysMax: 366 },
] as const;

const DAY_NS = 86_400_000_000_000n;

/**
 * The next times of a series that goes on as it did: steps of the calendar (month, quarter, year)
 * where the last two samples lie exactly one apart in UTC, else whole sampling periods.
 *
 * @param lastNs      time of the last sample
 * @param previousNs  time of the sample before it; null when there is none
 * @param periodS     sampling period in seconds
 * @param count       number of times
 * @returns           increasing, all after `lastNs`                                     [time]
 */
export function nextTimes(
  lastNs: bigint,
  previousNs: bigint | null,
  periodS: number,
  count: number,
): BigInt64Array {
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
