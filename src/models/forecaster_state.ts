import { InvalidValueError } from "../base/errors.ts";
import { adaptiveStart, type AdaptiveState } from "./adaptive_coverage.ts";
import type { EnsembleState } from "./ensemble_run.ts";
import { noRange, rangeStep, type SeenRange } from "./lone_value.ts";
import type { ChannelConfig } from "./model.ts";
import { FIRST_FIT_SAMPLES } from "./refit_schedule.ts";
import type { FitRecord } from "./refit_setting.ts";
import { emptyBuffer, pushSample, type SampleBuffer } from "./sample_buffer.ts";
import { noRuns, runStep, type ValueRuns } from "./stuck_run.ts";

/** The state of every model here: the newest samples, the fits, and the members at work. */
export type ForecasterState = {
  config: {
    epochNs: bigint;
    horizon: number;
    lower: number | null;
    upper: number | null;
    seasonsS: Float64Array;
    seed: number;
  };
  /** Samples absorbed, and how many of them had a value of the series. */
  count: number;
  seen: number;
  lastTimeS: number;
  /** Count of values at which parameters are fitted again. */
  nextRefit: number;
  /** What tells values that are stuck, and those that are far and alone: they count as missing. */
  runs: ValueRuns;
  range: SeenRange;
  buffer: SampleBuffer;
  records: FitRecord[];
  /** Null before the first fit. */
  ensemble: EnsembleState | null;
  adaptive: AdaptiveState;
};

function checkConfig(config: ChannelConfig): void {
  if (!(Number.isInteger(config.horizon) && config.horizon >= 1)) {
    throw new InvalidValueError("horizon", config.horizon, "a whole number of at least 1");
  }
  const { lower, upper } = config;
  if (lower !== null && upper !== null && !(lower <= upper)) {
    throw new InvalidValueError("upper", upper, `at least the lower bound ${lower}`);
  }
  for (const seconds of config.seasonsS) {
    if (!(seconds > 0 && Number.isFinite(seconds))) {
      throw new InvalidValueError("seasonsS", seconds, "a length above 0 in seconds");
    }
  }
}

/**
 * The state of a channel before its first sample.
 *
 * @throws {InvalidValueError} a horizon below 1, bounds that cross, or a season of no length
 */
export function emptyState(config: ChannelConfig): ForecasterState {
  checkConfig(config);
  return {
    config: {
      epochNs: config.epochNs,
      horizon: config.horizon,
      lower: config.lower,
      upper: config.upper,
      seasonsS: Float64Array.from(config.seasonsS),
      seed: config.seed,
    },
    count: 0,
    seen: 0,
    lastTimeS: -Infinity,
    nextRefit: FIRST_FIT_SAMPLES,
    runs: noRuns(),
    range: noRange(),
    buffer: emptyBuffer(),
    records: [],
    ensemble: null,
    adaptive: adaptiveStart(),
  };
}

function checkSample(state: ForecasterState, timeS: number, value: number): void {
  if (!(Number.isFinite(timeS) && timeS > state.lastTimeS)) {
    throw new InvalidValueError("timesS", timeS, `a time after ${state.lastTimeS}`);
  }
  if (value === Infinity || value === -Infinity) {
    throw new InvalidValueError("values", value, "a finite number, or NaN where missing");
  }
}

/**
 * True when a sample's time cannot be told from the one before: years from the epoch, seconds in a
 * double are coarser than nanoseconds. Only the first of such samples counts.
 */
export function isBlurred(state: ForecasterState, timeS: number): boolean {
  return timeS === state.lastTimeS;
}

/** Whether a value is none of the series. At a bound of its stream it may stay. */
function isFault({ config: { lower, upper }, runs, range, seen }: ForecasterState, value: number) {
  const isStuck = runStep(runs, value, seen) && value !== lower && value !== upper;
  return isStuck || rangeStep(range, value, seen);
}

/**
 * Takes a sample into counters and buffer; returns whether it has a value of the series.
 *
 * @throws {InvalidValueError} a time that is not after the one before, or an infinite value
 */
export function takeSample(state: ForecasterState, timeS: number, value: number): boolean {
  checkSample(state, timeS, value);
  state.count++;
  state.lastTimeS = timeS;
  if (Number.isNaN(value) || isFault(state, value)) return false;
  state.seen++;
  pushSample(state.buffer, timeS, value);
  return true;
}
