import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, pick, poisson } from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { roughProcess } from "./_helpers/process.ts";

/** Slots a year: weeks mostly, days with a weekday's reporting, months. */
const YEARS = [52.18, 52.18, 52.18, 365.25, 12];

/**
 * Waves by the year, each with a moment, a height and two slopes of its own, over a ground:
 *
 *   log-logistic rise and fall: h / (exp(−(t − peak)·rise) + exp((t − peak)·fall))
 */
function yearlyWaves(random: RandomState, length: number, year: number): Float64Array {
  const out = new Float64Array(length).fill(logBetween(random, 0.005, 0.3));
  const spread = logBetween(random, 0.01, 0.08);
  const [rise, fall] = [between(random, 12, 60) / year, between(random, 10, 40) / year];
  const uneven = between(random, 0.1, 0.8);
  for (let peak = -year * nextUniform(random); peak < length + year; peak += year) {
    const at = peak + spread * year * nextNormal(random);
    const height = Math.exp(uneven * nextNormal(random));
    const [up, down] = [rise, fall].map((x) => x * Math.exp(0.25 * nextNormal(random)));
    for (let i = 0; i < length; i++) {
      const t = i - at;
      if (Math.abs(t) > year) continue;
      out[i]! += height / (Math.exp(-t * up!) + Math.exp(t * down!));
    }
  }
  return out;
}

/**
 * Susceptible, infected, recovered and susceptible again, with a contact rate that follows the
 * year and chance, stepped once a slot in shares of the people.
 */
function spreadOfDisease(random: RandomState, length: number, year: number): Float64Array {
  const recovery = Math.min(0.9, 365.25 / year / between(random, 4, 14));
  const waning = 1 / (year * logBetween(random, 0.3, 4));
  const contact = between(random, 1.3, 4);
  const depth = between(random, 0, 0.35);
  const start = nextUniform(random);
  const mood = roughProcess(random, length + 200, year / 6);
  const out = new Float64Array(length);
  let well = between(random, 0.3, 0.9);
  let ill = 0.002;
  for (let i = -200; i < length; i++) {
    const season = 1 + depth * Math.cos(2 * Math.PI * (start + i / year));
    const rate = contact * recovery * season * Math.exp(0.15 * mood[i + 200]!);
    const fresh = well * (1 - Math.exp(-rate * ill));
    const lost = recovery * ill;
    ill = Math.min(1, Math.max(1e-5, ill + fresh - lost));
    well = Math.min(1, Math.max(0, well - fresh + waning * (1 - well - ill)));
    if (i >= 0) out[i] = fresh;
  }
  return out;
}

/** Epidemics: waves that come every year or when enough may catch it again. */
export const epidemic: Generator = {
  name: "epidemic",
  summary: "yearly waves of uneven height and a susceptible-infected-recovered model, as rates " +
    "or counted cases, by week, day or month",
  draw(random: RandomState, length: number): Draft {
    const year = pick(random, YEARS);
    const isYearly = chance(random, 0.6);
    const values = isYearly
      ? yearlyWaves(random, length, year)
      : spreadOfDisease(random, length, year);
    const weekly = year > 300 && chance(random, 0.7);
    const reporting = Float64Array.from({ length: 7 }, () => Math.exp(0.25 * nextNormal(random)));
    const [size, isCounted] = [logBetween(random, 0.005, 0.25), chance(random, 0.4)];
    const people = logBetween(random, 10, 3_000) / Math.max(...values);
    for (let i = 0; i < length; i++) {
      const rate = values[i]! * Math.exp(size * nextNormal(random)) *
        (weekly ? reporting[i % 7]! : 1);
      values[i] = isCounted ? poisson(random, people * rate) : rate;
    }
    const count = chance(random, 0.25)
      ? Math.min(length, Math.round(logBetween(random, 60, 500)))
      : length;
    values.fill(NaN, count);
    const isTold = isYearly || chance(random, 0.5);
    if (weekly) return { values, count, seasons: [7, isTold ? year : 0] };
    return { values, count, seasons: [isTold ? year : 0, 0] };
  },
};
