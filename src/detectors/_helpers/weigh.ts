/** What the parts of a sample's score, and those of its evidence, come to. */
import { SCORE_PARTS } from "./channel.ts";

/** (mean of u^4)^(1/4): near the largest part, yet rewarding agreement. */
export function fuseScore(parts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < SCORE_PARTS; i++) sum += parts[i]! ** 4;
  return (sum / SCORE_PARTS) ** 0.25;
}

/** Weights of subspace, level, patterns and slow change. */
const WEIGHTS = [2, 1, 1, 2] as const;
const WEIGHT_SUM = 6;

/** What level and distance weigh together: alone they say what no other part sees, a spike. */
const SPIKE_WEIGHT = 0.3;

/** What level and distance say together, of parts in −log10. */
export function spikeEvidence(parts: Float64Array, correction: number): number {
  return SPIKE_WEIGHT * (Math.max(0, parts[1]! - correction) + Math.max(0, parts[4]! - correction));
}

/** Weighted mean of parts in −log10. Weights of half or twice as much do equally well. */
export function meanEvidence(parts: Float64Array, correction: number): number {
  let sum = 0;
  for (let i = 0; i < WEIGHTS.length; i++) {
    sum += WEIGHTS[i]! * Math.max(0, parts[i]! - correction);
  }
  return sum / WEIGHT_SUM;
}

/** Evidence from parts: their weighted mean, or that of level and distance where it is more. */
export function weigh(parts: Float64Array, correction: number): number {
  return Math.max(meanEvidence(parts, correction), spikeEvidence(parts, correction));
}
