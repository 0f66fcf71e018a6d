import { InvalidValueError } from "../base/errors.ts";
import {
  adaptiveStart,
  type AdaptiveState,
  LOG_FACTOR_AT_ONCE,
  WATCHED_LEVELS,
} from "./adaptive_coverage.ts";
import {
  ensembleObserve,
  type EnsembleRun,
  type EnsembleState,
  enterEnsemble,
  expectation,
  leaveEnsemble,
  newestSlot,
  openEnsemble,
} from "./ensemble.ts";
import { ensembleQuantiles, issueWhenDue, memberShares } from "./ensemble_forecast.ts";
import { priorShape } from "./error_shape.ts";
import type { MemberName } from "./members.ts";
import { componentsOf } from "./components.ts";
import { priorDependence } from "./dependence.ts";
import { KeptRuns } from "./kept_runs.ts";
import { noRange, rangeStep, type SeenRange } from "./lone_value.ts";
import type { ChannelConfig, Model, ModelSummary, OneStep } from "./model.ts";
import { latentPaths } from "./paths.ts";
import { refit } from "./refit.ts";
import { FIRST_FIT_SAMPLES, REFIT_GROWTH, showsNewSeason } from "./refit_schedule.ts";
import { type FitRecord, isConstantFit } from "./refit_setting.ts";
import {
  BUFFER_SAMPLES_MAX,
  emptyBuffer,
  newestSamples,
  newestTimes,
  pushSample,
  type SampleBuffer,
  sampleTime,
} from "./sample_buffer.ts";
import { sampleSlotTime, slotTime } from "./slot_clock.ts";
import { absorbSlots, slotsAhead } from "./slots_ahead.ts";
import { dropStandstill, isWaking } from "./standstill.ts";
import { LEARNED_LEADS_MAX, stateBytesMax } from "./state_bytes.ts";
import { noRuns, runStep, type ValueRuns } from "./stuck_run.ts";
import { SCALE_OF_MEAN_ABS } from "./structural.ts";

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

/** A model that can also be put to the end of a whole context at once. */
export type ForecasterModel = Model<ForecasterState> & {
  /**
   * State at the end of a context for one forecast from there: the parameters are fitted on half,
   * three quarters and all of it, and nothing is spent on the states in between.
   */
  stateOfContext(
    config: ChannelConfig,
    timesS: Float64Array,
    values: Float64Array,
  ): ForecasterState;

  /** Fits anew to the samples of the buffer, which were changed. */
  refit(state: ForecasterState): void;

  /**
   * As `absorb`, as far as the sample at which the model would be fitted anew: that is left to the
   * caller (`refit`).
   *
   * @param onTaken  told of each sample with a value as it is taken in, by its index
   */
  absorbUntilFit(
    state: ForecasterState,
    timesS: Float64Array,
    values: Float64Array,
    oneStep: OneStep | undefined,
    onTaken: (index: number) => void,
  ): Absorption;
};

/**
 * Before the first fit the error at a lead is this share of the usual step times lead^0.35, learned
 * from other series (docs/evidence/coverage.md): many are no walks, whose errors grow as √lead.
 */
const COLD_SHARE = 0.8;
const COLD_GROWTH = 0.35;

const CONTEXT_PREFIXES = [0.5, 0.75];

/** Few samples say little of the scale: 1 + this / count. */
const COLD_WIDENING = 4;

/**
 * Ensembles that stay open in a thread, so that a stream fed sample by sample does not lay out its
 * filters anew each time (70 us). Open, one holds 40 kB beside its state.
 */
export const OPEN_ENSEMBLES_MAX = 2048;

const openRuns = new KeptRuns(OPEN_ENSEMBLES_MAX, openEnsemble);

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

