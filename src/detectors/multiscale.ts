import { nextUint32, type RandomState, seedRandom } from "../base/random.ts";
import {
  type BankRates,
  bankRates,
  type BankState,
  decayRate,
  FLAG_FEATURES,
  initialBank,
  SCORE_FEATURES,
  stepBank,
  UNIT_RATES,
  writeFlagFeatures,
  writeScoreFeatures,
} from "./_helpers/bank.ts";
import { type FlagState, initialFlag, stepFlag } from "./_helpers/flag_stage.ts";
import {
  initialMahalanobis,
  type MahalanobisState,
  stepMahalanobis,
} from "./_helpers/mahalanobis.ts";
import { initialPatterns, type PatternState, stepPatterns } from "./_helpers/patterns.ts";
import {
  addToRobustLevel,
  flooredScale,
  initialRobustLevel,
  robustDistance,
  type RobustLevelState,
} from "./_helpers/robust_level.ts";
import { initialPeriod, type PeriodState, stepPeriod } from "./_helpers/sampling_period.ts";
import {
  initialSeason,
  isSeasonGateOpen,
  type SeasonState,
  stepSeason,
} from "./_helpers/season.ts";
import { initialSubspace, stepSubspace, type SubspaceState } from "./_helpers/subspace.ts";
import {
  initialTail,
  stepTail,
  type TailRule,
  type TailState,
} from "./_helpers/tail_calibration.ts";
import type { Detector } from "./detector.ts";

/** Samples of a channel without a score: the covariance of its features is not known yet. */
const GRACE_PERIOD = 36;

const DISTANCE_MAX = 30;
const SMOOTHING = 4;
const SLOW_TAU = 16;

/** Largest shifted value that is told apart: its square must stay far inside a double. */
const VALUE_MAX = 1e30;

/** Packed bytes of one channel and of the rest, with room for names; a law holds them. */
const CHANNEL_BYTES_MAX = 44_000;
const STREAM_BYTES_MAX = 3_000;

const SCORE_RULE: TailRule = { tailShare: 0.1, cap: 30, decluster: true };
const FLAG_RULE: TailRule = { tailShare: 0.03, cap: 4, decluster: false };

const SCORE_PARTS = 3;
const FLAG_PARTS = 3;

type ChannelState = {
  /** Samples seen. */
  count: number;
  /** The first value: everything is looked at relative to it, so that a shift changes nothing. */
  offset: number;
  /** Sampling periods since the last value, while values are missing. */
  waiting: number;
  /** Sampling periods since the first value. */
  position: number;
  /** Mahalanobis distance averaged over 4 samples. */
  smoothed: number;
  /** Value averaged over 16 sampling periods. */
  slow: number;
  /** Scale of the patterns, kept still between recomputations. */
  patternScale: number;
  readonly random: RandomState;
  readonly bank: BankState;
  readonly remainderBank: BankState;
  readonly mahalanobis: MahalanobisState;
  readonly slowLevel: RobustLevelState;
  readonly level: RobustLevelState;
  readonly subspace: SubspaceState;
  readonly remainderSubspace: SubspaceState;
  readonly season: SeasonState;
  readonly patterns: PatternState;
  /** Of distance, its average and slow level; of subspace, its remainder, level and patterns. */
  readonly tails: readonly TailState[];
};

/** State of the multi-scale detector. */
export type MultiscaleState = {
  readonly period: PeriodState;
  readonly flag: FlagState;
  readonly channels: readonly ChannelState[];
};

function initialChannel(random: RandomState): ChannelState {
  return {
    count: 0,
    offset: 0,
    waiting: 0,
    position: 0,
    smoothed: 0,
    slow: 0,
    patternScale: 0,
    random,
    bank: initialBank(),
    remainderBank: initialBank(),
    mahalanobis: initialMahalanobis(SCORE_FEATURES),
    slowLevel: initialRobustLevel(),
    level: initialRobustLevel(),
    subspace: initialSubspace(FLAG_FEATURES),
    remainderSubspace: initialSubspace(FLAG_FEATURES),
    season: initialSeason(),
    patterns: initialPatterns(),
    tails: Array.from({ length: SCORE_PARTS + FLAG_PARTS + 1 }, initialTail),
  };
}

/**
 * Channels `[from, to)` of a stream. Their generators are drawn in turn, so that a channel's does
 * not depend on when it came.
 */
function initialChannels(from: number, to: number, seed: number): ChannelState[] {
  const seeds = seedRandom(seed);
  for (let c = 0; c < from; c++) nextUint32(seeds);
  return Array.from({ length: to - from }, () => initialChannel(seedRandom(nextUint32(seeds))));
}

const scoreFeatures = new Float64Array(SCORE_FEATURES);
const flagFeatures = new Float64Array(FLAG_FEATURES);

/** Raises `parts` to this channel's calibrated score parts: distance, its average, slow level. */
function scoreChannel(
  channel: ChannelState,
  x: number,
  dt: number,
  rates: BankRates,
  parts: Float64Array,
): void {
  stepBank(channel.bank, x, rates);
  writeScoreFeatures(channel.bank, scoreFeatures);
  const distance = stepMahalanobis(channel.mahalanobis, scoreFeatures);
  channel.smoothed += (Math.min(distance, DISTANCE_MAX) - channel.smoothed) / SMOOTHING;
  channel.slow += (x - channel.slow) * decayRate(SLOW_TAU, dt);
  const slowDistance = robustDistance(channel.slowLevel, channel.slow);
  addToRobustLevel(channel.slowLevel, channel.slow, channel.random);
  const raw = [distance, channel.smoothed, slowDistance];
  for (let i = 0; i < SCORE_PARTS; i++) {
    const u = stepTail(channel.tails[i]!, raw[i]!, SCORE_RULE);
    if (channel.count >= GRACE_PERIOD) parts[i] = Math.max(parts[i]!, u);
  }
}

