/**
 * Distance of a feature vector from its own past.
 *
 *   m = sqrt(z' (R + ridge·I)^−1 z / size)        z = (f − mean) / sd, clipped to ±50
 *
 * R is the correlation from a running covariance whose weights are 1/t (nothing is forgotten) times
 * min(1, 9/m²), so that an outlier does not widen what it is measured by. Solved by Cholesky each
 * sample: a recursive inverse drifts. Variances have a floor of 1e-6 of the largest seen.
 */
const RIDGE = 0.005;
const CLIP = 50;
const OUTLIER_DISTANCE = 3;
const VARIANCE_FLOOR = 1e-6;
/** Keeps a feature that never moved from dividing 0 by 0. */
const VARIANCE_MIN = 1e-300;
const PIVOT_MIN = 1e-4;

/** Running moments of a feature vector. */
export type MahalanobisState = {
  count: number;
  readonly mean: Float64Array;
  /** Row-major, full.                                                          [size, size] */
  readonly cov: Float64Array;
  readonly varianceMax: Float64Array;
};

/** Moments of nothing yet. */
export function initialMahalanobis(size: number): MahalanobisState {
  return {
    count: 0,
    mean: new Float64Array(size),
    cov: new Float64Array(size * size),
    varianceMax: new Float64Array(size),
  };
}

const SIZE_MAX = 16;
const factor = new Float64Array(SIZE_MAX * SIZE_MAX);
const solved = new Float64Array(SIZE_MAX);
const deviation = new Float64Array(SIZE_MAX);
const sd = new Float64Array(SIZE_MAX);

/** Distance of `features` before they are learned, 0 for the first 3·size + 1 samples. */
export function stepMahalanobis(state: MahalanobisState, features: Float64Array): number {
  const distance = mahalanobisDistance(state, features);
  const outlier = Math.max(1, distance / OUTLIER_DISTANCE);
  learnMahalanobis(state, features, 1 / (outlier * outlier * (state.count + 2)));
  return distance;
}

/** Distance of `features` from what was learned, 0 for the first 3·size + 1 samples. */
export function mahalanobisDistance(state: MahalanobisState, features: Float64Array): number {
  return state.count > 3 * features.length ? Math.sqrt(squaredDistance(state, features)) : 0;
}

function squaredDistance(state: MahalanobisState, features: Float64Array): number {
  const size = features.length;
  const { cov, mean, varianceMax } = state;
  for (let i = 0; i < size; i++) {
    sd[i] = Math.sqrt(cov[i * size + i]! + VARIANCE_FLOOR * varianceMax[i]! + VARIANCE_MIN);
  }
  let total = 0;
  for (let i = 0; i < size; i++) {
    const row = i * size;
    let z = Math.min(CLIP, Math.max(-CLIP, (features[i]! - mean[i]!) / sd[i]!));
    for (let j = 0; j <= i; j++) {
      let sum = cov[row + j]! / (sd[i]! * sd[j]!);
      if (i === j) sum += RIDGE;
      for (let k = 0; k < j; k++) sum -= factor[row + k]! * factor[j * size + k]!;
      factor[row + j] = i === j ? Math.sqrt(Math.max(sum, PIVOT_MIN)) : sum / factor[j * size + j]!;
    }
    for (let k = 0; k < i; k++) z -= factor[row + k]! * solved[k]!;
    solved[i] = z / factor[row + i]!;
    total += solved[i]! * solved[i]!;
  }
  return total / size;
}

/** Learns `features`; the past keeps 1 − `rate` of its weight. */
export function learnMahalanobis(
  state: MahalanobisState,
  features: Float64Array,
  rate: number,
): void {
  const size = features.length;
  if (state.count === 0) state.mean.set(features);
  const { cov, mean, varianceMax } = state;
  state.count++;
  for (let i = 0; i < size; i++) deviation[i] = features[i]! - mean[i]!;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const product = (1 - rate) * deviation[i]! * deviation[j]!;
      const value = cov[i * size + j]! + rate * (product - cov[i * size + j]!);
      cov[i * size + j] = value;
      cov[j * size + i] = value;
    }
    mean[i] = mean[i]! + rate * deviation[i]!;
    varianceMax[i] = Math.max(varianceMax[i]!, cov[i * size + i]!);
  }
}
