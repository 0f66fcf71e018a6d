/**
 * The Kalman cases through the ops `kalman_filter` and `kalman_smoother`: on a GPU in f32, or their
 * twins in f64. The ops give beliefs, forecasts, likelihoods and smoothed states; what else a case
 * compares (predictions, gains, disturbances) follows from those by a product or two, in f64 on the
 * host. A diffuse head is filtered and smoothed by `src/ssm`, since it has no finite factor.
 */
import { KALMAN_OBSERVED_MAX, KALMAN_STATES_MAX } from "../../ops/kalman_filter.ts";
import { kalmanFilter, kalmanSmoother, runOp } from "../../ops/mod.ts";
import { addScaled, congruence, invertCov, multiply, transpose } from "../../ssm/dense.ts";
import { choleskySemidefinite } from "../../ssm/dense.ts";
import {
  beginFilter,
  covAt,
  filterStepInto,
  type KalmanFiltered,
  type KalmanOutputs,
  meanAt,
  predictInto,
} from "../../ssm/kalman.ts";
import { emptySmoothed, type KalmanSmoothed, processNoiseInto } from "../../ssm/kalman_smoother.ts";
import { smoothHeadInto } from "../../ssm/kalman_parallel.ts";
import {
  type KalmanSlice,
  type KalmanStart,
  type KalmanSystem,
  observedRows,
  sliceAt,
} from "../../ssm/kalman_system.ts";
import { asDtype, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { GoldenDevice } from "./group.ts";
import { take } from "./tensors.ts";

/** What a case compares, by either way to it. */
export interface KalmanAnswer {
  readonly filtered: KalmanFiltered;
  readonly smoothed: KalmanSmoothed;
}

/** Why a device cannot answer for a model of these sizes; null where it can. */
export function sizesRefused({ device }: GoldenDevice, { sizes }: KalmanSystem): string | null {
  if (device.kind !== "webgpu") return null;
  const { state, observed } = sizes;
  if (state <= KALMAN_STATES_MAX && observed <= KALMAN_OBSERVED_MAX) return null;
  return `${state} states and ${observed} channels; the shaders hold ${KALMAN_STATES_MAX} and ` +
    `${KALMAN_OBSERVED_MAX}`;
}

/**
 * Filters and smooths a series on a device.
 *
 * @throws {RangeError} the belief behind a diffuse head is singular
 */
export async function answerByOps(
  on: GoldenDevice,
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
): Promise<KalmanAnswer> {
  const { state, observed } = system.sizes;
  const { out, diffuseLength: head } = beginFilter(system, start, observations);
  const smoothed = emptySmoothed(out.length, system.sizes);
  if (head < out.length) {
    const inputs = inputsOf(system, out, head, observations);
    const cast = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [name, asDtype(tensor, on.dtype)]),
    ) as typeof inputs;
    const outputs = runOp(on.device, kalmanFilter, cast, { start: "predicted" });
    const { A, processFactor, stateIntercept } = cast;
    const given = { mean: outputs.mean, factor: outputs.factor, A, processFactor, stateIntercept };
    const backward = runOp(on.device, kalmanSmoother, given, {});
    const means = await take(on, backward.smoothedMean);
    const factors = await take(on, backward.smoothedFactor);
    const read = {
      mean: await take(on, outputs.mean),
      factor: await take(on, outputs.factor),
      forecast: await take(on, outputs.forecast),
      forecastCov: await take(on, outputs.forecastCov),
      logLik: await take(on, outputs.logLik),
    };
    placeInto(out, head, system, observations, read);
    smoothed.mean.set(means.data, head * state);
    smoothed.cov.set(squares(factors.data, state), head * state * state);
  }
  const filtered = { ...out, diffuseLength: head };
  smoothHeadInto(smoothed, system, filtered, observations, (visit) => {
    processNoiseInto(smoothed, visit, system.sizes);
  });
  for (let t = 0; t < out.length; t++) {
    if (t >= head) stepNoiseInto(smoothed, t, system, filtered);
    observationNoiseInto(smoothed, t, system, meanAt(observations, t, observed));
  }
  return { filtered, smoothed };
}

