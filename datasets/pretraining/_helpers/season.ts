/** Shapes of a season and the calendar that they follow. */
import { nextNormal, nextUniform, type RandomState } from "../../../src/base/random.ts";
import { between, chance, exponential, logBetween, pickIndex, wholeBetween } from "./draw.ts";
import { standardizeInto } from "./series.ts";

/** Rates at which series are sampled: slots in the short and the long season, and a weight. */
const CALENDAR: readonly (readonly [number, number, number])[] = [
  [24, 168, 5], // hours: day, week
  [12, 84, 1.2], // 2 hours
  [8, 56, 0.6], // 3 hours
  [6, 42, 0.6], // 4 hours
  [4, 28, 0.4], // 6 hours
  [48, 336, 2], // 30 minutes
  [96, 672, 1.7], // 15 minutes
  [144, 1_008, 0.6], // 10 minutes
  [288, 2_016, 1.2], // 5 minutes
  [60, 1_440, 0.5], // minutes
  [7, 365.25, 2], // days: week, year
  [7, 30.44, 0.5], // days: week, month
  [5, 261, 0.5], // working days
  [52.18, 0, 1], // weeks
  [12, 0, 2.2], // months
  [4, 0, 1.2], // quarters
];

/** Slots in a season of the second kind, in seasons of the first, where no calendar rules. */
const MULTIPLES = [7, 7, 7, 5, 4, 12, 30, 52];

/** Two seasons in slots: three of four from the calendar, the rest log-uniform. */
export function seasonsOf(random: RandomState): [number, number] {
  if (chance(random, 0.72)) {
    const [short, long] = CALENDAR[pickIndex(random, CALENDAR.map(([, , weight]) => weight))]!;
    return [short, long];
  }
  const short = logBetween(random, 3, 220);
  const season = chance(random, 0.8) ? Math.round(short) : short;
  return [season, season * MULTIPLES[wholeBetween(random, 0, MULTIPLES.length - 1)]!];
}

/** One cycle on a grid, mean 0 and deviation 1; read it with {@linkcode readCycle}. */
export type Cycle = Float64Array;

const GRID = 192;

/** Harmonics with amplitudes falling as h^−slope, none above half the slots of the season. */
function harmonics(random: RandomState, season: number, highest: number): Cycle {
  const out = new Float64Array(GRID);
  const slope = between(random, 0.2, 3.2);
  for (let h = 1; h <= highest && h <= season / 2 + 0.01; h++) {
    const amplitude = nextNormal(random) * Math.pow(h, -slope);
    const turn = 2 * Math.PI * h / GRID;
    // A rotation a grid point: two products instead of a cosine.
    const c = Math.cos(turn);
    const s = Math.sin(turn);
    const start = 2 * Math.PI * nextUniform(random);
    let x = amplitude * Math.cos(start);
    let y = amplitude * Math.sin(start);
    for (let i = 0; i < GRID; i++) {
      out[i]! += x;
      const next = c * x - s * y;
      y = s * x + c * y;
      x = next;
    }
  }
  return standardizeInto(out);
}

/** One to four bells or decaying peaks on a flat ground: rush hours, meals, shifts. */
function peaks(random: RandomState): Cycle {
  const out = new Float64Array(GRID);
  for (let k = wholeBetween(random, 1, 4); k > 0; k--) {
    const centre = nextUniform(random) * GRID;
    const width = logBetween(random, 0.015, 0.15) * GRID;
    const height = exponential(random) + 0.2;
    const lopsided = chance(random, 0.3) ? between(random, 1, 5) : 1;
    for (let i = 0; i < GRID; i++) {
      let d = i - centre;
      d -= GRID * Math.round(d / GRID);
      const z = d / (d > 0 ? width * lopsided : width);
      out[i]! += height * Math.exp(-z * z / 2);
    }
  }
  return standardizeInto(out);
}

/** Levels held for a while: on and off, day and night tariffs, machine programmes. */
function plateaus(random: RandomState): Cycle {
  const out = new Float64Array(GRID);
  const count = wholeBetween(random, 2, 6);
  const edges = Array.from({ length: count }, () => nextUniform(random) * GRID).sort((a, b) =>
    a - b
  );
  const levels = edges.map(() => nextNormal(random));
  for (let i = 0, k = count - 1; i < GRID; i++) {
    const at = edges.findLastIndex((edge) => edge <= i);
    k = at < 0 ? count - 1 : at;
    out[i] = levels[k]!;
  }
  return standardizeInto(out);
}

/** A value of its own for each slot: effects of months, weekdays, quarters. */
function slots(random: RandomState, season: number): Cycle {
  const count = Math.max(2, Math.round(season));
  // One of five of them is flat but for a few slots, as trade with its holidays is.
  const isSparse = chance(random, 0.2);
  const levels = Array.from(
    { length: count },
    () => isSparse && !chance(random, 1.5 / count) ? 0 : nextNormal(random) + (isSparse ? 2 : 0),
  );
  return standardizeInto(
    Float64Array.from({ length: GRID }, (_, i) => levels[Math.floor(i * count / GRID)]!),
  );
}

function bent(random: RandomState, cycle: Cycle): Cycle {
  const b = between(random, 0.3, 1.8);
  const kind = nextUniform(random);
  for (let i = 0; i < cycle.length; i++) {
    const x = cycle[i]!;
    if (kind < 0.45) cycle[i] = Math.exp(b * x);
    else if (kind < 0.8) cycle[i] = Math.max(0, x - b + 0.8);
    else cycle[i] = Math.tanh(4 * b * x);
  }
  return standardizeInto(cycle);
}

/** A cycle for a season of this many slots, of a shape drawn at random. */
export function cycleOf(random: RandomState, season: number, highest = 12): Cycle {
  const kind = nextUniform(random);
  if (kind < 0.12) return peaks(random);
  if (kind < 0.18 && season > 6) return plateaus(random);
  if (kind < 0.4 && season <= 60 || season < 8 && kind < 0.6) return slots(random, season);
  const cycle = harmonics(random, season, highest);
  return chance(random, 0.4) ? bent(random, cycle) : cycle;
}

/**
 * The cycle at a phase of any size (1 = one season). Where a season has fewer slots than the grid
 * has points, the nearest point counts, so that plateaus and slots keep their edges; else the grid
 * is read by straight lines.
 */
export function readCycle(cycle: Cycle, phase: number, isSmooth: boolean): number {
  const x = (phase - Math.floor(phase)) * GRID;
  const i = Math.floor(x);
  const low = cycle[i === GRID ? 0 : i]!;
  if (!isSmooth) return low;
  const high = cycle[i + 1 >= GRID ? 0 : i + 1]!;
  return low + (x - i) * (high - low);
}

/** The phase of each slot, in seasons: even, or wandering where `wander` > 0. */
export function phasesOf(
  random: RandomState,
  length: number,
  season: number,
  wander: Float64Array | null,
): Float64Array {
  const out = new Float64Array(length);
  // A whole slot to begin with: slots of a table then stay inside their cells.
  let phase = Math.floor(nextUniform(random) * 4_096) / season + 1e-9;
  for (let i = 0; i < length; i++) {
    out[i] = phase;
    phase += (1 + (wander === null ? 0 : wander[i]!)) / season;
  }
  return out;
}

/** The season of every slot: a cycle read along the phases. */
export function seasonAlong(cycle: Cycle, phases: Float64Array, season: number): Float64Array {
  const isSmooth = season > GRID;
  return Float64Array.from(phases, (phase) => readCycle(cycle, phase, isSmooth));
}
