/** Elapsed times kept for the median. */
const WINDOW = 63;
const RECOMPUTE_PERIOD = 32;

/** Ratios this near to 1 are a regular series with rounded timestamps. */
const REGULAR_TOLERANCE = 1e-3;

/** A median that differs by more than this share is another sampling rate. */
const RATE_CHANGE_MIN = 0.1;

/** Longest elapsed time that is told apart, in sampling periods: by then all memory has decayed. */
export const ELAPSED_MAX = 100_000;

/** Running median of the elapsed time between samples. */
export type PeriodState = {
  count: number;
  lastS: number;
  periodS: number;
  readonly elapsedS: Float64Array;
};

/** A period that is not known yet. */
export function initialPeriod(): PeriodState {
  return { count: 0, lastS: 0, periodS: 0, elapsedS: new Float64Array(WINDOW) };
}

/**
 * Learns a sample's time and returns the time elapsed since the one before, in sampling periods:
 * exactly 1 for a regular series, for the first sample, and for time that does not advance.
 */
export function stepPeriod(state: PeriodState, timeS: number): number {
  const elapsedS = timeS - state.lastS;
  if (state.count === 0) {
    state.count = 1;
    state.lastS = timeS;
    return 1;
  }
  if (!(elapsedS > 0)) return 1;
  state.lastS = timeS;
  state.elapsedS[(state.count - 1) % WINDOW] = elapsedS;
  if (state.count <= WINDOW || state.count % RECOMPUTE_PERIOD === 0) recompute(state);
  state.count++;
  const ratio = elapsedS / state.periodS;
  if (Math.abs(ratio - 1) < REGULAR_TOLERANCE) return 1;
  return Math.min(ratio, ELAPSED_MAX);
}

/** True where the period is known from enough samples that a change of it is one of rate. */
export function isPeriodSettled({ count }: PeriodState): boolean {
  return count > WINDOW;
}

const sorted = new Float64Array(WINDOW);

function recompute(state: PeriodState): void {
  const count = Math.min(state.count, WINDOW);
  const work = sorted.subarray(0, count);
  work.set(state.elapsedS.subarray(0, count));
  work.sort();
  const median = work[count >> 1]!;
  // A settled period is left only for another rate: one that wanders with the jitter of the
  // timestamps would make the phase of a season wander too.
  const isSettled = state.count > WINDOW;
  const change = Math.abs(median / state.periodS - 1);
  if (!isSettled || change > RATE_CHANGE_MIN) state.periodS = median;
}
