/** One sample of the square-root Kalman filter; equations in `kalman_filter.ts`. */
import type { FloatArray } from "../../tensor/tensor.ts";
import type { KalmanRun, ModelSlice } from "./kalman_model.ts";
import { triangularizeInto } from "./triangularize.ts";

const LOG_2PI = Math.log(2 * Math.PI);

/** A belief: mean and lower triangular factor of the covariance. */
export interface Belief {
  readonly mean: Float64Array;
  /**                                                                          [state, state] */
  readonly factor: Float64Array;
}

/** What one sample computes; the arrays are reused from sample to sample. */
export interface FilterStep {
  readonly run: KalmanRun;
  readonly predictedMean: Float64Array;
  /** A factor of the predicted covariance: [A·factor, processFactor].     [state, state + noise] */
  readonly wide: Float64Array;
  /** C times it.                                                   [observed, state + noise] */
  readonly wideOut: Float64Array;
  readonly forecast: Float64Array;
  /** Triangular: [[S½, 0], [K·S½, factor]] in its first columns.    [observed + state, columns] */
  readonly lower: Float64Array;
  readonly columns: number;
  /** S^−½·(y − forecast), 0 where missing. */
  readonly whitened: Float64Array;
  readonly isSeen: boolean[];
  /** After the observation. */
  readonly filtered: Belief;
  logLik: number;
}

/** Arrays for the steps of a run. */
export function openStep(run: KalmanRun): FilterStep {
  const { state, observed, noise } = run;
  const columns = 2 * observed + state + noise;
  return {
    run,
    predictedMean: new Float64Array(state),
    wide: new Float64Array(state * (state + noise)),
    wideOut: new Float64Array(observed * (state + noise)),
    forecast: new Float64Array(observed),
    lower: new Float64Array((observed + state) * columns),
    columns,
    whitened: new Float64Array(observed),
    isSeen: new Array<boolean>(observed).fill(true),
    filtered: { mean: new Float64Array(state), factor: new Float64Array(state * state) },
    logLik: 0,
  };
}

/**
 * Moves a belief to the next sample and foresees its observation.
 *
 * @param moves  whether a step of the model leads to the sample, or the belief is of it already
 */
export function predictInto(
  step: FilterStep,
  model: ModelSlice,
  mean: FloatArray,
  factor: FloatArray,
  moves: boolean,
): void {
  const { state, observed, noise } = step.run;
  const width = state + noise;
  const { predictedMean, wide, wideOut, forecast } = step;
  const { A, C, processFactor: W } = model;
  for (let i = 0; i < state; i++) {
    let sum = moves ? model.stateIntercept[i]! : mean[i]!;
    for (let j = 0; j < state; j++) {
      if (moves) sum += A[i * state + j]! * mean[j]!;
      let moved = moves ? 0 : factor[i * state + j]!;
      for (let k = 0; moves && k < state; k++) {
        moved += A[i * state + k]! * factor[k * state + j]!;
      }
      wide[i * width + j] = moved;
    }
    predictedMean[i] = sum;
    for (let j = 0; j < noise; j++) wide[i * width + state + j] = moves ? W[i * noise + j]! : 0;
  }
  for (let i = 0; i < observed; i++) {
    let sum = model.observationIntercept[i]!;
    for (let j = 0; j < state; j++) sum += C[i * state + j]! * predictedMean[j]!;
    forecast[i] = sum;
    for (let c = 0; c < width; c++) {
      let out = 0;
      for (let j = 0; j < state; j++) out += C[i * state + j]! * wide[j * width + c]!;
      wideOut[i * width + c] = out;
    }
  }
}

/**
 * Conditions the prediction on the observation. A missing channel gets a row of its own column,
 * which touches no other: its part of S is 1 and its part of the gain 0.
 *
 * @param y     of the sample                                                      [observed]
 * @param mask  0 where missing; all there where absent                            [observed]
 */
export function updateInto(
  step: FilterStep,
  model: ModelSlice,
  y: FloatArray,
  mask: FloatArray | undefined,
): void {
  const { state, observed, noise } = step.run;
  const { wide, wideOut, forecast, lower, columns, whitened, isSeen, predictedMean } = step;
  const { mean, factor } = step.filtered;
  const width = state + noise;
  const start = 2 * observed;
  lower.fill(0);
  for (let i = 0; i < observed; i++) {
    isSeen[i] = mask === undefined || mask[i] !== 0;
    if (!isSeen[i]) {
      lower[i * columns + observed + i] = 1;
      continue;
    }
    for (let j = 0; j < observed; j++) {
      lower[i * columns + j] = model.observationFactor[i * observed + j]!;
    }
    for (let c = 0; c < width; c++) lower[i * columns + start + c] = wideOut[i * width + c]!;
  }
  for (let i = 0; i < state; i++) {
    const row = (observed + i) * columns + start;
    for (let c = 0; c < width; c++) lower[row + c] = wide[i * width + c]!;
  }
  triangularizeInto(lower, observed + state, columns);
  let logLik = 0;
  for (let i = 0; i < observed; i++) {
    whitened[i] = 0;
    if (!isSeen[i]) continue;
    let sum = y[i]! - forecast[i]!;
    for (let j = 0; j < i; j++) sum -= lower[i * columns + j]! * whitened[j]!;
    const pivot = lower[i * columns + i]!;
    whitened[i] = sum / pivot;
    logLik -= LOG_2PI / 2 + Math.log(pivot) + whitened[i]! ** 2 / 2;
  }
  step.logLik = logLik;
  for (let i = 0; i < state; i++) {
    const row = (observed + i) * columns;
    let sum = predictedMean[i]!;
    for (let j = 0; j < observed; j++) sum += lower[row + j]! * whitened[j]!;
    mean[i] = sum;
    for (let j = 0; j < state; j++) factor[i * state + j] = lower[row + observed + j]!;
  }
}
