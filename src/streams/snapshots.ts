/**
 * When a state is committed. More often costs writing, less often costs replay after a restart;
 * correctness depends on neither, since the log alone determines the state.
 */

/** Absorbed samples after which a state is committed. */
export const SNAPSHOT_SAMPLES = 512;
/**
 * Replayed samples after which a state is committed: fewer, so that a process that is killed again
 * and again while it catches up gets on all the same.
 */
export const REPLAY_SNAPSHOT_SAMPLES = 64;
/** Milliseconds without a sample after which a changed state is committed. */
export const SNAPSHOT_IDLE_MS = 2_000;
/** Milliseconds after which a changed state is committed in any case. */
export const SNAPSHOT_AGE_MS_MAX = 60_000;
/** Bytes of states in memory over all workers; beyond, the longest unused are put away. */
export const STATE_CACHE_BYTES_MAX = 512 * 1024 * 1024;
/** States in memory over all workers. */
export const STATE_CACHE_COUNT_MAX = 100_000;

/** How far a state has moved away from its last commit. */
export interface Uncommitted {
  readonly samples: number;
  /** Monotonic milliseconds of the first and of the last absorb since. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** True when the state shall be committed now. */
export function isCommitDue(uncommitted: Uncommitted | null, nowMs: number): boolean {
  if (uncommitted === null) return false;
  return uncommitted.samples >= SNAPSHOT_SAMPLES ||
    nowMs - uncommitted.lastMs >= SNAPSHOT_IDLE_MS ||
    nowMs - uncommitted.firstMs >= SNAPSHOT_AGE_MS_MAX;
}
