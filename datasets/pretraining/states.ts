import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { beatOf } from "./_helpers/beat.ts";
import {
  between,
  chance,
  exponential,
  logBetween,
  normals,
  pickIndex,
  wholeBetween,
} from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { roughProcess } from "./_helpers/process.ts";
import { addInto, momentsOf } from "./_helpers/series.ts";
import { clampInto, roundInto, spikesInto } from "./_helpers/transform.ts";

/** Levels held for random times, in a random or a fixed order: modes of a machine. */
function modes(random: RandomState, length: number): Float64Array {
  const levels = Array.from({ length: wholeBetween(random, 2, 6) }, () => nextNormal(random));
  const hold = logBetween(random, 5, 200);
  const isOrdered = chance(random, 0.5);
  const unrest = chance(random, 0.4) ? 0.05 : 1;
  const lag = Math.exp(-1 / logBetween(random, 0.1, 20));
  let mode = 0;
  let left = hold;
  let level = levels[0]!;
  return Float64Array.from({ length }, () => {
    if (--left < 0) {
      mode = isOrdered
        ? (mode + 1) % levels.length
        : Math.floor(nextUniform(random) * levels.length);
      left = hold * (1 + unrest * (exponential(random) - 1));
    }
    level += (1 - lag) * (levels[mode]! - level);
    return level;
  });
}

/** Ramps that fall back: tanks that are filled, memory that is freed, a thermostat. */
function sawteeth(random: RandomState, length: number): Float64Array {
  const rate = 1 / logBetween(random, 5, 250);
  const [wobble, unrest] = [logBetween(random, 0.01, 0.8), between(random, 0, 0.25)];
  const back = chance(random, 0.5) ? 1 : logBetween(random, 0.05, 0.8);
  let level = nextUniform(random);
  let limit = 1;
  let isFalling = false;
  return Float64Array.from({ length }, () => {
    level += isFalling ? -back : rate * (1 + wobble * nextNormal(random));
    if (level >= limit) isFalling = true;
    if (level <= 0) {
      level = Math.max(0, level);
      if (isFalling) limit = 1 + unrest * nextNormal(random);
      isFalling = false;
    }
    return level;
  });
}

/** A quiet ground with bursts that come singly, in clusters or by a timer: load of a server. */
function bursts(random: RandomState, length: number): Float64Array {
  const out = new Float64Array(length);
  const every = logBetween(random, 6, 150);
  const isTimed = chance(random, 0.4);
  const impulses = new Float64Array(length);
  let left = every * nextUniform(random);
  for (let i = 0; i < length; i++) {
    if (--left > 0) continue;
    impulses[i] = Math.exp(0.5 * nextNormal(random));
    left = isTimed ? Math.round(every) : every * exponential(random);
  }
  spikesInto(out, impulses, Math.exp(-1 / logBetween(random, 0.2, 15)), 1);
  if (chance(random, 0.5)) clampInto(out, 0, between(random, 0.5, 2));
  return out;
}

/** Steps of the level that stay, with a spike of one slot here and there. */
function steps(random: RandomState, length: number): Float64Array {
  const share = 1 / logBetween(random, 20, 500);
  const back = chance(random, 0.4) ? between(random, 0.2, 0.9) : 0;
  const spikes = chance(random, 0.5) ? logBetween(random, 0.002, 0.03) : 0;
  let level = 0;
  return Float64Array.from({ length }, () => {
    if (chance(random, share)) level = (1 - back) * level + nextNormal(random);
    return level + (chance(random, spikes) ? 4 * nextNormal(random) : 0);
  });
}

/** On and off at an even beat: a duty cycle whose share of time may move. */
function switched(random: RandomState, length: number): Float64Array {
  const period = logBetween(random, 6, 300);
  const duty = roughProcess(random, length, logBetween(random, 50, 2_000));
  const [middle, sway] = [between(random, 0.15, 0.85), chance(random, 0.5) ? 0.15 : 0];
  const start = nextUniform(random);
  return Float64Array.from({ length }, (_, i) => {
    const phase = (start + i / period) % 1;
    return phase < middle + sway * duty[i]! ? 1 : 0;
  });
}

/** Nothing happens: a constant with a rare event, or the last bit that flickers. */
function idle(random: RandomState, length: number): Float64Array {
  const share = logBetween(random, 0.002, 0.05);
  const flicker = chance(random, 0.5) ? between(random, 0.02, 0.5) : 0;
  const value = nextNormal(random);
  return Float64Array.from({ length }, () => {
    if (chance(random, share)) return value + nextNormal(random) * 3;
    return value + (chance(random, flicker) ? 0.1 : 0);
  });
}

const KINDS = [modes, sawteeth, bursts, steps, switched, idle];

/** Machines, servers and control loops: states, ramps, bursts, steps. */
export const states: Generator = {
  name: "states",
  summary: "machine modes, sawteeth, bursts, steps with spikes, duty cycles and idle channels, " +
    "with noise, limits and coarse steps",
  draw(random: RandomState, length: number): Draft {
    const out = KINDS[pickIndex(random, [3, 2.5, 2.5, 2, 2, 0.7])]!(random, length);
    const season = beatOf(out);
    const size = momentsOf(out).deviation || 1;
    if (chance(random, 0.75)) {
      addInto(out, normals(random, length), size * logBetween(random, 0.005, 0.5));
    }
    if (chance(random, 0.3)) {
      const slow = roughProcess(random, length, logBetween(random, 20, 1_000));
      addInto(out, slow, size * logBetween(random, 0.05, 1));
    }
    if (chance(random, 0.2)) clampInto(out, 0, Infinity);
    if (chance(random, 0.3)) roundInto(out, size * logBetween(random, 0.01, 0.3));
    return wholeDraft(out, season);
  },
};
