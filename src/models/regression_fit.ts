/**
 * The numbers of a regression: innovations of a channel and of its regressors under one filter, the
 * coefficients between them, and the share of their effect that has paid off. Equations:
 * `regression.ts`.
 */
import { type Stretch, usualSize } from "./components.ts";
import { PLAIN_PACKED, plainWork } from "./packed_cov.ts";
import { packedDiagonal, rlsStep } from "./packed_rls.ts";
import {
  advanceCov,
  advanceMean,
  SCALE_OF_MEAN_ABS,
  setTransition,
  structuralStart,
} from "./structural.ts";
import { forecastMeanAt } from "./structural_forecast.ts";
import { observationRowInto, seasonPhases } from "./structural_layout.ts";

/** Prior deviation of a coefficient, in deviations of the channel a deviation of the regressor. */
const COEFFICIENT_DEVIATION = 0.5;
/** Regressors are cut this many deviations from their mean: who knows what lies beyond. */
const REGRESSOR_CUT = 6;
/** Innovations are clipped at this many deviations of what is expected of them. */
const CLIP_SIZES = 4;
const SHARE_POWER = 40;
/** The first share of the innovations is learned from, and not judged. */
const UNJUDGED_SHARE = 0.3;
/** Fewer judged innovations, or windows, say nothing. */
const JUDGED_MIN = 12;
const WINDOWS_MIN = 4;
/** Windows of past forecasts, and their leads, at most. */
const WINDOWS_MAX = 40;

/** Mean and deviation of a regressor's past, NaN left out; 0 = it never changed.         [time] */
export function unitOf(past: Float64Array): { mean: number; deviation: number } {
  const known = past.filter((value) => !Number.isNaN(value));
  const mean = known.reduce((sum, value) => sum + value / known.length, 0);
  const square = known.reduce((sum, value) => sum + (value - mean) ** 2 / known.length, 0);
  const deviation = Math.sqrt(square);
  return { mean, deviation: deviation > 1e-12 * Math.abs(mean) ? deviation : 0 };
}

/** A regressor's value in deviations from its mean; 0 where it is missing or never changed. */
export function standardised(value: number, mean: number, deviation: number): number {
  if (Number.isNaN(value) || deviation === 0) return 0;
  return Math.min(REGRESSOR_CUT, Math.max(-REGRESSOR_CUT, (value - mean) / deviation));
}

/** A past forecast: what it missed, of the values and each regressor.      [lead][1 + regressor] */
interface PastWindow {
  /** Innovations before it. */
  readonly at: number;
  readonly errors: readonly Float64Array[];
}

/** Rows at which past forecasts begin: windows side by side over the judged part. */
function windowStarts(rows: number, leads: number): Set<number> {
  const first = Math.ceil(UNJUDGED_SHARE * rows);
  const count = Math.min(WINDOWS_MAX, Math.floor((rows - first) / leads));
  return new Set(Array.from({ length: count }, (_, i) => rows - (i + 1) * leads));
}

/**
 * Runs a filter over a channel and its regressors with the same gains.
 *
 * @param columns  standardised regressors                                      [regressor][time]
 * @param leads    of the past forecasts
 * @returns        innovations over their deviations, [1 + regressor][…], the samples that they are
 *   of, and past forecasts
 */
export function whitened(
  { model, us, values, level }: Stretch,
  columns: readonly Float64Array[],
  leads: number,
) {
  const starts = windowStarts(us.length, leads);
  const windows: PastWindow[] = [];
  const { layout } = model;
  const n = layout.size;
  const state = structuralStart(model, us[0]! - 1, level);
  const means = [state.mean, ...columns.map(() => new Float64Array(n))];
  const series = [values, ...columns];
  const out: number[][] = series.map(() => []);
  const samples: number[] = [];
  const { kernels, row, column } = plainWork(n);
  const phases = seasonPhases(layout);
  const ahead = seasonPhases(layout);
  for (let t = 0; t < us.length; t++) {
    if (starts.has(t)) {
      const errors = Array.from(
        { length: leads },
        (_, l) =>
          Float64Array.from(
            series,
            (own, k) =>
              own[t + l]! - forecastMeanAt(model, { ...state, mean: means[k]! }, us[t + l]!, ahead),
          ),
      );
      windows.push({ at: out[0]!.length, errors });
    }
    const dt = Math.max(0, us[t]! - state.u);
    if (dt > 0) {
      setTransition(model, dt);
      for (const mean of means) advanceMean(model, mean);
      advanceCov(model, state.cov);
      state.u = us[t]!;
    }
    if (Number.isNaN(values[t]!)) continue;
    samples.push(t);
    observationRowInto(layout, us[t]!, row, phases);
    kernels.covTimesRow(state.cov, row, column, n);
    let variance = 1;
    for (let i = 0; i < n; i++) variance += column[i]! * row[i]!;
    means.forEach((mean, k) => {
      let innovation = series[k]![t]!;
      for (let i = 0; i < n; i++) innovation -= mean[i]! * row[i]!;
      out[k]!.push(innovation / Math.sqrt(variance));
      const gain = innovation / variance;
      for (let i = 0; i < n; i++) mean[i] = mean[i]! + column[i]! * gain;
    });
    kernels.subtractOuter(state.cov, column, 1 / variance, 1, n);
  }
  return { innovations: out, samples, windows };
}

