import { InvalidValueError } from "../base/errors.ts";
import { HOLIDAY_RULES, type Rule } from "./holiday_rules.ts";

/** Countries and regions whose holidays are known, by their ISO 3166 code. */
export const HOLIDAY_REGIONS: readonly string[] = Object.keys(HOLIDAY_RULES);

const DAY_S = 86_400;
/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 4;
const SUNDAY = 0;
const SATURDAY = 6;

/** Days since the Unix epoch of a date; months from 1. */
function dayNumber(year: number, month: number, day: number): number {
  return Math.round(Date.UTC(year, month - 1, day) / (DAY_S * 1000));
}

/** Weekday of a day since the Unix epoch; 0 = Sunday. */
export function weekdayOf(day: number): number {
  return ((day + EPOCH_WEEKDAY) % 7 + 7) % 7;
}

/** Whether a day since the Unix epoch is a Saturday or a Sunday. */
export function isWeekend(day: number): boolean {
  return weekdayOf(day) % SATURDAY === 0;
}

/** Easter Sunday of a year (Meeus 1991, chapter 8: the Gregorian calendar). */
export function easterOf(year: number): { month: number; day: number } {
  const a = year % 19;
  const b = Math.floor(year / 100);
  const c = year % 100;
  const f = Math.floor((b + 8) / 25);
  const g = Math.floor((b - f + 1) / 3);
  const h = (19 * a + b - Math.floor(b / 4) - g + 15) % 30;
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - c % 4) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const sum = h + l - 7 * m + 114;
  return { month: Math.floor(sum / 31), day: sum % 31 + 1 };
}

function dayOf(rule: Rule, year: number): number {
  if ("easter" in rule) {
    const { month, day } = easterOf(year);
    return dayNumber(year, month, day) + rule.easter;
  }
  if ("day" in rule) return dayNumber(year, rule.month, rule.day);
  if ("upTo" in rule) {
    const last = dayNumber(year, rule.month, rule.upTo);
    return last - (weekdayOf(last) - rule.weekday + 7) % 7;
  }
  const first = dayNumber(year, rule.month, 1);
  const next = rule.month === 12 ? dayNumber(year + 1, 1, 1) : dayNumber(year, rule.month + 1, 1);
  if (rule.nth < 0) return next - 1 - (weekdayOf(next - 1) - rule.weekday + 7) % 7;
  return first + (rule.weekday - weekdayOf(first) + 7) % 7 + 7 * (rule.nth - 1);
}

/** The day off in place of one that falls on a weekend; the day itself where there is none. */
function movedDay({ moved }: Rule, day: number, taken: ReadonlySet<number>): number {
  if (moved === undefined || !isWeekend(day)) return day;
  const isSunday = weekdayOf(day) === SUNDAY;
  switch (moved) {
    case "nearest":
      return isSunday ? day + 1 : day - 1;
    case "sunday-next":
      return isSunday ? day + 1 : day;
    case "sunday-before":
      return isSunday ? day - 1 : day;
    case "next": {
      let next = day + 1;
      while (isWeekend(next) || taken.has(next)) next++;
      return next;
    }
    default:
      return moved satisfies never;
  }
}

/** Holidays of the rules of a year, with the days off in place of those on weekends. */
function daysOf(rules: readonly Rule[], year: number): Set<number> {
  const held = rules
    .filter(({ from = -Infinity, to = Infinity }) => year >= from && year <= to)
    .map((rule) => ({ rule, day: dayOf(rule, year) }));
  const days = new Set(held.map(({ day }) => day));
  // In the order of the year: of two that make way, the first takes the first day.
  held.sort((a, b) => a.day - b.day);
  for (const { rule, day } of held) days.add(movedDay(rule, day, days));
  return days;
}

/**
 * Tells whether a day is a public holiday, or off in place of one.
 *
 * @param region  one of {@linkcode HOLIDAY_REGIONS}
 * @returns       of the days since the Unix epoch
 * @throws {InvalidValueError} a region that is not known; the message lists those that are
 */
export function holidaysOf(region: string): (day: number) => boolean {
  const rules = Object.hasOwn(HOLIDAY_RULES, region) ? HOLIDAY_RULES[region] : undefined;
  if (rules === undefined) {
    throw new InvalidValueError("country", region, `one of ${HOLIDAY_REGIONS.join(", ")}`);
  }
  const years = new Map<number, Set<number>>();
  const of = (year: number) => {
    let days = years.get(year);
    if (days === undefined) years.set(year, days = daysOf(rules, year));
    return days;
  };
  return (day) => {
    const year = new Date(day * DAY_S * 1000).getUTCFullYear();
    // A first of January may be off on the day before, a late December on a day of the next year.
    return of(year).has(day) || of(year + 1).has(day) || of(year - 1).has(day);
  };
}
