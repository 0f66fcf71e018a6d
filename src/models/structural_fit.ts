import { type PackedWork, plainWork, Residents } from "./packed_cov.ts";
import {
  advanceCov,
  advanceMean,
  clipInnovation,
  setTransition,
  type StructuralModel,
  structuralModel,
  structuralStart,
  type StructuralState,
} from "./structural.ts";
import {
  observationRowInto,
  seasonPhases,
  type StructuralKind,
  type StructuralLayout,
  THETA,
} from "./structural_layout.ts";

/** What a fit is made on: samples in slot time and normalised values. */
export type FitSeries = {
  readonly layout: StructuralLayout;
  /** Slot times, increasing.                                                           [length] */
  readonly us: Float64Array;
  /** Normalised values, none missing.                                                  [length] */
  readonly values: Float64Array;
  /** Observation rows of the samples.                                            [length, size] */
  readonly rows: Float64Array;
  /** Mean of the first season: where the level starts. */
  readonly startLevel: number;
  /** Leads of the multi-step criterion. */
  readonly horizon: number;
};

/** Gaussian priors of log10 parameters: mean and standard deviation. */
const PRIOR: readonly { index: number; mean: number; sd: number }[] = [
  { index: THETA.level, mean: -1.5, sd: 2 },
  { index: THETA.slope, mean: -2.5, sd: 1 },
  { index: THETA.ou, mean: 0, sd: 1.5 },
  { index: THETA.ou + 1, mean: -0.5, sd: 1.5 },
  { index: THETA.season, mean: -4, sd: 1.5 },
  { index: THETA.season + 1, mean: -5, sd: 1.5 },
];

/** Bounds of the search, by position in the parameter vector. */
const BOUNDS: readonly (readonly [number, number])[] = [
  [-6, 3],
  [-13, 0],
  [0, 1],
  [-4, 3],
  [-4, 3],
  [-8, 1],
  [-8, 1],
];

/** Most origins of the multi-step criterion. */
const CRITERION_ORIGINS_MAX = 24;

/** Rounds over all coordinates at each step size. */
const ROUNDS = 2;

/** What a move must gain to be kept; a change of damping needs more. */
const GAIN_MIN = 1e-3;
const DAMPING_GAIN_MIN = 0.1;

const COLD_STEPS = [1, 0.5];
const WARM_STEPS = [0.5];

/** Lays out samples for fitting; the observation rows are computed once for all evaluations. */
export function fitSeries(
  layout: StructuralLayout,
  us: Float64Array,
  values: Float64Array,
  startLevel: number,
  horizon: number,
): FitSeries {
  const rows = new Float64Array(us.length * layout.size);
  const row = new Float64Array(layout.size);
  const phases = seasonPhases(layout);
  for (let t = 0; t < us.length; t++) {
    observationRowInto(layout, us[t]!, row, phases);
    rows.set(row, t * layout.size);
  }
  return { layout, us, values, rows, startLevel, horizon };
}

/** Where the multi-step criterion forecasts from: counts of samples seen, increasing. */
function criterionOrigins(count: number, horizon: number): number[] {
  const wanted = Math.max(2, Math.min(CRITERION_ORIGINS_MAX, count >> 2));
  const first = Math.max(3, Math.floor(count / 3));
  const last = count - Math.max(1, Math.min(horizon >> 1, count >> 3));
  const origins: number[] = [];
  for (let k = 0; k < wanted; k++) {
    const origin = Math.floor(first + (last - first) * k / (wanted - 1));
    if (origin > 0 && origin < count && origin !== origins.at(-1)) origins.push(origin);
  }
  return origins;
}

/** Fᵀ·row: what the row that begins at `from` sees of the state before the time update. */
function rowBeforeInto(
  model: StructuralModel,
  rows: Float64Array,
  from: number,
  out: Float64Array,
): void {
  const { layout, transition } = model;
  for (let i = 0; i < layout.size; i++) out[i] = rows[from + i]!;
  if (layout.kind.slope) {
    out[1] = transition.gain * rows[from]! + transition.decay * rows[from + 1]!;
  }
  for (let k = 0; k < transition.ouDecay.length; k++) {
    const i = layout.ouStart + k;
    out[i] = transition.ouDecay[k]! * rows[from + i]!;
  }
}

/** From P·Fᵀ·row before the time update to P·row after it: F·column + Q·row, in place. */
function columnAfter(
  model: StructuralModel,
  rows: Float64Array,
  from: number,
  column: Float64Array,
): void {
  const { layout, transition: tr, seasonVariance } = model;
  const level = rows[from]!;
  if (layout.kind.slope) {
    const slope = rows[from + 1]!;
    column[0] = column[0]! + tr.gain * column[1]! + tr.crossNoise * slope;
    column[1] = tr.decay * column[1]! + tr.crossNoise * level + tr.slopeNoise * slope;
  }
  column[0] = column[0]! + tr.levelNoise * level;
  for (let k = 0; k < tr.ouDecay.length; k++) {
    const i = layout.ouStart + k;
    column[i] = tr.ouDecay[k]! * column[i]! + tr.ouNoise[k]! * rows[from + i]!;
  }
  const { seasonStart } = layout;
  for (let i = 0; i < seasonVariance.length; i++) {
    const at = seasonStart + i;
    column[at] = column[at]! + seasonVariance[i]! * tr.dt * rows[from + at]!;
  }
}

