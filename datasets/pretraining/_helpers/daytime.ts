/** A clock of days, weeks and years for series that follow the sun or people. */
import { nextUniform, type RandomState } from "../../../src/base/random.ts";
import { pickIndex } from "./draw.ts";

/** Slots a day and the weight of each rate. */
const RATES: readonly (readonly [number, number])[] = [
  [24, 6],
  [48, 2],
  [96, 2.5],
  [144, 1],
  [288, 1.6],
  [12, 1],
  [8, 0.7],
  [6, 0.5],
];

/** Where a series lies in time. */
export interface Daytime {
  /** Slots a day. */
  readonly day: number;
  /** Hour of the day of each slot, 0 to 24. */
  readonly hours: Float64Array;
  /** Day of the week of each slot, 0 to 6; 5 and 6 are the days of rest. */
  readonly weekdays: Uint8Array;
  /** Share of the year at each slot, 0 to 1 and on. */
  readonly years: Float64Array;
}

/** A stretch of `length` slots from a random moment on. */
export function daytimeOf(random: RandomState, length: number): Daytime {
  const day = RATES[pickIndex(random, RATES.map(([, weight]) => weight))]![0];
  const from = Math.floor(nextUniform(random) * 364 * day);
  const hours = new Float64Array(length);
  const weekdays = new Uint8Array(length);
  const years = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const days = (from + i) / day;
    const whole = Math.floor(days);
    hours[i] = 24 * (days - whole);
    weekdays[i] = whole % 7;
    years[i] = days / 365.25;
  }
  return { day, hours, weekdays, years };
}

/** Weather over days: a bell-free low-pass of noise, its memory in days. */
export function slotsOfDays({ day }: Daytime, days: number): number {
  return Math.max(1.5, day * days);
}
