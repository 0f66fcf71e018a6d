/** The twin of the backward of `kalman_filter`; equations in that file. */
import { addScaled, congruence, identity, multiply, transpose } from "../../ssm/dense.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import { gradientName, type GradientOf, type Some } from "../op.ts";
import {
  type KalmanRun,
  MODEL_PARTS,
  type ModelPart,
  type ModelPlace,
  modelReader,
  type ModelSlice,
  sliceIndex,
} from "./kalman_model.ts";
import { type FilterStep, openStep, predictInto, updateInto } from "./kalman_step.ts";
import { addFactorGradient } from "./triangularize.ts";

/** Names of the inputs. */
export type FilterInput = ModelPart | "y" | "mask" | "startMean" | "startFactor";
/** Names of the outputs. */
export type FilterOutput = "mean" | "factor" | "forecast" | "forecastCov" | "logLik";
type Given = Some<FilterInput | FilterOutput | GradientOf<FilterOutput>, FloatArray>;
type Gradients = Some<GradientOf<FilterInput>, FloatArray>;

/** The gradient's flow from the end: by the mean and by the covariance of a belief. */
interface Flow {
  readonly mean: Float64Array;
  readonly cov: Float64Array;
}

/** Gradients of one sample: by the model's slice and by the observation. */
interface SampleGradient {
  readonly model: { readonly [key in ModelPart]: Float64Array };
  readonly y: Float64Array;
}

/** Gradients of all inputs: one stream after another, from its end. */
export function kalmanFilterBackward(
  given: Given,
  gradients: Gradients,
  run: KalmanRun,
  places: readonly ModelPlace[],
  firstMoves: boolean,
): void {
  const { batch, length, state, observed } = run;
  const read = modelReader(places, given, length);
  const step = openStep(run);
  const totals = Object.fromEntries(
    MODEL_PARTS.map((part) => [part, new Float64Array(given[part]?.length ?? 0)]),
  );
  const sample: SampleGradient = {
    model: Object.fromEntries(
      places.map(({ part, size }) => [part, new Float64Array(size)]),
    ) as SampleGradient["model"],
    y: new Float64Array(observed),
  };
  gradients.gradMask?.fill(0);
  const rows = (array: FloatArray, index: number, size: number) =>
    array.subarray(index * size, (index + 1) * size);
  for (let b = 0; b < batch; b++) {
    const flow: Flow = { mean: new Float64Array(state), cov: new Float64Array(state * state) };
    for (let t = length - 1; t >= 0; t--) {
      const at = b * length + t;
      const model = read(b, t);
      const first = t === 0;
      const mean = first ? rows(given.startMean!, b, state) : rows(given.mean!, at - 1, state);
      const factor = first
        ? rows(given.startFactor!, b, state ** 2)
        : rows(given.factor!, at - 1, state ** 2);
      const moves = !first || firstMoves;
      predictInto(step, model, mean, factor, moves);
      const mask = given.mask && rows(given.mask, at, observed);
      updateInto(step, model, rows(given.y!, at, observed), mask);
      addOutputsInto(flow, given, at, step);
      updateBackInto(flow, sample, step, model, {
        forecast: rows(given.gradForecast!, at, observed),
        forecastCov: rows(given.gradForecastCov!, at, observed ** 2),
        logLik: given.gradLogLik![at]!,
      });
      predictBackInto(flow, sample, step, model, mean, factor, moves);
      gradients.gradY!.set(sample.y, at * observed);
      for (const { part, axes, size } of places) {
        const total = totals[part]!;
        const base = sliceIndex(axes, b, t, length) * size;
        if (total.length > 0) sample.model[part].forEach((value, i) => total[base + i]! += value);
      }
    }
    gradients.gradStartMean!.set(flow.mean, b * state);
    const start = rows(given.startFactor!, b, state ** 2);
    gradients.gradStartFactor!.set(twice(flow.cov, start, state, state), b * state ** 2);
  }
  for (const part of MODEL_PARTS) gradients[gradientName(part)]?.set(totals[part]!);
}

/** 2·symmetric·factor: the gradient by a factor from that by its covariance.  [size, cols] */
function twice(symmetric: Float64Array, factor: FloatArray, size: number, cols: number) {
  return multiply(symmetric, factor, size, size, cols).map((value) => 2 * value);
}

function addOutputsInto(flow: Flow, given: Given, at: number, { run, filtered }: FilterStep): void {
  const { state } = run;
  for (let i = 0; i < state; i++) flow.mean[i]! += given.gradMean![at * state + i]!;
  const gradFactor = Float64Array.from(
    given.gradFactor!.subarray(at * state ** 2, (at + 1) * state ** 2),
  );
  addFactorGradient(flow.cov, filtered.factor, gradFactor, state);
}

/** Gradients by the outputs that a sample has besides its belief. */
interface OutputGradients {
  readonly forecast: FloatArray;
  readonly forecastCov: FloatArray;
  readonly logLik: number;
}

/** S⁻½ from its triangular inverse, the gain K and the weights w = S⁻¹·(y − forecast). */
function gainOf({ run, lower, columns, whitened, isSeen }: FilterStep) {
  const { state, observed } = run;
  const inverse = new Float64Array(observed * observed);
  for (let j = 0; j < observed; j++) {
    for (let i = j; i < observed; i++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= lower[i * columns + k]! * inverse[k * observed + j]!;
      inverse[i * observed + j] = sum / lower[i * columns + i]!;
    }
  }
  const gain = new Float64Array(state * observed);
  const weights = new Float64Array(observed);
  const covInverse = new Float64Array(observed * observed);
  for (let j = 0; j < observed; j++) {
    for (let k = j; k < observed; k++) {
      const factor = inverse[k * observed + j]!;
      weights[j]! += factor * whitened[k]!;
      for (let i = 0; i < state; i++) {
        gain[i * observed + j]! += lower[(observed + i) * columns + k]! * factor;
      }
      for (let i = 0; i < observed; i++) {
        covInverse[i * observed + j]! += inverse[k * observed + i]! * factor;
      }
    }
    // A missing channel stands in S as a 1 of its own.
    if (!isSeen[j]) covInverse[j * observed + j] = 0;
  }
  return { gain, weights, covInverse };
}