/** Sum of |error| / sqrt(lead) of the forecasts from one origin, and how many there were. */
function originError(
  series: FitSeries,
  model: StructuralModel,
  mean: Float64Array,
  origin: number,
  scratch: Float64Array,
): { sum: number; terms: number } {
  const { layout, us, values, rows } = series;
  const { size } = layout;
  scratch.set(mean);
  let sum = 0;
  let terms = 0;
  const end = Math.min(us.length, origin + series.horizon);
  for (let t = origin; t < end; t++) {
    setTransition(model, us[t]! - us[t - 1]!);
    advanceMean(model, scratch);
    let forecast = 0;
    const at = t * size;
    for (let i = 0; i < size; i++) forecast += rows[at + i]! * scratch[i]!;
    sum += Math.abs(values[t]! - forecast) / Math.sqrt(us[t]! - us[origin - 1]!);
    terms++;
  }
  return { sum, terms };
}

/**
 * The fitting criterion per sample (lower is better).
 *
 *   c1 = mean(½ log S) + log mean(|v| / √S)                   Laplace, scale concentrated out
 *   c  = (1 − s)·c1 + s·log mean(|e_{o,l}| / √l)              s: the kind's multi-step share
 */
export function structuralCriterion(series: FitSeries, theta: Float64Array): number {
  const { layout, us } = series;
  const model = structuralModel(layout, theta);
  const start = structuralStart(model, us[0]! - 1, series.startLevel);
  const residents = new Residents();
  const work = residents.enter(start, layout.size, 1) ?? plainWork(layout.size);
  try {
    return criterionOf(series, model, start, work);
  } finally {
    residents.leaveAll();
  }
}

/**
 * Tells when a filter has come to rest: without a season, and with equal steps, its covariance and
 * gain settle, after which each step would compute the very same bits once more.
 */
class Rest {
  /** Step length at which the filter rests; NaN while it does not. */
  dt = NaN;
  readonly #isPossible: boolean;
  /** Covariance after the last step whose variance was that of the one before. */
  readonly #cov: Float64Array;
  #seenDt = NaN;

  constructor({ size, omegas }: StructuralLayout) {
    this.#isPossible = omegas.length === 0;
    this.#cov = new Float64Array(size * (size + 1) / 2);
  }

