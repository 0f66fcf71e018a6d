/** How much of two forecasts to believe, from those whose targets are known. */

/** Days after which evidence counts 1/e. */
const FORGET_DAYS = 30;
/** Days of evidence that halves are worth. */
const PRIOR_DAYS = 5;

/** What one scored pair of forecasts says. */
export interface MixtureEvidence {
  /** Last sample that the forecasts saw. */
  readonly origin: number;
  /** Σ (e₁)·(ŷ₁ − ŷ₂), e₁ the first one's error. */
  readonly agreement: number;
  /** Σ (ŷ₁ − ŷ₂)². */
  readonly distance: number;
}

/** The evidence of two forecasts of the same targets. */
export function mixtureEvidence(
  origin: number,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
  target: ArrayLike<number>,
): MixtureEvidence {
  let agreement = 0;
  let distance = 0;
  for (let j = 0; j < target.length; j++) {
    const gap = first[j]! - second[j]!;
    agreement += (first[j]! - target[j]!) * gap;
    distance += gap * gap;
  }
  return { origin, agreement, distance };
}

/**
 * The second forecast's share at every origin: the least-squares one of discounted evidence, in
 * [0, 1], drawn to a half,
 *
 *   share = (days·Σ agreement / Σ distance + prior/2) / (days + prior).
 *
 * A pair counts from the origin on at which its last target is known; state is three numbers.
 *
 * @param evidence  in order of its origins, `spacing` samples apart
 * @param origins   in order
 */
export function mixtureShares(
  evidence: readonly MixtureEvidence[],
  origins: readonly number[],
  { horizon, spacing, samplesADay }: {
    readonly horizon: number;
    readonly spacing: number;
    readonly samplesADay: number;
  },
): Float64Array {
  const decay = Math.exp(-spacing / (FORGET_DAYS * samplesADay));
  let next = 0;
  let days = 0;
  let agreement = 0;
  let distance = 0;
  return Float64Array.from(origins, (origin) => {
    for (; next < evidence.length && evidence[next]!.origin + horizon <= origin; next++) {
      days = days * decay + spacing / samplesADay;
      agreement = agreement * decay + evidence[next]!.agreement;
      distance = distance * decay + evidence[next]!.distance;
    }
    const best = distance > 0 ? agreement / distance : 0.5;
    const share = (days * best + PRIOR_DAYS / 2) / (days + PRIOR_DAYS);
    return Math.min(1, Math.max(0, share));
  });
}
