import { WATCHED_LEVELS } from "./adaptive_coverage.ts";
import { leadBuckets } from "./losses.ts";
import {
  ADAPT_INPUTS,
  adaptCorrection,
  adaptGroups,
  adaptInputsInto,
  adaptStart,
  type AdaptState,
} from "./neural_adapt.ts";
import { featureStart, type FeatureState } from "./neural/features.ts";
import { knotRows } from "./neural/fast_decoder.ts";
import { leadOrigin, seasonClock, takeAnchors, takeLead, takeSample } from "./neural/features.ts";
import type { NeuralRunner } from "./neural/runner.ts";
import { type LeadRows, leadRows, LEVELS, TOKEN_FEATURES } from "./neural/shapes.ts";
import { normalQuantile } from "./normal.ts";
import type { Season } from "./season.ts";

/**
 * A network as a member: features and state of one channel, advanced sample by sample. Plain data;
 * {@linkcode openNeural} adds the network and scratch space.
 *
 * Values enter divided by `scale`, not shifted: the network sees how large the level is beside the
 * variation.
 */
export type NeuralTrack = {
  /** Id of the network in the registry. */
  network: string;
  scale: number;
  /** Slot time of the newest sample; NaN before the first. */
  lastU: number;
  features: FeatureState;
  /** State of the backbone. */
  state: Float32Array;
  /** What the decoder sees of the newest sample that the backbone has taken. */
  hidden: Float32Array;
  /** Samples that the backbone has not taken yet: it takes a block of them at once. */
  waiting: WaitingTokens;
  /** What the stream has taught the last layer. */
  adapt: AdaptState;
  /** Factors of the fan's half widths, from past errors: see `neural_fan.ts`.   [level, bucket] */
  fan: Float64Array;
};

/** Tokens of samples in a row, and the slots that lie before each. */
export type WaitingTokens = {
  count: number;
  /** [room, TOKEN_FEATURES] */
  tokens: Float32Array;
  /** [room] */
  elapsed: Float64Array;
};

/** Samples that wait at most: a block of them costs three quarters of as many one by one. */
export const WAITING_TOKENS_MAX = 8;

/** A neural track with its network and scratch space. */
export type NeuralRun = {
  readonly track: NeuralTrack;
  readonly runner: NeuralRunner;
  readonly horizon: number;
  /** First season in slots, 0 = none. */
  readonly season: number;
  readonly rows: LeadRows;
  /** Elapsed time of the waiting samples on the season's clock. */
  readonly seasonal: Float64Array;
  /** What the backbone comes to with the waiting samples; stale while not valid. */
  readonly ahead: { isValid: boolean; readonly hidden: Float32Array; readonly state: Float32Array };
  /** Lead group of each lead, for the correction. */
  readonly groups: Uint8Array;
  /** The newest forecast, corrected. */
  readonly outlook: NeuralOutlook;
};

/** Decoded leads of one origin, in units of the track's scale. */
export type NeuralOutlook = {
  /** [lead, LEVELS] */
  readonly quantiles: Float64Array;
  /** Medians before the correction.                                                 [lead] */
  readonly medians: Float64Array;
  /** Unit of each lead's row.                                                       [lead] */
  readonly units: Float64Array;
  /** What the correction sees.                                       [lead, ADAPT_INPUTS] */
  readonly inputs: Float64Array;
};

/** Room for the forecasts of `count` leads. */
export function emptyOutlook(count: number): NeuralOutlook {
  return {
    quantiles: new Float64Array(count * LEVELS.length),
    medians: new Float64Array(count),
    units: new Float64Array(count),
    inputs: new Float64Array(count * ADAPT_INPUTS),
  };
}

/** Index of the median among the levels. */
export const MEDIAN = LEVELS.indexOf(0.5);

/** Longest lead, in slots, that networks are trained for. */
export const NEURAL_LEADS_MAX = 96;

/** The seasons as the features take them: two lengths in slots, 0 = none. */
export function featureSeasons(seasons: readonly Season[]): [number, number] {
  const usable = seasons.filter(({ slots }) => slots > 1);
  return [usable[0]?.length ?? 0, usable[1]?.length ?? 0];
}