/** factor·factorᵀ of each of a stack. */
function squares(factors: ArrayLike<number>, size: number): Float64Array {
  const stack = Float64Array.from(factors);
  const out = new Float64Array(stack.length);
  for (let at = 0; at < stack.length; at += size * size) {
    const factor = stack.subarray(at, at + size * size);
    out.set(multiply(factor, transpose(factor, size, size), size, size, size), at);
  }
  return out;
}

/**
 * The ops' inputs from a time on. Their slice of the model leads to its sample, the system's leads
 * from it, so that a varying model shifts by one; a constant one stays a single slice.
 */
function inputsOf(
  system: KalmanSystem,
  out: KalmanOutputs,
  head: number,
  observations: Float64Array,
) {
  const { state, observed, noise } = system.sizes;
  const length = out.length - head;
  const isFixed = system.A.length === state ** 2 && system.C.length === observed * state &&
    system.G.length === state * noise && system.processCov.length === noise ** 2 &&
    system.observationCov.length === observed ** 2 &&
    (system.stateIntercept?.length ?? state) === state &&
    (system.observationIntercept?.length ?? observed) === observed;
  const model = (shape: number[], shift: number, of: (slice: KalmanSlice) => Float64Array) => {
    if (isFixed) return tensorOf(shape, Float64Array.from(of(sliceAt(system, 0))));
    const size = shape.reduce((a, b) => a * b, 1);
    const data = new Float64Array(length * size);
    for (let k = 0; k < length; k++) {
      data.set(of(sliceAt(system, Math.max(0, head + k - shift))), k * size);
    }
    return tensorOf([1, length, ...shape], data);
  };
  const values = observations.slice(head * observed);
  const known = values.map((value) => Number.isNaN(value) ? 0 : value);
  const shape = [1, length, observed];
  return {
    y: tensorOf(shape, known),
    ...(values.some(Number.isNaN) && {
      mask: tensorOf(shape, values.map((value) => Number.isNaN(value) ? 0 : 1)),
    }),
    A: model([state, state], 1, ({ A }) => A),
    C: model([observed, state], 0, ({ C }) => C),
    processFactor: model(
      [state, noise],
      1,
      ({ G, processCov }) =>
        multiply(G, choleskySemidefinite(processCov, noise), state, noise, noise),
    ),
    observationFactor: model(
      [observed, observed],
      0,
      ({ observationCov }) => choleskySemidefinite(observationCov, observed),
    ),
    stateIntercept: model([state], 1, (slice) => slice.stateIntercept),
    observationIntercept: model([observed], 0, (slice) => slice.observationIntercept),
    startMean: tensorOf([1, state], meanAt(out.predictedMean, head, state).slice()),
    startFactor: tensorOf(
      [1, state, state],
      choleskySemidefinite(covAt(out.predictedCov, head, state), state),
    ),
  };
}

/** The ops' outputs in their places, and beside them what follows from the beliefs. */
function placeInto(
  out: KalmanOutputs,
  head: number,
  system: KalmanSystem,
  observations: Float64Array,
  read: Readonly<Record<"mean" | "factor" | "forecast" | "forecastCov" | "logLik", Tensor>>,
): void {
  const { state, observed } = system.sizes;
  const covs = squares(read.factor.data, state);
  const nothing = new Float64Array(state * state);
  for (let t = head; t < out.length; t++) {
    const k = t - head;
    filterStepInto(out, t, sliceAt(system, t), observations, 0);
    const mean = Float64Array.from(read.mean.data.subarray(k * state, (k + 1) * state));
    const cov = covAt(covs, k, state);
    out.filteredMean.set(mean, t * state);
    out.filteredCov.set(cov, t * state * state);
    predictInto(out, t, sliceAt(system, t), { mean, cov, diffuseCov: nothing }, 0);
    for (let i = t * observed, j = k * observed; j < (k + 1) * observed; i++, j++) {
      out.forecast[i] = read.forecast.data[j]!;
      out.innovation[i] = observations[i]! - out.forecast[i]!;
    }
    const at = k * observed ** 2;
    out.innovationCov.set(
      read.forecastCov.data.subarray(at, at + observed ** 2),
      t * observed ** 2,
    );
    out.logLik[t] = read.logLik.data[k]!;
  }
}

