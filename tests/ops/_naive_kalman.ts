/** The Kalman ops as the plainest loops: covariances, inverses and Cholesky, no square roots. */
import { addScaled, choleskyLower, congruence, invertCov, multiply } from "../../src/ssm/dense.ts";
import { transpose } from "../../src/ssm/dense.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

/** The slice of an array at a sample, whatever leading axes it has. */
function sliceOf(tensor: Tensor | undefined, rank: number, size: number, b: number, t: number) {
  if (tensor === undefined) return new Float64Array(size);
  const axes = tensor.shape.length - rank;
  const at = axes === 0 ? 0 : axes === 1 ? b : b * tensor.shape[1]! + t;
  return Float64Array.from(tensor.data.slice(at * size, (at + 1) * size));
}

/** m, P of each sample by P − K·S·Kᵀ, rows of missing channels left out. */
export function naiveKalmanFilter(inputs: Inputs, { start }: { start: string }): Outputs {
  const [batch, length, p] = inputs["y"]!.shape as [number, number, number];
  const n = inputs["A"]!.shape.at(-1)!;
  const q = inputs["processFactor"]!.shape.at(-1)!;
  const out: Outputs = { mean: [], factor: [], forecast: [], forecastCov: [], logLik: [] };
  for (let b = 0; b < batch; b++) {
    let m: Float64Array = sliceOf(inputs["startMean"], 1, n, b, 0);
    const root = sliceOf(inputs["startFactor"], 2, n * n, b, 0);
    let P = multiply(root, transpose(root, n, n), n, n, n);
    for (let t = 0; t < length; t++) {
      const slice = (name: string, rank: number, size: number) =>
        sliceOf(inputs[name], rank, size, b, t);
      const C = slice("C", 2, p * n);
      const V = slice("observationFactor", 2, p * p);
      if (t > 0 || start === "filtered") {
        const A = slice("A", 2, n * n);
        const W = slice("processFactor", 2, n * q);
        m = addScaled(multiply(A, m, n, n, 1), slice("stateIntercept", 1, n));
        P = addScaled(congruence(A, P, n, n), multiply(W, transpose(W, n, q), n, q, n));
      }
      const forecast = addScaled(multiply(C, m, p, n, 1), slice("observationIntercept", 1, p));
      const S = addScaled(congruence(C, P, p, n), multiply(V, transpose(V, p, p), p, p, p));
      out["forecast"]!.push(...forecast);
      out["forecastCov"]!.push(...S);
      const rows = Array.from({ length: p }, (_, i) => i).filter((i) =>
        !inputs["mask"] || inputs["mask"].data[(b * length + t) * p + i] !== 0
      );
      const k = rows.length;
      const Ck = Float64Array.from(rows.flatMap((i) => [...C.slice(i * n, (i + 1) * n)]));
      const Sk = Float64Array.from(rows.flatMap((i) => rows.map((j) => S[i * p + j]!)));
      const v = Float64Array.from(
        rows,
        (i) => inputs["y"]!.data[(b * length + t) * p + i]! - forecast[i]!,
      );
      const { inverse, logDet } = invertCov(Sk, k);
      const PCt = multiply(P, transpose(Ck, k, n), n, n, k);
      const K = multiply(PCt, inverse, n, k, k);
      const weights = multiply(inverse, v, k, k, 1);
      m = addScaled(m, multiply(K, v, n, k, 1));
      P = addScaled(P, multiply(K, transpose(PCt, n, k), n, k, n), -1);
      out["mean"]!.push(...m);
      out["factor"]!.push(...choleskyLower(P, n));
      const square = weights.reduce((sum, w, i) => sum + w * v[i]!, 0);
      out["logLik"]!.push(-(k * Math.log(2 * Math.PI) + logDet + square) / 2);
    }
  }
  return out;
}

/** m + E·(m' − A·m − c), P + E·(P' − A·P·Aᵀ − Q)·Eᵀ from the last sample to the first. */
export function naiveKalmanSmoother(inputs: Inputs): Outputs {
  const [batch, length, n] = inputs["mean"]!.shape as [number, number, number];
  const q = inputs["processFactor"]!.shape.at(-1)!;
  const means: number[][] = [];
  const factors: number[][] = [];
  for (let b = 0; b < batch; b++) {
    let ms: Float64Array = new Float64Array(n);
    let Ps: Float64Array = new Float64Array(n * n);
    for (let t = length - 1; t >= 0; t--) {
      const at = b * length + t;
      const m = Float64Array.from(inputs["mean"]!.data.slice(at * n, (at + 1) * n));
      const U = Float64Array.from(inputs["factor"]!.data.slice(at * n * n, (at + 1) * n * n));
      const P = multiply(U, transpose(U, n, n), n, n, n);
      if (t === length - 1) {
        [ms, Ps] = [m, P];
      } else {
        const slice = (name: string, rank: number, size: number) =>
          sliceOf(inputs[name], rank, size, b, t + 1);
        const A = slice("A", 2, n * n);
        const W = slice("processFactor", 2, n * q);
        const ahead = addScaled(multiply(A, m, n, n, 1), slice("stateIntercept", 1, n));
        const Q = multiply(W, transpose(W, n, q), n, q, n);
        const predicted = addScaled(congruence(A, P, n, n), Q);
        const PAt = multiply(P, transpose(A, n, n), n, n, n);
        const E = multiply(PAt, invertCov(predicted, n).inverse, n, n, n);
        ms = Float64Array.from(addScaled(m, multiply(E, addScaled(ms, ahead, -1), n, n, 1)));
        Ps = Float64Array.from(addScaled(P, congruence(E, addScaled(Ps, predicted, -1), n, n)));
      }
      means[at] = [...ms];
      factors[at] = [...choleskyLower(Ps, n)];
    }
  }
  return { smoothedMean: means.flat(), smoothedFactor: factors.flat() };
}
