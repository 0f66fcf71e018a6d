import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, normals, tailedNoise } from "./_helpers/draw.ts";
import { type Daytime, daytimeOf, slotsOfDays } from "./_helpers/daytime.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { bellProcess, maternProcess, roughProcess } from "./_helpers/process.ts";
import { cycleOf, readCycle } from "./_helpers/season.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";
import { clampInto, spikesInto } from "./_helpers/transform.ts";

/** Temperature in deviations: year, day and weather of a few days. */
function weather(random: RandomState, time: Daytime, length: number): Float64Array {
  const out = maternProcess(random, length, slotsOfDays(time, between(random, 1, 5)));
  const [yearly, daily] = [between(random, 0, 2.5), between(random, 0.2, 1.2)];
  for (let i = 0; i < length; i++) {
    out[i]! += yearly * Math.cos(2 * Math.PI * (time.years[i]! - 0.55)) +
      daily * Math.cos(2 * Math.PI * (time.hours[i]! - 15) / 24);
  }
  return out;
}

/**
 * The load of a grid, a building or a machine hall: a shape for working days and one for days of
 * rest, heating and cooling by the weather, a slow level, noise of which most stays for hours.
 */
function load(random: RandomState, time: Daytime, length: number): Float64Array {
  const working = cycleOf(random, time.day);
  const resting = chance(random, 0.5) ? cycleOf(random, time.day) : working;
  const alike = nextUniform(random);
  const [saturday, sunday] = [between(random, 0.4, 1), between(random, 0.2, 1)];
  const rest = chance(random, 0.8) ? logBetween(random, 0.05, 1.5) : 0;
  const heat = weather(random, time, length);
  const heating = chance(random, 0.6) ? logBetween(random, 0.05, 1.2) : 0;
  const cooling = chance(random, 0.6) ? logBetween(random, 0.05, 1.2) : 0;
  const comfort = between(random, -0.8, 0.8);
  const holidays = chance(random, 0.3) ? 0.03 : 0;
  const out = new Float64Array(length);
  const isSmooth = time.day > 96;
  let isHoliday = false;
  for (let i = 0; i < length; i++) {
    if (time.hours[i]! < 24 / time.day) isHoliday = chance(random, holidays);
    const phase = time.hours[i]! / 24 + 1e-9;
    const isRest = time.weekdays[i]! >= 5 || isHoliday;
    let shape = readCycle(working, phase, isSmooth);
    if (isRest && rest > 0) {
      shape = alike * shape + (1 - alike) * readCycle(resting, phase, isSmooth);
      shape = shape * (1 - 0.4 * rest / 1.5) - rest * (time.weekdays[i] === 5 ? saturday : sunday);
    }
    const t = heat[i]! - comfort;
    out[i] = shape + (t > 0 ? cooling * t : -heating * t);
  }
  const hours = slotsOfDays(time, logBetween(random, 0.05, 3));
  addInto(out, roughProcess(random, length, hours), logBetween(random, 0.03, 0.9));
  addInto(out, tailedNoise(random, length), logBetween(random, 0.005, 0.4));
  if (chance(random, 0.35)) {
    addInto(out, bellProcess(random, length, slotsOfDays(time, 15)), logBetween(random, 0.1, 1));
  }
  return out;
}

/** Power of the sun: zero at night, clear-sky by day, times the share that the clouds let by. */
function sun(random: RandomState, time: Daytime, length: number): Float64Array {
  const clouds = roughProcess(random, length, slotsOfDays(time, logBetween(random, 0.1, 2)));
  const flicker = normals(random, length);
  const gain = logBetween(random, 0.3, 3);
  const clear = between(random, -0.5, 2.5);
  const [noon, season] = [between(random, 11, 14), between(random, 0, 3)];
  const width = between(random, 10, 14);
  const limit = chance(random, 0.25) ? between(random, 0.5, 0.95) : 2;
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const daylight = width + season * Math.cos(2 * Math.PI * (time.years[i]! - 0.47));
    const angle = Math.PI * (time.hours[i]! - noon) / daylight;
    if (Math.abs(angle) >= Math.PI / 2) continue;
    const share = 1 / (1 + Math.exp(-clear - gain * clouds[i]! - 0.3 * gain * flicker[i]!));
    out[i] = Math.min(limit, Math.cos(angle) ** 1.3 * share);
  }
  return out;
}

/** Prices of power: a load's shape, weeks of unrest, spikes that die away, sometimes below zero. */
function tariff(random: RandomState, time: Daytime, length: number): Float64Array {
  const out = standardizeInto(load(random, time, length));
  const unrest = roughProcess(random, length, slotsOfDays(time, 4));
  const noise = tailedNoise(random, length);
  const size = logBetween(random, 0.01, 0.5);
  for (let i = 0; i < length; i++) out[i]! += size * Math.exp(0.5 * unrest[i]!) * noise[i]!;
  const impulses = new Float64Array(length);
  const share = logBetween(random, 0.0003, 0.02);
  for (let i = 0; i < length; i++) {
    if (chance(random, share * Math.exp(Math.min(3, out[i]!)))) {
      impulses[i] = Math.abs(nextNormal(random)) + 0.3;
    }
  }
  spikesInto(out, impulses, Math.exp(-1 / between(random, 0.5, 4)), logBetween(random, 0.5, 15));
  const bend = between(random, 0, 0.5);
  for (let i = 0; i < length; i++) {
    out[i] = bend > 0.1 ? Math.exp(bend * out[i]!) : out[i]!;
  }
  return out;
}

/** Energy: load, sun, wind and prices on a clock of days and weeks. */
export const energy: Generator = {
  name: "energy",
  summary: "electricity-like load with working days, rest and weather; sun that is zero at " +
    "night; wind through a turbine's curve; prices with spikes",
  draw(random: RandomState, length: number): Draft {
    const time = daytimeOf(random, length);
    const week = 7 * time.day;
    const kind = nextUniform(random);
    if (kind < 0.55) return wholeDraft(load(random, time, length), time.day, week);
    if (kind < 0.7) return wholeDraft(sun(random, time, length), time.day);
    if (kind < 0.84) return wholeDraft(tariff(random, time, length), time.day, week);
    // Wind to the third power between the calm and the rated speed.
    const wind = roughProcess(random, length, slotsOfDays(time, between(random, 0.3, 2)));
    const breeze = between(random, 0, 0.5);
    for (let i = 0; i < length; i++) {
      const speed = 1 + 0.5 * wind[i]! +
        0.3 * breeze * Math.cos(2 * Math.PI * (time.hours[i]! - 16) / 24);
      wind[i] = Math.max(0, speed) ** 3;
    }
    return wholeDraft(clampInto(wind, 0.05, between(random, 1.5, 6)), time.day);
  },
};
