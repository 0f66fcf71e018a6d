import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, logBetween, normals, pick } from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";
import { addInto, momentsOf, standardizeInto } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** Slots a year: months mostly, weeks, quarters, half years. */
const YEARS = [12, 12, 12, 52.18, 52.18, 4, 2];

/** A slope that changes sides at random times, quick one way and slow the other, and its memory. */
function slopes(random: RandomState, length: number, year: number): Float64Array {
  const slow = Math.max(3, year * logBetween(random, 1.5, 8));
  const quick = Math.max(2, slow * logBetween(random, 0.08, 1));
  const steep = slow / quick * between(random, 0.6, 1.4);
  const memory = Math.exp(-1 / Math.max(0.3, logBetween(random, 0.02, 0.6) * year));
  const unrest = logBetween(random, 0.05, 0.6);
  // One turn may be steeper than all before it.
  const shock = chance(random, 0.3) ? logBetween(random, 1.5, 8) : 1;
  const from = length * logBetween(random, 0.03, 0.97);
  let force = 1;
  let hasStruck = false;
  let isQuick = chance(random, 0.4);
  let left = (isQuick ? quick : slow) * nextUniform(random);
  let slope = 0;
  return Float64Array.from({ length }, (_, i) => {
    if (--left < 0) {
      isQuick = !isQuick;
      force = isQuick && !hasStruck && i > from ? shock : 1;
      if (force > 1) hasStruck = true;
      left = (isQuick ? quick : slow) * (0.3 + 0.7 * exponential(random));
    }
    const wish = force * (isQuick ? steep : -1) * (1 + unrest * nextNormal(random));
    slope = memory * slope + (1 - memory) * wish;
    return slope;
  });
}

/**
 * Cycles of an economy: unemployment, orders, stocks, claims. The slope holds for months or years
 * and turns; one side is steep and short. A year of its own on top, small or large.
 *
 *   x[i] = (1 − pull)·x[i−1] + slope[i],    y = x + year + noise
 */
export const cycles: Generator = {
  name: "cycles",
  summary: "economic cycles whose slope holds for months and turns, steep one way and slow the " +
    "other, sometimes steeper than ever before, with or without a year of their own, by week, " +
    "month, quarter or half year",
  draw(random: RandomState, length: number): Draft {
    const year = pick(random, YEARS);
    const values = slopes(random, length, year);
    const pull = chance(random, 0.6) ? 1 / (year * logBetween(random, 2, 20)) : 0;
    const trend = chance(random, 0.5) ? 0.5 * nextNormal(random) : 0;
    let x = 0;
    for (let i = 0; i < length; i++) {
      x += values[i]! + trend - pull * x;
      values[i] = x;
    }
    standardizeInto(values);
    const isYearly = year > 2 && chance(random, 0.5);
    if (isYearly) {
      const [cycle, size] = [cycleOf(random, year, 6), logBetween(random, 0.02, 1)];
      const grows = chance(random, 0.4) ? 0.3 : 0;
      const from = Math.floor(nextUniform(random) * year) / year;
      for (let i = 0; i < length; i++) {
        values[i]! += size * (1 + grows * values[i]!) *
          readCycle(cycle, from + i / year, year > 12);
      }
    }
    // Steps of a walk, as a survey revises its level, and errors of each survey.
    const [walk, noise] = [logBetween(random, 0.001, 0.05), logBetween(random, 0.001, 0.1)];
    let level = 0;
    for (let i = 0; i < length; i++) {
      level += walk * nextNormal(random);
      values[i]! += level;
    }
    addInto(values, normals(random, length), noise);
    if (chance(random, 0.4)) {
      const bend = between(random, 0.1, 0.6);
      for (let i = 0; i < length; i++) values[i] = Math.exp(bend * values[i]!);
    }
    if (chance(random, 0.3)) {
      roundInto(values, momentsOf(values).deviation * logBetween(random, 0.01, 0.1));
    }
    const count = chance(random, 0.6)
      ? Math.min(length, Math.round(logBetween(random, 40, 600)))
      : length;
    values.fill(NaN, count);
    return { values, count, seasons: [isYearly ? year : 0, 0] };
  },
};
