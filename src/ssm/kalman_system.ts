/**
 * The linear-Gaussian state-space model that {@linkcode kalmanFilter} runs, and its starts.
 *
 *   y[t]   = d[t] + C[t]·x[t] + e[t],             e ~ N(0, observationCov[t])
 *   x[t+1] = c[t] + A[t]·x[t] + G[t]·n[t],        n ~ N(0, processCov[t])
 *
 * Durbin and Koopman, "Time Series Analysis by State Space Methods" (2nd ed.), equations 4.12;
 * their Z, T, R, Q, H are C, A, G, processCov, observationCov here, so that the filter and the
 * layers read as one family. Everything is a pure function over `Float64Array`.
 */
import { InvalidValueError, ShapeError } from "../base/errors.ts";
import { addScaled, congruence, identity, maxAbs, solve, transpose } from "./dense.ts";
import { type CovarianceMap, covarianceMap } from "./monoid.ts";

/** Sizes of a linear-Gaussian model. */
export interface KalmanSizes {
  readonly state: number;
  readonly observed: number;
  /** Size of the process noise n, at most that of the state. */
  readonly noise: number;
}

/**
 * A linear-Gaussian model. Each array holds one slice, or one for each time: the leading axis
 * `time` is 1 or the length of the series, for each array on its own.
 */
export interface KalmanSystem {
  readonly sizes: KalmanSizes;
  /** Transition.                                                        [time, state, state] */
  readonly A: Float64Array;
  /** Observation matrix.                                             [time, observed, state] */
  readonly C: Float64Array;
  /** How the process noise enters the state.                            [time, state, noise] */
  readonly G: Float64Array;
  /** Covariance of the process noise.                                   [time, noise, noise] */
  readonly processCov: Float64Array;
  /** Covariance of the observation noise.                         [time, observed, observed] */
  readonly observationCov: Float64Array;
  /** Known drift of the state; zero where absent.                              [time, state] */
  readonly stateIntercept?: Float64Array;
  /** Known part of the observation; zero where absent.                      [time, observed] */
  readonly observationIntercept?: Float64Array;
}

/** What is known of the state before the first observation. */
export interface KalmanStart {
  /**                                                                                 [state] */
  readonly mean: Float64Array;
  /** Finite part of the covariance.                                           [state, state] */
  readonly cov: Float64Array;
  /** Factor of the part that tends to infinity; absent or zero = nothing diffuse. [state, state] */
  readonly diffuseCov?: Float64Array;
}

/** The arrays of a system at one time. */
export interface KalmanSlice {
  readonly A: Float64Array;
  readonly C: Float64Array;
  readonly G: Float64Array;
  readonly processCov: Float64Array;
  readonly observationCov: Float64Array;
  readonly stateIntercept: Float64Array;
  readonly observationIntercept: Float64Array;
}

/**
 * Requires every array of a system to have one slice or `length` of them.
 *
 * @throws {ShapeError} an array has another size; the message names it
 */
export function checkSystem(system: KalmanSystem, length: number): void {
  const { state, observed, noise } = system.sizes;
  const need: readonly [string, Float64Array | undefined, number][] = [
    ["A", system.A, state * state],
    ["C", system.C, observed * state],
    ["G", system.G, state * noise],
    ["processCov", system.processCov, noise * noise],
    ["observationCov", system.observationCov, observed * observed],
    ["stateIntercept", system.stateIntercept, state],
    ["observationIntercept", system.observationIntercept, observed],
  ];
  for (const [name, array, slice] of need) {
    if (array !== undefined && array.length !== slice && array.length !== slice * length) {
      throw new ShapeError(`${name}.time`, length, array.length / slice);
    }
  }
}

/**
 * The arrays of a system at a time; beyond the last slice the last one holds.
 */
