/**
 * Samples that a model absorbs together: those of a settled stream that come one in a slot. What
 * they leave is what each of them by itself would have left, to the bit.
 */
import { ensembleObserveSlots } from "./ensemble.ts";
import { type EnsembleRun, liveStride, newestSlot, SLOTS_AT_ONCE_MAX } from "./ensemble_run.ts";
import { issueWhenDue } from "./ensemble_forecast.ts";
import type { ForecasterState } from "./forecaster_state.ts";
import { farSideOf, rangeStep } from "./lone_value.ts";
import type { OneStep } from "./model.ts";
import { isConstantFit } from "./refit_setting.ts";
import { BUFFER_SAMPLES_MAX, pushSample } from "./sample_buffer.ts";
import { sampleSlotTime } from "./slot_clock.ts";
import { runStep, STUCK_RUN_MIN } from "./stuck_run.ts";

/**
 * How many of the samples from `from` on may be absorbed together: they have values, one in each of
 * the slots after the newest, none can be a fault, and nothing is due before the last of them.
 *
 * @param timesS  seconds from the stream's epoch, increasing                            [sample]
 * @param values  NaN where missing                                                      [sample]
 */
export function slotsAhead(
  state: ForecasterState,
  run: EnsembleRun,
  timesS: Float64Array,
  values: Float64Array,
  from: number,
): number {
  const ensemble = run.state;
  // Where the buffer is full no look for seasons is due; constant values are looked at one by one.
  const isPlain = run.takesSlots && state.buffer.length >= BUFFER_SAMPLES_MAX &&
    !isConstantFit(ensemble);
  if (!isPlain) return 0;
  const newest = newestSlot(ensemble);
  const most = Math.min(
    ...[SLOTS_AT_ONCE_MAX, timesS.length - from, state.nextRefit - state.seen],
    Math.max(1, ensemble.originSlot + liveStride(ensemble.horizon) - newest),
  );
  let lastS = state.lastTimeS;
  let { value: last, length: inRow } = state.runs;
  for (let i = 0; i < most; i++) {
    const timeS = timesS[from + i]!;
    const value = values[from + i]!;
    inRow = value === last ? inRow + 1 : 1;
    last = value;
    if (inRow >= STUCK_RUN_MIN || farSideOf(state.range, value, state.seen) !== 0) return i;
    const isNext = timeS > lastS && Number.isFinite(value) &&
      sampleSlotTime(ensemble.clock, timeS) === newest + 1 + i;
    if (!isNext) return i;
    lastS = timeS;
  }
  return most;
}

/**
 * Absorbs samples that {@linkcode slotsAhead} has found.
 *
 * @param onTaken  told of each, once the buffer has it
 */
export function absorbSlots(
  state: ForecasterState,
  run: EnsembleRun,
  samples: { timesS: Float64Array; values: Float64Array; from: number; to: number },
  oneStep: OneStep | undefined,
  onTaken?: (index: number) => void,
): void {
  const { timesS, values, from, to } = samples;
  for (let i = from; i < to; i++) {
    runStep(state.runs, values[i]!, state.seen);
    rangeStep(state.range, values[i]!, state.seen++);
    pushSample(state.buffer, timesS[i]!, values[i]!);
    onTaken?.(i);
  }
  state.count += to - from;
  state.lastTimeS = timesS[to - 1]!;
  const told = oneStep === undefined ? undefined : {
    expected: oneStep.expected.subarray(from, to),
    scale: oneStep.scale.subarray(from, to),
  };
  ensembleObserveSlots(run, values.subarray(from, to), state.adaptive, told);
  issueWhenDue(run, state.adaptive);
}
