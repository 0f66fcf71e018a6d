/**
 * What it says of an error at a lead that the members disagree there: a part of its variance.
 *
 *   c² = 1 − ρ + ρ·(d / u)²,   ρ = (k·u)² / ((k·u)² + s²),   k = 1.75
 *
 * d is the weighted mean distance of the members from their mean, u what it usually is at that
 * lead, s the size of the errors there. Where members hardly differ beside what is missed, as on
 * noise, c stays 1 whatever they do; where they differ as much as is missed, the fan follows them.
 * A power of d / u that is the same everywhere makes fans on noise wander
 * (docs/evidence/fans.md). d counts for 4·u at most, and ρ for {@linkcode SHARE_MAX}.
 */
import type { PastForecast } from "./past_forecast.ts";

const DISTANCE_FACTOR = 1.75;
/** Usual disagreements that one counts for at most. */
export const RATIO_MAX = 4;
/** Most of an error's variance that disagreement tells: where members agree, c is 0.3 at least. */
export const SHARE_MAX = 0.9;

/** Mean over ±half neighbours, edges repeated. */
function smoothAt(values: Float64Array, at: number, half: number): number {
  let sum = 0;
  for (let k = at - half; k <= at + half; k++) {
    sum += values[Math.min(values.length - 1, Math.max(0, k))]!;
  }
  return sum / (2 * half + 1);
}

function medianOf(values: Float64Array): number {
  if (values.length === 0) return 0;
  values.sort();
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half]! : (values[half - 1]! + values[half]!) / 2;
}

/** Usual disagreement: u, the median over past forecasts, neighbours taken in.           [lead] */
export function usualSpreads(past: readonly PastForecast[], horizon: number): Float64Array {
  const medians = new Float64Array(horizon);
  for (let l = 0; l < horizon; l++) {
    medians[l] = medianOf(Float64Array.from(past, (forecast) => forecast.spread[l]!));
  }
  const half = Math.max(1, Math.floor(horizon / 12));
  return medians.map((_, l) => smoothAt(medians, l, half));
}

/**
 * Share of the errors' variance that disagreement tells: ρ.                                [lead]
 *
 * @param usual  usual disagreement: u                                                    [lead]
 * @param sizes  of the errors, whatever the disagreement was: s, above 0                  [lead]
 */
export function spreadShares(usual: Float64Array, sizes: Float64Array): Float64Array {
  return usual.map((spread, l) => {
    const told = (DISTANCE_FACTOR * spread) ** 2;
    return Math.min(SHARE_MAX, told / (told + sizes[l]! ** 2));
  });
}

/** Size of an error where members lie `spread` apart, beside its usual one: c. */
export function spreadFactor(share: number, usual: number, spread: number): number {
  if (!(usual > 0)) return 1;
  const ratio = Math.min(RATIO_MAX, spread / usual);
  return Math.sqrt(1 - share + share * ratio * ratio);
}
