import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, gamma, logBetween, tailedNoise } from "./_helpers/draw.ts";
import { type Daytime, daytimeOf, slotsOfDays } from "./_helpers/daytime.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { maternProcess, roughProcess } from "./_helpers/process.ts";
import { addInto, momentsOf } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** Daily means: the clock of seven days a week and 365.25 a year. */
function dailyTemperature(random: RandomState, length: number): Draft {
  const out = roughProcess(random, length, logBetween(random, 1, 8));
  const start = nextUniform(random);
  const [yearly, spread] = [logBetween(random, 0.3, 5), between(random, 0, 0.5)];
  const noise = tailedNoise(random, length);
  const size = logBetween(random, 0.03, 0.7);
  for (let i = 0; i < length; i++) {
    const season = Math.cos(2 * Math.PI * (start + i / 365.25));
    out[i] = (out[i]! + size * noise[i]!) * (1 + spread * season) + yearly * season;
  }
  if (chance(random, 0.5)) roundInto(out, logBetween(random, 0.02, 0.3));
  return { values: out, count: length, seasons: chance(random, 0.6) ? [7, 365.25] : [365.25, 0] };
}

/** Temperature by the hour: sun, fronts that pass in an hour, clouds that flatten the day. */
function temperature(random: RandomState, time: Daytime, length: number): Float64Array {
  const fronts = maternProcess(random, length, slotsOfDays(time, logBetween(random, 0.5, 6)));
  const clouds = roughProcess(random, length, slotsOfDays(time, between(random, 0.5, 3)));
  const [daily, yearly] = [logBetween(random, 0.2, 2.5), between(random, 0, 4)];
  const skew = between(random, 0, 0.35);
  const noise = logBetween(random, 0.01, 0.2);
  const out = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const angle = 2 * Math.PI * (time.hours[i]! - 15) / 24;
    const sky = 1 / (1 + Math.exp(clouds[i]!));
    out[i] = fronts[i]! + daily * (0.4 + 1.2 * sky) * Math.cos(angle + skew * Math.sin(angle)) +
      yearly * Math.cos(2 * Math.PI * (time.years[i]! - 0.55)) + noise * nextNormal(random);
  }
  return out;
}

/** Dirt in the air: it gathers while the air stands, and the wind clears it within hours. */
function pollution(random: RandomState, time: Daytime, length: number): Float64Array {
  const calm = roughProcess(random, length, slotsOfDays(time, logBetween(random, 0.5, 4)));
  const noise = tailedNoise(random, length);
  const gather = 1 / slotsOfDays(time, logBetween(random, 0.2, 2));
  const rush = between(random, 0, 1.5);
  const size = logBetween(random, 0.02, 0.4);
  const peak = between(random, 7, 20);
  const out = new Float64Array(length);
  let level = 1;
  for (let i = 0; i < length; i++) {
    const d = Math.abs(time.hours[i]! - peak);
    const source = 1 + rush * Math.exp(-(Math.min(d, 24 - d) ** 2) / 8);
    const wind = Math.exp(-1.3 * calm[i]!);
    level += gather * (source - level * wind * 1.5);
    level = Math.max(0.02, level);
    out[i] = level * Math.exp(size * noise[i]!);
  }
  return out;
}

/** A share between 0 and 1, as humidity and clouds: the day's wave and fronts, squashed. */
function humidity(random: RandomState, time: Daytime, length: number): Float64Array {
  const out = temperature(random, time, length);
  const { mean, deviation } = momentsOf(out);
  const [gain, shift] = [between(random, 0.6, 2.5), between(random, -1, 1.5)];
  return out.map((x) => 100 / (1 + Math.exp(gain * (x - mean) / deviation - shift)));
}

/** Rain: dry spells, wet spells and a gamma amount in each wet slot. */
function rain(random: RandomState, length: number): Float64Array {
  const [onset, end] = [logBetween(random, 0.01, 0.3), logBetween(random, 0.05, 0.7)];
  const [shape, size] = [between(random, 0.4, 1.5), logBetween(random, 0.5, 10)];
  let isWet = false;
  return Float64Array.from({ length }, () => {
    isWet = chance(random, isWet ? 1 - end : onset);
    return isWet ? size * gamma(random, shape) : 0;
  });
}

/** Flow of a river: each rain fills two stores, one that empties in days and one in weeks. */
function river(random: RandomState, length: number): Float64Array {
  const falls = rain(random, length);
  const fast = Math.exp(-1 / logBetween(random, 2, 30));
  const slow = Math.exp(-1 / logBetween(random, 30, 400));
  const [share, base] = [between(random, 0.1, 0.7), logBetween(random, 0.1, 5)];
  const year = logBetween(random, 100, 2_000);
  const [start, depth] = [nextUniform(random), between(random, 0, 0.9)];
  let quick = 0;
  let ground = base * 5;
  return falls.map((fall, i) => {
    const wet = fall * (1 + depth * Math.cos(2 * Math.PI * (start + i / year)));
    quick = fast * quick + share * wet;
    ground = slow * ground + (1 - share) * (1 - slow) * wet * 3;
    return (base + quick + ground) * Math.exp(0.02 * nextNormal(random));
  });
}