/** Mean |error| of a window without the regression less that with it; NaN where none is known. */
function gainOf({ errors }: PastWindow, weights: Float64Array, known: readonly number[]): number {
  let [sum, count] = [0, 0];
  errors.forEach((own, lead) => {
    let effect = 0;
    for (let k = 0; k < weights.length; k++) {
      if (lead < known[k]!) effect += weights[k]! * own[k + 1]!;
    }
    if (!Number.isFinite(own[0]! - effect)) return;
    sum += Math.abs(own[0]!) - Math.abs(own[0]! - effect);
    count++;
  });
  return sum / count;
}

/** Share of an effect that the gains of windows speak for: 1 − (standard error / mean)². */
function shareOfGains(gains: readonly number[]): number {
  const known = gains.filter(Number.isFinite);
  if (known.length < WINDOWS_MIN) return 0;
  const mean = known.reduce((sum, gain) => sum + gain / known.length, 0);
  const square = known.reduce((sum, gain) => sum + (gain - mean) ** 2, 0);
  const variance = square / (known.length - 1) / known.length;
  return mean > 0 ? Math.max(0, 1 - variance / mean ** 2) : 0;
}

/** Coefficients, their covariance in units of the noise, and what they have gained. */
export interface Fit {
  readonly weights: Float64Array;
  readonly cov: Float64Array;
  readonly noise: number;
  readonly share: number;
  /** Mean |error| with the effect over that without it, where it was not learned from yet. */
  readonly ratio: number;
}

/**
 * Recursive least squares of a channel's innovations on those of its regressors.
 *
 * @param known  leads for which a regressor is known at an origin                      [regressor]
 */
export function fitOf(
  { innovations, windows }: ReturnType<typeof whitened>,
  known: readonly number[],
): Fit {
  const [errors, ...columns] = innovations as [number[], ...number[][]];
  const gains: number[] = [];
  const size = columns.length;
  const usual = usualSize(Float64Array.from(errors.slice(errors.length >> 1), Math.abs));
  const noise = SCALE_OF_MEAN_ABS * usual;
  const weights = new Float64Array(size);
  const cov = packedDiagonal(new Float64Array(size).fill((COEFFICIENT_DEVIATION / noise) ** 2));
  const x = new Float64Array(size);
  const gain = new Float64Array(size);
  const along = new Float64Array(size);
  let [plain, withEffect, judged] = [0, 0, 0];
  errors.forEach((error, t) => {
    for (const window of windows) {
      if (window.at === t) gains.push(gainOf(window, weights, known));
    }
    let expected = 0;
    for (let k = 0; k < size; k++) {
      x[k] = columns[k]![t]!;
      expected += weights[k]! * x[k]!;
    }
    // What the regressors may yet explain is no outlier: the first holiday is learned from.
    PLAIN_PACKED.covTimesRow(cov, x, along, size);
    let open = 1;
    for (let k = 0; k < size; k++) open += x[k]! * along[k]!;
    const limit = CLIP_SIZES * usual * Math.sqrt(open);
    const clipped = (value: number) => Math.min(limit, Math.max(-limit, value));
    const rest = clipped(error - expected);
    if (t >= UNJUDGED_SHARE * errors.length) {
      plain += Math.abs(clipped(error));
      withEffect += Math.abs(rest);
      judged++;
    }
    rlsStep(cov, x, gain, 1, Infinity);
    for (let k = 0; k < size; k++) weights[k] = weights[k]! + gain[k]! * rest;
  });
  const hasGained = judged >= JUDGED_MIN && plain > 0;
  const ratio = hasGained ? withEffect / plain : 1;
  const oneStep = Math.max(0, 1 - ratio ** SHARE_POWER);
  return { weights, cov, noise, share: Math.max(oneStep, shareOfGains(gains)), ratio };
}
