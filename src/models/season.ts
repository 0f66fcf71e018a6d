import type { SlotClock } from "./slot_clock.ts";

/** A season: its length in slots (may be fractional) and as a whole number of slots. */
export type Season = { length: number; slots: number };

const HOUR_S = 3600;
const DAY_S = 86_400;
const WEEK_S = 7 * DAY_S;
const YEAR_S = 365.25 * DAY_S;

/** Seasons of the calendar, in seconds, shortest first. */
const CALENDAR_S = [60, HOUR_S, DAY_S, WEEK_S, YEAR_S];

/** How far a calendar length may lie from the one it is compared with. */
const CALENDAR_TOLERANCE = 0.005;

/** A found lag this near to a calendar length is taken for it. */
const CALENDAR_SNAP = 0.015;

/**
 * A peak of the autocorrelation must reach this, and this many standard errors: more where neither
 * the calendar nor a second peak speaks for it, since among hundreds of lags some stand out. What
 * stands out so and is no length of the calendar, nor half of one, must also be a good part of the
 * variance: below that it misled more often than it helped (heartbeats, wind, traded volumes).
 */
const PEAK_MIN = 0.15;
const STRAY_PEAK_MIN = 0.3;
const PEAK_ERRORS = 3;
const LONE_PEAK_ERRORS = 4.5;

/**
 * Differences of a series with a weak season of the calendar show it at one lag and at twice it;
 * the mean of both has an error smaller by √2.
 */
const PAIR_MIN = 0.06;

/**
 * Share of a peak that twice the lag must keep. A rhythm without a clock behind it (heartbeats)
 * loses its phase and with it this share; a season does not, but its pattern changes.
 */
const CALENDAR_KEPT_MIN = 0.35;
const KEPT_MIN = 0.75;

/** A peak must stand this far above the lowest value before it. */
const PROMINENCE_MIN = 0.2;

/** How much a length that the calendar knows is preferred. */
const CALENDAR_BONUS = 1.25;

/** Differences show seasons under a wandering level, but less surely. */
const DIFFERENCE_DISCOUNT = 0.9;

/** Lags of a search go up to this share of the series. */
const LAGS_SHARE = 2 / 5;

/** Series shorter than this show no season. */
const SEARCH_SAMPLES_MIN = 12;

/**
 * Between so many seasons of a young series the calendar's own is presumed, where values a season
 * apart differ less than those at the lags before: see {@linkcode presumedSeason}.
 */
const PRESUMED_SEEN_MIN = 1.2;
const PRESUMED_SEEN_MAX = 4.5;
const PRESUMED_MARGIN = 1;

/** Longer ones are not presumed: of a day of minutes nothing was gained after 1.4 of them. */
const PRESUMED_SLOTS_MAX = 300;

/** Series of these seasons are presumed to have them: nearly all that is counted or burnt does. */
const PRESUMED_S = [DAY_S, WEEK_S, YEAR_S];

/** Seasons of which fewer than this many have been seen are not used. */
const SECOND_SEASON_SEEN_MIN = 1.9;

function detrended(values: Float64Array): Float64Array {
  const n = values.length;
  const meanIndex = (n - 1) / 2;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  let slope = 0;
  let square = 0;
  for (let i = 0; i < n; i++) {
    slope += (i - meanIndex) * (values[i]! - mean);
    square += (i - meanIndex) * (i - meanIndex);
  }
  slope /= square;
  return values.map((value, i) => value - mean - slope * (i - meanIndex));
}

function differenced(values: Float64Array): Float64Array {
  const out = new Float64Array(values.length - 1);
  for (let i = 0; i < out.length; i++) out[i] = values[i + 1]! - values[i]!;
  return out;
}

/** Autocorrelation at lags 0..lagMax, unbiased by n / (n − lag). */
function autocorrelation(values: Float64Array, lagMax: number): Float64Array {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  const centred = values.map((value) => value - mean);
  const out = new Float64Array(lagMax + 1);
  let variance = 0;
  for (let i = 0; i < n; i++) variance += centred[i]! * centred[i]!;
  for (let lag = 0; lag <= lagMax; lag += LAGS_AT_ONCE) productsInto(centred, lag, out);
  for (let lag = 0; lag <= lagMax; lag++) {
    out[lag] = variance > 0 ? out[lag]! / variance * n / (n - lag) : 0;
  }
  return out;
}

/** Lags whose sums run side by side: each product of a sum waits for the one before. */
const LAGS_AT_ONCE = 4;

