/** SIMD plans of the Kalman filter and smoother, a stream a task. */
import type { SimdPlan } from "../../device/device.ts";
import type { KalmanRun, ModelPart, ModelPlace } from "./kalman_model.ts";
import { flag, singlePass } from "./simd.ts";

/** A count rounded up to whole vectors. */
function padded(count: number): number {
  return Math.ceil(count / 4) * 4;
}

/** Elements between an array's slices of one stream and the next, of one sample and the next. */
function stridesOf(places: readonly ModelPlace[], parts: readonly ModelPart[], length: number) {
  return parts.flatMap((part) => {
    const { axes, size } = places.find((place) => place.part === part)!;
    return axes === 0 ? [0, 0] : axes === 1 ? [size, 0] : [length * size, size];
  });
}

/** The filter; `work` in the op's unit, some 0.7 ns of one core each. */
export function filterSimd(
  run: KalmanRun,
  places: readonly ModelPlace[],
  isFirstMoved: boolean,
  work: number,
): SimdPlan {
  const { batch, length, state, observed, noise } = run;
  const side = padded(state);
  const stride = padded(2 * observed) + side + padded(noise);
  const model = [
    ...["A", "C", "processFactor", "observationFactor", "stateIntercept"] as const,
    "observationIntercept" as const,
  ];
  const tensors = ["y", "mask", ...model, "startMean", "startFactor"];
  const outputs = ["mean", "factor", "forecast", "forecastCov", "logLik"];
  const sizes = [length, state, observed, noise, flag(isFirstMoved)];
  return singlePass({
    entry: "kalman_filter",
    args: [...tensors, ...outputs, ...sizes, ...stridesOf(places, model, length)],
    tasks: batch,
    threadFloats: (observed + state + 1) * stride + (state + 2) * side + padded(observed),
  }, 7e-7 * work);
}

/** The smoother, likewise. */
export function smootherSimd(
  { batch, length, state, noise }: KalmanRun,
  places: readonly ModelPlace[],
  work: number,
): SimdPlan {
  const side = padded(state);
  const stride = Math.max(padded(state + side), side + padded(noise));
  const model = ["A", "processFactor", "stateIntercept"] as const;
  const tensors = ["mean", "factor", ...model, "smoothedMean", "smoothedFactor"];
  const sizes = [length, state, noise, stride, ...stridesOf(places, model, length)];
  return singlePass({
    entry: "kalman_smoother",
    args: [...tensors, ...sizes],
    tasks: batch,
    threadFloats: 2 * state * stride + Math.max(stride, 2 * side) + 4 * state * side + 2 * side,
  }, 7e-7 * work);
}