/**
 * Given both ends of a step: n = K·(smoothed − predicted mean), Q − K·(P − smoothed covariance)·Kᵀ
 * with K = Q·Gᵀ·P⁻¹ and P the predicted covariance.
 */
function stepNoiseInto(
  smoothed: KalmanSmoothed,
  t: number,
  system: KalmanSystem,
  filtered: KalmanFiltered,
): void {
  const { state, noise } = system.sizes;
  const { G, processCov } = sliceAt(system, t);
  // Nothing is observed behind the last step, so its noise keeps its prior.
  smoothed.processNoiseCov.set(processCov, t * noise * noise);
  if (t + 1 === filtered.length) return;
  const P = covAt(filtered.predictedCov, t + 1, state);
  const QGt = multiply(processCov, transpose(G, state, noise), noise, noise, state);
  const K = multiply(QGt, invertIndependent(P, state), noise, state, state);
  const moved = addScaled(
    meanAt(smoothed.mean, t + 1, state),
    meanAt(filtered.predictedMean, t + 1, state),
    -1,
  );
  const lost = addScaled(P, covAt(smoothed.cov, t + 1, state), -1);
  smoothed.processNoise.set(multiply(K, moved, noise, state, 1), t * noise);
  smoothed.processNoiseCov.set(
    addScaled(processCov, congruence(K, lost, noise, state), -1),
    t * noise * noise,
  );
}

/** The inverse over the states that are no combination of earlier ones, 0 elsewhere. */
function invertIndependent(cov: Float64Array, size: number): Float64Array {
  const factor = choleskySemidefinite(cov, size);
  const index: number[] = [];
  for (let i = 0; i < size; i++) if (factor[i * size + i]! > 0) index.push(i);
  const part = Float64Array.from(index.flatMap((i) => index.map((j) => cov[i * size + j]!)));
  const { inverse } = invertCov(part, index.length);
  const out = new Float64Array(size * size);
  index.forEach((row, i) => {
    index.forEach((column, j) => out[row * size + column] = inverse[i * index.length + j]!);
  });
  return out;
}

/**
 * y − d − C·mean and C·cov·Cᵀ, smoothed, of the observed rows; others keep their prior, and so do
 * rows without noise, for which these differences are 0 but for rounding.
 */
function observationNoiseInto(
  smoothed: KalmanSmoothed,
  t: number,
  system: KalmanSystem,
  observation: Float64Array,
): void {
  const { state, observed } = system.sizes;
  const slice = sliceAt(system, t);
  const { index, C, cov: H } = observedRows(slice, observation, system.sizes);
  const rows = index.length;
  const start = t * observed ** 2;
  smoothed.observationNoiseCov.set(slice.observationCov, start);
  const expected = multiply(C, meanAt(smoothed.mean, t, state), rows, state, 1);
  const cov = congruence(C, covAt(smoothed.cov, t, state), rows, state);
  const isNoisy = (i: number) => H[i * rows + i]! > 0;
  index.forEach((row, i) => {
    if (!isNoisy(i)) return;
    smoothed.observationNoise[t * observed + row] = observation[row]! -
      slice.observationIntercept[row]! - expected[i]!;
    index.forEach((column, j) => {
      if (!isNoisy(j)) return;
      smoothed.observationNoiseCov[start + row * observed + column] = cov[i * rows + j]!;
    });
  });
}
