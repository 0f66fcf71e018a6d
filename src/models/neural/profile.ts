import type { FeatureState } from "./feature_state.ts";
import { reachesBack, valueBack } from "./history.ts";

/** Weight of a season in the profile against the one after it. */
export const PROFILE_DECAY = 0.65;

/** A quotient this near above a whole number is that number. */
export const WHOLE_SLACK = 1e-9;

/** What the past says about one phase of the season: the newest value and the weighted mean. */
export interface PhasePast {
  exists: boolean;
  newest: number;
  mean: number;
}

/**
 * Reads the past at one phase: v_0 at `lag` slots back, v_j a further j seasons back,
 *
 *   newest = v_0,    mean = Σ_j 0.65^j v_j / Σ_j 0.65^j
 *
 * over the seasons that the history holds.
 *
 * @param lag     slots before the newest sample, ≥ 0
 * @param season  slots
 * @param kept    seasons that are averaged at most
 * @param out     values less the origin; untouched but for `exists` where there is no past
 */
export function phasePastInto(
  state: FeatureState,
  lag: number,
  season: number,
  kept: number,
  out: PhasePast,
): void {
  const { numbers } = state;
  out.exists = kept > 0 && reachesBack(numbers, lag);
  if (!out.exists) return;
  const newest = valueBack(state, lag);
  let weight = 1;
  let weights = 1;
  let sum = newest;
  for (let j = 1; j < kept; j++) {
    const back = lag + j * season;
    if (!reachesBack(numbers, back)) break;
    weight *= PROFILE_DECAY;
    weights += weight;
    sum += weight * valueBack(state, back);
  }
  out.newest = newest;
  out.mean = sum / weights;
}

/** Whole seasons in `slots`, rounded up. */
export function seasonsIn(slots: number, season: number): number {
  return Math.max(1, Math.ceil(slots / season - WHOLE_SLACK));
}
