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

/** The nearest windows, nearest first. In arrays: an object for each candidate would be garbage. */
type Nearest = {
  /** How many there are. */
  count: number;
  /** [neighbour] */
  readonly starts: Int32Array;
  readonly distances: Float64Array;
  readonly levels: Float64Array;
};

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

/** What a comparison tells, and what it needs to know of the newest window. */
const COMPARED = { queryLevel: 0, distance: 1, level: 2, size: 3 } as const;

/** Distance of the window at `start` to the one at `query`, and its weighted mean. */
function compareInto(
  values: Float32Array,
  start: number,
  query: number,
  weights: Float64Array,
  out: Float64Array,
): void {
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
  const offset = level - out[COMPARED.queryLevel]!;
  out[COMPARED.distance] = Math.max(0, square - shift * shift) + LEVEL_WEIGHT * offset * offset;
  out[COMPARED.level] = level;
}

/** Keeps the nearest matches; ties go to the earlier window. */
function insertNearest(nearest: Nearest, start: number, compared: Float64Array): void {
  const { starts, distances, levels } = nearest;
  const distance = compared[COMPARED.distance]!;
  const limit = starts.length;
  let at = nearest.count;
  // What is no number is not near either.
  if (at === limit && !(distance < distances[limit - 1]!)) return;
  // One that is too many falls out at the end.
  if (at === limit) at--;
  else nearest.count++;
  for (; at > 0 && distances[at - 1]! > distance; at--) {
    starts[at] = starts[at - 1]!;
    distances[at] = distances[at - 1]!;
    levels[at] = levels[at - 1]!;
  }
  starts[at] = start;
  distances[at] = distance;
  levels[at] = compared[COMPARED.level]!;
}

/**
 * Forecasts leads 1, 2, … from the newest window; the last value where there is too little past.
 *
 * @param season  season length in slots; windows of another phase are left out; 1 = all
 * @param out     a candidate must have had as many leads after it                         [lead]
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
  const compared = new Float64Array(COMPARED.size);
  compared[COMPARED.queryLevel] = queryLevel;
  const nearest: Nearest = {
    count: 0,
    starts: new Int32Array(shape.neighbours),
    distances: new Float64Array(shape.neighbours),
    levels: new Float64Array(shape.neighbours),
  };
  const slack = Math.max(1, Math.floor(season / 24));
  for (let start = 0; start < end; start++) {
    if (season > 1) {
      const phase = (query - start) % season;
      if (phase > slack && phase < season - slack) continue;
    }
    compareInto(values, start, query, weights, compared);
    insertNearest(nearest, start, compared);
  }
  addContinuations(nearest, values, window, queryLevel, out);
}

/** Mean of what followed the nearest windows, near ones counting more. */
function addContinuations(
  { count, starts, distances, levels }: Nearest,
  values: Float32Array,
  window: number,
  queryLevel: number,
  out: Float64Array,
): void {
  const horizon = out.length;
  if (count < 2) return;
  const half = count >> 1;
  const median = count % 2 === 1 ? distances[half]! : (distances[half - 1]! + distances[half]!) / 2;
  out.fill(0);
  let total = 0;
  for (let k = 0; k < count; k++) {
    // All at distance zero is a series that repeats itself: they count alike.
    const weight = median > 0 ? Math.exp(-0.5 * distances[k]! / median) : 1;
    total += weight;
    const shift = LEVEL_RETURNED * (queryLevel - levels[k]!);
    const from = starts[k]! + window;
    for (let l = 0; l < horizon; l++) out[l] = out[l]! + weight * (values[from + l]! + shift);
  }
  for (let l = 0; l < horizon; l++) out[l] = out[l]! / total;
}
