import { PLAIN_PACKED, plainWork } from "./packed_cov.ts";
import {
  advanceCov,
  advanceMean,
  clipInnovation,
  innovationScale,
  setTransition,
  type StructuralModel,
  structuralStart,
  type StructuralState,
} from "./structural.ts";
import { observationRowInto, seasonPhases, type StructuralLayout } from "./structural_layout.ts";

/**
 * The fixed-interval smoother of the structural model: what each part was at each past time, given
 * all samples before and after it.
 *
 *   x̂_t = a_t + P_t·r_t           V_t = P_t − P_t·N_t·P_t
 *   r_t = r̃ + c (v/F − Kᵀr̃)       N_t = Ñ + c cᵀ (1/F + KᵀÑK) − c (ÑK)ᵀ − (ÑK) cᵀ
 *   r̃ = Tᵀ r_{t+1}                 Ñ = Tᵀ N_{t+1} T,   K = P_t c / F
 *
 * de Jong (1989), as in Durbin and Koopman (2012) section 4.4, on predicted moments a_t, P_t; equal
 * to Rauch, Tung and Striebel's without inverting a covariance. Innovations are clipped as they are
 * when the filter runs, so that an outlier bends the past no more than the forecasts. A missing
 * value has r_t = r̃, N_t = Ñ.
 */
export interface SmoothedParts {
  /** What all parts but the noise sum to, and its variance.                             [time] */
  readonly signal: Float64Array;
  readonly signalVariance: Float64Array;
  readonly level: Float64Array;
  readonly levelVariance: Float64Array;
  /** Change of the level in a slot; zeros without a slope.                              [time] */
  readonly slope: Float64Array;
  /** The relaxing terms: what passes in a few slots.                                    [time] */
  readonly shortTerm: Float64Array;
  /** [season][time] */
  readonly seasons: readonly Float64Array[];
  /** Deviation of an innovation in units of its own: what variances are to be multiplied by². */
  readonly scale: number;
}

/** What a smoother starts from. */
export interface SmoothingStart {
  /** Where the level starts. */
  readonly level: number;
  /** How many there are in the layout. */
  readonly seasons: number;
  /**
   * Running scale of a filter that has settled: a new one knows so little that its first
   * innovations look small, and would have the next ones clipped.
   */
  readonly scaleSum: number;
  readonly scaleWeight: number;
}

/** Predicted moments are kept for this many times, and computed again between. */
const BLOCK = 64;

/** A forward pass at a time: what the backward pass needs of it. */
interface Step {
  readonly mean: Float64Array;
  readonly cov: Float64Array;
  /** P·c.                                                                               [size] */
  readonly column: Float64Array;
  /** Slots since the time before. */
  readonly dt: number;
  /** Clipped innovation and its variance; the variance is 0 where no value is. */
  innovation: number;
  variance: number;
}

/** Runs the filter forward over [from, to), keeping each step. Leaves `state` after the last. */
function forward(
  model: StructuralModel,
  state: StructuralState,
  us: Float64Array,
  values: Float64Array,
  [from, to]: readonly [number, number],
  keep: (step: Step, t: number) => void,
): void {
  const { size } = model.layout;
  const work = plainWork(size);
  const phases = seasonPhases(model.layout);
  for (let t = from; t < to; t++) {
    const dt = Math.max(0, us[t]! - state.u);
    if (dt > 0) {
      setTransition(model, dt);
      advanceMean(model, state.mean);
      advanceCov(model, state.cov);
      state.u = us[t]!;
    }
    const { kernels, row, column } = work;
    observationRowInto(model.layout, us[t]!, row, phases);
    kernels.covTimesRow(state.cov, row, column, size);
    const step: Step = {
      ...{ mean: state.mean.slice(), cov: state.cov.slice(), column: column.slice(), dt },
      ...{ innovation: 0, variance: 0 },
    };
    if (!Number.isNaN(values[t]!)) {
      step.variance = 1;
      let expected = 0;
      for (let i = 0; i < size; i++) {
        step.variance += column[i]! * row[i]!;
        expected += state.mean[i]! * row[i]!;
      }
      const deviation = Math.sqrt(step.variance);
      step.innovation = clipInnovation(state, values[t]! - expected, deviation);
      const gain = step.innovation / step.variance;
      for (let i = 0; i < size; i++) state.mean[i] = state.mean[i]! + column[i]! * gain;
      kernels.subtractOuter(state.cov, column, 1 / step.variance, 1, size);
    }
    keep(step, t);
  }
}

function copyOf(state: StructuralState): StructuralState {
  return { ...state, mean: state.mean.slice(), cov: state.cov.slice() };
}

/** Tᵀ r and Tᵀ N T in place, over a transition of `dt` slots. */
function pullBack(model: StructuralModel, dt: number, r: Float64Array, N: Float64Array): void {
  if (dt === 0) return;
  const { layout } = model;
  const n = layout.size;
  const { gain, decay, ouDecay } = setTransition(model, dt);
  if (layout.kind.slope) {
    r[1] = gain * r[0]! + decay * r[1]!;
    for (let j = 0; j < n; j++) N[n + j] = gain * N[j]! + decay * N[n + j]!;
    for (let i = 0; i < n; i++) N[i * n + 1] = gain * N[i * n]! + decay * N[i * n + 1]!;
  }
  for (let k = 0; k < ouDecay.length; k++) {
    const o = layout.ouStart + k;
    const d = ouDecay[k]!;
    r[o] = d * r[o]!;
    for (let j = 0; j < n; j++) N[o * n + j] = d * N[o * n + j]!;
    for (let i = 0; i < n; i++) N[i * n + o] = d * N[i * n + o]!;
  }
}

