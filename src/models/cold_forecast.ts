/**
 * What is forecast before the first fit, from the first values alone.
 *
 *   quantile(l, τ) = y(n) + 0.8·q(τ)·s·l^0.35,   s = (1 + 4/n)·mean |y(t) − y(t−1)|
 *
 * y are the n values so far, l the lead in mean sampling periods (1 at least), q the prior shape of
 * standardised errors.
 */
import { priorShape } from "./error_shape.ts";
import { sampleTime } from "./sample_buffer.ts";
import type { ForecasterState } from "./forecaster_state.ts";

/**
 * Before the first fit the error at a lead is this share of the usual step times lead^0.35, learned
 * from other series (docs/evidence/coverage.md): many are no walks, whose errors grow as √lead.
 */
const COLD_SHARE = 0.8;
const COLD_GROWTH = 0.35;

/** Few samples say little of the scale: 1 + this / count. */
const COLD_WIDENING = 4;

/** Level y(n) and scale s, in the values' units; both NaN without a value. */
export function coldExpectation(state: ForecasterState): { mean: number; meanAbs: number } {
  const { values, length } = state.buffer;
  if (length === 0) return { mean: NaN, meanAbs: NaN };
  const last = values[length - 1]!;
  let steps = 0;
  for (let i = 1; i < length; i++) steps += Math.abs(values[i]! - values[i - 1]!);
  const usual = length > 1 ? steps / (length - 1) : 0;
  const size = usual > 0 ? usual : Math.abs(last) || 1;
  // Steps between the largest doubles overflow; 0 times infinity would then spoil the median.
  const meanAbs = Math.min(size * (1 + COLD_WIDENING / length), Number.MAX_VALUE);
  return { mean: last, meanAbs };
}

/** Mean sampling period, in seconds; null of fewer than two values. */
export function coldPeriodS(state: ForecasterState): number | null {
  const { buffer } = state;
  const { length } = buffer;
  if (length < 2) return null;
  return (sampleTime(buffer, length - 1) - sampleTime(buffer, 0)) / (length - 1);
}

/**
 * Quantiles at times after the newest value, in the values' units.
 *
 * @param timesS     seconds from the epoch of the stream                                  [time]
 * @param quantiles  between 0 and 1                                                   [quantile]
 * @returns          [time, quantile]
 */
export function coldQuantiles(
  state: ForecasterState,
  timesS: Float64Array,
  quantiles: Float64Array,
): Float64Array {
  const { mean, meanAbs } = coldExpectation(state);
  const periodS = coldPeriodS(state);
  const origin = sampleTime(state.buffer, state.buffer.length - 1);
  const out = new Float64Array(timesS.length * quantiles.length);
  for (let t = 0; t < timesS.length; t++) {
    const lead = periodS === null ? t + 1 : Math.max(1, (timesS[t]! - origin) / periodS);
    for (let q = 0; q < quantiles.length; q++) {
      const width = quantiles[q] === 0.5 ? 0 : priorShape(quantiles[q]!);
      out[t * quantiles.length + q] = mean + width * meanAbs * COLD_SHARE * lead ** COLD_GROWTH;
    }
  }
  return out;
}
