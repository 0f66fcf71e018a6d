/**
 * How the errors of one forecast hang together over its lead times, learned from past forecasts.
 *
 *   corr(e(a), e(b)) = Σ_k w_k·C_k(a, b),   w ≥ 0,  Σ w = 1
 *
 * Each C_k is the correlation of a simple process at leads a ≤ b, in slots: white noise; a process
 * of memory τ that starts at the origin, e^{−(b−a)/τ}·√((1−e^{−2a/τ})/(1−e^{−2b/τ})), or one that
 * has always run, e^{−(b−a)/τ}; a random walk, √(a/b); an offset, 1; the same phase of the season.
 * A sum of such processes is again one, so every w is a valid correlation at any leads, beyond the
 * learned ones too. The weights are those of least squares over the products of past standardised
 * errors at all pairs of leads, drawn to a prior where few forecasts have come out.
 *
 * The quick processes of one path share their size, which differs from path to path: it is
 * log-normal, e^{s·u} with u ~ N(0, 1). With the differences d of errors at neighbouring leads,
 * which know little of the slow processes, and m the mean of |d|,
 *
 *   e^{s²} = E(|d(a)|·|d(b)|) / (m(a)·m(b)),   |a − b| ≥ 2,
 *
 * which is 1 where the size of one step says nothing of that of another, however heavy their tails.
 */
import type { PastForecast } from "./past_forecast.ts";
import { simplexMinimum } from "./simplex_minimum.ts";

/** A process whose correlation over leads is known. */
export type Component =
  | { readonly form: "white" | "walk" | "offset" | "season" }
  | { readonly form: "fresh" | "steady"; readonly tau: number };

/** The processes that are mixed; memories in slots. */
export const COMPONENTS: readonly Component[] = [
  { form: "white" },
  { form: "fresh", tau: 1.5 },
  { form: "fresh", tau: 5 },
  { form: "fresh", tau: 15 },
  { form: "walk" },
  { form: "steady", tau: 1.5 },
  { form: "steady", tau: 5 },
  { form: "steady", tau: 15 },
  { form: "offset" },
  { form: "season" },
];

/** Before anything is known: half a walk, which is what scales that grow as √lead say. */
const PRIOR = Float64Array.of(0.25, 0, 0.25, 0, 0.5, 0, 0, 0, 0, 0);

/** What the prior counts for, in horizons of origins a component. */
const PRIOR_BLOCKS = 0.03;

/** Standard errors of a correlation by which a process with memory must beat those without. */
const MEMORY_MARGIN = 0.4;

/**
 * Memory is sure where it has more than this many such errors of the weight; from there on the
 * margin falls as their share.
 */
const MEMORY_SURE = 2;

/** Processes that forget in this many slots are quick. */
const QUICK_TAU = 5;

/** The prior of s², and what it counts for in horizons of origins. */
const SIZE_PRIOR = 0.1;
const SIZE_PRIOR_BLOCKS = 2;

/** A step counts for this many times the usual one at most, and s for this. */
const STEP_CUT = 4;
const SIZE_DEVIATION_MAX = 1;

/** Standardised errors are cut here: one outlier is no dependence. */
const ERROR_CUT = 4;

const TINY = 1e-9;

/** Weights of {@linkcode COMPONENTS} and the season that they count in. */
export type Dependence = {
  /** [component] */
  weights: Float64Array;
  /** Slots of the season; 0 = none. */
  season: number;
  /** s: deviation over the paths of the logarithm of the quick processes' size. */
  sizeDeviation: number;
};

/** Whether the size of a process is common to those that share it with one path. */
export function isQuick(component: Component): boolean {
  return isMemoryless(component) || ("tau" in component && component.tau <= QUICK_TAU);
}

function isMemoryless({ form }: Component): boolean {
  return form === "white" || form === "season";
}

/** What is assumed before errors have been seen. */
export function priorDependence(): Dependence {
  return { weights: PRIOR.slice(), season: 0, sizeDeviation: Math.sqrt(SIZE_PRIOR) };
}

/** Correlation of a component at leads 0 < a ≤ b, in slots. */
export function componentCorrelation(
  component: Component,
  a: number,
  b: number,
  season: number,
): number {
  if (a === b) return 1;
  switch (component.form) {
    case "white":
      return 0;
    case "walk":
      return Math.sqrt(a / b);
    case "offset":
      return 1;
    case "season":
      return season > 0 && Math.round(b - a) % season === 0 && Math.round(b - a) > 0 ? 1 : 0;
    case "steady":
      return Math.exp((a - b) / component.tau);
    case "fresh": {
      const grown = Math.expm1(-2 * a / component.tau) / Math.expm1(-2 * b / component.tau);
      return Math.exp((a - b) / component.tau) * Math.sqrt(grown);
    }
    default:
      return component satisfies never;
  }
}

