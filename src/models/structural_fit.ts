import type { PassArrays } from "../device/mod.ts";
import {
  setTransition,
  type StructuralModel,
  structuralModel,
  type StructuralState,
} from "./structural.ts";
import {
  observationRowInto,
  seasonPhases,
  type StructuralKind,
  type StructuralLayout,
  THETA,
} from "./structural_layout.ts";
import {
  LOW_STATES,
  MODEL,
  passArrays,
  passWidth,
  runPass,
  setPassTransition,
  startPass,
  stateOfPass,
} from "./structural_pass.ts";

/** What a fit is made on: samples in slot time and normalised values. */
export type FitSeries = {
  readonly layout: StructuralLayout;
  /** Slot times, increasing.                                                           [length] */
  readonly us: Float64Array;
  /** Mean of the first season: where the level starts. */
  readonly startLevel: number;
  /** Leads of the multi-step criterion. */
  readonly horizon: number;
  /** What passes run on; lent until the next series is laid out. */
  readonly pass: PassArrays;
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

/** What a search spends. */
type Effort = {
  /** Rounds over all coordinates at each step size. */
  readonly rounds: number;
  /** What a move must gain to be kept, in units of log likelihood. */
  readonly gainMin: number;
  /** How far a move may lie behind the best at a checkpoint before it is given up, in the same. */
  readonly behindMax: number;
};

/** Of the search for a context, and of one from where a stream that is served is. */
const EFFORTS = {
  thorough: { rounds: 2, gainMin: 0.1, behindMax: Infinity },
  brief: { rounds: 1, gainMin: 1, behindMax: 3 },
} as const satisfies Record<string, Effort>;

/**
 * From this many samples on a brief search gives a move up wherever it lies behind at all. On fewer
 * a move that ends ahead is often behind on the way, and to look at the rest costs little.
 */
const LEADING_SAMPLES = 600;

function effortOf(name: keyof typeof EFFORTS, count: number): Effort {
  const effort = EFFORTS[name];
  return name === "brief" && count >= LEADING_SAMPLES ? { ...effort, behindMax: 0 } : effort;
}

/** Where a move is looked at on its way, in shares of the samples. */
const CHECKPOINTS = [0.25, 0.375, 0.5, 0.625, 0.75, 0.875];

const COLD_STEPS = [1, 0.5];
const WARM_STEPS = [0.5];

/** Rows of the season states at slot times, as passes have them.                [length, width] */
export function seasonRows(layout: StructuralLayout, us: Float64Array): Float64Array {
  const width = passWidth(layout);
  const rows = new Float64Array(us.length * width);
  if (width === 0) return rows;
  const row = new Float64Array(layout.size);
  const phases = seasonPhases(layout);
  for (let t = 0; t < us.length; t++) {
    observationRowInto(layout, us[t]!, row, phases);
    rows.set(row.subarray(layout.seasonStart), t * width);
  }
  return rows;
}

/**
 * Lays out samples for fitting, in place of the series laid out before.
 *
 * @param values   normalised, none missing                                            [length]
 * @param seasons  the rows, where they are known: those of a layout of the same seasons
 */
export function fitSeries(
  layout: StructuralLayout,
  us: Float64Array,
  values: Float64Array,
  startLevel: number,
  horizon: number,
  seasons: Float64Array = seasonRows(layout, us),
): FitSeries {
  const pass = passArrays(us.length, passWidth(layout));
  pass.seasons.set(seasons);
  pass.values.set(values);
  return { layout, us, startLevel, horizon, pass };
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

/** Adds |error| / sqrt(lead) of the forecasts from one origin. */
function addOriginErrors(
  { us, pass, horizon }: FitSeries,
  model: StructuralModel,
  origin: number,
  sums: Sums,
): void {
  const { mean, seasons, values, noise } = pass;
  const width = noise.length;
  const { kind } = model.layout;
  let [level, slope, first, second] = [mean[0]!, mean[1]!, mean[2]!, mean[3]!];
  const end = Math.min(us.length, origin + horizon);
  for (let t = origin; t < end; t++) {
    const tr = setTransition(model, us[t]! - us[t - 1]!);
    if (kind.slope) {
      level += tr.gain * slope;
      slope *= tr.decay;
    }
    first *= tr.ouDecay[0] ?? 0;
    second *= tr.ouDecay[1] ?? 0;
    let forecast = level + first + second;
    for (let i = 0; i < width; i++) forecast += seasons[t * width + i]! * mean[LOW_STATES + i]!;
    sums.farSum += Math.abs(values[t]! - forecast) / Math.sqrt(us[t]! - us[origin - 1]!);
    sums.farTerms++;
  }
}

/** Products of this size are numbers still when they are multiplied by one more variance. */
const PRODUCT_MAX = 1e250;

/** Σ log of positive numbers from `from` to `to`. */
function logsSum(values: Float64Array, from: number, to: number): number {
  let sum = 0;
  let product = 1;
  for (let i = from; i < to; i++) {
    product *= values[i]!;
    if (product < PRODUCT_MAX) continue;
    sum += Math.log(product);
    product = 1;
  }
  return sum + Math.log(product);
}

/** What no model can be worse than. */
const WORST = 1e30;

/** Both parts of the criterion while it is summed, and the step that the pass is set to. */
type Sums = { logs: number; farSum: number; farTerms: number; dt: number };

/** The criterion of the first `count` samples. */
function criterionOf({ layout, pass }: FitSeries, sums: Sums, count: number): number {
  const share = layout.kind.multiStepShare;
  const near = 0.5 * sums.logs / count +
    Math.log(pass.model[MODEL.sizeSum]! / count + 1e-12);
  if (share === 0 || sums.farTerms === 0) return near;
  return (1 - share) * near + share * Math.log(sums.farSum / sums.farTerms + 1e-9);
}

/** Runs the samples `from` to `to`; returns whether all innovations are numbers. */
function passOver(
  { us, pass }: FitSeries,
  model: StructuralModel,
  sums: Sums,
  from: number,
  to: number,
): boolean {
  const stepTo = (t: number) => t === 0 ? 1 : us[t]! - us[t - 1]!;
  for (let t = from; t < to;) {
    const dt = stepTo(t);
    if (sums.dt !== dt) {
      setTransition(model, dt);
      setPassTransition(pass, model);
      sums.dt = dt;
    }
    let end = t + 1;
    while (end < to && stepTo(end) === dt) end++;
    if (runPass(pass, t, end) < end) return false;
    t = end;
  }
  sums.logs += logsSum(pass.variances, from, to);
  return true;
}

/**
 * How a criterion came about: count times the criterion of the first `count` samples at each of the
 * {@linkcode CHECKPOINTS}, filled as far as a pass came.                          [checkpoint]
 */
type Trace = Float64Array;

type Race = { readonly trace: Trace; readonly rival: Trace | null; readonly behindMax: number };

/** A trace before a pass. */
export function emptyTrace(): Trace {
  return new Float64Array(CHECKPOINTS.length).fill(NaN);
}

/** Where a pass stops: at the origins of the many-step criterion, or where it may be given up. */
function stopsOf({ layout, us, horizon }: FitSeries, behindMax: number): number[] {
  if (layout.kind.multiStepShare > 0) return criterionOrigins(us.length, horizon);
  if (behindMax === Infinity) return [];
  const stops = CHECKPOINTS.map((share) => Math.floor(share * us.length));
  return stops.filter((at, k) => at > 0 && at !== stops[k - 1]);
}

/**
 * The fitting criterion per sample (lower is better).
 *
 *   c1 = mean(½ log S) + log mean(|v| / √S)                   Laplace, scale concentrated out
 *   c  = (1 − s)·c1 + s·log mean(|e_{o,l}| / √l)              s: the kind's multi-step share
 *
 * @param race  what to fill on the way, and the trace of a rival: a criterion that falls
 *   `behindMax` behind it is given up as the worst
 */
export function structuralCriterion(
  series: FitSeries,
  theta: Float64Array,
  { trace, rival, behindMax }: Race = { trace: emptyTrace(), rival: null, behindMax: Infinity },
): number {
  const { layout, us, pass } = series;
  const count = us.length;
  const model = structuralModel(layout, theta);
  startPass(pass, model, series.startLevel);
  const isFar = layout.kind.multiStepShare > 0;
  const stops = stopsOf(series, behindMax);
  const sums: Sums = { logs: 0, farSum: 0, farTerms: 0, dt: NaN };
  let next = 0;
  let checked = 0;
  for (let t = 0; t < count;) {
    if (stops[next] === t) {
      if (isFar) addOriginErrors(series, model, t, sums);
      next++;
      let isBehind = false;
      for (; t >= CHECKPOINTS[checked]! * count - 1; checked++) {
        trace[checked] = t * criterionOf(series, sums, t);
        isBehind ||= rival !== null && trace[checked]! > rival[checked]! + behindMax;
      }
      if (isBehind) return WORST;
    }
    const end = stops[next] ?? count;
    if (!passOver(series, model, sums, t, end)) return WORST;
    t = end;
  }
  return criterionOf(series, sums, count);
}

/**
 * The filter that serves, after all samples of a series.
 *
 * @param theta  at the positions of {@linkcode THETA}                               [THETA.size]
 */
export function filterThrough(series: FitSeries, theta: Float64Array): StructuralState {
  const { layout, us, pass } = series;
  const model = structuralModel(layout, theta);
  startPass(pass, model, series.startLevel);
  passOver(series, model, { logs: 0, farSum: 0, farTerms: 0, dt: NaN }, 0, us.length);
  return stateOfPass(pass, layout, us[us.length - 1]!);
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
 * A move that is far behind on the way is given up there.
 *
 *   minimise  count·c(theta) + ½ Σ ((theta − mu) / sd)²
 *
 * @returns log10 parameters at the positions of {@linkcode THETA}
 */
export function fitStructural(
  series: FitSeries,
  warm: Float64Array | null,
  effort: keyof typeof EFFORTS = "thorough",
): Float64Array {
  const count = series.us.length;
  const { rounds, gainMin, behindMax } = effortOf(effort, count);
  const { kind } = series.layout;
  const used = usedParameters(series.layout);
  // Steps back to where a search has been cost nothing: nothing there is better than the best.
  const known = new Map<string, number>();
  let trace = emptyTrace();
  const cost = (theta: Float64Array, rival: Trace | null) => {
    const key = theta.join();
    let value = known.get(key);
    if (value === undefined) {
      trace = emptyTrace();
      const criterion = structuralCriterion(series, theta, { trace, rival, behindMax });
      value = count * criterion + penalty(theta, used);
      known.set(key, value);
    }
    return value;
  };
  let best = warm?.slice() ?? coldStarts(kind)[0]!;
  let bestCost = cost(best, null);
  let bestTrace = trace;
  if (warm === null) {
    for (const start of coldStarts(kind).slice(1)) {
      const startCost = cost(start, null);
      if (startCost < bestCost) [best, bestCost, bestTrace] = [start, startCost, trace];
    }
  }
  const tryMove = (index: number, value: number): boolean => {
    const moved = best.slice();
    moved[index] = value;
    const movedCost = cost(moved, bestTrace);
    if (!(movedCost < bestCost - gainMin)) return false;
    [best, bestCost, bestTrace] = [moved, movedCost, trace];
    return true;
  };
  for (const step of warm === null ? COLD_STEPS : WARM_STEPS) {
    for (let round = 0; round < rounds; round++) {
      let moved = false;
      for (const index of used) {
        const [low, high] = BOUNDS[index]!;
        for (const direction of [step, -step]) {
          for (;;) {
            const value = best[index]! + direction;
            if (value < low || value > high || !tryMove(index, value)) break;
            moved = true;
          }
        }
      }
      for (const damping of kind.slope ? kind.dampings : []) {
        if (damping !== best[THETA.damping]) {
          moved = tryMove(THETA.damping, damping) || moved;
        }
      }
      if (!moved) break;
    }
  }
  return best;
}