function emptyState(config: ChannelConfig): ForecasterState {
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
function isBlurred(state: ForecasterState, timeS: number): boolean {
  return timeS === state.lastTimeS;
}

/** Whether a value is none of the series. At a bound of its stream it may stay. */
function isFault({ config: { lower, upper }, runs, range, seen }: ForecasterState, value: number) {
  const isStuck = runStep(runs, value, seen) && value !== lower && value !== upper;
  return isStuck || rangeStep(range, value, seen);
}

/** Takes a sample into counters and buffer; returns whether it has a value of the series. */
function takeSample(state: ForecasterState, timeS: number, value: number): boolean {
  checkSample(state, timeS, value);
  state.count++;
  state.lastTimeS = timeS;
  if (Number.isNaN(value) || isFault(state, value)) return false;
  state.seen++;
  pushSample(state.buffer, timeS, value);
  return true;
}

function refitState(
  members: readonly MemberName[],
  state: ForecasterState,
  prefixes: readonly number[],
): void {
  if (dropStandstill(state.buffer)) beginAnew(state);
  const { times, values } = newestSamples(state.buffer);
  const fitted = refit({
    members,
    horizon: Math.min(state.config.horizon, LEARNED_LEADS_MAX),
    seasonsS: [...state.config.seasonsS],
    times,
    values,
    seen: state.seen,
    records: state.records,
    prefixes,
    before: state.ensemble,
  });
  state.ensemble = fitted.state;
  state.records = fitted.records;
  // After a standstill the buffer holds less than there could be: its values count.
  const { length } = values;
  const count = length < Math.min(state.seen, BUFFER_SAMPLES_MAX) ? length : state.seen;
  state.nextRefit = state.seen + (REFIT_GROWTH - 1) * count;
}

/** Forgets what was fitted; what has been counted stays. */
function beginAnew(state: ForecasterState): void {
  const { logFactor, farRise } = adaptiveStart();
  state.ensemble = null;
  state.records = [];
  state.adaptive = { ...state.adaptive, logFactor, farRise };
}

/** Level and scale before the first fit: the last value and the mean step so far. */
function coldExpectation(state: ForecasterState): { mean: number; meanAbs: number } {
  const { values, length } = state.buffer;
  if (length === 0) return { mean: NaN, meanAbs: NaN };
  const last = values[length - 1]!;
  let steps = 0;
  for (let i = 1; i < length; i++) steps += Math.abs(values[i]! - values[i - 1]!);
  const usual = length > 1 ? steps / (length - 1) : 0;
  const size = usual > 0 ? usual : Math.abs(last) || 1;
  // Steps between the largest doubles overflow; 0 times infinity would then spoil the median.
  const meanAbs = Math.min(size * (1 + COLD_WIDENING / length), Number.MAX_VALUE);
  return { mean: last, meanAbs };
}

function coldPeriodS(state: ForecasterState): number | null {
  const { buffer } = state;
  const { length } = buffer;
  if (length < 2) return null;
  return (sampleTime(buffer, length - 1) - sampleTime(buffer, 0)) / (length - 1);
}

function coldQuantiles(
  state: ForecasterState,
  timesS: Float64Array,
  quantiles: Float64Array,
): Float64Array {
  const { mean, meanAbs } = coldExpectation(state);
  const periodS = coldPeriodS(state);
  const origin = sampleTime(state.buffer, state.buffer.length - 1);
  const out = new Float64Array(timesS.length * quantiles.length);
  for (let t = 0; t < timesS.length; t++) {
    const lead = periodS === null ? t + 1 : Math.max(1, (timesS[t]! - origin) / periodS);
    for (let q = 0; q < quantiles.length; q++) {
      const width = quantiles[q] === 0.5 ? 0 : priorShape(quantiles[q]!);
      out[t * quantiles.length + q] = mean + width * meanAbs * COLD_SHARE * lead ** COLD_GROWTH;
    }
  }
  return out;
}

/** Leads are at least this many slots: a time just after the origin has an error, too. */
const LEAD_MIN = 1e-3;

function drawsOf(
  state: ForecasterState,
  timesS: Float64Array,
  count: number,
  seed: number,
): Float64Array {
  const own = (seed ^ state.config.seed) >>> 0;
  const { ensemble } = state;
  if (ensemble !== null) {
    const newest = newestSlot(ensemble);
    const leads = timesS.map((time) => Math.max(LEAD_MIN, slotTime(ensemble.clock, time) - newest));
    return latentPaths(ensemble.dependence, leads, count, own);
  }
  const periodS = coldPeriodS(state) ?? 1;
  const leads = timesS.map((time) => Math.max(LEAD_MIN, (time - state.lastTimeS) / periodS));
  return latentPaths(priorDependence(), leads, count, own);
}

/** Holds each row within the bounds, finite and increasing. */
function tidyRows(state: ForecasterState, rows: Float64Array, width: number): void {
  const lower = state.config.lower ?? -Number.MAX_VALUE;
  const upper = state.config.upper ?? Number.MAX_VALUE;
  for (let at = 0; at < rows.length; at++) {
    const bounded = Math.min(upper, Math.max(lower, rows[at]!));
    rows[at] = at % width === 0 ? bounded : Math.max(rows[at - 1]!, bounded);
  }
}

function checkQuantiles(quantiles: Float64Array): void {
  for (let i = 0; i < quantiles.length; i++) {
    const quantile = quantiles[i]!;
    if (!(quantile > 0 && quantile < 1) || (i > 0 && !(quantile > quantiles[i - 1]!))) {
      throw new InvalidValueError("quantiles", quantile, "increasing numbers between 0 and 1");
    }
  }
}

/** Whether a stream has become another one than its ensemble was laid out for. */
function isOther({ buffer, config }: ForecasterState, run: EnsembleRun, value: number): boolean {
  return isWaking(run.state, value) || showsNewSeason(buffer, config.seasonsS, run.state);
}

/** Where an absorption ended: samples that it went through, and whether a fit is due then. */
export interface Absorption {
  readonly count: number;
  readonly isFitDue: boolean;
}

/**
 * Goes through samples, one by one or those of some slots together.
 *
 * @param onTaken  told of each sample with a value; where there is one, a fit is left to the caller
 */
function absorbInto(
  members: readonly MemberName[],
  state: ForecasterState,
  timesS: Float64Array,
  values: Float64Array,
  oneStep: OneStep | undefined,
  onTaken?: (index: number) => void,
): Absorption {
  let run: EnsembleRun | null = state.ensemble === null ? null : openRuns.of(state.ensemble);
  if (run !== null) enterEnsemble(run);
  try {
    for (let i = 0; i < timesS.length;) {
      const slots = run === null ? 0 : slotsAhead(state, run, timesS, values, i);
      if (slots > 0) {
        absorbSlots(state, run!, { timesS, values, from: i, to: i + slots }, oneStep, onTaken);
        i += slots;
      } else if (!absorbOne(state, run, timesS[i]!, values[i]!, i++, oneStep, onTaken)) {
        continue;
      }
      const isYoung = state.seen < state.nextRefit;
      if (isYoung && (run === null || slots > 0 || !isOther(state, run, values[i - 1]!))) continue;
      if (onTaken !== undefined) return { count: i, isFitDue: true };
      if (run !== null) leaveEnsemble(run);
      run = null;
      refitState(members, state, []);
      run = openRuns.of(state.ensemble!);
      enterEnsemble(run);
    }
  } finally {
    if (run !== null) leaveEnsemble(run);
  }
  return { count: timesS.length, isFitDue: false };
}

/** Absorbs one sample; returns whether it has a value and a time of its own. */
function absorbOne(
  state: ForecasterState,
  run: EnsembleRun | null,
  time: number,
  value: number,
  at: number,
  oneStep: OneStep | undefined,
  onTaken: ((index: number) => void) | undefined,
): boolean {
  if (isBlurred(state, time)) return false;
  if (oneStep !== undefined) expectInto(state, run, time, at, oneStep);
  if (!takeSample(state, time, value)) return false;
  onTaken?.(at);
  if (run === null) return true;
  const u = sampleSlotTime(run.state.clock, time);
  if (ensembleObserve(run, u, value, state.adaptive)) issueWhenDue(run, state.adaptive);
  return true;
}

function expectInto(
  state: ForecasterState,
  run: EnsembleRun | null,
  timeS: number,
  at: number,
  oneStep: OneStep,
): void {
  if (run === null) {
    const { mean, meanAbs } = coldExpectation(state);
    oneStep.expected[at] = mean;
    oneStep.scale[at] = SCALE_OF_MEAN_ABS * meanAbs;
    return;
  }
  const { mean, deviation } = expectation(run, sampleSlotTime(run.state.clock, timeS));
  oneStep.expected[at] = mean;
  oneStep.scale[at] = deviation;
}

function summaryOf(state: ForecasterState): ModelSummary {
  const { ensemble, adaptive } = state;
  const deviation = ensemble === null || isConstantFit(ensemble) ? NaN : ensemble.scale;
  return {
    periodS: ensemble?.clock.periodS ?? null,
    seasonsS: ensemble?.seasons.map((season) => season.length * ensemble.clock.periodS) ?? [],
    coverage: WATCHED_LEVELS.map((level, k) => {
      const count = adaptive.seen[k]!;
      const value = count > 0 ? adaptive.inside[k]! / count : NaN;
      const width = adaptive.width[k]!;
      return { level, value, count, width, relativeWidth: width / deviation };
    }),
    weights: ensemble === null ? {} : memberShares(openRuns.of(ensemble)),
  };
}

/**
 * Makes a model of a set of members: a committee of many, or one alone.
 *
 * Each sample advances all members at constant cost. Parameters are fitted from the newest 2,000
 * values at 8, 16, 32, … values, so that fitting costs a falling share of all work, and where a
 * young stream first shows a season.
 *
 * @param name     name and version
 * @param members  where one is not usable on a series it is left out
 */
export function forecasterModel(name: string, members: readonly MemberName[]): ForecasterModel {
  return {
    name,
    stateBytesMax: stateBytesMax(members),
    initialState: emptyState,
    absorb(state, timesS, values, oneStep) {
      absorbInto(members, state, timesS, values, oneStep);
    },
    absorbUntilFit: (state, timesS, values, oneStep, onTaken) =>
      absorbInto(members, state, timesS, values, oneStep, onTaken),
    forecast(state, timesS, quantiles) {
      checkQuantiles(quantiles);
      if (state.seen === 0) {
        throw new InvalidValueError("samples", 0, "at least one sample with a value");
      }
      let rows: Float64Array | null = null;
      if (state.ensemble !== null) {
        const run = openRuns.of(state.ensemble);
        const us = timesS.map((time) => slotTime(run.state.clock, time));
        rows = ensembleQuantiles(run, us, quantiles, state.adaptive);
      }
      if (rows === null || !rows.every((value) => Number.isFinite(value))) {
        rows = coldQuantiles(state, timesS, quantiles);
      }
      tidyRows(state, rows, quantiles.length);
      return rows;
    },
    draws: drawsOf,
    components: ({ ensemble }, timesS, values) =>
      ensemble === null ? null : componentsOf(ensemble, timesS, values),
    newestTimes: ({ buffer }, count) => newestTimes(buffer, count),
    summary: summaryOf,
    refit(state) {
      state.ensemble = null;
      refitState(members, state, []);
    },
    stateOfContext(config, timesS, values) {
      const state = emptyState(config);
      for (let i = 0; i < timesS.length; i++) {
        if (!isBlurred(state, timesS[i]!)) takeSample(state, timesS[i]!, values[i]!);
      }
      if (state.seen >= FIRST_FIT_SAMPLES) refitState(members, state, CONTEXT_PREFIXES);
      const isCommittee = state.ensemble !== null && state.ensemble.members.length > 1;
      if (isCommittee) state.adaptive = adaptiveStart(LOG_FACTOR_AT_ONCE);
      return state;
    },
  };
}