export function sliceAt(system: KalmanSystem, time: number): KalmanSlice {
  const { state, observed, noise } = system.sizes;
  const at = (array: Float64Array | undefined, slice: number): Float64Array => {
    if (array === undefined) return new Float64Array(slice);
    const index = Math.min(time, array.length / slice - 1);
    return array.subarray(index * slice, (index + 1) * slice);
  };
  return {
    A: at(system.A, state * state),
    C: at(system.C, observed * state),
    G: at(system.G, state * noise),
    processCov: at(system.processCov, noise * noise),
    observationCov: at(system.observationCov, observed * observed),
    stateIntercept: at(system.stateIntercept, state),
    observationIntercept: at(system.observationIntercept, observed),
  };
}

/** Covariance that one step adds to the state, G·processCov·Gᵀ.             [state, state] */
export function stepCov(slice: KalmanSlice, { state, noise }: KalmanSizes): Float64Array {
  return congruence(slice.G, slice.processCov, state, noise);
}

/** The start of large but finite variance: mean 0, cov = variance·I. */
export function approximateDiffuseStart(stateSize: number, variance = 1e6): KalmanStart {
  if (!(variance > 0)) throw new InvalidValueError("variance", variance, "a number above 0");
  return {
    mean: new Float64Array(stateSize),
    cov: identity(stateSize).map((value) => value * variance),
  };
}

/** The start of infinite variance in every state, treated exactly (Durbin and Koopman, ch. 5). */
export function exactDiffuseStart(stateSize: number): KalmanStart {
  return {
    mean: new Float64Array(stateSize),
    cov: new Float64Array(stateSize * stateSize),
    diffuseCov: identity(stateSize),
  };
}

/** Doublings after which a stable system has converged to the last bit. */
const LYAPUNOV_DOUBLINGS_MAX = 64;

/**
 * The stationary start of a stable, time-invariant system.
 *
 *   mean = (I − A)⁻¹·c,   P = A·P·Aᵀ + G·processCov·Gᵀ
 *
 * The Lyapunov equation by doubling (Anderson and Moore, "Optimal Filtering", section 6.7): after
 * k rounds P holds the noise of 2^k steps.
 *
 * @throws {RangeError} the system is not stable, so that it has no stationary covariance
 */
export function stationaryStart(system: KalmanSystem): KalmanStart {
  const { state } = system.sizes;
  const slice = sliceAt(system, 0);
  const { combine } = covarianceMap(state);
  let steps: CovarianceMap = { A: slice.A, cov: stepCov(slice, system.sizes) };
  for (let round = 0;; round++) {
    const doubled = combine(steps, steps);
    const change = maxAbs(addScaled(doubled.cov, steps.cov, -1));
    steps = doubled;
    if (!Number.isFinite(change) || round >= LYAPUNOV_DOUBLINGS_MAX) {
      throw new RangeError("System is not stable: it has no stationary covariance");
    }
    if (change <= 1e-16 * maxAbs(steps.cov)) break;
  }
  const mean = solve(
    addScaled(identity(state), slice.A, -1),
    slice.stateIntercept,
    state,
    1,
  );
  return { mean, cov: steps.cov };
}

/** Rows of the observation that are there at a time, with their part of the system. */
export interface ObservedRows {
  /** Indices of the channels that are not missing.                                   [rows] */
  readonly index: readonly number[];
  /**                                                                          [rows, state] */
  readonly C: Float64Array;
  /**                                                                          [state, rows] */
  readonly Ct: Float64Array;
  /**                                                                           [rows, rows] */
  readonly cov: Float64Array;
}

/** Selects the rows of a slice whose observation is not NaN. */
export function observedRows(
  slice: KalmanSlice,
  observation: Float64Array,
  { state, observed }: KalmanSizes,
): ObservedRows {
  const index: number[] = [];
  for (let i = 0; i < observed; i++) if (!Number.isNaN(observation[i]!)) index.push(i);
  const rows = index.length;
  const C = new Float64Array(rows * state);
  const cov = new Float64Array(rows * rows);
  index.forEach((from, to) => {
    C.set(slice.C.subarray(from * state, (from + 1) * state), to * state);
    index.forEach((other, k) => {
      cov[to * rows + k] = slice.observationCov[from * observed + other]!;
    });
  });
  return { index, C, Ct: transpose(C, rows, state), cov };
}
