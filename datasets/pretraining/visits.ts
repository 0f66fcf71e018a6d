import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import {
  between,
  chance,
  exponential,
  logBetween,
  pickIndex,
  poisson,
  tailedNoise,
  wholeBetween,
} from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { roughProcess, sumInto } from "./_helpers/process.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";
import { addInto } from "./_helpers/series.ts";

const YEAR = 365.25;

/** Slots a day and a weight. */
const RATES: readonly (readonly [number, number])[] = [[1, 6], [24, 3], [4, 0.5], [48, 0.5]];

/** The part of the year in which the subject is in people's minds: 0 to 1, with soft ends. */
function monthsOf(random: RandomState): (day: number) => number {
  const [middle, half] = [YEAR * nextUniform(random), YEAR * between(random, 0.08, 0.35)];
  const edge = logBetween(random, 2, 30);
  return (day) => {
    const away = Math.abs(day - middle - YEAR * Math.round((day - middle) / YEAR));
    return 1 / (1 + Math.exp((away - half) / edge));
  };
}

/** Dates that come every year, on nearly the same day, each time of another height. */
function datesInto(random: RandomState, out: Float64Array, rate: number, start: number): void {
  for (let k = wholeBetween(random, 0, 3); k > 0; k--) {
    const height = logBetween(random, 0.15, 1.5);
    const [before, after] = [logBetween(random, 0.3, 6), logBetween(random, 0.5, 8)];
    const slack = chance(random, 0.5) ? 0 : between(random, 0.5, 6);
    const years = Math.ceil(out.length / rate / YEAR) + 1;
    let day = YEAR * nextUniform(random) - start;
    for (let year = 0; year <= years; year++, day += YEAR) {
      const at = rate * (day + slack * nextNormal(random));
      const size = height * Math.exp(0.35 * nextNormal(random));
      const [from, until] = [at - 6 * rate * before, at + 6 * rate * after].map(Math.round);
      for (let i = Math.max(0, from!); i < Math.min(out.length, until!); i++) {
        const d = (i - at) / rate;
        out[i]! += size * Math.exp(d < 0 ? d / before : -d / after);
      }
    }
  }
}

/** News: interest that is there at once and is lost again, at first fast and then slowly. */
function newsInto(random: RandomState, out: Float64Array, rate: number): void {
  const every = rate * logBetween(random, 8, 250);
  const [fast, slow] = [rate * logBetween(random, 0.3, 2), rate * logBetween(random, 2, 25)];
  const [lasting, size] = [0.6 * nextUniform(random), logBetween(random, 0.1, 0.9)];
  const [a, b] = [Math.exp(-1 / fast), Math.exp(-1 / slow)];
  let [quick, late] = [0, 0];
  for (let i = 0; i < out.length; i++) {
    if (chance(random, 1 / every)) {
      const height = size * exponential(random);
      quick += (1 - lasting) * height;
      late += lasting * height;
    }
    out[i]! += quick + late;
    quick *= a;
    late *= b;
  }
}

/** Logarithm of the interest at each slot. */
function interest(random: RandomState, length: number, rate: number): Float64Array {
  const out = sumInto(tailedNoise(random, length));
  const step = logBetween(random, 0.002, 0.06) / Math.sqrt(rate);
  for (let i = 0; i < length; i++) out[i]! *= step;
  const stays = rate * logBetween(random, 1, 20);
  addInto(out, roughProcess(random, length, stays), logBetween(random, 0.02, 0.35));
  const start = YEAR * nextUniform(random);
  const isOn = monthsOf(random);
  const [depth, tied] = [
    chance(random, 0.7) ? logBetween(random, 0.05, 1.2) : 0,
    chance(random, 0.4),
  ];
  const yearly = cycleOf(random, 365, 4);
  const swing = chance(random, 0.6) ? logBetween(random, 0.05, 0.5) : 0;
  const rest = logBetween(random, 0.03, 0.6);
  const weekdays = Float64Array.from({ length: 7 }, () => rest * nextNormal(random));
  if (chance(random, 0.5)) weekdays[5] = weekdays[6] = rest * between(random, -1.6, 1.6);
  const daily = rate > 1 ? cycleOf(random, rate) : null;
  const [waking, atRest] = [logBetween(random, 0.1, 0.9), between(random, 0.4, 1.1)];
  for (let i = 0; i < length; i++) {
    const day = start + i / rate;
    const k = Math.floor(i / rate + 1e-9) % 7;
    const on = isOn(day);
    // Some weeks have their shape only while the subject's months last.
    out[i]! += depth * on + (tied ? on : 1) * weekdays[k]! +
      swing * readCycle(yearly, day / YEAR, true);
    if (daily !== null) {
      out[i]! += waking * (k >= 5 ? atRest : 1) * readCycle(daily, (i % rate) / rate + 1e-9, false);
    }
  }
  datesInto(random, out, rate, start);
  if (chance(random, 0.75)) newsInto(random, out, rate);
  return out;
}

/** Visits of pages and shops of the net: weeks, months of interest, dates, news. */
export const visits: Generator = {
  name: "visits",
  summary: "visits by the day or the hour: a level that wanders, weekdays, months of interest, " +
    "dates that come every year, news that is forgotten, counted or as logarithms",
  draw(random: RandomState, length: number): Draft {
    const rate = RATES[pickIndex(random, RATES.map(([, weight]) => weight))]![0];
    const values = interest(random, length, rate);
    addInto(values, tailedNoise(random, length), logBetween(random, 0.005, 0.15));
    const people = logBetween(random, 3, 30_000);
    const kind = nextUniform(random);
    for (let i = 0; i < length; i++) {
      if (kind < 0.35) continue;
      const mean = people * Math.exp(Math.max(-8, Math.min(6, values[i]!)));
      values[i] = kind < 0.75 ? poisson(random, mean) : mean;
    }
    if (kind < 0.35) {
      const base = Math.log(people);
      for (let i = 0; i < length; i++) values[i]! += base;
    }
    const seasons = rate === 1 ? [7, YEAR] as const : [rate, 7 * rate] as const;
    const count = rate === 1 && chance(random, 0.2)
      ? Math.min(length, Math.round(logBetween(random, 60, 500)))
      : length;
    values.fill(NaN, count);
    return { values, count, seasons };
  },
};
