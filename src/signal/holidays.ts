import { InvalidValueError } from "../base/errors.ts";

/**
 * Public holidays by fixed rules: days of the year, weekdays of a month, distances from Easter.
 * Those that hold in the whole country (in the United States, those of the federation); days that
 * are moved when they fall on a weekend, and one-off holidays, are not known.
 */
type Rule =
  | { readonly month: number; readonly day: number }
  /** The n-th weekday (0 = Sunday) of a month; −1 = the last. */
  | { readonly month: number; readonly weekday: number; readonly nth: number }
  /** Days after Easter Sunday. */
  | { readonly easter: number };

const on = (month: number, ...days: number[]): Rule[] => days.map((day) => ({ month, day }));
const nth = (month: number, weekday: number, n: number): Rule => ({ month, weekday, nth: n });
const easter = (...days: number[]): Rule[] => days.map((day) => ({ easter: day }));

const MONDAY = 1;
const THURSDAY = 4;

const NEW_YEAR = on(1, 1);
const LABOUR = on(5, 1);
const CHRISTMAS = on(12, 25);
const BOXING = on(12, 26);
const [GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY, CORPUS_CHRISTI] = [-2, 1, 39, 50, 60];

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  AT: [
    ...[NEW_YEAR, on(1, 6), LABOUR, on(8, 15), on(10, 26), on(11, 1), on(12, 8)].flat(),
    ...[CHRISTMAS, BOXING, easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY, CORPUS_CHRISTI)].flat(),
  ],
  AU: [
    ...[NEW_YEAR, on(1, 26), on(4, 25), CHRISTMAS, BOXING].flat(),
    ...easter(GOOD_FRIDAY, EASTER_MONDAY),
  ],
  BE: [
    ...[NEW_YEAR, LABOUR, on(7, 21), on(8, 15), on(11, 1, 11), CHRISTMAS].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  CA: [
    ...[NEW_YEAR, on(7, 1), on(9, 30), on(11, 11), CHRISTMAS, easter(GOOD_FRIDAY)].flat(),
    ...[nth(9, MONDAY, 1), nth(10, MONDAY, 2)],
  ],
  DE: [
    ...[NEW_YEAR, LABOUR, on(10, 3), CHRISTMAS, BOXING].flat(),
    ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  ES: [
    ...[NEW_YEAR, on(1, 6), LABOUR, on(8, 15), on(10, 12), on(11, 1), on(12, 6, 8)].flat(),
    ...[CHRISTMAS, easter(GOOD_FRIDAY)].flat(),
  ],
  FR: [
    ...[NEW_YEAR, on(5, 1, 8), on(7, 14), on(8, 15), on(11, 1, 11), CHRISTMAS].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  GB: [
    ...[NEW_YEAR, CHRISTMAS, BOXING, easter(GOOD_FRIDAY, EASTER_MONDAY)].flat(),
    ...[nth(5, MONDAY, 1), nth(5, MONDAY, -1), nth(8, MONDAY, -1)],
  ],
  IT: [
    ...[NEW_YEAR, on(1, 6), on(4, 25), LABOUR, on(6, 2), on(8, 15), on(11, 1)].flat(),
    ...[on(12, 8), CHRISTMAS, BOXING, easter(EASTER_MONDAY)].flat(),
  ],
  NL: [
    ...[NEW_YEAR, on(4, 27), CHRISTMAS, BOXING].flat(),
    ...easter(EASTER_MONDAY, ASCENSION, WHIT_MONDAY),
  ],
  PL: [
    ...[NEW_YEAR, on(1, 6), on(5, 1, 3), on(8, 15), on(11, 1, 11), CHRISTMAS, BOXING].flat(),
    ...easter(EASTER_MONDAY, CORPUS_CHRISTI),
  ],
  SE: [
    ...[NEW_YEAR, on(1, 6), LABOUR, on(6, 6), CHRISTMAS, BOXING].flat(),
    ...easter(GOOD_FRIDAY, EASTER_MONDAY, ASCENSION),
  ],
  US: [
    ...[NEW_YEAR, on(6, 19), on(7, 4), on(11, 11), CHRISTMAS].flat(),
    ...[nth(1, MONDAY, 3), nth(2, MONDAY, 3), nth(5, MONDAY, -1), nth(9, MONDAY, 1)],
    ...[nth(10, MONDAY, 2), nth(11, THURSDAY, 4)],
  ],
};

/** Countries whose holidays are known, by their ISO 3166 code. */
export const HOLIDAY_COUNTRIES: readonly string[] = Object.keys(RULES);

const DAY_S = 86_400;

/** Days since the Unix epoch of a date; months from 1. */
function dayNumber(year: number, month: number, day: number): number {
  return Math.round(Date.UTC(year, month - 1, day) / (DAY_S * 1000));
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
  const first = dayNumber(year, rule.month, 1);
  const next = rule.month === 12 ? dayNumber(year + 1, 1, 1) : dayNumber(year, rule.month + 1, 1);
  // The first of January 1970 was a Thursday.
  const weekday = (day: number) => ((day + THURSDAY) % 7 + 7) % 7;
  if (rule.nth < 0) return next - 1 - (weekday(next - 1) - rule.weekday + 7) % 7;
  return first + (rule.weekday - weekday(first) + 7) % 7 + 7 * (rule.nth - 1);
}

/**
 * Tells whether a day is a public holiday.
 *
 * @param country  one of {@linkcode HOLIDAY_COUNTRIES}
 * @returns        of the days since the Unix epoch
 * @throws {InvalidValueError} a country that is not known; the message lists those that are
 */
export function holidaysOf(country: string): (day: number) => boolean {
  const rules = Object.hasOwn(RULES, country) ? RULES[country] : undefined;
  if (rules === undefined) {
    throw new InvalidValueError("country", country, `one of ${HOLIDAY_COUNTRIES.join(", ")}`);
  }
  const years = new Map<number, Set<number>>();
  return (day) => {
    const year = new Date(day * DAY_S * 1000).getUTCFullYear();
    let days = years.get(year);
    if (days === undefined) {
      days = new Set(rules.map((rule) => dayOf(rule, year)));
      years.set(year, days);
    }
    return days.has(day);
  };
}