/** Correlation of the errors at two leads, in slots. */
export function dependenceAt({ weights, season }: Dependence, a: number, b: number): number {
  const [near, far] = a <= b ? [a, b] : [b, a];
  let sum = 0;
  for (let k = 0; k < weights.length; k++) {
    if (weights[k] === 0) continue;
    sum += weights[k]! * componentCorrelation(COMPONENTS[k]!, near, far, season);
  }
  return sum;
}

/** Mean size of the errors, or of their steps, at each lead and its neighbours.         [lead] */
function sizesByLead(rows: readonly Float64Array[], leads: number): Float64Array {
  const sums = new Float64Array(leads);
  const counts = new Float64Array(leads);
  for (const row of rows) {
    for (let l = 0; l < leads; l++) {
      if (Number.isNaN(row[l]!)) continue;
      sums[l] = sums[l]! + Math.abs(row[l]!);
      counts[l] = counts[l]! + 1;
    }
  }
  const half = Math.max(1, Math.floor(leads / 16));
  return sums.map((_, lead) => {
    let sum = 0;
    let count = 0;
    for (let l = Math.max(0, lead - half); l <= Math.min(leads - 1, lead + half); l++) {
      sum += sums[l]!;
      count += counts[l]!;
    }
    return sum / Math.max(1, count) + TINY;
  });
}

/** Errors over their mean size by lead, cut; NaN where unknown.                [forecast][lead] */
function standardised(past: readonly PastForecast[], horizon: number): Float64Array[] {
  const errors = past.map((forecast) => forecast.errors);
  const sizes = sizesByLead(errors, horizon);
  return errors.map((row) =>
    row.map((error, l) => Math.min(ERROR_CUT, Math.max(-ERROR_CUT, error / sizes[l]!)))
  );
}

/**
 * s of the paths' sizes, from the steps between errors at neighbouring leads.
 *
 * @param blocks  horizons that the origins span
 */
function sizeDeviationOf(past: readonly PastForecast[], horizon: number, blocks: number): number {
  const leads = horizon - 1;
  const steps = past.map(({ errors }) =>
    errors.subarray(0, leads).map((e, l) => errors[l + 1]! - e)
  );
  const sizes = sizesByLead(steps, leads);
  let [total, known, squares, pairs] = [0, 0, 0, 0];
  for (const row of steps) {
    let [sum, count, near, nearCount, before] = [0, 0, 0, 0, NaN];
    for (let l = 0; l < leads; l++) {
      const step = Math.min(STEP_CUT, Math.abs(row[l]!) / sizes[l]!);
      if (!Number.isNaN(step)) {
        sum += step;
        count++;
        // A step and itself, and a step and the next, which share an error, tell nothing.
        near += step * step;
        nearCount++;
        if (!Number.isNaN(before)) {
          near += 2 * step * before;
          nearCount += 2;
        }
      }
      before = step;
    }
    total += sum;
    known += count;
    squares += sum * sum - near;
    pairs += count * count - nearCount;
  }
  const mean = total / Math.max(1, known);
  const seen = pairs > 0 && mean > 0 ? Math.log(squares / pairs / (mean * mean) + TINY) : 0;
  const weight = pairs > 0 && mean > 0 ? blocks : 0;
  const drawn = (weight * seen + SIZE_PRIOR_BLOCKS * SIZE_PRIOR) / (weight + SIZE_PRIOR_BLOCKS);
  return Math.min(SIZE_DEVIATION_MAX, Math.sqrt(Math.max(0, drawn)));
}

/** Sums of products of errors at each pair of leads, and their count.              [lead, lead] */
function products(rows: readonly Float64Array[], horizon: number) {
  const sums = new Float64Array(horizon * horizon);
  const counts = new Float64Array(horizon * horizon);
  for (const row of rows) {
    for (let a = 0; a < horizon; a++) {
      const near = row[a]!;
      if (Number.isNaN(near)) continue;
      for (let b = a; b < horizon; b++) {
        const far = row[b]!;
        if (Number.isNaN(far)) continue;
        sums[a * horizon + b] = sums[a * horizon + b]! + near * far;
        counts[a * horizon + b] = counts[a * horizon + b]! + 1;
      }
    }
  }
  return { sums, counts };
}

