import { InvalidValueError } from "../base/errors.ts";
import { adaptiveStart, LOG_FACTOR_AT_ONCE, WATCHED_LEVELS } from "./adaptive_coverage.ts";
import { ensembleObserve, expectation } from "./ensemble.ts";
import {
  type EnsembleRun,
  enterEnsemble,
  leaveEnsemble,
  newestSlot,
  openEnsemble,
} from "./ensemble_run.ts";
import { ensembleQuantiles, issueWhenDue, memberShares } from "./ensemble_forecast.ts";
import type { MemberName } from "./members.ts";
import { unsureShare } from "./climate.ts";
import { componentsOf } from "./components.ts";
import { priorDependence } from "./dependence.ts";
import { KeptRuns } from "./kept_runs.ts";
import type { ChannelConfig, Model, ModelSummary, OneStep } from "./model.ts";
import { latentPaths } from "./paths.ts";
import { refit } from "./refit.ts";
import { FIRST_FIT_SAMPLES, REFIT_GROWTH, showsNewSeason } from "./refit_schedule.ts";
import { isConstantFit } from "./refit_setting.ts";
import { BUFFER_SAMPLES_MAX, newestSamples, newestTimes } from "./sample_buffer.ts";
import { sampleSlotTime, slotTime } from "./slot_clock.ts";
import { absorbSlots, slotsAhead } from "./slots_ahead.ts";
import { dropStandstill, isWaking } from "./standstill.ts";
import { LEARNED_LEADS_MAX, stateBytesMax } from "./state_bytes.ts";
import { SCALE_OF_MEAN_ABS } from "./structural.ts";
import { emptyState, type ForecasterState, isBlurred, takeSample } from "./forecaster_state.ts";
import { coldExpectation, coldPeriodS, coldQuantiles } from "./cold_forecast.ts";

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

const CONTEXT_PREFIXES = [0.5, 0.75];

/**
 * Ensembles that stay open in a thread, so that a stream fed sample by sample does not lay out its
 * filters anew each time (70 us). Open, one holds 40 kB beside its state.
 */
export const OPEN_ENSEMBLES_MAX = 2048;

const openRuns = new KeptRuns(OPEN_ENSEMBLES_MAX, openEnsemble);

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
    const common = ensemble.climate === undefined ? 0 : unsureShare(state.seen);
    return latentPaths(ensemble.dependence, leads, count, own, common);
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