/** Raises `parts` to this channel's flag evidence: subspace, level, patterns. */
function gatherEvidence(
  channel: ChannelState,
  x: number,
  dt: number,
  rates: BankRates,
  parts: Float64Array,
): void {
  const { season, tails, level } = channel;
  channel.position += dt;
  const tick = Math.max(season.tick + 1, Math.round(channel.position));
  const remainder = stepSeason(season, x, tick - season.tick);
  writeFlagFeatures(channel.bank, flagFeatures);
  const plain = stepTail(tails[3]!, stepSubspace(channel.subspace, flagFeatures), FLAG_RULE);
  stepBank(channel.remainderBank, remainder, rates);
  writeFlagFeatures(channel.remainderBank, flagFeatures);
  const left = stepSubspace(channel.remainderSubspace, flagFeatures);
  const seasonal = stepTail(tails[4]!, left, FLAG_RULE);
  const distance = robustDistance(level, x);
  addToRobustLevel(level, x, channel.random);
  if (channel.count < 128 || channel.count % 32 === 0) channel.patternScale = flooredScale(level);
  const unit = { median: level.median, scale: channel.patternScale, count: channel.count };
  const pattern = stepPatterns(channel.patterns, season.ring, season.tick, unit, channel.random);
  const u = [
    isSeasonGateOpen(season) ? seasonal : plain,
    stepTail(tails[5]!, distance, FLAG_RULE),
    stepTail(tails[6]!, pattern, FLAG_RULE),
  ];
  // A young channel cannot know how rare a sample is.
  const cap = 0.5 + Math.log10(channel.count + 2);
  for (let i = 0; i < FLAG_PARTS; i++) parts[i] = Math.max(parts[i]!, Math.min(u[i]!, cap));
}

/** (mean of u^4)^(1/4): near the largest part, yet rewarding agreement. */
function fuseScore(parts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < SCORE_PARTS; i++) sum += parts[i]! ** 4;
  return (sum / SCORE_PARTS) ** 0.25;
}

/**
 * The mean of the parts, the subspace twice. Each part is the largest of several channels, whose
 * tail probability is that many times larger.
 */
function fuseEvidence(parts: Float64Array, channels: number): number {
  const correction = Math.log10(channels);
  let sum = 0;
  for (let i = 0; i < FLAG_PARTS; i++) {
    sum += (i === 0 ? 2 : 1) * Math.max(0, parts[i]! - correction);
  }
  return sum / (FLAG_PARTS + 1);
}

const scoreParts = new Float64Array(SCORE_PARTS);
const flagParts = new Float64Array(FLAG_PARTS);

/** Advances by one sample; returns score and flag through `out` at `index`. */
function stepSample(
  state: MultiscaleState,
  dt: number,
  values: readonly Float64Array[],
  index: number,
  out: { readonly score: Float64Array; readonly flag: Float64Array },
): void {
  const sharedRates = dt === 1 ? UNIT_RATES : bankRates(dt);
  scoreParts.fill(0);
  flagParts.fill(0);
  let present = 0;
  let known = 0;
  for (let c = 0; c < state.channels.length; c++) {
    const channel = state.channels[c]!;
    const value = values[c]![index]!;
    if (!Number.isFinite(value)) {
      if (channel.count === 0) continue;
      channel.waiting += dt;
      known++;
      continue;
    }
    present++;
    known++;
    const elapsed = channel.count === 0 ? 1 : channel.waiting + dt;
    const rates = elapsed === dt ? sharedRates : bankRates(elapsed);
    channel.waiting = 0;
    if (channel.count === 0) channel.offset = value;
    const x = Math.min(VALUE_MAX, Math.max(-VALUE_MAX, value - channel.offset));
    scoreChannel(channel, x, elapsed, rates, scoreParts);
    gatherEvidence(channel, x, channel.count === 0 ? 0 : elapsed, rates, flagParts);
    channel.count++;
  }
  out.score[index] = fuseScore(scoreParts);
  out.flag[index] = present > 0 ? stepFlag(state.flag, fuseEvidence(flagParts, known)) : 0;
}

/**
 * One multi-scale state, two answers: a calibrated score that ranks samples (high all through an
 * event) and a flag that opens one alarm an event.
 *
 *   score = (mean of u^4)^(1/4)   u of: Mahalanobis distance of bands, level and log energies; its
 *                                 average over 4 samples; robust distance of the slow level
 *   evidence = (2 u_subspace + u_level + u_pattern) / 4           u = −log10 tail probability
 *
 * Over several channels the largest u counts, part by part. The state keeps about 40 KB a channel,
 * most of it past patterns and the ring in which the season is searched.
 */
export const multiscale: Detector<MultiscaleState> = {
  name: "multiscale/1",
  gracePeriod: GRACE_PERIOD,
  stateBytesMax: (channels) => STREAM_BYTES_MAX + channels * CHANNEL_BYTES_MAX,

  initialState: ({ channels, seed }) => ({
    period: initialPeriod(),
    flag: initialFlag(),
    channels: initialChannels(0, channels, seed),
  }),

  addChannels: (state, { channels, seed }) => ({
    ...state,
    channels: [
      ...state.channels,
      ...initialChannels(state.channels.length, channels, seed),
    ],
  }),

  absorb(state, timesS, values, out) {
    for (let i = 0; i < timesS.length; i++) {
      stepSample(state, stepPeriod(state.period, timesS[i]!), values, i, out);
    }
  },
};
