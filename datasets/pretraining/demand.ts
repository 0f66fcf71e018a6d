import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, normals, wholeBetween } from "./_helpers/draw.ts";
import { type Daytime, daytimeOf, slotsOfDays } from "./_helpers/daytime.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { maternProcess, roughProcess } from "./_helpers/process.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";
import { liftInto } from "./_helpers/transform.ts";

/** Points of one day's curve. */
const GRID = 288;

/** What many people together use over a day: a night, and broad peaks of the hours awake. */
function peopleOf(random: RandomState): Float64Array {
  const [wake, sleep] = [between(random, 4, 9), between(random, 20, 25)];
  const [rise, fall] = [between(random, 0.5, 2), between(random, 0.8, 3)];
  const peaks = Array.from({ length: wholeBetween(random, 1, 3) }, () => ({
    at: between(random, wake, sleep),
    width: between(random, 0.8, 3.5),
    height: between(random, -0.4, 1),
  }));
  const out = new Float64Array(GRID);
  for (let i = 0; i < GRID; i++) {
    // Hours from 3 at night on, when the fewest are awake, so that a late evening is one piece.
    const hour = 3 + 24 * i / GRID;
    let sum = 1 / ((1 + Math.exp((wake - hour) / rise)) * (1 + Math.exp((hour - sleep) / fall)));
    for (const { at, width, height } of peaks) {
      sum += height * Math.exp(-((hour - at) ** 2) / (2 * width * width));
    }
    out[(i + GRID / 8) % GRID] = sum;
  }
  return standardizeInto(out);
}

/** Any smooth curve: harmonics whose sizes fall steeply. */
function smoothDay(random: RandomState): Float64Array {
  const slope = between(random, 1.2, 3);
  const waves = Array.from({ length: 6 }, (_, k) => ({
    turn: 2 * Math.PI * (k + 1) / GRID,
    size: Math.pow(k + 1, -slope) * (0.3 + nextUniform(random)),
    start: 2 * Math.PI * nextUniform(random),
  }));
  return standardizeInto(Float64Array.from({ length: GRID }, (_, i) => {
    let sum = 0;
    for (const { turn, size, start } of waves) sum += size * Math.cos(turn * i + start);
    return sum;
  }));
}

const dayOf = (random: RandomState) => chance(random, 0.65) ? peopleOf(random) : smoothDay(random);

/** The curve of each day of the week and, last, of a holiday; alike or not, higher or lower. */
function weekOf(random: RandomState): Float64Array[] {
  const working = dayOf(random);
  const other = dayOf(random);
  const share = chance(random, 0.2) ? 0 : nextUniform(random);
  const drop = chance(random, 0.15) ? 0 : logBetween(random, 0.05, 1.8);
  const quiet = between(random, 0.5, 1.1);
  const saturday = between(random, 0.2, 1);
  const own = logBetween(random, 0.005, 0.15);
  const rest = working.map((x, i) => quiet * ((1 - share) * x + share * other[i]!) - drop);
  return Array.from({ length: 8 }, (_, k) => {
    const toward = k < 5 ? 0 : k === 5 ? saturday : 1;
    const [lift, twist] = [own * nextNormal(random), own * nextNormal(random)];
    return working.map((x, i) => (1 - toward) * x + toward * rest[i]! + lift + twist * other[i]!);
  });
}

/** The week's curves along the clock; one day's curve passes into the next in the hours beside. */
function calendar(random: RandomState, time: Daytime, length: number): Float64Array {
  const week = weekOf(random);
  const holidays = chance(random, 0.4) ? logBetween(random, 0.005, 0.04) : 0;
  const vary = logBetween(random, 0.001, 0.12);
  const width = between(random, 0.5, 4);
  const out = new Float64Array(length);
  let [before, today] = [week[(time.weekdays[0]! + 6) % 7]!, week[time.weekdays[0]!]!];
  let gain = 1;
  for (let i = 0; i < length; i++) {
    const hour = time.hours[i]!;
    if (i > 0 && hour < time.hours[i - 1]!) {
      before = today;
      today = week[chance(random, holidays) ? 7 : time.weekdays[i]!]!;
      gain = 1 + vary * nextNormal(random);
    }
    const k = Math.floor(hour / 24 * GRID + 1e-6) % GRID;
    const kept = hour < width ? 0.5 * (1 + Math.cos(Math.PI * hour / width)) : 0;
    out[i] = gain * (kept * before[k]! + (1 - kept) * today[k]!);
  }
  return out;
}

/** What heating and cooling add: the weather of the hours and days before, beyond a comfort. */
function climate(random: RandomState, time: Daytime, length: number): Float64Array {
  const out = maternProcess(random, length, slotsOfDays(time, between(random, 1.5, 7)));
  const [yearly, daily] = [between(random, 0, 2.5), between(random, 0.1, 1.2)];
  const clouds = roughProcess(random, length, slotsOfDays(time, 1));
  const [comfort, softness] = [between(random, -1.2, 1.2), between(random, 0.2, 0.8)];
  const [heating, cooling] = [0, 1].map(() =>
    chance(random, 0.65) ? logBetween(random, 0.05, 1) : 0
  );
  const memory = Math.exp(-1 / slotsOfDays(time, logBetween(random, 0.08, 2)));
  let felt = 0;
  for (let i = 0; i < length; i++) {
    const sky = 1 / (1 + Math.exp(clouds[i]!));
    const t = out[i]! + yearly * Math.cos(2 * Math.PI * (time.years[i]! - 0.55)) +
      daily * (0.5 + sky) * Math.cos(2 * Math.PI * (time.hours[i]! - 15) / 24) - comfort;
    felt = i === 0 ? t : memory * felt + (1 - memory) * t;
    out[i] = cooling! * softness * Math.log1p(Math.exp(felt / softness)) +
      heating! * softness * Math.log1p(Math.exp(-felt / softness));
  }
  return out;
}

/**
 * Demand of many users at once (a grid, a district's heat or water, a large site), whose single
 * differences cancel: a smooth curve for each kind of day, the weather through walls that keep it,
 * errors that stay for hours and days, and hardly any from slot to slot.
 *
 *   y = curve(day, hour)·(1 + own) + response(felt weather) + level + noise
 */
export const demand: Generator = {
  name: "demand",
  summary: "smooth demand of many users: curves of working days, of rest and of holidays that " +
    "pass into each other, weather that is felt late, errors that stay for hours and days",
  draw(random: RandomState, length: number): Draft {
    const time = daytimeOf(random, length);
    const out = calendar(random, time, length);
    if (chance(random, 0.7)) {
      addInto(out, climate(random, time, length), logBetween(random, 0.05, 2));
    }
    const days = slotsOfDays(time, logBetween(random, 0.1, 6));
    const errors = chance(random, 0.5)
      ? roughProcess(random, length, days)
      : maternProcess(random, length, days);
    addInto(out, errors, logBetween(random, 0.003, 0.8));
    addInto(out, normals(random, length), logBetween(random, 0.001, 0.12));
    const drift = chance(random, 0.3) ? 0.7 * nextNormal(random) / length : 0;
    for (let i = 0; i < length; i++) out[i]! += drift * i;
    const gain = chance(random, 0.4) ? logBetween(random, 0.05, 0.5) : 0;
    if (gain > 0) {
      for (let i = 0; i < length; i++) {
        out[i] = Math.exp(Math.max(-6, Math.min(6, gain * out[i]!)));
      }
    } else if (chance(random, 0.5)) liftInto(random, out);
    return wholeDraft(out, time.day, 7 * time.day);
  },
};