  /** Looks at a filter after a step that has changed nothing but the mean, as far as is known. */
  look(
    dt: number,
    isSameVariance: boolean,
    cov: Float64Array,
    column: Float64Array,
    previous: Float64Array,
  ): void {
    this.dt = NaN;
    if (!isSameVariance || !this.#isPossible) {
      this.#seenDt = NaN;
      return;
    }
    if (this.#seenDt === dt && areSame(cov, this.#cov) && areSame(column, previous)) this.dt = dt;
    this.#seenDt = dt;
    this.#cov.set(cov);
  }
}

/** Equal bits but for the sign of a zero, as far as `b` goes. */
function areSame(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The criterion of a model from its start; `work` reaches the start's covariance. */
function criterionOf(
  series: FitSeries,
  model: StructuralModel,
  start: StructuralState,
  work: PackedWork,
): number {
  const { layout, us, values, rows } = series;
  const count = us.length;
  const { size } = layout;
  const { mean, cov } = start;
  const { kernels, row: rowBefore, column: previous, out: column } = work;
  const share = layout.kind.multiStepShare;
  const origins = share > 0 ? criterionOrigins(count, series.horizon) : [];
  previous.fill(0);
  const scratch = new Float64Array(size);
  let factor = 0;
  let logSum = 0;
  let sizeSum = 0;
  let farSum = 0;
  let farTerms = 0;
  let nextOrigin = 0;
  let variance = 1;
  let deviation = 1;
  let halfLog = 0;
  const rest = new Rest(layout);
  for (let t = 0; t < count; t++) {
    if (origins[nextOrigin] === t) {
      const far = originError(series, model, mean, t, scratch);
      farSum += far.sum;
      farTerms += far.terms;
      nextOrigin++;
    }
    const dt = us[t]! - (t === 0 ? start.u : us[t - 1]!);
    setTransition(model, dt);
    // Offsets, not views: making one takes as long as a small filter's step.
    const from = t * size;
    if (rest.dt !== dt) {
      rowBeforeInto(model, rows, from, rowBefore);
      kernels.subtractOuterTimesRow(cov, previous, factor, rowBefore, column, size);
      advanceCov(model, cov);
      columnAfter(model, rows, from, column);
      const before = variance;
      variance = 1;
      for (let i = 0; i < size; i++) variance += column[i]! * rows[from + i]!;
      if (!(variance > 0)) return 1e30;
      deviation = Math.sqrt(variance);
      halfLog = 0.5 * Math.log(variance);
      rest.look(dt, variance === before, cov, column, previous);
    }
    advanceMean(model, mean);
    let expected = 0;
    for (let i = 0; i < size; i++) expected += mean[i]! * rows[from + i]!;
    const innovation = values[t]! - expected;
    if (!Number.isFinite(innovation)) return 1e30;
    logSum += halfLog;
    sizeSum += Math.abs(innovation) / deviation;
    factor = 1 / variance;
    const gain = clipInnovation(start, innovation, deviation) * factor;
    for (let i = 0; i < size; i++) {
      mean[i] = mean[i]! + column[i]! * gain;
      previous[i] = column[i]!;
    }
  }
  const near = logSum / count + Math.log(sizeSum / count + 1e-12);
  if (share === 0 || farTerms === 0) return near;
  return (1 - share) * near + share * Math.log(farSum / farTerms + 1e-9);
}

function penalty(theta: Float64Array, used: readonly number[]): number {
  let sum = 0;
  for (const { index, mean, sd } of PRIOR) {
    if (used.includes(index)) sum += ((theta[index]! - mean) / sd) ** 2;
  }
  return 0.5 * sum;
}

/** Which parameters a layout has. */
function usedParameters(layout: StructuralLayout): number[] {
  const used: number[] = [THETA.level];
  if (layout.kind.slope) used.push(THETA.slope);
  layout.kind.tausSlots.forEach((_, k) => used.push(THETA.ou + k));
  for (const season of new Set(layout.seasonIndex)) used.push(THETA.season + season);
  return used;
}

function coldStarts(kind: StructuralKind): Float64Array[] {
  const base = new Float64Array(THETA.size);
  base[THETA.level] = -1;
  base[THETA.slope] = -2.5;
  base[THETA.damping] = kind.dampings.at(-1) ?? 0.9;
  base.fill(-0.5, THETA.ou, THETA.season);
  base.fill(-4, THETA.season);
  const wandering = base.slice();
  wandering[THETA.level] = 1;
  const steady = base.slice();
  steady[THETA.level] = -3;
  steady.fill(0.8, THETA.ou, THETA.season);
  return [base, wandering, steady];
}

/** The best criterion over the starts of a search: how well the model suits a series, roughly. */
export function roughCriterion(series: FitSeries): number {
  const costs = coldStarts(series.layout.kind).map((theta) => structuralCriterion(series, theta));
  return Math.min(...costs);
}

/**
 * Fits the parameters: the best of three starts (or `warm`), then
 * coordinate steps of 1 and ½ decade (from `warm`: ½ only), each followed as far as it gains.
 *
 *   minimise  count·c(theta) + ½ Σ ((theta − mu) / sd)²
 *
 * @returns log10 parameters at the positions of {@linkcode THETA}
 */
export function fitStructural(series: FitSeries, warm: Float64Array | null): Float64Array {
  const count = series.us.length;
  const { kind } = series.layout;
  const used = usedParameters(series.layout);
  const cost = (theta: Float64Array) =>
    count * structuralCriterion(series, theta) + penalty(theta, used);
  let best = warm?.slice() ?? coldStarts(kind)[0]!;
  let bestCost = cost(best);
  if (warm === null) {
    for (const start of coldStarts(kind).slice(1)) {
      const startCost = cost(start);
      if (startCost < bestCost) [best, bestCost] = [start, startCost];
    }
  }
  const tryMove = (index: number, value: number, gain: number): boolean => {
    const moved = best.slice();
    moved[index] = value;
    const movedCost = cost(moved);
    if (!(movedCost < bestCost - gain)) return false;
    [best, bestCost] = [moved, movedCost];
    return true;
  };
  for (const step of warm === null ? COLD_STEPS : WARM_STEPS) {
    for (let round = 0; round < ROUNDS; round++) {
      let moved = false;
      for (const index of used) {
        const [low, high] = BOUNDS[index]!;
        for (const direction of [step, -step]) {
          for (;;) {
            const value = best[index]! + direction;
            if (value < low || value > high || !tryMove(index, value, GAIN_MIN)) break;
            moved = true;
          }
        }
      }
      for (const damping of kind.slope ? kind.dampings : []) {
        if (damping !== best[THETA.damping]) {
          moved = tryMove(THETA.damping, damping, DAMPING_GAIN_MIN) || moved;
        }
      }
      if (!moved) break;
    }
  }
  return best;
}