/** A track before its first sample. */
export function neuralStart(
  network: string,
  runner: NeuralRunner,
  seasons: readonly Season[],
  scale: number,
  horizon: number,
): NeuralTrack {
  return {
    network,
    scale,
    lastU: NaN,
    features: featureStart(featureSeasons(seasons)),
    state: new Float32Array(runner.stateLength),
    hidden: new Float32Array(runner.hiddenLength),
    waiting: { count: 0, tokens: new Float32Array(0), elapsed: new Float64Array(0) },
    adapt: adaptStart(horizon),
    fan: new Float64Array(WATCHED_LEVELS.length * leadBuckets(horizon).length).fill(1),
  };
}

/** Gives a track its network and scratch space. */
export function openNeural(
  track: NeuralTrack,
  runner: NeuralRunner,
  seasons: readonly Season[],
  horizon: number,
): NeuralRun {
  return {
    track,
    runner,
    horizon,
    season: featureSeasons(seasons)[0],
    rows: leadRows(horizon),
    seasonal: new Float64Array(WAITING_TOKENS_MAX),
    ahead: {
      isValid: false,
      hidden: new Float32Array(runner.hiddenLength),
      state: new Float32Array(runner.stateLength),
    },
    groups: adaptGroups(horizon),
    outlook: emptyOutlook(horizon),
  };
}

/** Samples that a clock puts into one slot are this far apart for the network. */
const SAME_SLOT_APART = 0.01;

/** Values are cut here, in units of the scale: their squares are numbers still. */
const UNITS_MAX = 1e100;

/** A value in units of the scale; a scale that overflowed gives 0. */
function inUnits({ scale }: NeuralTrack, value: number): number {
  const units = value / scale;
  return Number.isNaN(units) ? 0 : Math.min(UNITS_MAX, Math.max(-UNITS_MAX, units));
}

/** Takes a sample into the features, which may have the slot of the one before. */
function takeInto(track: NeuralTrack, u: number, value: number, tokens: Float32Array, at: number) {
  const isLater = Number.isNaN(track.lastU) || u > track.lastU;
  track.lastU = isLater ? u : track.lastU + SAME_SLOT_APART;
  takeSample(track.features, track.lastU, inUnits(track, value), tokens, at);
}

/** Takes a sample at slot time `u`: the features at once, the backbone with the next block. */
export function neuralObserve(run: NeuralRun, u: number, value: number): void {
  const { track, ahead } = run;
  const { waiting } = track;
  if (waiting.elapsed.length === 0) {
    waiting.tokens = new Float32Array(WAITING_TOKENS_MAX * TOKEN_FEATURES);
    waiting.elapsed = new Float64Array(WAITING_TOKENS_MAX);
  }
  takeInto(track, u, value, waiting.tokens, waiting.count * TOKEN_FEATURES);
  waiting.elapsed[waiting.count] = track.features.elapsed;
  waiting.count++;
  ahead.isValid = false;
  if (waiting.count === WAITING_TOKENS_MAX) neuralCatchUp(run);
}

/** The backbone takes the samples that wait. */
export function neuralCatchUp(run: NeuralRun): void {
  if (run.track.waiting.count === 0) return;
  takeWaiting(run, run.track.state, run.track.hidden);
  run.track.waiting.count = 0;
  run.ahead.isValid = false;
}

function takeWaiting(run: NeuralRun, state: Float32Array, hidden: Float32Array): void {
  const { track: { features, waiting }, runner, seasonal } = run;
  const { count, tokens, elapsed } = waiting;
  const clock = seasonClock(features);
  for (let i = 0; i < count; i++) seasonal[i] = elapsed[i]! * clock;
  runner.absorb(state, tokens, elapsed, seasonal, count, hidden);
}

/**
 * What the decoder sees of the newest sample. The track stays as it is, samples wait on: it does
 * not depend on who asks when.
 */
function newestHidden(run: NeuralRun): Float32Array {
  const { track, ahead } = run;
  if (track.waiting.count === 0) return track.hidden;
  if (!ahead.isValid) {
    ahead.state.set(track.state);
    takeWaiting(run, ahead.state, ahead.hidden);
    ahead.isValid = true;
  }
  return ahead.hidden;
}

