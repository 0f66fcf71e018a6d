/**
 * Windows for the committee's gate: a context and what followed it, cut from drawn series as an
 * evaluation cuts them. Window `index` of a seed is a pure function of both and of the pack.
 */
import {
  DEFAULT_RECIPE,
  drawSeries,
  periodOf,
  type RealPack,
  type Recipe,
} from "../../../datasets/pretraining/mod.ts";
import { nextUniform, type RandomState, seedRandom } from "../../base/random.ts";

/** One window: samples on whole slots, and the slots after them. */
export interface GateWindow {
  /** Kind of series: the source of a real one, else the generator's name. */
  readonly group: string;
  /** Name of the series; of a drawn one its seed and index. */
  readonly series: string;
  /** True season in slots; 1 = none. */
  readonly season: number;
  readonly periodS: number;
  /** Whether the committee is told the season. */
  readonly isTold: boolean;
  /** Slots of the samples, and their values.                                          [sample] */
  readonly slots: Float64Array;
  readonly values: Float64Array;
  /** Slot of the newest whole slot of the context. */
  readonly origin: number;
  /** NaN where nothing is known.                                                         [lead] */
  readonly target: Float64Array;
}

/** Share of the windows that are of real series. */
const REAL_SHARE = 0.5;

/** Share whose committee is told the season. */
const TOLD_SHARE = 0.35;

/** How series are changed: less than for the networks, as evaluations and streams mostly are. */
const RECIPE: Recipe = {
  ...DEFAULT_RECIPE,
  realShare: 0,
  mixShare: 0,
  faultShare: 0.03,
  signFlipShare: 0.05,
  timeFlipShare: 0,
  dropShare: 0.08,
  gapShare: 0.04,
  jitterShare: 0,
  hintFoundShare: 0,
  hintDropShare: 0,
  hintWrongShare: 0,
  hintMultipleShare: 0,
  secondDropShare: 0,
  secondFalseShare: 0,
};

const SLOTS_MAX = 2_200;
const CONTEXT_MIN = 16;
const CONTEXT_MAX = 1_600;
const HORIZON_MAX = 96;

/** A stream of random numbers of its own for every pair of seed and index. */
function randomOf(seed: number, index: number): RandomState {
  return seedRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
}

function logBetween(random: RandomState, low: number, high: number): number {
  return low * Math.exp(nextUniform(random) * Math.log(Math.max(1, high / low)));
}

/** Series `k` alone, so that a draw is known to be of it. */
function aloneIn(pack: RealPack, k: number): RealPack {
  return {
    ...pack,
    series: [pack.series[k]!],
    offsets: [pack.offsets[k]!],
    chances: Float64Array.of(1),
  };
}

interface Source {
  readonly group: string;
  readonly series: string;
  readonly recipe: Recipe;
  readonly pack: RealPack | null;
}

function sourceOf(random: RandomState, real: RealPack | null, name: string): Source {
  if (real !== null && nextUniform(random) < REAL_SHARE) {
    const u = nextUniform(random);
    const k = Math.min(real.series.length - 1, real.chances.findIndex((most) => u < most));
    const { source, name: series } = real.series[k]!;
    return { group: source, series, recipe: { ...RECIPE, realShare: 1 }, pack: aloneIn(real, k) };
  }
  const entries = Object.entries(RECIPE.generators).filter(([, weight]) => weight > 0);
  const total = entries.reduce((sum, [, weight]) => sum + weight, 0);
  let left = nextUniform(random) * total;
  const chosen = entries.find(([, weight]) => (left -= weight) < 0) ?? entries[0]!;
  const recipe = { ...RECIPE, generators: { [chosen[0]]: 1 } };
  return { group: chosen[0], series: name, recipe, pack: null };
}

/** Slots of a horizon and of a context, as windows of evaluations have them beside a season. */
function sizesOf(
  random: RandomState,
  season: number,
  known: number,
): { horizon: number; context: number } {
  const [shortest, longest] = season > 1
    ? [Math.max(4, season / 8), Math.max(6, 4 * season)]
    : [4, HORIZON_MAX];
  const drawn = logBetween(random, shortest, Math.min(HORIZON_MAX, longest));
  const horizon = Math.max(2, Math.min(Math.round(drawn), Math.floor(known / 4), HORIZON_MAX));
  const least = Math.max(CONTEXT_MIN, season > 1 ? 2 * season : 0, horizon);
  const most = Math.min(CONTEXT_MAX, known - horizon, season > 1 ? 60 * season : Infinity);
  return { horizon, context: Math.round(Math.min(most, logBetween(random, least, most))) };
}

/** Window `index` of a seed; null where the draw has too few samples or none to forecast. */
export function gateWindow(real: RealPack | null, seed: number, index: number): GateWindow | null {
  const random = randomOf(seed, index);
  const { group, series, recipe, pack } = sourceOf(random, real, `${seed}/${index}`);
  const drawn = drawSeries(recipe, seed, index, SLOTS_MAX, pack);
  const first = drawn.seasons[0];
  const season = first >= 2 && Math.round(first) <= drawn.length / 3 ? Math.round(first) : 1;
  if (drawn.length < 2 * CONTEXT_MIN) return null;
  const { horizon, context } = sizesOf(random, season, drawn.length);
  if (context < CONTEXT_MIN) return null;
  const from = Math.floor(nextUniform(random) * (drawn.length - context - horizon + 1));
  const seen: number[] = [];
  for (let i = 0; i < context; i++) if (drawn.observed[from + i] === 1) seen.push(i);
  const target = drawn.values.slice(from + context, from + context + horizon);
  if (seen.length < CONTEXT_MIN || !target.some(Number.isFinite)) return null;
  return {
    group,
    series,
    season,
    periodS: periodOf(random, drawn.seasons),
    isTold: nextUniform(random) < TOLD_SHARE,
    slots: Float64Array.from(seen),
    values: Float64Array.from(seen, (i) => drawn.values[from + i]!),
    origin: context - 1,
    target,
  };
}
