/**
 * When a state is committed. More often costs writing, less often costs replay after a restart;
 * correctness depends on neither, since the log alone determines the state.
 */

/** Absorbed samples after which a state is committed, if its last commit is old enough. */
export const SNAPSHOT_SAMPLES = 512;
/**
 * Milliseconds for which a stream with many samples waits to be committed again: a state is some
 * hundred kilobytes, and what came in within a second is replayed in less.
 */
export const SNAPSHOT_STEP_MS = 1_000;
/** Absorbed samples after which a state is committed however fast they came. */
export const SNAPSHOT_SAMPLES_MAX = 16_384;
/**
 * Replayed samples after which a state is committed: fewer, so that a process that is killed again
 * and again while it catches up gets on all the same.
 */
export const REPLAY_SNAPSHOT_SAMPLES = 64;
/**
 * Absorbed samples below which neither silence nor age asks for a commit: a state is some hundred
 * kilobytes, so a stream with a sample a minute would write its state for every sample.
 */
export const SNAPSHOT_SAMPLES_MIN = 16;
/** Milliseconds without a sample after which such a state is committed. */
export const SNAPSHOT_IDLE_MS = 2_000;
/** Milliseconds after which such a state is committed in any case. */
export const SNAPSHOT_AGE_MS_MAX = 60_000;
/** Milliseconds after which a state is committed however few its samples. */
export const SNAPSHOT_AGE_ANY_MS_MAX = 3_600_000;
/**
 * Memory of states over all workers, unless told otherwise; beyond, those that are not needed for
 * longest are put away. It is that of their arrays and objects, with what is open beside them; the
 * collector and the allocator take two to three times as much beside (measured: 1.5 to 2.1 GB with
 * 4,000 young streams, of which 2,400 stay).
 */
export const STATE_CACHE_BYTES_MAX = 512 * 1024 * 1024;
/** States in memory over all workers. */
export const STATE_CACHE_COUNT_MAX = 10_000;

/** Milliseconds after which a commit is tried again that found the disk full. */
export const COMMIT_RETRY_MS = 10_000;

/** How far a state has moved away from its last commit. */
export interface Uncommitted {
  readonly samples: number;
  /** Monotonic milliseconds of the first and of the last absorb since. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Absorbed samples since the last commit beyond which live samples bring the next one. */
export function samplesBeforeCommit(uncommitted: Uncommitted | null, nowMs: number): number {
  const isOld = uncommitted !== null && nowMs - uncommitted.firstMs >= SNAPSHOT_STEP_MS;
  return isOld ? SNAPSHOT_SAMPLES : SNAPSHOT_SAMPLES_MAX;
}

/** True when the state shall be committed now. */
export function isCommitDue(uncommitted: Uncommitted | null, nowMs: number): boolean {
  if (uncommitted === null) return false;
  const { samples, firstMs, lastMs } = uncommitted;
  if (samples >= samplesBeforeCommit(uncommitted, nowMs)) return true;
  if (nowMs - firstMs >= SNAPSHOT_AGE_ANY_MS_MAX) return true;
  return samples >= SNAPSHOT_SAMPLES_MIN &&
    (nowMs - lastMs >= SNAPSHOT_IDLE_MS || nowMs - firstMs >= SNAPSHOT_AGE_MS_MAX);
}