/** Σ x[i]·x[i − lag] for four lags from `lag` on, as far as `out` goes. */
function productsInto(x: Float64Array, lag: number, out: Float64Array): void {
  const n = x.length;
  let [one, two, three, four] = [0, 0, 0, 0];
  for (let i = lag; i < Math.min(n, lag + 3); i++) {
    one += x[i]! * x[i - lag]!;
    if (i > lag) two += x[i]! * x[i - lag - 1]!;
    if (i > lag + 1) three += x[i]! * x[i - lag - 2]!;
  }
  // Of the four values back there, three are those of the sample before, one place on.
  let [first, second, third] = [x[2] ?? 0, x[1] ?? 0, x[0] ?? 0];
  for (let i = lag + 3; i < n; i++) {
    const value = x[i]!;
    const newest = x[i - lag]!;
    one += value * newest;
    two += value * first;
    three += value * second;
    four += value * third;
    third = second;
    second = first;
    first = newest;
  }
  // What lies behind the last lag is not written: out is that long.
  out[lag] = one;
  out[lag + 1] = two;
  out[lag + 2] = three;
  out[lag + 3] = four;
}

/** Values clipped at their 2nd and 98th percentiles, so that one spike makes no season. */
function clipped(values: Float64Array): Float64Array {
  const sorted = values.slice().sort();
  const low = sorted[Math.floor(0.02 * (sorted.length - 1))]!;
  const high = sorted[Math.ceil(0.98 * (sorted.length - 1))]!;
  return values.map((value) => Math.min(high, Math.max(low, value)));
}

/** Calendar seasons in whole slots for a sampling period. */
function calendarSlots(periodS: number): number[] {
  return CALENDAR_S.map((seconds) => Math.round(seconds / periodS)).filter((slots) => slots >= 2);
}

/** Counts of values from which on a search comes to the seasons of the calendar. */
export function calendarCounts(periodS: number): number[] {
  return calendarSlots(periodS).map((slots) => Math.ceil(slots / LAGS_SHARE));
}

/**
 * Finds the main season of an evenly spaced series from its autocorrelation.
 *
 * Peaks of the autocorrelation of the clipped, detrended series (and of its differences) that
 * stand out, and that twice the lag confirms; lengths of the calendar get a bonus.
 *
 * @param values   no missing values                                                  [length]
 * @param periodS  seconds between values, for the calendar
 * @returns        the season in slots; 1 when none is found
 */
export function findSeason(values: Float64Array, periodS: number): number {
  const n = values.length;
  if (n < SEARCH_SAMPLES_MIN) return 1;
  const base = clipped(values);
  const calendar = calendarSlots(periodS);
  // Whether a lag that qualified did so as a peak.
  const qualified = new Map<number, boolean>();
  let bestScore = 0;
  let best = 1;
  for (const [source, series] of [detrended(base), differenced(base)].entries()) {
    const lagMax = Math.min((n >> 1) - 1, Math.floor(n * LAGS_SHARE));
    if (lagMax < 3) continue;
    const acf = autocorrelation(series, lagMax);
    const shortTerm = n > 30 ? acf[1]! * acf[1]! + acf[2]! * acf[2]! : 0;
    let lowest = Infinity;
    for (let lag = 2; lag <= lagMax; lag++) {
      lowest = Math.min(lowest, acf[lag - 1]!);
      const known = calendar.includes(lag);
      const peak = lag < lagMax && acf[lag]! >= acf[lag - 1]! && acf[lag]! >= acf[lag + 1]!;
      if (!peak && !known) continue;
      const error = Math.sqrt((1 + 2 * shortTerm) / (n - lag));
      const isPair = source === 1 && known && 2 * lag <= lagMax &&
        (acf[lag]! + acf[2 * lag]!) / 2 >= Math.max(PEAK_ERRORS * error / Math.SQRT2, PAIR_MIN);
      const errors = known || 2 * lag <= lagMax ? PEAK_ERRORS : LONE_PEAK_ERRORS;
      const strays = nearCalendar(lag, calendar) === undefined &&
        nearCalendar(2 * lag, calendar) === undefined;
      const least = strays ? STRAY_PEAK_MIN : PEAK_MIN;
      const isPeak = acf[lag]! >= Math.max(errors * error, least);
      if (!isPeak && !isPair) continue;
      if (acf[lag]! - lowest < PROMINENCE_MIN) continue;
      const kept = known ? CALENDAR_KEPT_MIN : KEPT_MIN;
      if (2 * lag <= lagMax && acf[2 * lag]! < kept * acf[lag]!) continue;
      qualified.set(lag, isPeak || qualified.get(lag) === true);
      const score = acf[lag]! * Math.sqrt(1 - lag / n) * (known ? CALENDAR_BONUS : 1) *
        (source === 0 ? 1 : DIFFERENCE_DISCOUNT);
      const better = score > bestScore * 1.08;
      const divides = score > bestScore * 0.9 && lag < best && best % lag === 0;
      if (better || divides) {
        bestScore = score;
        best = lag;
      }
    }
  }
  return nestedCalendar(best, qualified, calendar);
}

/** Mean |x[t] − x[t − lag]|. */
function meanStep(values: Float64Array, lag: number): number {
  let sum = 0;
  for (let i = lag; i < values.length; i++) sum += Math.abs(values[i]! - values[i - lag]!);
  return sum / (values.length - lag);
}