/** Samples that the backbone takes together where many have come. */
const TOGETHER = 64;

/**
 * Takes many samples at once, and lets `visit` look at the track as it stands after some of them.
 * The same bits as sample by sample.
 *
 * @param us      slot times, increasing                                                 [sample]
 * @param values  in the values' own units                                               [sample]
 * @param stops   counts of samples taken, from 0 on
 * @param visit   gets the count
 */
export function neuralObserveAll(
  run: NeuralRun,
  us: Float64Array,
  values: Float64Array,
  stops: ReadonlySet<number>,
  visit: (count: number) => void,
): void {
  const { track, runner } = run;
  const tokens = new Float32Array(TOGETHER * TOKEN_FEATURES);
  const elapsed = new Float64Array(TOGETHER);
  const seasonal = new Float64Array(TOGETHER);
  const clock = seasonClock(track.features);
  let waiting = 0;
  const catchUp = () => {
    if (waiting === 0) return;
    runner.absorb(track.state, tokens, elapsed, seasonal, waiting, track.hidden);
    waiting = 0;
  };
  const stop = (count: number) => {
    if (!stops.has(count)) return;
    catchUp();
    visit(count);
  };
  for (let i = 0; i < us.length; i++) {
    stop(i);
    takeInto(track, us[i]!, values[i]!, tokens, waiting * TOKEN_FEATURES);
    elapsed[waiting] = track.features.elapsed;
    seasonal[waiting] = track.features.elapsed * clock;
    waiting++;
    if (waiting === TOGETHER) catchUp();
  }
  catchUp();
  stop(us.length);
}

/**
 * A lead as the network knows leads: one beyond {@linkcode NEURAL_LEADS_MAX} is taken whole seasons
 * earlier, where there is a season that short; where there is none, at that lead. With a longer
 * season it stays: its phase has a past of its own, and only its size is told as less.
 */
export function knownLead(lead: number, season: number): number {
  if (lead <= NEURAL_LEADS_MAX || season > NEURAL_LEADS_MAX) return lead;
  if (season === 0) return NEURAL_LEADS_MAX;
  return lead - season * Math.ceil((lead - NEURAL_LEADS_MAX) / season);
}

/**
 * Writes what was decoded, as the network gives it.
 *
 * @param last     newest value, in units of the network's scale
 * @param decoded  (quantile − last) / unit                                         [lead, LEVELS]
 * @param count    leads
 */
export function outlookInto(
  last: number,
  rows: LeadRows,
  decoded: Float32Array,
  count: number,
  out: NeuralOutlook,
): void {
  for (let row = 0; row < count; row++) {
    const unit = rows.unit[row]!;
    const from = row * LEVELS.length;
    for (let k = 0; k < LEVELS.length; k++) {
      out.quantiles[from + k] = last + unit * decoded[from + k]!;
    }
    out.units[row] = unit;
    out.medians[row] = out.quantiles[from + MEDIAN]!;
    adaptInputsInto(rows, row, decoded[from + MEDIAN]!, out.inputs, row * ADAPT_INPUTS);
  }
}

/** Moves the quantiles of a row by what the stream has taught. */
function correctRow({ adapt }: NeuralTrack, group: number, out: NeuralOutlook, row: number): void {
  const shift = out.units[row]! * adaptCorrection(adapt, group, out.inputs, row * ADAPT_INPUTS);
  if (!Number.isFinite(shift)) return;
  const from = row * LEVELS.length;
  for (let k = 0; k < LEVELS.length; k++) {
    out.quantiles[from + k] = out.quantiles[from + k]! + shift;
  }
}

/** Moves the quantiles of the horizon's leads by what the stream has taught. */
export function correctOutlook(run: NeuralRun): void {
  for (let l = 0; l < run.horizon; l++) correctRow(run.track, run.groups[l]!, run.outlook, l);
}

/** Smallest lead: a sample stamped late in its slot leaves less than a whole one. */
const LEAD_MIN = 0.01;

