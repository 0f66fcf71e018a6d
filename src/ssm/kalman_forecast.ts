import { addScaled, congruence, multiply } from "./dense.ts";
import { covAt, type KalmanFiltered, meanAt } from "./kalman.ts";
import { type KalmanSystem, sliceAt, stepCov } from "./kalman_system.ts";

/** Mean and covariance of future observations. */
export interface KalmanForecast {
  /**                                                                    [horizon, observed] */
  readonly mean: Float64Array;
  /** Of the observation, its noise included.                  [horizon, observed, observed] */
  readonly cov: Float64Array;
}

/**
 * Forecasts after the end of a filtered series.
 *
 *   mean[h] = d + C·x,  cov[h] = C·P·Cᵀ + observationCov,  then x ← c + A·x, P ← A·P·Aᵀ + G·Q·Gᵀ
 *
 * A time-varying system goes on with its last slices.
 */
export function kalmanForecast(
  system: KalmanSystem,
  filtered: KalmanFiltered,
  horizon: number,
): KalmanForecast {
  const { state, observed } = system.sizes;
  const outMean = new Float64Array(horizon * observed);
  const outCov = new Float64Array(horizon * observed * observed);
  let mean: Float64Array = meanAt(filtered.predictedMean, filtered.length, state);
  let cov: Float64Array = covAt(filtered.predictedCov, filtered.length, state);
  for (let h = 0; h < horizon; h++) {
    const slice = sliceAt(system, filtered.length + h);
    outMean.set(
      addScaled(slice.observationIntercept, multiply(slice.C, mean, observed, state, 1)),
      h * observed,
    );
    outCov.set(
      addScaled(congruence(slice.C, cov, observed, state), slice.observationCov),
      h * observed * observed,
    );
    mean = addScaled(slice.stateIntercept, multiply(slice.A, mean, state, state, 1));
    cov = addScaled(congruence(slice.A, cov, state, state), stepCov(slice, system.sizes));
  }
  return { mean: outMean, cov: outCov };
}
