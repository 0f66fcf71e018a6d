import type { EnsembleState } from "./ensemble_run.ts";
import { FILTER_KINDS } from "./members.ts";
import type { PastComponents } from "./model.ts";
import { FIT_SAMPLES_MIN, meanOf } from "./refit_setting.ts";
import { innovationSizes, smoothParts } from "./smoothing.ts";
import { sampleSlotTime } from "./slot_clock.ts";
import { type StructuralModel, structuralModel } from "./structural.ts";
import { fitSeries, fitStructural, structuralCriterion } from "./structural_fit.ts";
import { structuralLayout } from "./structural_layout.ts";

/** The filter whose parts are told: a damped slope, one short memory, the value itself. */
const KIND = FILTER_KINDS.trend;

/** Parameters are fitted to this many of the newest samples of a stretch. */
const COMPONENT_FIT_SAMPLES = 1000;

/** Median of |x| and mean of |x| of a standard normal. */
const MEDIAN_ABS = 0.6745;
const MEAN_ABS = 0.7979;

/** Innovations that the running scale starts with: that of a filter which has settled. */
const SETTLED_WEIGHT = 200;

/** A stretch of samples in a filter's units, and the filter that suits it. */
export interface Stretch {
  readonly model: StructuralModel;
  /** Slot times, not decreasing.                                                        [time] */
  readonly us: Float64Array;
  /** (value − location) / scale; NaN is a missing value.                                [time] */
  readonly values: Float64Array;
  /** Where the level starts. */
  readonly level: number;
}

/** A stretch with its filter; null where too few values are known. */
export function fittedStretch(
  state: EnsembleState,
  timesS: Float64Array,
  values: Float64Array,
): Stretch | null {
  const us = timesS.map((time) => sampleSlotTime(state.clock, time));
  // Stamps that jitter may share a slot: the filter takes time to stand still, never to turn back.
  for (let t = 1; t < us.length; t++) us[t] = Math.max(us[t]!, us[t - 1]!);
  const own = values.map((value) => (value - state.location) / state.scale);
  const known = own.filter((value) => !Number.isNaN(value));
  if (known.length < FIT_SAMPLES_MIN) return null;
  const level = meanOf(known.subarray(0, Math.max(FIT_SAMPLES_MIN, state.seasons[0]?.slots ?? 1)));
  return { model: fittedModel(state, us, own, level), us, values: own, level };
}

/**
 * What the samples of a stretch were made of. Seasons, period and units are the stream's;
 * parameters the better of the stream's own and a fit to the stretch, which may lie far back.
 *
 * @param values  NaN is a missing value                                                 [time]
 * @returns null where too few values are known, or where they are too large to be squared
 */
export function componentsOf(
  state: EnsembleState,
  timesS: Float64Array,
  values: Float64Array,
): PastComponents | null {
  const stretch = fittedStretch(state, timesS, values);
  if (stretch === null) return null;
  const { model, us, values: own, level } = stretch;
  const scaleSum = SETTLED_WEIGHT * usualSize(innovationSizes(model, us, own, level));
  const start = { level, seasons: state.seasons.length, scaleSum, scaleWeight: SETTLED_WEIGHT };
  const parts = smoothParts(model, us, own, start);
  const unit = state.scale;
  const size = (part: Float64Array) => part.map((value) => unit * value);
  const place = (part: Float64Array) => part.map((value) => state.location + unit * value);
  const deviation = (variance: Float64Array) =>
    variance.map((value) => unit * parts.scale * Math.sqrt(value));
  const signal = place(parts.signal);
  // Values near the largest double have squares that are none.
  if (!signal.every(Number.isFinite)) return null;
  return {
    signal,
    signalDeviation: deviation(parts.signalVariance),
    level: place(parts.level),
    levelDeviation: deviation(parts.levelVariance),
    slope: size(parts.slope),
    shortTerm: size(parts.shortTerm),
    seasons: parts.seasons.map((part, k) => ({
      lengthS: state.seasons[k]!.length * state.clock.periodS,
      values: size(part),
    })),
    noiseDeviation: unit * parts.scale,
  };
}

/** The model with the better of the stream's own parameters and those that suit the stretch. */
function fittedModel(
  state: EnsembleState,
  us: Float64Array,
  values: Float64Array,
  level: number,
): StructuralModel {
  const layout = structuralLayout(KIND, state.seasons);
  const known = Array.from(us.keys()).filter((t) => !Number.isNaN(values[t]!))
    .slice(-COMPONENT_FIT_SAMPLES);
  const series = fitSeries(
    layout,
    Float64Array.from(known, (t) => us[t]!),
    Float64Array.from(known, (t) => values[t]!),
    level,
    1,
  );
  const fitted = fitStructural(series, null);
  const before = state.tracks.find(({ kind }) => kind === KIND.name)?.theta;
  const isBetter = before !== undefined &&
    structuralCriterion(series, before) < structuralCriterion(series, fitted);
  return structuralModel(layout, isBetter ? before : fitted);
}

/**
 * Usual size of innovations in units of their own deviation, whatever outliers there are.
 *
 * @param sizes  {@linkcode innovationSizes}, in any order                           [innovation]
 */
export function usualSize(sizes: Float64Array): number {
  const sorted = sizes.toSorted();
  const median = sorted[sorted.length >> 1] ?? 0;
  return Math.max(median * MEAN_ABS / MEDIAN_ABS, Number.MIN_VALUE);
}