/**
 * Takes leads into rows for a decoding.
 *
 * @param leads    slots from the newest sample on                                         [lead]
 * @param isRough  whether only {@linkcode knotRows} are decoded themselves: the others need no
 *   features
 */
export function takeLeads(
  state: FeatureState,
  leads: ArrayLike<number>,
  rows: LeadRows,
  isRough: boolean,
): void {
  const knots = isRough ? knotRows(leads.length) : null;
  const origin = leadOrigin(state);
  let knot = 0;
  for (let i = 0; i < leads.length; i++) {
    const isWhole = knots === null || knots[knot] === i;
    if (isWhole) knot++;
    if (isWhole) takeLead(state, leads[i]!, rows, i, NEURAL_LEADS_MAX, origin);
    else takeAnchors(state, leads[i]!, rows, i, NEURAL_LEADS_MAX, origin);
  }
}

/** Decodes at slot times after the newest sample, as the network gives it. */
function decodeAt(
  run: NeuralRun,
  us: ArrayLike<number>,
  out: NeuralOutlook,
  isRough: boolean,
): void {
  const { track, runner, rows, season } = run;
  const leads = new Float64Array(us.length);
  for (let i = 0; i < us.length; i++) {
    leads[i] = knownLead(Math.max(LEAD_MIN, us[i]! - track.lastU), season);
  }
  takeLeads(track.features, leads, rows, isRough);
  const decoded = isRough
    ? runner.decodeRoughly(newestHidden(run), rows, us.length)
    : runner.decode(newestHidden(run), rows, us.length);
  outlookInto(track.features.last, rows, decoded, us.length, out);
}

/**
 * Forecasts the leads of the horizon, whole slots after `slot`, into the run's outlook.
 *
 * @param isRough  whether a forecast is enough that statistics are made from
 */
export function neuralForecast(run: NeuralRun, slot: number, isRough = false): void {
  const us = Float64Array.from({ length: run.horizon }, (_, l) => slot + 1 + l);
  decodeAt(run, us, run.outlook, isRough);
  correctOutlook(run);
}

/** The median at one slot time, in units of the scale. */
export function neuralMedianAt(run: NeuralRun, u: number): number {
  return neuralMediansAt(run, Float64Array.of(u))[0]!;
}

/** Medians at any slot times, in units of the scale.                                        [us] */
export function neuralMediansAt(run: NeuralRun, us: Float64Array): Float64Array {
  const medians = new Float64Array(us.length);
  const out = emptyOutlook(Math.min(us.length, run.horizon));
  for (let from = 0; from < us.length; from += run.horizon) {
    const part = us.subarray(from, from + run.horizon);
    decodeAt(run, part, out, false);
    for (let row = 0; row < part.length; row++) {
      const lead = Math.round(part[row]! - run.track.lastU);
      correctRow(run.track, run.groups[Math.min(run.horizon, Math.max(1, lead)) - 1]!, out, row);
      medians[from + row] = out.quantiles[row * LEVELS.length + MEDIAN]!;
    }
  }
  return medians;
}

const NORMAL_SCORES = LEVELS.map((level) => normalQuantile(level));

/** The level last asked for: mostly it is that of the lead before. */
const newest = { level: 0.5, score: normalQuantile(0.5) };

function scoreOf(level: number): number {
  if (newest.level !== level) {
    newest.score = normalQuantile(level);
    newest.level = level;
  }
  return newest.score;
}

/**
 * The quantile of any level from those of {@linkcode LEVELS}: straight lines over the normal score,
 * which the outermost ones extend.
 *
 * @param quantiles  those of a lead, LEVELS.length of them from `from` on
 * @param level      in (0, 1)
 */
export function quantileAt(quantiles: Float64Array, from: number, level: number): number {
  const score = scoreOf(level);
  let k = 1;
  while (k < LEVELS.length - 1 && NORMAL_SCORES[k]! < score) k++;
  const share = (score - NORMAL_SCORES[k - 1]!) / (NORMAL_SCORES[k]! - NORMAL_SCORES[k - 1]!);
  const before = quantiles[from + k - 1]!;
  return before + share * (quantiles[from + k]! - before);
}
