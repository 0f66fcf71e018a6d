/** A calibration learned at once from the past forecasts of a replay. */
import { spreadShares, usualSpreads } from "./disagreement.ts";
import { recentAdd, recentStart } from "./recent_errors.ts";
import type { PastForecast } from "./past_forecast.ts";
import {
  type CalibrationState,
  conditionsInto,
  ERROR_RING_MAX,
  leadScalesInto,
  levelFactor,
  modulo,
  priorBaseOf,
} from "./calibration.ts";

/** Seasons longer than this many horizons have no phase profile. */
export const PHASE_PER_HORIZON_MAX = 3;

/** Seasons that a phase profile needs. */
export const PHASE_SEASONS_MIN = 5;

/** Adds |errors| to the profile over the season. */
function addPhase(state: CalibrationState, past: readonly PastForecast[]): void {
  for (const { slot, errors, size } of past) {
    for (let l = 0; l < errors.length; l++) {
      if (Number.isNaN(errors[l]!)) continue;
      const at = modulo(slot + 1 + l, state.phaseSum.length);
      state.phaseSum[at] = state.phaseSum[at]! +
        Math.abs(errors[l]!) / levelFactor(state, size[l]!);
      state.phaseCount[at] = state.phaseCount[at]! + 1;
    }
  }
}

function fillRing(state: CalibrationState, standardised: readonly number[]): void {
  const stride = Math.max(1, Math.ceil(standardised.length / ERROR_RING_MAX));
  for (let i = 0; i < standardised.length; i += stride) {
    state.ring[state.ringCount++] = standardised[i]!;
  }
}

/** An error under its condition. */
type ConditionedError = { readonly target: number; readonly lead: number; readonly value: number };

/** Sets the sizes by lead from all errors, under the conditions as they are known. */
function learnSizes(
  state: CalibrationState,
  past: readonly PastForecast[],
  naiveScale: number,
): ConditionedError[] {
  const { leadSum, leadCount } = state;
  const conditions = new Float32Array(leadSum.length);
  const conditioned: ConditionedError[] = [];
  let errorSum = 0;
  leadSum.fill(0);
  leadCount.fill(0);
  for (const { slot, errors, spread, size } of past) {
    conditionsInto(state, slot, spread, size, conditions);
    for (let l = 0; l < errors.length; l++) {
      if (Number.isNaN(errors[l]!)) continue;
      const value = errors[l]! / conditions[l]!;
      errorSum += Math.abs(value);
      leadSum[l] = leadSum[l]! + Math.sqrt(Math.abs(value));
      leadCount[l] = leadCount[l]! + 1;
      conditioned.push({ target: slot + 1 + l, lead: l, value });
    }
  }
  state.priorBase = priorBaseOf(leadCount, errorSum, naiveScale);
  return conditioned;
}

/**
 * Makes all sizes `factor` times as large: errors of weights that were learned from these very
 * errors are smaller than those to come.
 */
export function widenSizes(state: CalibrationState, factor: number): void {
  const root = Math.sqrt(factor);
  for (let l = 0; l < state.leadSum.length; l++) state.leadSum[l] = state.leadSum[l]! * root;
  state.priorBase *= factor;
}

/**
 * Learns from a whole set of past forecasts at once.
 *
 * @param past        in order of their origins; the last one may have no errors yet
 * @param naiveScale  mean |y(t) − y(t − season)|, normalised: the prior scale
 * @param meanSize    mean |value| in the values' units, or 0 to leave the level out
 * @param season      season in slots; 1 = none
 * @param length      slots of the series
 */
export function calibrate(
  past: readonly PastForecast[],
  horizon: number,
  naiveScale: number,
  meanSize: number,
  season: number,
  length: number,
): CalibrationState {
  const profiled = season > 1 && season <= PHASE_PER_HORIZON_MAX * horizon &&
    length >= PHASE_SEASONS_MIN * season;
  const state: CalibrationState = {
    leadSum: new Float64Array(horizon),
    leadCount: new Float64Array(horizon),
    priorBase: 0,
    phaseSum: new Float64Array(profiled ? season : 0),
    phaseCount: new Float64Array(profiled ? season : 0),
    usualSpread: usualSpreads(past, horizon),
    spreadShare: new Float64Array(horizon),
    meanSize,
    ring: new Float32Array(ERROR_RING_MAX),
    ringCount: 0,
    ringSkipped: 0,
    spanSlots: past.length > 1 ? past.at(-1)!.slot - past[0]!.slot : 0,
    recent: recentStart(),
  };
  if (profiled) addPhase(state, past);
  let standardised = learnSizes(state, past, naiveScale);
  const scales = new Float64Array(horizon);
  if (state.usualSpread.some((spread) => spread > 0)) {
    leadScalesInto(state, scales);
    state.spreadShare = spreadShares(state.usualSpread, scales);
    standardised = learnSizes(state, past, naiveScale);
  }
  leadScalesInto(state, scales);
  for (const { target, lead, value } of standardised) {
    recentAdd(state.recent, target, Math.sqrt(Math.abs(value) / scales[lead]!), horizon);
  }
  fillRing(state, standardised.map(({ lead, value }) => value / scales[lead]!));
  return state;
}
