import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, logBetween, poisson } from "./_helpers/draw.ts";
import { type Daytime, daytimeOf } from "./_helpers/daytime.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { roughProcess } from "./_helpers/process.ts";
import { momentsOf } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** How many want to travel or to click: bells of the morning, noon and evening, fewer at night. */
function demand(random: RandomState, time: Daytime): Float64Array {
  const bells = [
    [between(random, 7, 9.5), between(random, 0.7, 2), 2 * nextUniform(random)],
    [between(random, 11, 15), between(random, 2, 4), 1.2 * nextUniform(random)],
    [between(random, 16, 21), between(random, 0.8, 3), 2 * nextUniform(random)],
  ];
  const night = logBetween(random, 0.01, 0.5);
  const rest = between(random, 0.2, 1.1);
  const restNoon = between(random, 12, 17);
  return time.hours.map((hour, i) => {
    if (time.weekdays[i]! >= 5 && rest < 1) {
      const d = Math.min(Math.abs(hour - restNoon), 24 - Math.abs(hour - restNoon));
      return night + 1.2 * rest * Math.exp(-d * d / 40);
    }
    let sum = night;
    for (const [centre, width, height] of bells) {
      let d = Math.abs(hour - centre!);
      d = Math.min(d, 24 - d);
      sum += height! * Math.exp(-d * d / (2 * width! * width!));
    }
    return sum;
  });
}

/**
 * Speed on a road: free and nearly constant until demand passes the capacity, then it breaks down
 * and comes back late; roads have a limit, so the series saturates above.
 */
function speed(random: RandomState, wish: Float64Array, day: number): Float64Array {
  const { mean, deviation } = momentsOf(wish);
  const capacity = mean + deviation * between(random, 0.3, 2.2);
  const free = between(random, 55, 70);
  const jam = between(random, 10, 40);
  const recovery = Math.exp(-1 / (day / 24 * between(random, 0.1, 1)));
  const breath = roughProcess(random, wish.length, Math.max(2, day / 24));
  const noise = logBetween(random, 0.3, 4);
  let queue = 0;
  let incident = 0;
  return wish.map((want, i) => {
    if (chance(random, 0.3 / day)) incident = exponential(random);
    incident *= recovery;
    const over = want * (1 + 0.12 * breath[i]!) - capacity * (1 - Math.min(0.6, incident));
    queue = Math.max(0, recovery * queue + over / (deviation + 1e-9));
    const share = 1 / (1 + 2 * queue);
    return Math.min(free + 3, jam + (free - jam) * share + noise * nextNormal(random));
  });
}

/** Movement of people and requests: counts, speeds and the share of places taken. */
export const traffic: Generator = {
  name: "traffic",
  summary: "rush hours and weekends: vehicle and request counts, road speeds that saturate and " +
    "break down, occupancy between empty and full",
  draw(random: RandomState, length: number): Draft {
    const time = daytimeOf(random, length);
    const wish = demand(random, time);
    const kind = nextUniform(random);
    const seasons = [time.day, 7 * time.day] as const;
    // No day is like another: a swell over hours or days, and a level of its own for each day.
    const swell = roughProcess(random, length, time.day * between(random, 0.1, 5));
    const [depth, daily] = [logBetween(random, 0.03, 0.4), logBetween(random, 0.01, 0.2)];
    let today = 0;
    for (let i = 0; i < length; i++) {
      if (time.hours[i]! < 24 / time.day) today = daily * nextNormal(random);
      wish[i]! *= Math.exp(depth * swell[i]! + today);
    }
    if (kind < 0.35) return wholeDraft(speed(random, wish, time.day), ...seasons);
    if (kind < 0.75) {
      const rate = logBetween(random, 1, 3_000);
      for (let i = 0; i < length; i++) wish[i] = poisson(random, rate * wish[i]!);
      return wholeDraft(wish, ...seasons);
    }
    const noise = logBetween(random, 0.005, 0.08);
    const places = momentsOf(wish).mean * between(random, 1, 3);
    for (let i = 0; i < length; i++) {
      wish[i] = Math.max(0, Math.min(1, wish[i]! / places + noise * nextNormal(random)));
    }
    return wholeDraft(chance(random, 0.3) ? roundInto(wish, 0.02) : wish, ...seasons);
  },
};
