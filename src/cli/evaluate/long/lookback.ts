/** The closed-form linear map of a look-back: what a long-horizon forecaster has to beat. */
import { type NormalEquations, normalEquations } from "./least_squares.ts";

/** Samples that the linear map sees. */
export const LOOKBACK = 336;

/** Window starts: `count` of them from `first` on, `stride` apart. */
export interface Windows {
  readonly first: number;
  readonly count: number;
  readonly stride: number;
}

/**
 * Second moments of windows by their offsets, M(a, b) = Σ_s x(s + a)·x(s + b), from
 *
 *   M(a + stride, b + stride) = M(a, b) − x(s₀ + a)·x(s₀ + b) + x(s₁ + a)·x(s₁ + b),
 *
 * where s₀ is the first start and s₁ the one after the last, so a window's length does not matter.
 */
function addMomentsInto(
  out: Float64Array,
  x: Float64Array,
  lookback: number,
  { first, count, stride }: Windows,
): void {
  const size = out.length / lookback;
  const end = first + count * stride;
  const moments = new Float64Array(out.length);
  for (let a = 0; a < lookback; a++) {
    for (let b = a; b < size; b++) {
      let sum = 0;
      if (a < stride) {
        for (let s = first; s < end; s += stride) sum += x[s + a]! * x[s + b]!;
      } else {
        const i = a - stride;
        const j = b - stride;
        sum = moments[i * size + j]! - x[first + i]! * x[first + j]! + x[end + i]! * x[end + j]!;
      }
      moments[a * size + b] = sum;
      if (b < lookback) moments[b * size + a] = sum;
    }
  }
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + moments[i]!;
}

/**
 * The sums of the regression of `horizon` targets on a look-back, both less the look-back's last
 * value; columns share one map (the closed form of NLinear, arXiv 2205.13504).
 *
 * @param columns  standardised values                                          [column][sample]
 */
export function lookbackEquations(
  columns: readonly Float64Array[],
  horizon: number,
  windows: Windows,
  lookback = LOOKBACK,
): NormalEquations {
  const size = lookback + horizon;
  const moments = new Float64Array(lookback * size);
  for (const x of columns) addMomentsInto(moments, x, lookback, windows);
  const sums = normalEquations(lookback, horizon);
  const last = (lookback - 1) * size;
  for (let a = 0; a < lookback; a++) {
    const own = moments[a * size + lookback - 1]! - moments[last + lookback - 1]!;
    for (let b = 0; b < size; b++) {
      const value = moments[a * size + b]! - own - moments[last + b]!;
      if (b < lookback) sums.gram[a * lookback + b] = value;
      else sums.cross[a * horizon + b - lookback] = value;
    }
  }
  return sums;
}

/** Writes the look-back that ends at `origin`, less its last value.              [lookback] */
export function lookbackInto(
  out: Float64Array,
  at: number,
  x: Float64Array,
  origin: number,
  lookback = LOOKBACK,
): void {
  const last = x[origin]!;
  const first = origin - lookback + 1;
  for (let i = 0; i < lookback; i++) out[at + i] = x[first + i]! - last;
}
