/**
 * Adaptive conformal correction of the interval widths, live, per lead bucket and level.
 *
 *   log f ← log f + gamma·(missed − (1 − level))
 *
 * Gibbs and Candès (2021) eq. 2, on the logarithm of a width factor in place of the level, so that
 * quantiles stay finite and ordered. It keeps the long-run coverage at the level for any sequence
 * of errors. Only forecasts that were really issued count, never those of a refit's replay.
 */
export type AdaptiveState = {
  /** log of the width factor.                                                  [level, bucket] */
  logFactor: Float64Array;
  /** Targets inside their interval and targets seen.                                    [level] */
  inside: Float64Array;
  seen: Float64Array;
};

/** The central intervals that are watched. */
export const WATCHED_LEVELS = [0.8, 0.95] as const;

/** Most buckets of lead times. */
const BUCKETS = 3;

const LEARNING_RATE = 0.02;
const LOG_FACTOR_RANGE = [-0.7, 1.4] as const;

/** No forecast has come out yet. */
export function adaptiveStart(): AdaptiveState {
  return {
    logFactor: new Float64Array(WATCHED_LEVELS.length * BUCKETS),
    inside: new Float64Array(WATCHED_LEVELS.length),
    seen: new Float64Array(WATCHED_LEVELS.length),
  };
}

/**
 * Learns whether a target fell inside the interval of a level.
 *
 * @param share  what one target counts: neighbouring leads of one origin err together
 */
export function adaptiveObserve(
  state: AdaptiveState,
  levelIndex: number,
  bucket: number,
  inside: boolean,
  share: number,
): void {
  const level = WATCHED_LEVELS[levelIndex]!;
  const at = levelIndex * BUCKETS + bucket;
  const moved = state.logFactor[at]! +
    LEARNING_RATE * share * ((inside ? 0 : 1) - (1 - level));
  state.logFactor[at] = Math.min(LOG_FACTOR_RANGE[1], Math.max(LOG_FACTOR_RANGE[0], moved));
  state.seen[levelIndex] = state.seen[levelIndex]! + 1;
  if (inside) state.inside[levelIndex] = state.inside[levelIndex]! + 1;
}

/** Width factor of a quantile in a lead bucket; between the watched levels it is interpolated. */
export function widthFactor(state: AdaptiveState, bucket: number, quantile: number): number {
  const level = Math.abs(2 * quantile - 1);
  const near = state.logFactor[bucket]!;
  const far = state.logFactor[BUCKETS + bucket]!;
  const [low, high] = WATCHED_LEVELS;
  const share = Math.min(1, Math.max(0, (level - low) / (high - low)));
  return Math.exp(near * (1 - share) + far * share);
}