/** Back through the observation: the flow by the filtered belief becomes that by the predicted. */
function updateBackInto(
  flow: Flow,
  sample: SampleGradient,
  step: FilterStep,
  { C, observationFactor: V }: ModelSlice,
  output: OutputGradients,
): void {
  const { state: n, observed: p } = step.run;
  const { gain: K, weights: w, covInverse } = gainOf(step);
  const covK = multiply(flow.cov, K, n, n, p);
  const ofGain = multiply(transpose(K, n, p), flow.mean, p, n, 1);
  const S = new Float64Array(p * p);
  const R = new Float64Array(p * p);
  const forecast = new Float64Array(p);
  for (let i = 0; i < p; i++) {
    sample.y[i] = ofGain[i]! - output.logLik * w[i]!;
    forecast[i] = output.forecast[i]! - sample.y[i]!;
    sample.model.observationIntercept[i] = forecast[i]!;
    for (let j = 0; j < p; j++) {
      const both = (output.forecastCov[i * p + j]! + output.forecastCov[j * p + i]!) / 2;
      const spread = covInverse[i * p + j]! - w[i]! * w[j]!;
      const ofMean = (ofGain[i]! * w[j]! + w[i]! * ofGain[j]!) / 2;
      S[i * p + j] = both - output.logLik * spread / 2 - ofMean;
      let sum = S[i * p + j]!;
      for (let k = 0; k < n; k++) sum += K[k * p + i]! * covK[k * p + j]!;
      R[i * p + j] = sum;
    }
  }
  sample.model.observationFactor.set(twice(R, V, p, p));
  observationMatrixInto(sample.model.C, step, flow, { w, covK, S, forecast });
  const keep = addScaled(identity(n), multiply(K, C, n, p, n), -1);
  const Ct = transpose(C, p, n);
  const z = multiply(Ct, w, n, p, 1);
  const ofPrediction = congruence(Ct, S, n, p);
  const pulled = congruence(transpose(keep, n, n), flow.cov, n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const mixed = (flow.mean[i]! * z[j]! + z[i]! * flow.mean[j]!) / 2;
      flow.cov[i * n + j] = pulled[i * n + j]! + mixed + ofPrediction[i * n + j]!;
    }
  }
  flow.mean.set(addScaled(flow.mean, multiply(Ct, forecast, n, p, 1)));
}

/** forecast·meanᵀ + w·(P·flow)ᵀ + 2·S·C·P − 2·(covK)ᵀ·filtered covariance. */
function observationMatrixInto(
  target: Float64Array,
  { run, wide, wideOut, predictedMean, filtered }: FilterStep,
  flow: Flow,
  { w, covK, S, forecast }: Readonly<Record<"w" | "covK" | "S" | "forecast", Float64Array>>,
): void {
  const { state: n, observed: p, noise } = run;
  const width = n + noise;
  const along = new Float64Array(width);
  const ofFactor = new Float64Array(p * n);
  for (let c = 0; c < width; c++) {
    for (let i = 0; i < n; i++) along[c]! += wide[i * width + c]! * flow.mean[i]!;
  }
  for (let i = 0; i < p; i++) {
    for (let c = 0; c < n; c++) {
      for (let k = 0; k < n; k++) {
        ofFactor[i * n + c]! += covK[k * p + i]! * filtered.factor[k * n + c]!;
      }
    }
  }
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < n; j++) {
      let sum = forecast[i]! * predictedMean[j]!;
      for (let c = 0; c < width; c++) {
        let out = w[i]! * along[c]!;
        for (let k = 0; k < p; k++) out += 2 * S[i * p + k]! * wideOut[k * width + c]!;
        sum += out * wide[j * width + c]!;
      }
      for (let c = 0; c < n; c++) sum -= 2 * ofFactor[i * n + c]! * filtered.factor[j * n + c]!;
      target[i * n + j] = sum;
    }
  }
}

/** Back through the step: the flow by the predicted belief becomes that by the one before. */
function predictBackInto(
  flow: Flow,
  { model: sample }: SampleGradient,
  { run, wide }: FilterStep,
  { A, processFactor: W }: ModelSlice,
  mean: FloatArray,
  factor: FloatArray,
  moves: boolean,
): void {
  const { state: n, noise } = run;
  const width = n + noise;
  if (!moves) {
    for (const part of ["A", "processFactor", "stateIntercept"] as const) sample[part].fill(0);
    return;
  }
  sample.stateIntercept.set(flow.mean);
  sample.processFactor.set(twice(flow.cov, W, n, noise));
  const moved = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) moved[i * n + j] = wide[i * width + j]!;
  }
  const ofMoved = twice(flow.cov, moved, n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = flow.mean[i]! * mean[j]!;
      for (let k = 0; k < n; k++) sum += ofMoved[i * n + k]! * factor[j * n + k]!;
      sample.A[i * n + j] = sum;
    }
  }
  const At = transpose(A, n, n);
  flow.mean.set(multiply(At, flow.mean, n, n, 1));
  flow.cov.set(congruence(At, flow.cov, n, n));
}
