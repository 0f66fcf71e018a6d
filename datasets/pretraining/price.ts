import { nextNormal, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, tailedNoise } from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { momentsOf } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/**
 * Prices: a random walk of the logarithm whose volatility is itself a slow process, for which no
 * forecast beats the last value.
 *
 *   log p[i] = log p[i−1] + drift + exp(h[i]/2)·e[i],   h[i] = a·h[i−1] + s·n[i]
 */
export const price: Generator = {
  name: "price",
  summary:
    "price-like random walks with stochastic volatility, jumps, crises, weak reversion or ticks",
  draw(random: RandomState, length: number): Draft {
    const size = logBetween(random, 0.0005, 0.05);
    const drift = chance(random, 0.4) ? 0.05 * size * nextNormal(random) : 0;
    const persistence = between(random, 0.9, 0.998);
    const unrest = logBetween(random, 0.1, 1.6) * Math.sqrt(1 - persistence);
    const leverage = chance(random, 0.4) ? -between(random, 0, 0.3) : 0;
    const reversion = chance(random, 0.2) ? logBetween(random, 0.002, 0.05) : 0;
    const jumps = chance(random, 0.3) ? logBetween(random, 0.001, 0.02) : 0;
    // A crisis: from some slot on, for weeks, the moves are larger than they ever were.
    const crisis = chance(random, 0.15) ? length * between(random, 0.1, 0.97) : length;
    const gravity = logBetween(random, 1.5, 8);
    const calming = Math.exp(-1 / logBetween(random, 5, 300));
    let fear = 0;
    const noise = tailedNoise(random, length);
    const values = new Float64Array(length);
    let x = 0;
    let h = 0;
    for (let i = 0; i < length; i++) {
      fear = i - 1 < crisis && i >= crisis ? gravity : calming * fear;
      let move = size * (1 + fear) * Math.exp(h / 2) * noise[i]! - 0.05 * size * fear;
      if (jumps > 0 && chance(random, jumps)) move += 6 * size * nextNormal(random);
      x += drift + move - reversion * x;
      h = persistence * h + unrest * nextNormal(random) + leverage * unrest * noise[i]!;
      values[i] = x;
    }
    if (chance(random, 0.8)) {
      for (let i = 0; i < length; i++) values[i] = Math.exp(values[i]!);
    }
    if (chance(random, 0.15)) {
      // The bid and the offer: the price seen hops about the one that walks.
      const hop = size * logBetween(random, 0.1, 1);
      for (let i = 0; i < length; i++) values[i]! += hop * nextNormal(random);
    }
    if (chance(random, 0.2)) {
      roundInto(values, momentsOf(values).deviation * logBetween(random, 0.005, 0.1) || 1);
    }
    return wholeDraft(values, chance(random, 0.15) ? 5 : 0);
  },
};
