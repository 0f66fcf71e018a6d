import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, logBetween, pick, tailedNoise } from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import { brokenLine, roughProcess, smoothProcess, sumInto } from "./_helpers/process.ts";
import { cycleOf, phasesOf, readCycle, seasonAlong, seasonsOf } from "./_helpers/season.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";
import { jumpInto, measureInto, spikesInto } from "./_helpers/transform.ts";

/** The seasons of one series and the phases along it. */
interface Clock {
  readonly season: number;
  readonly second: number;
  /** In seasons of the first kind. */
  readonly phases: Float64Array;
  readonly isWandering: boolean;
}

function clockOf(random: RandomState, length: number): Clock {
  const [season, long] = seasonsOf(random);
  const hasSecond = long > 0 && chance(random, 0.5) && long <= 0.9 * length;
  const isWandering = season > 8 && chance(random, 0.08);
  let wander: Float64Array | null = null;
  if (isWandering) {
    const share = between(random, 0.02, 0.25);
    wander = smoothProcess(random, length, 4, 60).map((x) => Math.max(-0.7, share * x));
  }
  const isOff = season > 10 && chance(random, 0.1);
  const true1 = season + (isOff ? between(random, -0.3, 0.3) : 0);
  return {
    season: true1,
    second: hasSecond ? long : 0,
    phases: phasesOf(random, length, true1, wander),
    isWandering,
  };
}

/** What the second season does: a value a cycle of the first (weekdays), in cycles of the first. */
function dayEffects(random: RandomState, { season, second, phases }: Clock): Float64Array {
  const days = Math.max(2, Math.round(second / season));
  const levels = Float64Array.from({ length: days }, () => 0.7 * nextNormal(random));
  if (days >= 5 && days <= 7 && chance(random, 0.6)) {
    const start = Math.floor(nextUniform(random) * days);
    const rest = between(random, -1.6, -0.3);
    for (let k = 0; k < days; k++) {
      levels[(start + k) % days] = (k < 2 ? rest : 0.4) + 0.1 * nextNormal(random);
    }
  }
  return Float64Array.from(phases, (phase) => levels[Math.floor(phase) % days]!);
}

/** The seasonal part: shape · amplitude · weekday, with the long cycle's own shape beside. */
function seasonalPart(random: RandomState, clock: Clock): Float64Array {
  const { season, second, phases } = clock;
  const length = phases.length;
  const cycle = cycleOf(random, season);
  const out = seasonAlong(cycle, phases, season);
  if (chance(random, 0.35)) {
    const depth = 0.5 * nextUniform(random);
    const swell = smoothProcess(random, length, 30, 600);
    for (let i = 0; i < length; i++) out[i]! *= Math.exp(depth * swell[i]!);
  }
  if (chance(random, 0.12)) {
    // The shape itself changes slowly into another.
    const other = cycleOf(random, season);
    const from = nextUniform(random) * length;
    const width = logBetween(random, 20, 1_000);
    for (let i = 0; i < length; i++) {
      const share = 1 / (1 + Math.exp(-(i - from) / width * 4));
      const next = readCycle(other, phases[i]!, season > 192);
      out[i] = (1 - share) * out[i]! + share * next;
    }
  }
  if (second === 0) return out;
  const effects = dayEffects(random, clock);
  const depth = chance(random, 0.7) ? 0.6 * nextUniform(random) : 0;
  const swaps = chance(random, 0.25) ? cycleOf(random, season) : null;
  const additive = nextUniform(random);
  for (let i = 0; i < length; i++) {
    // Days of rest may have a shape of their own, not only another height.
    if (swaps !== null && effects[i]! < 0) {
      out[i] = readCycle(swaps, phases[i]!, season > 192);
    }
    out[i] = out[i]! * Math.max(0.05, 1 + depth * effects[i]!) + additive * effects[i]!;
  }
  if (chance(random, 0.35)) {
    const long = cycleOf(random, second, 8);
    const ratio = season / second;
    const gain = 1.2 * nextUniform(random);
    for (let i = 0; i < length; i++) {
      out[i]! += gain * readCycle(long, phases[i]! * ratio, true);
    }
  }
  return out;
}

