/**
 * What the principal directions of a feature vector's past leave of it.
 *
 * Features are standardised by the running mean and deviation of their past (clipped to ±20), three
 * principal directions are followed by CCIPCA (Weng, Zhang and Hwang 2003, eq. 10-11) with gain
 * 2/t, and the score is the norm of the residual over sqrt(size).
 */
const DIRECTIONS = 3;
const CLIP = 20;
const GAIN = 2;
const VARIANCE_FLOOR = 1e-6;
const VARIANCE_MIN = 1e-300;
const NORM_MIN = 1e-18;

/** Running moments and principal directions of a feature vector. */
export type SubspaceState = {
  count: number;
  directionCount: number;
  readonly mean: Float64Array;
  readonly squares: Float64Array;
  readonly varianceMax: Float64Array;
  /** Mean of the standardised features, which the clip leaves a little off 0. */
  readonly centre: Float64Array;
  /** Row-major, unnormalised: the norm is the eigenvalue.               [direction, size] */
  readonly directions: Float64Array;
};

/** Moments of nothing yet. */
export function initialSubspace(size: number): SubspaceState {
  return {
    count: 0,
    directionCount: 0,
    mean: new Float64Array(size),
    squares: new Float64Array(size),
    varianceMax: new Float64Array(size),
    centre: new Float64Array(size),
    directions: new Float64Array(DIRECTIONS * size),
  };
}

const SIZE_MAX = 16;
const centred = new Float64Array(SIZE_MAX);
const residual = new Float64Array(SIZE_MAX);

/** Residual of `features` before they are learned, 0 for the first samples. */
export function stepSubspace(state: SubspaceState, features: Float64Array): number {
  const size = features.length;
  standardise(state, features);
  let total = 0;
  for (let i = 0; i < size; i++) residual[i] = centred[i]!;
  for (let k = 0; k < state.directionCount; k++) {
    deflate(state.directions, k * size, residual, size);
  }
  for (let i = 0; i < size; i++) total += residual[i]! * residual[i]!;
  follow(state, size);
  const isSettled = state.count > 2 * DIRECTIONS;
  state.count++;
  return isSettled ? Math.sqrt(total / size) : 0;
}

/** Writes the centred standardised features to scratch memory and learns their moments. */
function standardise(state: SubspaceState, features: Float64Array): void {
  const { count, mean, squares, varianceMax, centre } = state;
  for (let i = 0; i < features.length; i++) {
    const x = features[i]!;
    const variance = count > 0 ? squares[i]! / count : 0;
    varianceMax[i] = Math.max(varianceMax[i]!, variance);
    const sd = Math.sqrt(variance + VARIANCE_FLOOR * varianceMax[i]! + VARIANCE_MIN);
    const z = count > 0 ? Math.min(CLIP, Math.max(-CLIP, (x - mean[i]!) / sd)) : 0;
    const difference = x - mean[i]!;
    mean[i] = mean[i]! + difference / (count + 1);
    squares[i] = squares[i]! + difference * (x - mean[i]!);
    centred[i] = z - centre[i]!;
    centre[i] = centre[i]! + centred[i]! / (count + 1);
  }
}

/** Removes from `vector` its part along the direction at `at`. */
function deflate(directions: Float64Array, at: number, vector: Float64Array, size: number): void {
  let norm = 0;
  let product = 0;
  for (let i = 0; i < size; i++) {
    norm += directions[at + i]! * directions[at + i]!;
    product += directions[at + i]! * vector[i]!;
  }
  if (norm <= NORM_MIN) return;
  for (let i = 0; i < size; i++) vector[i] = vector[i]! - product / norm * directions[at + i]!;
}

/** One CCIPCA update of all directions; `centred` is used up. */
function follow(state: SubspaceState, size: number): void {
  const { directions } = state;
  const gain = Math.min(1, GAIN / (state.count + 1));
  for (let k = 0; k < DIRECTIONS; k++) {
    const at = k * size;
    if (k >= state.directionCount) {
      if (state.count > size) {
        directions.set(centred.subarray(0, size), at);
        state.directionCount++;
      }
      return;
    }
    let norm = 0;
    let product = 0;
    for (let i = 0; i < size; i++) {
      norm += directions[at + i]! * directions[at + i]!;
      product += directions[at + i]! * centred[i]!;
    }
    if (norm < NORM_MIN) {
      directions.set(centred.subarray(0, size), at);
      return;
    }
    const pull = gain * product / Math.sqrt(norm);
    for (let i = 0; i < size; i++) {
      directions[at + i] = (1 - gain) * directions[at + i]! + pull * centred[i]!;
    }
    deflate(directions, at, centred, size);
  }
}

/** Writes how far features are from their past, in standard deviations, clipped to ±20. [size] */
export function writeDeviations(
  state: SubspaceState,
  features: Float64Array,
  out: Float64Array,
): void {
  const { count, mean, squares, varianceMax } = state;
  for (let i = 0; i < features.length; i++) {
    const variance = count > 0 ? squares[i]! / count : 0;
    const sd = Math.sqrt(variance + VARIANCE_FLOOR * varianceMax[i]! + VARIANCE_MIN);
    out[i] = Math.min(CLIP, Math.max(-CLIP, (features[i]! - mean[i]!) / sd));
  }
}