/** Takes the sample of a step into r and N. */
function takeIn(
  step: Step,
  row: Float64Array,
  r: Float64Array,
  N: Float64Array,
  scratch: Float64Array,
): void {
  const { column, innovation, variance } = step;
  if (variance === 0) return;
  const n = row.length;
  let along = 0;
  let across = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += N[i * n + j]! * column[j]!;
    scratch[i] = sum / variance;
    along += column[i]! * r[i]! / variance;
    across += column[i]! * scratch[i]! / variance;
  }
  const factor = innovation / variance - along;
  const square = 1 / variance + across;
  for (let i = 0; i < n; i++) {
    r[i] = r[i]! + row[i]! * factor;
    for (let j = 0; j < n; j++) {
      N[i * n + j] = N[i * n + j]! + row[i]! * row[j]! * square - row[i]! * scratch[j]! -
        scratch[i]! * row[j]!;
    }
  }
}

/** The variance of a combination of states, s'Vs. */
function varianceOf(
  step: Step,
  N: Float64Array,
  weights: Float64Array,
  column: Float64Array,
): number {
  const n = weights.length;
  PLAIN_PACKED.covTimesRow(step.cov, weights, column, n);
  let variance = 0;
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += N[i * n + j]! * column[j]!;
    variance += weights[i]! * column[i]! - column[i]! * sum;
  }
  return Math.max(0, variance);
}

interface Scratch {
  readonly row: Float64Array;
  readonly state: Float64Array;
  readonly column: Float64Array;
  readonly unit: Float64Array;
}

/** Writes the parts at a time from its predicted moments, r and N. */
function partsInto(
  layout: StructuralLayout,
  step: Step,
  t: number,
  { r, N }: { readonly r: Float64Array; readonly N: Float64Array },
  { row, state, column, unit }: Scratch,
  out: SmoothedParts,
): void {
  PLAIN_PACKED.covTimesRow(step.cov, r, state, layout.size);
  for (let i = 0; i < state.length; i++) state[i] = state[i]! + step.mean[i]!;
  out.level[t] = state[0]!;
  if (layout.kind.slope) out.slope[t] = state[1]!;
  let shortTerm = 0;
  for (let i = layout.ouStart; i < layout.seasonStart; i++) shortTerm += state[i]!;
  out.shortTerm[t] = shortTerm;
  let signal = state[0]! + shortTerm;
  for (let i = layout.seasonStart; i < layout.size; i++) {
    const season = out.seasons[layout.seasonIndex[i - layout.seasonStart]!]!;
    const part = row[i]! * state[i]!;
    season[t] = season[t]! + part;
    signal += part;
  }
  out.signal[t] = signal;
  out.signalVariance[t] = varianceOf(step, N, row, column);
  out.levelVariance[t] = varianceOf(step, N, unit, column);
}

/** A running scale so large that nothing is clipped. */
const CALM = { scaleSum: 1e9, scaleWeight: 100 };

/**
 * Sizes of the innovations in units of their own deviation, none clipped, over the last half of the
 * values: before, a filter knows so little that all of them look small.
 *
 * @param us      slot times, increasing                                                   [time]
 * @param values  in the model's units; NaN where missing                                  [time]
 * @param level   where the level starts
 * @returns       |v| / √S of the last half of those with a value
 */
export function innovationSizes(
  model: StructuralModel,
  us: Float64Array,
  values: Float64Array,
  level: number,
): Float64Array {
  const state = { ...structuralStart(model, us[0]! - 1, level), ...CALM };
  const sizes: number[] = [];
  forward(model, state, us, values, [0, us.length], ({ innovation, variance }) => {
    if (variance > 0) sizes.push(Math.abs(innovation) / Math.sqrt(variance));
  });
  return Float64Array.from(sizes.slice(sizes.length >> 1));
}

/**
 * Smooths samples under fitted parameters.
 *
 * @param us      slot times, not decreasing                                             [time]
 * @param values  in the filter's units; NaN is a missing value                          [time]
 */
export function smoothParts(
  model: StructuralModel,
  us: Float64Array,
  values: Float64Array,
  { level, seasons, scaleSum, scaleWeight }: SmoothingStart,
): SmoothedParts {
  const { layout } = model;
  const n = layout.size;
  const length = us.length;
  const series = () => new Float64Array(length);
  const state = { ...structuralStart(model, us[0]! - 1, level), scaleSum, scaleWeight };
  const starts: StructuralState[] = [];
  for (let from = 0; from < length; from += BLOCK) {
    starts.push(copyOf(state));
    forward(model, state, us, values, [from, Math.min(length, from + BLOCK)], () => {});
  }
  const parts: SmoothedParts = {
    ...{ signal: series(), signalVariance: series(), level: series(), levelVariance: series() },
    ...{ slope: series(), shortTerm: series() },
    seasons: Array.from({ length: seasons }, series),
    scale: innovationScale(state),
  };
  const vector = () => new Float64Array(n);
  const scratch = { row: vector(), state: vector(), column: vector(), unit: vector() };
  scratch.unit[0] = 1;
  const [r, N] = [vector(), new Float64Array(n * n)];
  const phases = seasonPhases(layout);
  for (let block = starts.length - 1; block >= 0; block--) {
    const from = block * BLOCK;
    const steps: Step[] = [];
    const end = Math.min(length, from + BLOCK);
    forward(model, starts[block]!, us, values, [from, end], (step) => steps.push(step));
    for (let t = end - 1; t >= from; t--) {
      const step = steps[t - from]!;
      observationRowInto(layout, us[t]!, scratch.row, phases);
      takeIn(step, scratch.row, r, N, scratch.column);
      partsInto(layout, step, t, { r, N }, scratch, parts);
      pullBack(model, step.dt, r, N);
    }
  }
  return parts;
}
