import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, gamma, logBetween, poisson } from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { smoothProcess } from "./_helpers/process.ts";
import { cycleOf, phasesOf, seasonAlong, seasonsOf } from "./_helpers/season.ts";

/** How eager buyers are along the series: the exponent of a season and a slow process. */
function demand(random: RandomState, length: number): { values: Float64Array; season: number } {
  const values = new Float64Array(length);
  let season = 0;
  if (chance(random, 0.6)) {
    season = seasonsOf(random)[0];
    const phases = phasesOf(random, length, season, null);
    const shape = seasonAlong(cycleOf(random, season), phases, season);
    const gain = logBetween(random, 0.1, 1.2);
    for (let i = 0; i < length; i++) values[i] = gain * shape[i]!;
  }
  const gain = logBetween(random, 0.05, 0.8);
  const slow = smoothProcess(random, length, 20, 500);
  for (let i = 0; i < length; i++) {
    values[i] = Math.exp(Math.max(-6, Math.min(6, values[i]! + gain * slow[i]!)));
  }
  return { values, season };
}

/**
 * Counts: Poisson or negative binomial around a moving rate; or demand as Croston has it, a
 * chance of an order in each slot and the size of the order apart.
 */
export const counts: Generator = {
  name: "counts",
  summary: "whole numbers: Poisson, negative binomial, intermittent and lumpy demand, with or " +
    "without a season",
  draw(random: RandomState, length: number): Draft {
    const { values: eager, season } = demand(random, length);
    const isShort = chance(random, 0.3);
    const count = isShort ? Math.min(length, Math.round(logBetween(random, 30, 300))) : length;
    const values = new Float64Array(length).fill(NaN);
    const kind = nextUniform(random);
    const rate = kind < 0.6 ? logBetween(random, 0.05, 40) : 0;
    const spread = kind < 0.25 ? 0 : logBetween(random, 0.1, 2);
    const share = between(random, 0.03, 0.6);
    const size = logBetween(random, 1, 40);
    // A product may die: no orders from some slot on.
    const end = chance(random, 0.06) ? count * between(random, 0.5, 1) : Infinity;
    for (let i = 0; i < count; i++) {
      if (i > end) values[i] = 0;
      else if (rate > 0) {
        const mean = rate * eager[i]!;
        values[i] = poisson(
          random,
          spread > 0 ? mean * spread * gamma(random, 1 / spread) : mean,
        );
      } else if (chance(random, Math.min(1, share * eager[i]!))) {
        values[i] = 1 + Math.floor(size * Math.exp(0.6 * nextNormal(random)) - 0.5 * spread);
        values[i] = Math.max(1, values[i]!);
      } else values[i] = 0;
    }
    return { values, count, seasons: [season, 0] };
  },
};