/**
 * The season that a young series may be presumed to have, though no autocorrelation can show it.
 *
 *   V(m) < (1 − 1 / √(n − m)) · median V(m/2 … m − 1),   V(k) = mean |x(t) − x(t − k)|
 *
 * over the clipped, detrended values, m the shortest of day, week and year that has two slots and
 * more, after 1.2 and before 4.5 of them. Most series have the season of their sampling interval:
 * it needs less to speak for it than a search among all lags asks for.
 *
 * @param values   no missing values                                                  [length]
 * @param periodS  seconds between values
 * @returns        the season in slots; 1 for none
 */
export function presumedSeason(values: Float64Array, periodS: number): number {
  const n = values.length;
  const season = PRESUMED_S.map((seconds) => Math.round(seconds / periodS)).find((slots) =>
    slots >= 2
  );
  if (season === undefined || season > PRESUMED_SLOTS_MAX) return 1;
  if (n < SEARCH_SAMPLES_MIN - 2) return 1;
  if (n < PRESUMED_SEEN_MIN * season || n > PRESUMED_SEEN_MAX * season) return 1;
  const base = detrended(clipped(values));
  const before: number[] = [];
  for (let lag = Math.max(1, season >> 1); lag < season; lag++) before.push(meanStep(base, lag));
  before.sort((a, b) => a - b);
  const middle = before.length >> 1;
  const usual = (before[middle]! + before[before.length - 1 - middle]!) / 2;
  const least = 1 - PRESUMED_MARGIN / Math.sqrt(n - season);
  return meanStep(base, season) < least * usual ? season : 1;
}

/** The calendar length that a lag lies next to. */
function nearCalendar(lag: number, calendar: readonly number[]): number | undefined {
  return calendar.find((slots) => Math.abs(lag / slots - 1) < CALENDAR_SNAP);
}

/**
 * A found lag as the calendar knows it: a lag next to a calendar length is that length, and where a
 * shorter calendar season stands out as well, that one comes first (a day within a week); beside a
 * peak, only another peak does.
 */
function nestedCalendar(
  best: number,
  qualified: ReadonlyMap<number, boolean>,
  calendar: readonly number[],
): number {
  const known = nearCalendar(best, calendar);
  if (known === undefined) return best;
  const isPeak = qualified.get(best);
  const shorter = calendar.find((slots) =>
    slots < known && (isPeak ? qualified.get(slots) === true : qualified.has(slots))
  );
  return shorter ?? known;
}

function near(seconds: number, target: number): boolean {
  return Math.abs(seconds / target - 1) < CALENDAR_TOLERANCE;
}

/** The longer calendar season that goes with a shorter one: the week with the day, and so on. */
function companionS(seasonS: number): number | null {
  if (near(seasonS, DAY_S)) return WEEK_S;
  if (near(seasonS, WEEK_S)) return YEAR_S;
  return null;
}

function seasonOf(slots: number, sampleSpan: number): Season {
  const whole = Math.round(slots);
  // Over the stretch seen, less than a quarter slot of drift is no evidence against a whole number.
  const snaps = Math.abs(slots - whole) * sampleSpan / slots < 0.25;
  return { length: snaps ? whole : slots, slots: whole };
}

/**
 * The seasons that a model uses: those declared, else the one found, and the longer calendar
 * season that goes with it once 1.9 of those have been seen.
 *
 * A declared season that is not longer than one period says that there is none.
 *
 * @param grid       evenly spaced values, gaps filled                                [length]
 * @param declaredS  declared season lengths in seconds; empty = find
 */
export function seasonsOf(
  grid: Float64Array,
  clock: SlotClock,
  declaredS: readonly number[],
): Season[] {
  const n = grid.length;
  const lengths = declaredS.map((seconds) => seconds / clock.periodS).filter((slots) =>
    slots > 1.5
  );
  lengths.sort((a, b) => a - b);
  if (declaredS.length === 0) {
    const found = findSeason(grid, clock.periodS);
    const slots = found > 1 ? found : presumedSeason(grid, clock.periodS);
    if (slots > 1) lengths.push(calendarLength(slots, clock.periodS));
  }
  if (lengths.length === 0) return [];
  const first = lengths[0]!;
  const declaredSecond = lengths[1];
  const companion = companionS(first * clock.periodS);
  const second = declaredSecond ?? (companion === null ? null : companion / clock.periodS);
  const seasons = [seasonOf(first, n)];
  if (second !== null && n >= SECOND_SEASON_SEEN_MIN * second) seasons.push(seasonOf(second, n));
  return seasons;
}

/** The exact calendar length for a whole number of slots, where the calendar has one. */
function calendarLength(slots: number, periodS: number): number {
  const match = CALENDAR_S.find((seconds) => Math.round(seconds / periodS) === slots);
  return match === undefined ? slots : match / periodS;
}
