import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, logBetween } from "./_helpers/draw.ts";
import { daytimeOf } from "./_helpers/daytime.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { roughProcess } from "./_helpers/process.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";

/** Demand in deviations comes near to this and no further, so that no price runs away. */
const DEMAND_MAX = 5;

/**
 * Weeks of scarcity, in units of demand by day: each comes within days, lasts days to weeks and is
 * gone as it came, so that neither the mean nor the profile of the weeks with it tells the weeks
 * after.
 */
function scarcity(random: RandomState, days: number): Float64Array {
  const out = new Float64Array(days);
  const every = logBetween(random, 15, 150);
  const size = logBetween(random, 0.3, 3);
  for (let from = every * exponential(random); from < days; from += every * exponential(random)) {
    const height = size * exponential(random) * (chance(random, 0.8) ? 1 : -0.5);
    const until = from + logBetween(random, 2, 40);
    const [rise, fall] = [logBetween(random, 0.3, 4), logBetween(random, 0.3, 6)];
    for (let d = Math.floor(from); d < days; d++) {
      const risen = 1 - Math.exp((from - Math.min(d + 1, until)) / rise);
      out[d]! += height * risen * Math.min(1, Math.exp((until - d) / fall));
    }
  }
  return out;
}

/**
 * Prices of an auction for all hours of the next day: of power, gas, water, room.
 *
 * The demand of an hour is a curve of the day whose depth stays for days or differs from one to the
 * next, a level of the day that mostly stays, lower on days of rest, weeks of scarcity, and hours
 * that hang together; the price is a convex curve of it. On few days, more of them while it is
 * scarce, it is short in the hours of the peak: the price jumps and is back.
 *
 *   price = exp(bend·demand)/bend + rush      level[d] = a·level[d−1] + n[d]
 */
export const auction: Generator = {
  name: "auction",
  summary: "prices of auctions for all hours of a day: a day's curve and level, days of rest, a " +
    "convex supply, weeks of scarcity that end, days on which the peak is short, prices below zero",
  draw(random: RandomState, length: number): Draft {
    const time = daytimeOf(random, length);
    const [curve, other] = [cycleOf(random, time.day, 4), cycleOf(random, time.day, 4)];
    const [vary, depth] = [logBetween(random, 0.03, 0.5), logBetween(random, 0.3, 1.5)];
    const [stay, size] = [between(random, 0.3, 0.98), logBetween(random, 0.05, 0.6)];
    const [saturday, sunday] = [between(random, 0, 0.8), between(random, 0.1, 1.3)];
    const rest = chance(random, 0.85) ? logBetween(random, 0.1, 1.5) : 0;
    const hours = roughProcess(random, length, Math.max(2, time.day * between(random, 0.05, 0.4)));
    const unrest = logBetween(random, 0.02, 0.4);
    const slow = roughProcess(random, length, time.day * logBetween(random, 10, 60));
    const climb = logBetween(random, 0.05, 0.8);
    const bend = logBetween(random, 0.05, 0.8);
    const rushes = chance(random, 0.6) ? logBetween(random, 0.003, 0.06) : 0;
    const tall = logBetween(random, 0.5, 40);
    const days = Math.ceil(length / time.day) + 1;
    const scarce = chance(random, 0.4) ? scarcity(random, days) : new Float64Array(days);
    const hold = chance(random, 0.6) ? between(random, 0.3, 0.9) : 0;
    const fresh = Math.sqrt(1 - hold * hold);
    let [depths, day] = [0, -1];
    let level = size * nextNormal(random) / Math.sqrt(1 - stay * stay);
    let [gain, twist, rush] = [1, 0, 0];
    const out = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      if (i === 0 || time.hours[i]! < time.hours[i - 1]!) {
        level = stay * level + size * nextNormal(random);
        depths = hold * depths + fresh * nextNormal(random);
        gain = Math.exp(vary * depths);
        day++;
        twist = vary * nextNormal(random);
        // Days that are short come in small groups.
        const share = rush > 0 ? 0.3 : rushes * Math.exp(1.5 * Math.min(2, scarce[day]!));
        rush = chance(random, share) ? tall * exponential(random) : 0;
      }
      const phase = time.hours[i]! / 24 + 1e-9;
      const shape = readCycle(curve, phase, time.day > 96);
      const weekday = time.weekdays[i]!;
      const quiet = weekday < 5 ? 0 : rest * (weekday === 5 ? saturday : sunday);
      const demand = depth * (gain * shape + twist * readCycle(other, phase, time.day > 96)) +
        level + scarce[day]! - quiet + climb * slow[i]! + unrest * hours[i]!;
      const met = DEMAND_MAX - Math.log1p(Math.exp(DEMAND_MAX - demand));
      out[i] = Math.exp(bend * met) / bend;
      if (shape > 0.5) out[i]! += rush * (shape - 0.5) * (1 + 0.3 * nextNormal(random));
    }
    if (chance(random, 0.3)) {
      // Free power when hardly anybody wants it: the lowest hours fall to zero and below.
      const floor = out.toSorted()[Math.floor(length * logBetween(random, 0.005, 0.15))]!;
      const steep = 1 + 4 * nextUniform(random);
      for (let i = 0; i < length; i++) {
        if (out[i]! < floor) out[i] = floor - steep * (floor - out[i]!);
      }
    }
    return wholeDraft(out, time.day, 7 * time.day);
  },
};
