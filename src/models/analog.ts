import type { SlotGrid } from "./slot_grid.ts";

/**
 * Analogs: what followed the stretches of the past that look most like the newest one.
 *
 *   distance = Σ_i w_i ((a_i − ā) − (q_i − q̄))² + 0.3 (ā − q̄)²,   w_i ∝ exp(−2·age / window)
 *   forecast = Σ_k v_k (continuation_k + 0.7 (q̄ − ā_k)),          v_k ∝ exp(−d_k / (2 median d))
 *
 * over the nearest `neighbours` windows, of the same phase of the season where there is one.
 */
export type AnalogShape = { readonly window: number; readonly neighbours: number };

const LEVEL_WEIGHT = 0.3;
const LEVEL_RETURNED = 0.7;
const CANDIDATES_MIN = 4;

/**
 * Window and neighbours of a search.
 *
 * @param length   samples that there are
 * @param season   season length in slots; 1 = none
 * @param horizon  leads
 */
export function analogShapeOf(length: number, season: number, horizon: number): AnalogShape {
  const natural = season > 1 ? season : horizon >> 1;
  const window = length > 200
    ? Math.min(Math.max(natural, 8), 64)
    : Math.max(3, Math.floor(length / 10));
  return { window, neighbours: 8 };
}

type Match = { start: number; distance: number; level: number };

function weightsOf(window: number): Float64Array {
  const weights = new Float64Array(window);
  let sum = 0;
  for (let i = 0; i < window; i++) {
    weights[i] = Math.exp(-(window - 1 - i) / (window / 2));
    sum += weights[i]!;
  }
  for (let i = 0; i < window; i++) weights[i] = weights[i]! / sum;
  return weights;
}

/** Weighted mean and distance of the window at `start` to the one at `query`. */
function compare(
  values: Float32Array,
  start: number,
  query: number,
  queryLevel: number,
  weights: Float64Array,
): Match {
  let level = 0;
  let square = 0;
  let shift = 0;
  for (let i = 0; i < weights.length; i++) {
    const w = weights[i]!;
    const value = values[start + i]!;
    const difference = value - values[query + i]!;
    level += w * value;
    shift += w * difference;
    square += w * difference * difference;
  }
  const offset = level - queryLevel;
  const distance = Math.max(0, square - shift * shift) + LEVEL_WEIGHT * offset * offset;
  return { start, distance, level };
}

/** Keeps the `limit` nearest matches, nearest first; ties go to the earlier window. */
function insertNearest(nearest: Match[], match: Match, limit: number): void {
  if (nearest.length === limit && match.distance >= nearest[limit - 1]!.distance) return;
  let at = nearest.length;
  while (at > 0 && nearest[at - 1]!.distance > match.distance) at--;
  nearest.splice(at, 0, match);
  if (nearest.length > limit) nearest.pop();
}

/**
 * Forecasts leads 1, 2, … from the newest window; the last value where there is too little past.
 *
 * @param season   season length in slots; windows of another phase are left out; 1 = all
 * @param horizon  leads that a candidate must have had after it
 */
export function analogForecastInto(
  grid: SlotGrid,
  shape: AnalogShape,
  season: number,
  out: Float64Array,
): void {
  const { values, length } = grid;
  const { window } = shape;
  const horizon = out.length;
  const query = length - window;
  const end = length - window - horizon + 1;
  out.fill(values[length - 1]!);
  if (end < CANDIDATES_MIN) return;
  const weights = weightsOf(window);
  let queryLevel = 0;
  for (let i = 0; i < window; i++) queryLevel += weights[i]! * values[query + i]!;
  const nearest: Match[] = [];
  const slack = Math.max(1, Math.floor(season / 24));
  for (let start = 0; start < end; start++) {
    if (season > 1) {
      const phase = (query - start) % season;
      if (phase > slack && phase < season - slack) continue;
    }
    insertNearest(nearest, compare(values, start, query, queryLevel, weights), shape.neighbours);
  }
  if (nearest.length < 2) return;
  const half = nearest.length >> 1;
  const median = nearest.length % 2 === 1
    ? nearest[half]!.distance
    : (nearest[half - 1]!.distance + nearest[half]!.distance) / 2;
  out.fill(0);
  let total = 0;
  for (const match of nearest) {
    // All at distance zero is a series that repeats itself: they count alike.
    const weight = median > 0 ? Math.exp(-0.5 * match.distance / median) : 1;
    total += weight;
    const shift = LEVEL_RETURNED * (queryLevel - match.level);
    const from = match.start + window;
    for (let l = 0; l < horizon; l++) out[l] = out[l]! + weight * (values[from + l]! + shift);
  }
  for (let l = 0; l < horizon; l++) out[l] = out[l]! / total;
}
