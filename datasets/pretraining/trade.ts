import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import {
  between,
  chance,
  exponential,
  gamma,
  logBetween,
  pickIndex,
  poisson,
  wholeBetween,
} from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { bellProcess, brokenLine, roughProcess } from "./_helpers/process.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";
import { addInto } from "./_helpers/series.ts";

const YEAR = 365.25;

/** Days that are summed into one slot, the seasons then, slots of such a series, a weight. */
const KINDS: readonly (readonly [number, readonly [number, number], number, number, number])[] = [
  [1, [7, YEAR], 60, 864, 6],
  [7, [YEAR / 7, 0], 60, 420, 4.5],
  [30.4375, [12, 0], 30, 180, 1.5],
];

/** Dates that come back every year: a day, days of build-up, days of its end, and what it does. */
function holidays(random: RandomState, size: number): Float64Array {
  const out = new Float64Array(366);
  for (let k = wholeBetween(random, 0, 6); k > 0; k--) {
    const day = nextUniform(random) * YEAR;
    const effect = size * (chance(random, 0.75) ? 1 : -1) * (0.3 + exponential(random));
    const [before, after] = [logBetween(random, 0.3, 25), logBetween(random, 0.3, 8)];
    for (let i = 0; i < 366; i++) {
      const d = i - day - YEAR * Math.round((i - day) / YEAR);
      out[i]! += effect * Math.exp(d < 0 ? d / before : -d / after);
    }
  }
  return out;
}

/** Blocks of days with more sold, now and then. */
function promotionsInto(random: RandomState, out: Float64Array): void {
  const every = logBetween(random, 20, 200);
  const effect = logBetween(random, 0.1, 1.2);
  for (
    let day = every * exponential(random);
    day < out.length;
    day += every * exponential(random)
  ) {
    const until = Math.min(out.length, day + wholeBetween(random, 2, 14));
    for (let i = Math.floor(day); i < until; i++) out[i]! += effect;
  }
}

/** Sudden interest that is lost again: news, a match, a prize. */
function eventsInto(random: RandomState, out: Float64Array): void {
  const share = logBetween(random, 0.002, 0.03);
  const decay = Math.exp(-1 / logBetween(random, 0.5, 10));
  const size = logBetween(random, 0.2, 1.5);
  let interest = 0;
  for (let i = 0; i < out.length; i++) {
    if (chance(random, share)) interest += size * exponential(random);
    interest *= decay;
    out[i]! += interest;
  }
}

/** Logarithm of what is expected each day. */
function expected(random: RandomState, days: number): Float64Array {
  const out = roughProcess(random, days, logBetween(random, 3, 400));
  const wander = logBetween(random, 0.02, 0.3);
  for (let i = 0; i < days; i++) out[i]! *= wander;
  addInto(out, brokenLine(random, days, 400), logBetween(random, 0.05, 2));
  if (chance(random, 0.4)) {
    addInto(
      out,
      bellProcess(random, days, logBetween(random, 60, 400)),
      logBetween(random, 0.05, 0.4),
    );
  }
  const yearly = cycleOf(random, 365, 5);
  const dates = holidays(random, logBetween(random, 0.1, 1));
  const start = nextUniform(random) * YEAR;
  const [depth, isSmooth] = [logBetween(random, 0.02, 0.6), chance(random, 0.75)];
  const rest = logBetween(random, 0.05, 0.7);
  const weekdays = Float64Array.from({ length: 7 }, () => rest * nextNormal(random));
  if (chance(random, 0.5)) weekdays[5] = weekdays[6] = rest * between(random, -2, 2);
  for (let i = 0; i < days; i++) {
    const day = (start + i) % YEAR;
    out[i]! += (isSmooth ? depth * readCycle(yearly, day / YEAR, true) : 0) +
      dates[Math.floor(day)]! + weekdays[i % 7]!;
  }
  if (chance(random, 0.4)) promotionsInto(random, out);
  if (chance(random, 0.3)) eventsInto(random, out);
  return out;
}

/** Sales, visits and bookings: weekdays, the year, holidays, promotions, news, closed days. */
export const trade: Generator = {
  name: "trade",
  summary: "sales and visits by the day, week or month: weekdays, a yearly shape, holidays with " +
    "their build-up, promotions, news that fades, closed days, counted or not",
  draw(random: RandomState, length: number): Draft {
    const kind = KINDS[pickIndex(random, KINDS.map(([, , , , weight]) => weight))]!;
    const [step, seasons, low, high] = kind;
    const count = step === 1 && chance(random, 0.5)
      ? length
      : Math.min(length, Math.round(logBetween(random, low, high)));
    const days = Math.ceil(count * step) + 1;
    const log = expected(random, days);
    const noise = logBetween(random, 0.005, 0.35);
    const rate = logBetween(random, 1, 3_000);
    const spread = chance(random, 0.5) ? 0 : logBetween(random, 0.02, 0.6);
    const isCounted = chance(random, 0.5);
    const closed = step === 1 && chance(random, 0.12) ? 6 : -1;
    const values = new Float64Array(length).fill(NaN);
    for (let slot = 0, day = 0; slot < count; slot++) {
      let sum = 0;
      for (const until = Math.round((slot + 1) * step); day < until; day++) {
        if (day % 7 === closed) continue;
        const mean = Math.exp(Math.max(-8, Math.min(8, log[day]! + noise * nextNormal(random))));
        sum += spread > 0 && isCounted ? mean * spread * gamma(random, 1 / spread) : mean;
      }
      values[slot] = isCounted ? poisson(random, rate * sum) : sum;
    }
    if (chance(random, 0.15)) {
      for (let i = 0; i < count; i++) values[i] = Math.log1p(values[i]!);
    }
    return { values, count, seasons };
  },
};
