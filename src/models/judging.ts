/**
 * How the pending forecasts of an ensemble came out, by the slots that have just been seen: what
 * the members' losses, the networks' corrections, the calibration and the live coverage learn from.
 * None of the four knows of the others, so each goes over all slots by itself.
 */
import {
  adaptiveObserve,
  type AdaptiveState,
  TARGET,
  WATCHED_LEVELS,
} from "./adaptive_coverage.ts";
import { calibrationObserve } from "./calibration.ts";
import type { EnsembleRun, PendingForecast } from "./ensemble_run.ts";
import { lossAge, lossKept } from "./losses.ts";
import { memberAt } from "./member_steps.ts";
import { adaptLearn, LESSON_NUMBERS } from "./neural_adapt.ts";

/** Consecutive slots that have been seen; their values are in the run. */
export type SeenSlots = {
  readonly first: number;
  readonly count: number;
  /** Slots from the one seen before to the first. */
  readonly elapsed: number;
};

/**
 * Judges the pending forecasts by slots that have just been seen, and lets go of those that are
 * over.
 *
 * @param adaptive  where live coverage is kept; null in a replay
 */
export function settle(run: EnsembleRun, seen: SeenSlots, adaptive: AdaptiveState | null): void {
  const { state: { calibration, horizon, pending }, slotValues } = run;
  const { first, count, elapsed } = seen;
  judgeMembers(run, seen);
  if (run.neural.length > 0) teachNetworks(run, seen);
  if (calibration === null) return;
  calibrationObserve(calibration, pending, first, slotValues, count, elapsed);
  if (adaptive !== null) judgeIntervals(run, seen, adaptive);
  while (pending.length > 0 && first + count - 1 - pending[0]!.slot >= horizon) {
    run.spare = pending.shift()!;
  }
}

/** Lead of a slot in a forecast, as an integer of the engine; −1 where it has none. */
function leadOf(slot: number, origin: number, horizon: number): number {
  const lead = slot - origin - 1;
  return lead < horizon ? lead | 0 : -1;
}

/** Adds the members' errors to their losses. */
function judgeMembers(run: EnsembleRun, { first, count, elapsed }: SeenSlots): void {
  const { state: { horizon, losses, lossHalf, members, pending }, lossWeights, slotValues } = run;
  const { errors, weight: weights } = losses;
  const width = members.length;
  for (let i = 0; i < count; i++) {
    lossAge(losses, i > 0 || elapsed === 1 ? run.lossKept : lossKept(elapsed, lossHalf));
    const z = slotValues[i]!;
    for (let k = 0; k < pending.length; k++) {
      const forecast = pending[k]!;
      const lead = leadOf(first + i, forecast.slot, horizon);
      if (lead < 0) continue;
      const bucket = run.bucket[lead]!;
      const weight = lossWeights[lead]!;
      for (let m = 0; m < width; m++) {
        const at = bucket * width + m;
        errors[at] = errors[at]! + weight * Math.abs(memberAt(forecast, m * horizon + lead) - z);
      }
      weights[bucket] = weights[bucket]! + weight;
    }
  }
}

/** Teaches the networks' corrections what came at the leads that they learn from. */
function teachNetworks(run: EnsembleRun, { first, count }: SeenSlots): void {
  for (let i = 0; i < count; i++) {
    for (const pending of run.state.pending) {
      const lead = first + i - pending.slot - 1;
      if (pending.lessons === undefined) continue;
      const index = run.lessonLeads.indexOf(lead);
      if (index >= 0) learnLesson(run, pending.lessons, index, lead, run.slotValues[i]!);
    }
  }
}

function learnLesson(
  run: EnsembleRun,
  lessons: Float32Array,
  index: number,
  lead: number,
  z: number,
): void {
  run.neural.forEach(({ track, groups }, k) => {
    const at = (k * run.lessonLeads.length + index) * LESSON_NUMBERS;
    const error = (z - lessons[at]!) / lessons[at + 1]!;
    adaptLearn(track.adapt, groups[lead]!, lessons, at + 3, error, lessons[at + 2]!);
  });
}

/** Tells the live coverage where values fell beside the intervals that were issued. */
function judgeIntervals(
  run: EnsembleRun,
  { first, count }: SeenSlots,
  adaptive: AdaptiveState,
): void {
  const { state: { horizon, pending, scale }, bucket: buckets, slotValues, target } = run;
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < pending.length; k++) {
      const { slot, bounds, condition, point }: PendingForecast = pending[k]!;
      const lead = leadOf(first + i, slot, horizon);
      if (lead < 0 || condition.length === 0 || bounds.length === 0) continue;
      const bucket = buckets[lead]!;
      const centre = point[lead]!;
      const error = slotValues[i]! - centre;
      const size = Math.abs(error);
      target[TARGET.share] = run.judgedShares[bucket]!;
      for (let level = 0; level < WATCHED_LEVELS.length; level++) {
        const lower = bounds[2 * level * horizon + lead]!;
        const upper = bounds[(2 * level + 1) * horizon + lead]!;
        const half = Math.abs((error < 0 ? lower : upper) - centre);
        // Inside it does not matter where.
        target[TARGET.position] = size <= half ? 0 : error / half;
        target[TARGET.width] = scale * (upper - lower);
        adaptiveObserve(adaptive, level, bucket, target);
      }
    }
  }
}