/** Correlations of the components at each pair of leads, near first.             [pair, size] */
function correlationsOf(horizon: number, season: number, size: number): Float64Array {
  const table = new Float64Array(horizon * (horizon - 1) / 2 * size);
  let at = 0;
  for (let near = 1; near <= horizon; near++) {
    for (let far = near + 1; far <= horizon; far++) {
      for (let k = 0; k < size; k++) {
        table[at++] = componentCorrelation(COMPONENTS[k]!, near, far, season);
      }
    }
  }
  return table;
}

/** The table used last: streams mostly share their horizon, and a refit would make it anew. */
let kept: { horizon: number; season: number; table: Float64Array } = {
  ...{ horizon: NaN, season: NaN },
  table: new Float64Array(0),
};

function correlations(horizon: number, season: number, size: number): Float64Array {
  if (kept.horizon !== horizon || kept.season !== season) {
    kept = { horizon, season, table: correlationsOf(horizon, season, size) };
  }
  return kept.table;
}

/** The normal equations of the weights: least squares over all pairs of leads. */
function normalEquations(
  rows: readonly Float64Array[],
  { horizon, season, size }: { horizon: number; season: number; size: number },
): { A: Float64Array; b: Float64Array; total: number } {
  const { sums, counts } = products(rows, horizon);
  let squares = 0;
  let known = 0;
  for (let l = 0; l < horizon; l++) {
    squares += sums[l * horizon + l]!;
    known += counts[l * horizon + l]!;
  }
  const variance = squares / Math.max(1, known) + TINY;
  const A = new Float64Array(size * size);
  const b = new Float64Array(size);
  const table = correlations(horizon, season, size);
  let at = -size;
  let total = 0;
  for (let near = 0; near < horizon; near++) {
    for (let far = near + 1; far < horizon; far++) {
      const pair = near * horizon + far;
      at += size;
      if (counts[pair] === 0) continue;
      // Pairs further apart are more, and tell less each: errors of long memory come in few blocks.
      const weight = 1 / (far - near);
      total += weight * counts[pair]!;
      for (let i = 0; i < size; i++) {
        b[i] = b[i]! + weight * table[at + i]! * sums[pair]! / variance;
        const scaled = weight * counts[pair]! * table[at + i]!;
        for (let j = 0; j < size; j++) A[i * size + j] = A[i * size + j]! + scaled * table[at + j]!;
      }
    }
  }
  return { A, b, total };
}

/**
 * Learns the dependence from forecasts that came out.
 *
 * @param past     in order of their origins
 * @param horizon  leads of each
 * @param season   slots of the season; one that a horizon does not hold twice is left out
 */
export function fitDependence(
  past: readonly PastForecast[],
  horizon: number,
  season: number,
): Dependence {
  const used = season > 1 && 2 * season <= horizon ? season : 0;
  // The season stands last, and is left out where there is none.
  const size = used > 0 ? COMPONENTS.length : COMPONENTS.length - 1;
  const rows = standardised(past, horizon);
  const { A, b, total } = normalEquations(rows, { horizon, season: used, size });
  if (total === 0) return { ...priorDependence(), season: used };
  const span = past.at(-1)!.slot - past[0]!.slot;
  const pull = total * PRIOR_BLOCKS / (span / horizon + TINY);
  for (let k = 0; k < size; k++) {
    A[k * size + k] = A[k * size + k]! + pull;
    b[k] = b[k]! + pull * PRIOR[k]!;
  }
  const prior = PRIOR.subarray(0, size);
  const margin = total * memoryMargin(simplexMinimum(A, b, prior), span);
  for (let k = 0; k < size; k++) if (isMemoryless(COMPONENTS[k]!)) b[k] = b[k]! + margin;
  const weights = new Float64Array(COMPONENTS.length);
  weights.set(simplexMinimum(A, b, prior));
  const sizeDeviation = sizeDeviationOf(past, horizon, span / horizon);
  return { weights, season: used, sizeDeviation };
}

/**
 * What processes with memory must beat those without by, as a correlation: weights are not
 * negative, so chance alone would give some to every memory.
 *
 * @param free  weights without a margin                                            [component]
 */
function memoryMargin(free: Float64Array, span: number): number {
  const error = 1 / Math.sqrt(span + 1);
  let memory = 0;
  free.forEach((weight, k) => memory += isMemoryless(COMPONENTS[k]!) ? 0 : weight);
  return MEMORY_MARGIN * error * Math.min(1, MEMORY_SURE * error / (memory + TINY));
}
