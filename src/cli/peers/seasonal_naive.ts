import { normalQuantile } from "../../models/normal.ts";

/** A series without gaps, and what is asked of it. */
export interface SeasonalNaiveQuestion {
  /** Regular samples, oldest first; no NaN.                                       [length] */
  readonly context: Float64Array;
  /** Season length in samples; 1 = none. */
  readonly season: number;
  readonly horizon: number;
  /** In (0, 1), increasing.                                                     [quantile] */
  readonly quantiles: Float64Array;
}

/**
 * Seasonal Naive as the evaluation kit defines it: the value a season ago, under a normal law whose
 * standard deviation is that of the seasonal differences and grows with the seasons ahead.
 *
 *   ŷ_q(i) = y_{n−m+(i mod m)} + Φ⁻¹(q) · s · √(⌊i/m⌋ + 1),   s² = mean (y_t − y_{t−m})²
 *
 * A context no longer than the season is taken as one without a season.
 *
 * @returns row-major                                                       [lead, quantile]
 */
export function seasonalNaive(
  { context, season, horizon, quantiles }: SeasonalNaiveQuestion,
): Float64Array {
  const n = context.length;
  const m = n > season ? season : 1;
  let square = 0;
  for (let t = m; t < n; t++) square += (context[t]! - context[t - m]!) ** 2;
  const deviation = n > m ? Math.sqrt(square / (n - m)) : 0;
  const width = quantiles.length;
  const shape = quantiles.map(normalQuantile);
  const rows = new Float64Array(horizon * width);
  for (let lead = 0; lead < horizon; lead++) {
    const point = context[n - m + (lead % m)]!;
    const spread = deviation * Math.sqrt(Math.floor(lead / m) + 1);
    for (let q = 0; q < width; q++) rows[lead * width + q] = point + shape[q]! * spread;
  }
  return rows;
}
