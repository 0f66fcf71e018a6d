/**
 * Runs of one value that the series itself would not make: a sensor that is stuck, an outage that
 * is told as 0. They say nothing of the errors to come, and a model that learned from them would
 * have intervals without width afterwards. Such samples count as missing.
 *
 * With t of n samples equal to the one before, a run of k is no part of the series where
 *
 *   (n + 1) p^(k − 1) < 10⁻⁴,   p = (t + 1/2) / (n + 1)
 *
 * and k is more than twice the longest run before: nights without sun, shops that are closed and
 * quantised values make runs of their own. A stuck run is held against later ones at the same value
 * only: an outage that comes again and again becomes part of the series, a sensor that sticks
 * wherever it happens to be does not. And what lasts longer than a quarter of all samples is no
 * fault but how the series is now: from there on its values count.
 */
export type ValueRuns = {
  /** The newest value, and how often it has come in a row. */
  value: number;
  length: number;
  /** Whether the run is stuck. */
  isStuck: boolean;
  /** Samples equal to the one before, without those of stuck runs. */
  ties: number;
  /** Longest run that was part of the series. */
  longest: number;
  /** The newest value that was stuck, and its longest run. */
  stuckValue: number;
  stuckLongest: number;
};

/** Runs below this length are never stuck. */
export const STUCK_RUN_MIN = 4;

/** Share of the samples so far up to which a stuck run lasts. */
export const STUCK_SHARE_MAX = 0.25;

/** Expected number of such runs so far, by chance, below which a run is stuck. */
const CHANCE = 1e-4;

/** A run must be longer than this many times the longest before. */
const RECORD = 2;

/** No value yet. */
export function noRuns(): ValueRuns {
  return {
    ...{ value: NaN, length: 0, isStuck: false, ties: 0, longest: 0 },
    ...{ stuckValue: NaN, stuckLongest: 0 },
  };
}

/**
 * Takes the next value.
 *
 * @param seen  values of the series so far, without those that were stuck
 * @returns whether it is stuck, and no sample of the series
 */
export function runStep(runs: ValueRuns, value: number, seen: number): boolean {
  if (value !== runs.value) {
    endRun(runs);
    runs.value = value;
    runs.length = 1;
    return false;
  }
  runs.length++;
  runs.isStuck = runs.length >= STUCK_RUN_MIN && isStuckAt(runs, seen);
  if (!runs.isStuck) runs.ties++;
  return runs.isStuck;
}

function isStuckAt(runs: ValueRuns, seen: number): boolean {
  const { value, length, ties, longest, stuckValue, stuckLongest } = runs;
  if (length > STUCK_SHARE_MAX * seen || length <= RECORD * longest) return false;
  if (value === stuckValue && length <= RECORD * stuckLongest) return false;
  const share = (ties + 0.5) / (seen + 1);
  return (seen + 1) * share ** (length - 1) < CHANCE;
}

function endRun(runs: ValueRuns): void {
  const { value, length, isStuck, stuckValue, stuckLongest } = runs;
  if (!isStuck) {
    runs.longest = Math.max(runs.longest, length);
    return;
  }
  runs.isStuck = false;
  runs.stuckLongest = value === stuckValue ? Math.max(stuckLongest, length) : length;
  runs.stuckValue = value;
}
