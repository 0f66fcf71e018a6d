import { FLAG_THRESHOLD } from "../detector.ts";

/**
 * From evidence to events: one alarm an event at any threshold.
 *
 * A decaying maximum M (M *= 1 − 1/clip(t/2, 50, 667) a sample) must be passed by the evidence v,
 * v > 0.5, for an event to open or rise. The flag value is
 *
 *   v − 0.6 log10(1 + N)        N = earlier events whose peak was at least v − 0.1
 *
 * so that what comes again and again is told with less and less weight. An event is over 40 samples
 * after its last rise; its peak is then remembered. Once the value of an event has reached the
 * threshold, it says no more: its further rises are 0.
 */
const EVIDENCE_MIN = 0.5;
const WARM_UP = 150;
const MEMORY_MIN = 50;
const MEMORY_MAX = 667;
const NOVELTY = 0.6;
const SLACK = 0.1;
const GAP = 40;
const BIN_COUNT = 400;
const BINS_PER_UNIT = 20;

/** The open event and the peaks of those before. */
export type FlagState = {
  count: number;
  maximum: number;
  /** Peak of the event that is open; 0 = none. */
  peak: number;
  /** Count at the last rise. */
  lastRise: number;
  /** True once the open event has reached the threshold. */
  told: boolean;
  readonly peaks: Float32Array;
};

/** A stage that has seen nothing. */
export function initialFlag(): FlagState {
  return {
    count: 0,
    maximum: 0,
    peak: 0,
    lastRise: 0,
    told: false,
    peaks: new Float32Array(BIN_COUNT),
  };
}

/** Advances by one sample's evidence and returns the flag value, 0 where nothing opens or rises. */
export function stepFlag(state: FlagState, evidence: number): number {
  const count = state.count++;
  if (count < WARM_UP) return 0;
  if (state.peak > 0 && count - state.lastRise > GAP) closeEvent(state);
  let flag = 0;
  if (evidence > EVIDENCE_MIN && evidence > state.maximum) {
    const value = evidence - NOVELTY * Math.log10(1 + earlierEvents(state, evidence));
    if (!state.told && value > 0) flag = value;
    if (value >= FLAG_THRESHOLD) state.told = true;
    state.lastRise = count;
    state.maximum = evidence;
    state.peak = Math.max(state.peak, evidence);
  }
  state.maximum *= 1 - 1 / Math.min(MEMORY_MAX, Math.max(MEMORY_MIN, count / 2));
  return flag;
}

function closeEvent(state: FlagState): void {
  const bin = Math.min(Math.floor(state.peak * BINS_PER_UNIT), BIN_COUNT - 1);
  state.peaks[bin] = state.peaks[bin]! + 1;
  state.peak = 0;
  state.told = false;
}

function earlierEvents(state: FlagState, evidence: number): number {
  let events = 0;
  const first = Math.max(0, Math.floor((evidence - SLACK) * BINS_PER_UNIT));
  for (let bin = first; bin < BIN_COUNT; bin++) events += state.peaks[bin]!;
  return events;
}
