/**
 * The fan of a network around its median: its own quantiles, their half widths multiplied by
 * factors that its past errors ask for.
 *
 *   r = |z − median| / half width of the interval of a level, on the error's side
 *   log f = N / (N + 12) · log(quantile of r at the level)
 *
 * by lead bucket, for the watched levels; N counts half horizons that the origins span. This is
 * split conformal prediction (Lei et al. 2018) on relative residuals, shrunk to the network's own
 * width while few were seen. The live correction of `adaptive_coverage.ts` comes on top.
 */
import { WATCHED_LEVELS } from "./adaptive_coverage.ts";
import { MEDIAN, type NeuralTrack, quantileAt } from "./neural_track.ts";
import { LEVELS } from "./neural/shapes.ts";

/** Levels that have factors. */
export const FAN_LEVELS = WATCHED_LEVELS.length;

const PSEUDO_BLOCKS = 12;
const LOG_RANGE = [Math.log(0.5), Math.log(3)] as const;

/** A forecast of a network and what came: targets in units of its scale, NaN unknown. */
export type JudgedFan = {
  /** [lead, LEVELS] */
  readonly quantiles: Float64Array;
  /** [lead] */
  readonly targets: Float64Array;
};

function halfWidth(quantiles: Float64Array, from: number, level: number, isAbove: boolean): number {
  const end = quantileAt(quantiles, from, isAbove ? 0.5 + level / 2 : 0.5 - level / 2);
  return Math.abs(end - quantiles[from + MEDIAN]!);
}

/**
 * Learns the factors from past forecasts.
 *
 * @param spanSlots  slots between the first and the last origin
 */
export function fitFan(
  track: NeuralTrack,
  past: readonly JudgedFan[],
  buckets: readonly (readonly [number, number])[],
  horizon: number,
  spanSlots: number,
): void {
  const blocks = spanSlots / Math.max(1, horizon / 2);
  const share = blocks / (blocks + PSEUDO_BLOCKS);
  WATCHED_LEVELS.forEach((level, k) => {
    buckets.forEach(([from, to], bucket) => {
      const ratios: number[] = [];
      for (const { quantiles, targets } of past) {
        for (let l = from; l < to; l++) {
          const error = targets[l]! - quantiles[l * LEVELS.length + MEDIAN]!;
          if (Number.isNaN(error)) continue;
          const half = halfWidth(quantiles, l * LEVELS.length, level, error > 0);
          if (half > 0) ratios.push(Math.abs(error) / half);
        }
      }
      if (ratios.length === 0) return;
      ratios.sort((a, b) => a - b);
      const at = Math.min(ratios.length - 1, Math.floor(level * ratios.length));
      const wanted = Math.log(Math.max(ratios[at]!, 1e-9));
      const [low, high] = LOG_RANGE;
      track.fan[k * buckets.length + bucket] = Math.exp(
        share * Math.min(high, Math.max(low, wanted)),
      );
    });
  });
}

/** Factor of a quantile's distance from the median in a lead bucket. */
export function fanFactor(track: NeuralTrack, bucket: number, quantile: number): number {
  const buckets = track.fan.length / FAN_LEVELS;
  const level = Math.abs(2 * quantile - 1);
  const [low, high] = WATCHED_LEVELS;
  const share = Math.min(1, Math.max(0, (level - low) / (high - low)));
  return track.fan[bucket]! * (1 - share) + track.fan[buckets + bucket]! * share;
}

/**
 * Distance of a quantile from the median at a lead, in units of the track's scale.
 *
 * @param quantiles  [lead, LEVELS]
 */
export function fanOffset(
  track: NeuralTrack,
  quantiles: Float64Array,
  lead: number,
  bucket: number,
  quantile: number,
): number {
  const from = lead * LEVELS.length;
  const offset = quantileAt(quantiles, from, quantile) - quantiles[from + MEDIAN]!;
  return offset * fanFactor(track, bucket, quantile);
}