/** The long cycle of which the forecaster is told nothing: weather, business, tides. */
function slowCycle(random: RandomState, length: number): Float64Array {
  const season = logBetween(random, 60, 1_500);
  const phases = phasesOf(random, length, season, null);
  return seasonAlong(cycleOf(random, 400, 4), phases, 400);
}

/** Noise whose size may follow a slow process or the season. */
function noiseAlong(random: RandomState, seasonal: Float64Array | null, length: number) {
  const out = tailedNoise(random, length);
  if (chance(random, 0.25)) {
    const swell = smoothProcess(random, length, 10, 200);
    for (let i = 0; i < length; i++) out[i]! *= Math.exp(0.6 * swell[i]!);
  }
  if (seasonal !== null && chance(random, 0.3)) {
    for (let i = 0; i < length; i++) {
      out[i]! *= Math.max(0.1, 1 + 0.8 * Math.tanh(seasonal[i]!));
    }
  }
  return out;
}

function levelInto(random: RandomState, out: Float64Array, noise: Float64Array): void {
  const length = out.length;
  if (chance(random, 0.55)) {
    const gain = logBetween(random, 0.03, 1.2);
    const part = chance(random, 0.6)
      ? roughProcess(random, length, logBetween(random, 1, 60))
      : smoothProcess(random, length, 1.5, 60);
    addInto(out, part, gain);
  }
  if (chance(random, 0.4)) {
    const steps = noise.slice();
    // Other steps than the noise itself, of the same kind.
    steps.copyWithin(0, 7);
    addInto(out, sumInto(steps), logBetween(random, 0.05, 4) / Math.sqrt(length));
  }
  if (chance(random, 0.45)) {
    const every = 1 / logBetween(random, 0.0005, 0.02);
    addInto(out, brokenLine(random, length, every), logBetween(random, 0.1, 8));
  }
  if (chance(random, 0.35)) {
    addInto(out, smoothProcess(random, length, 20, 800), logBetween(random, 0.05, 2));
  }
  if (chance(random, 0.12)) jumpInto(random, out, 250, logBetween(random, 0.2, 3));
}

function spikePart(random: RandomState, out: Float64Array, clock: Clock | null): void {
  const length = out.length;
  const impulses = new Float64Array(length);
  if (clock !== null && chance(random, 0.5)) {
    let cycle = -1;
    clock.phases.forEach((phase, i) => {
      if (Math.floor(phase) !== cycle && cycle >= 0) impulses[i] = between(random, 0.7, 1);
      cycle = Math.floor(phase);
    });
  } else {
    const share = logBetween(random, 0.002, 0.05);
    for (let i = 0; i < length; i++) {
      if (chance(random, share)) impulses[i] = exponential(random);
    }
  }
  const gain = logBetween(random, 0.5, 6) * (chance(random, 0.25) ? -1 : 1);
  spikesInto(out, impulses, Math.exp(-1 / logBetween(random, 0.3, 12)), gain);
}

/**
 * Season + level + noise, each of many kinds, then a transformation of what is measured:
 *
 *   y = f(gain·season·amplitude·(1 + weekday) + weekday + slow + level + noise + spikes)
 */
export const seasonal: Generator = {
  name: "seasonal",
  summary: "seasons of the calendar or of any length, of many shapes, over levels that wander, " +
    "bend and jump, with noise of many kinds and transformations of the whole",
  draw(random: RandomState, length: number): Draft {
    const clock = chance(random, 0.82) ? clockOf(random, length) : null;
    const out = new Float64Array(length);
    let seasonalValues: Float64Array | null = null;
    if (clock !== null) {
      seasonalValues = seasonalPart(random, clock);
      addInto(out, seasonalValues, logBetween(random, 0.15, 2));
    }
    if (chance(random, 0.15)) addInto(out, slowCycle(random, length), logBetween(random, 0.1, 1.5));
    const noise = noiseAlong(random, seasonalValues, length);
    addInto(out, noise, pick(random, [0.1, 0.3, 1, 1]) * logBetween(random, 0.04, 1.2));
    levelInto(random, out, noise);
    if (chance(random, 0.14)) spikePart(random, out, clock);
    measureInto(random, standardizeInto(out));
    // A season whose clock wanders is told in half of the series only.
    const isTold = clock !== null && !(clock.isWandering && chance(random, 0.5));
    const seasons: [number, number] = isTold ? [clock.season, clock.second] : [0, 0];
    return { values: out, count: length, seasons };
  },
};
