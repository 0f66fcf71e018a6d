import type { Reason } from "../detector.ts";
import { BAND_COUNT, FLAG_FEATURES } from "./bank.ts";

/** Evidence of one channel, and where it comes from. */
export interface Spoken {
  /** −log10 tail probabilities of subspace, level and patterns. */
  readonly parts: ArrayLike<number>;
  /** Flag features as deviations from their past.                           [FLAG_FEATURES] */
  readonly deviations: ArrayLike<number>;
  /** True where they are those of what the season leaves. */
  readonly isSeasonal: boolean;
}

/** Bands up to here (tau 2 and 4) are fast, up to the next ones (tau 64) of middling speed. */
const FAST_END = 2;
const MIDDLE_END = 6;
const SLOW_END = BAND_COUNT + 1;

function largest(deviations: ArrayLike<number>, from: number, end: number): number {
  let most = 0;
  for (let i = from; i < end; i++) most = Math.max(most, Math.abs(deviations[i]!));
  return most;
}

/** Patterns must say this much more than the rest: a level is an unknown pattern too. */
const SHAPE_LEAD = 0.5;

/**
 * What spoke loudest: a shape where the patterns did, else by the features that deviate most: fast
 * bands are a spike, middling ones a level (a season, where one was taken out and the patterns
 * agree), slow ones a drift, energies a change of variance.
 */
export function reasonOf({ parts, deviations, isSeasonal }: Spoken): Reason {
  const [subspace, level, pattern] = [parts[0]!, parts[1]!, parts[2]!];
  if (pattern > Math.max(subspace, level) + SHAPE_LEAD) return "shape";
  const fast = largest(deviations, 0, FAST_END);
  const middle = largest(deviations, FAST_END, MIDDLE_END);
  const slow = largest(deviations, MIDDLE_END, SLOW_END);
  const energy = largest(deviations, SLOW_END, FLAG_FEATURES);
  const most = Math.max(fast, middle, slow, energy);
  if (fast === most) return "spike";
  if (energy === most) return "variance";
  if (slow === most) return "drift";
  return isSeasonal && pattern > level ? "season" : "level";
}

/** Shares of an event's samples far from the usual level that make it one of level, of variance. */
const LEVEL_SHARE = 0.5;
const VARIANCE_SHARE = 0.1;
const SAMPLES_MIN = 8;

/**
 * What an event was, looked at from its end: a spike that stayed on one side was a level, one that
 * went to both sides a change of variance.
 */
export function finalReason(
  reason: Reason,
  { samples, above, below }: {
    readonly samples: number;
    readonly above: number;
    readonly below: number;
  },
): Reason {
  if (reason !== "spike" || samples < SAMPLES_MIN) return reason;
  if (Math.abs(above - below) >= LEVEL_SHARE * samples) return "level";
  return Math.min(above, below) >= VARIANCE_SHARE * samples ? "variance" : "spike";
}