/** The wind's speed, or its run since the direction last changed. */
function wind(random: RandomState, time: Daytime, length: number): Float64Array {
  const hours = slotsOfDays(time, logBetween(random, 0.1, 1.5));
  const [east, north] = [roughProcess(random, length, hours), roughProcess(random, length, hours)];
  const breeze = between(random, 0, 0.8);
  const isRun = chance(random, 0.3);
  let run = 0;
  return Float64Array.from({ length }, (_, i) => {
    const gust = Math.exp(0.15 * nextNormal(random));
    const day = 1 + breeze * Math.cos(2 * Math.PI * (time.hours[i]! - 15) / 24);
    const speed = gust * day * Math.hypot(east[i]!, north[i]!);
    if (!isRun) return speed;
    run = chance(random, 0.12) ? speed : run + speed;
    return run;
  });
}

/** A gas sensor: pollution through a power law, with the weather's and the years' drift. */
function gasSensor(random: RandomState, time: Daytime, length: number): Float64Array {
  const out = pollution(random, time, length);
  const power = between(random, -0.6, 0.8);
  for (let i = 0; i < length; i++) out[i] = Math.pow(out[i]!, power);
  const { deviation } = momentsOf(out);
  addInto(out, temperature(random, time, length), deviation * logBetween(random, 0.02, 0.5));
  const drift = deviation * nextNormal(random) / length;
  for (let i = 0; i < length; i++) out[i]! += drift * i + 0.02 * deviation * exponential(random);
  return out;
}

/**
 * Air in a room: its walls follow the weather outside in hours or days, sun comes through a window,
 * people and their machines warm it by day, and a heater or a cooler holds it in bounds.
 */
function indoors(random: RandomState, time: Daytime, length: number): Float64Array {
  const outside = temperature(random, time, length);
  const clouds = roughProcess(random, length, slotsOfDays(time, between(random, 0.2, 1.5)));
  const leak = 1 / slotsOfDays(time, logBetween(random, 0.2, 4));
  const swift = 1 / slotsOfDays(time, logBetween(random, 0.02, 0.2));
  const [glass, noon] = [
    chance(random, 0.6) ? logBetween(random, 0.3, 6) : 0,
    between(random, 8, 17),
  ];
  const [open, close] = [between(random, 6, 10), between(random, 15, 22)];
  const [people, power] = [logBetween(random, 0.05, 3), logBetween(random, 0.5, 8)];
  const [low, high] = [between(random, -1.5, 0.3), between(random, 0.3, 3)];
  const [setback, works] = [between(random, 0, 1.5), chance(random, 0.6)];
  const size = logBetween(random, 0.005, 0.1);
  let [walls, air] = [outside[0]!, 0];
  return outside.map((weather, i) => {
    const hour = time.hours[i]!;
    const isUsed = hour >= open && hour < close && !(works && time.weekdays[i]! >= 5);
    const light = Math.abs(hour - noon) < 3 ? Math.cos(Math.PI * (hour - noon) / 6) : 0;
    const gain = glass * light / (1 + Math.exp(-clouds[i]!)) + (isUsed ? people : 0);
    const floor = isUsed ? low : low - setback;
    const held = air < floor ? power * (floor - air) : air > high ? power * (high - air) : 0;
    walls += leak * (weather - walls + gain);
    air += Math.min(0.5, swift) * (walls + gain - air + Math.max(-3, Math.min(3, held)));
    return air + size * nextNormal(random);
  });
}

/** Weather, air and water as stations measure them, and the air of rooms. */
export const environment: Generator = {
  name: "environment",
  summary: "temperature by the hour and by the day, humidity, air pressure, wind, pollution that " +
    "gathers and is blown away, rain, rivers, gas sensors, rooms",
  draw(random: RandomState, length: number): Draft {
    if (chance(random, 0.1)) {
      const time = daytimeOf(random, length);
      return wholeDraft(
        indoors(random, time, length),
        time.day,
        chance(random, 0.5) ? 7 * time.day : 0,
      );
    }
    const kind = nextUniform(random);
    if (kind < 0.15) return dailyTemperature(random, length);
    if (kind < 0.23) return wholeDraft(rain(random, length));
    if (kind < 0.31) return wholeDraft(river(random, length));
    const time = daytimeOf(random, length);
    const week = chance(random, 0.3) ? 7 * time.day : 0;
    if (kind < 0.48) return wholeDraft(temperature(random, time, length), time.day);
    if (kind < 0.72) return wholeDraft(pollution(random, time, length), time.day, week);
    if (kind < 0.8) return wholeDraft(humidity(random, time, length), time.day);
    if (kind < 0.86) return wholeDraft(wind(random, time, length), time.day);
    if (kind < 0.94) return wholeDraft(gasSensor(random, time, length), time.day, week);
    const pressure = maternProcess(random, length, slotsOfDays(time, logBetween(random, 1, 5)));
    const tide = logBetween(random, 0.01, 0.3);
    for (let i = 0; i < length; i++) {
      pressure[i]! += tide * Math.cos(4 * Math.PI * (time.hours[i]! - 10) / 24);
    }
    return wholeDraft(chance(random, 0.5) ? roundInto(pressure, 0.05) : pressure, time.day);
  },
};
