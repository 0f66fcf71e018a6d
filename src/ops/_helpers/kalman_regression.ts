/** The smoother's regression of one sample on the next; equations in `kalman_smoother.ts`. */
import type { FloatArray } from "../../tensor/tensor.ts";
import type { KalmanRun } from "./kalman_model.ts";
import { triangularizeInto } from "./triangularize.ts";

/** One sample's state given the next: N(E·next + g, D·Dᵀ). */
export interface Regression {
  readonly run: KalmanRun;
  readonly columns: number;
  /** [[Φ, 0], [E·Φ, D]], Φ the factor of the predicted covariance.        [2·state, columns] */
  readonly lower: Float64Array;
  /** The predicted mean.                                                          [state] */
  readonly ahead: Float64Array;
  readonly E: Float64Array;
  readonly g: Float64Array;
  readonly D: Float64Array;
}

/** The arrays of a model that lead to the next sample. */
export type StepSlice = {
  readonly [key in "A" | "processFactor" | "stateIntercept"]: FloatArray;
};

/** Arrays for the regressions of a run. */
export function openRegression(run: KalmanRun): Regression {
  const n = run.state;
  const columns = Math.max(2 * n, n + run.noise);
  const square = () => new Float64Array(n * n);
  const vector = () => new Float64Array(n);
  const lower = new Float64Array(2 * n * columns);
  return { run, columns, lower, ahead: vector(), E: square(), g: vector(), D: square() };
}

/** Regresses a filtered belief on the sample that a step leads to. */
export function regressInto(
  { run, columns, lower, ahead, E, g, D }: Regression,
  mean: FloatArray,
  U: FloatArray,
  { A, processFactor: W, stateIntercept: c }: StepSlice,
): void {
  const { state: n, noise } = run;
  lower.fill(0);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += A[i * n + k]! * U[k * n + j]!;
      lower[i * columns + j] = sum;
      lower[(n + i) * columns + j] = U[i * n + j]!;
    }
    for (let j = 0; j < noise; j++) lower[i * columns + n + j] = W[i * noise + j]!;
  }
  triangularizeInto(lower, 2 * n, columns);
  for (let i = 0; i < n; i++) {
    for (let j = n - 1; j >= 0; j--) {
      let sum = lower[(n + i) * columns + j]!;
      for (let k = j + 1; k < n; k++) sum -= E[i * n + k]! * lower[k * columns + j]!;
      const pivot = lower[j * columns + j]!;
      E[i * n + j] = pivot === 0 ? 0 : sum / pivot;
    }
    for (let j = 0; j < n; j++) D[i * n + j] = lower[(n + i) * columns + n + j]!;
  }
  for (let i = 0; i < n; i++) g[i] = mean[i]!;
  for (let j = 0; j < n; j++) {
    let sum = c[j]!;
    for (let k = 0; k < n; k++) sum += A[j * n + k]! * mean[k]!;
    ahead[j] = sum;
    for (let i = 0; i < n; i++) g[i]! -= E[i * n + j]! * sum;
  }
}
