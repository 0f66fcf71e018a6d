import { holidaysOf, isWeekend } from "../signal/holidays.ts";
import { localTimes } from "../signal/time_zone.ts";

/** What the calendar knows of an instant, as regressors. */
export interface CalendarChoice {
  /** One of HOLIDAY_REGIONS; null = no holidays. */
  readonly country: string | null;
  /** Seconds that local time is ahead of UTC, where no time zone is named. */
  readonly utcOffsetS: number;
  /** Local time is that of this zone of the IANA database, with its summer time. */
  readonly timeZone?: string;
}

const DAY_S = 86_400;
const HOUR_S = 3_600;
/** Holidays of a longer step are counted over this many days at most. */
const STEP_DAYS_MAX = 31;

/**
 * Columns of the calendar: weekend, first and last day of the month; with a country holidays, the
 * day before and the day after, and bridges (a working day between a holiday and a weekend, or
 * between two holidays); of samples within a day the holiday's own course of the day, too.
 * A step longer than a day has the number of its holidays.
 *
 * @param unixS    seconds since the Unix epoch                                          [time]
 * @param periodS  sampling period
 * @returns        [regressor][time]
 */
export function calendarRegressors(
  unixS: Float64Array,
  periodS: number,
  { country, utcOffsetS, timeZone }: CalendarChoice,
): Float64Array[] {
  const local = timeZone === undefined
    ? unixS.map((time) => time + utcOffsetS)
    : localTimes(unixS, timeZone);
  const days = local.map((time) => Math.floor(time / DAY_S));
  const column = (valueOf: (day: number, t: number) => number) => days.map(valueOf);
  const columns: Float64Array[] = [];
  if (periodS <= DAY_S * 1.01) {
    columns.push(
      column((day) => isWeekend(day) ? 1 : 0),
      column((day) => dayOfMonth(day) === 1 ? 1 : 0),
      column((day) => dayOfMonth(day + 1) === 1 ? 1 : 0),
    );
  }
  if (country === null) return columns;
  const isHoliday = holidaysOf(country);
  const holiday = (day: number) => isHoliday(day) ? 1 : 0;
  if (periodS > DAY_S * 1.01) {
    const steps = Math.min(STEP_DAYS_MAX, Math.round(periodS / DAY_S));
    columns.push(column((day) => {
      let count = 0;
      for (let k = 0; k < steps; k++) count += holiday(day + k);
      return count;
    }));
    return columns;
  }
  columns.push(
    column(holiday),
    column((day) => holiday(day + 1)),
    column((day) => holiday(day - 1)),
    column((day) => isBridge(day, isHoliday) ? 1 : 0),
  );
  if (periodS <= DAY_S / 2) {
    const angle = (t: number) => 2 * Math.PI * (local[t]! / HOUR_S % 24) / 24;
    columns.push(
      column((day, t) => holiday(day) * Math.cos(angle(t))),
      column((day, t) => holiday(day) * Math.sin(angle(t))),
    );
  }
  return columns;
}

function dayOfMonth(day: number): number {
  return new Date(day * DAY_S * 1000).getUTCDate();
}

function isBridge(day: number, isHoliday: (day: number) => boolean): boolean {
  const isFree = (other: number) => isWeekend(other) || isHoliday(other);
  const hasHoliday = isHoliday(day - 1) && !isWeekend(day - 1) ||
    isHoliday(day + 1) && !isWeekend(day + 1);
  return !isFree(day) && hasHoliday && isFree(day - 1) && isFree(day + 1);
}
