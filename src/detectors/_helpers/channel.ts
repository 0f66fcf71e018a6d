import { copyTree, type Tree } from "../../base/tree.ts";
import { nextUint32, type RandomState, seedRandom } from "../../base/random.ts";
import {
  BAND_COUNT,
  type BankRates,
  bankRates,
  type BankState,
  decayRate,
  FLAG_FEATURES,
  initialBank,
  SCORE_FEATURES,
  stepBank,
  stepFlagFeatures,
  writeScoreFeatures,
} from "./bank.ts";
import { type ChannelFaults, initialChannelFaults } from "./faults.ts";
import { initialMahalanobis, type MahalanobisState, stepMahalanobis } from "./mahalanobis.ts";
import { initialPatterns, type PatternState, stepPatterns } from "./patterns.ts";
import {
  addToRobustLevel,
  flooredScale,
  initialRobustLevel,
  isMostlyStill,
  type LevelBefore,
  robustDistance,
  type RobustLevelState,
} from "./robust_level.ts";
import { initialSeason, isSeasonGateOpen, type SeasonState, stepSeason } from "./season.ts";
import { initialSeasonChange, type SeasonChangeState, stepSeasonChange } from "./season_change.ts";
import { initialSpectrum, type SpectrumState, stepSpectrum } from "./spectrum.ts";
import { initialSpreadChange, type SpreadChangeState, stepSpreadChange } from "./spread_change.ts";
import { initialSubspace, stepSubspace, type SubspaceState, writeDeviations } from "./subspace.ts";
import {
  initialTail,
  stepTail,
  type TailRule,
  tailShapeBefore,
  type TailState,
} from "./tail_calibration.ts";

/** Samples of a channel without a score: the covariance of its features is not known yet. */
export const GRACE_PERIOD = 36;

const DISTANCE_MAX = 30;
const SMOOTHING = 4;
const SLOW_TAU = 16;
/** Scales from the average of 16 samples up to which the flag evidence remembers a value. */
const REACH_SCALES = 20;
/** Values from which the scale is known well enough for that. */
const REACH_COUNT_MIN = 64;
/** Averages over 16 samples from which their level is taken: neighbours are much alike. */
const SLOW_VALUES_KEPT = 128;

/** Scales, and times the largest value so far, beyond which a value is learned as that. */
const GLITCH_SCALES = 100;
const GLITCH_GROWTH = 10;

/** Largest shifted value that is told apart: its square must stay far inside a double. */
const VALUE_MAX = 1e30;

const SCORE_RULE: TailRule = { tailShare: 0.1, cap: 30, decluster: true };
const FLAG_RULE: TailRule = { tailShare: 0.03, cap: 4, decluster: false };

/** Distance, its average, slow level. */
export const SCORE_PARTS = 3;
/** Subspace, level, patterns, slow change, distance. */
export const FLAG_PARTS = 5;

/** One a part, two for subspace and level, looked at with the season and without, one of jumps. */
const TAIL_COUNT = SCORE_PARTS + FLAG_PARTS + 3;

/** State of one channel. */
export type ChannelState = {
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
  /** The last value, or what the season left of it. */
  before: number;
  /** Level that the flags are looked at from. */
  base: number;
  readonly faults: ChannelFaults;
  readonly random: RandomState;
  readonly bank: BankState;
  /** Those of the flags, of the values and of what the season leaves: within their reach. */
  readonly flagBank: BankState;
  readonly remainderBank: BankState;
  readonly mahalanobis: MahalanobisState;
  readonly slowLevel: RobustLevelState;
  readonly level: RobustLevelState;
  /** Of what the season leaves. */
  readonly remainderLevel: RobustLevelState;
  readonly subspace: SubspaceState;
  readonly remainderSubspace: SubspaceState;
  readonly season: SeasonState;
  readonly seasonChange: SeasonChangeState;
  readonly spreadChange: SpreadChangeState;
  /** Null of a channel that was never fast enough. */
  spectrum: SpectrumState | null;
  readonly patterns: PatternState;
  /**
   * Of distance, its average and slow level; of subspace and its remainder, level, patterns, level
   * of the remainder, slow change; of distance for the flags; of jumps.
   */
  tails: readonly TailState[];
  /** What it was when its alarm opened; null while none is watched. */
  kept: KeptChannel | null;
};

/** What the flags of a channel rest on, but for ring and patterns: some 5 KB packed. */
export type KeptChannel =
  & Pick<
    ChannelState,
    | "patternScale"
    | "before"
    | "flagBank"
    | "remainderBank"
    | "subspace"
    | "remainderSubspace"
    | "seasonChange"
    | "tails"
  >
  & {
    readonly level: LevelBefore;
    readonly remainderLevel: LevelBefore;
    readonly season: Omit<SeasonState, "ring">;
  };

function initialTails(): TailState[] {
  return Array.from(
    { length: TAIL_COUNT },
    (_, i) => initialTail(i < SCORE_PARTS ? SCORE_RULE : FLAG_RULE),
  );
}

function initialChannel(random: RandomState): ChannelState {
  return {
    count: 0,
    offset: 0,
    waiting: 0,
    position: 0,
    smoothed: 0,
    slow: 0,
    patternScale: 0,
    before: 0,
    base: 0,
    faults: initialChannelFaults(),
    random,
    bank: initialBank(),
    flagBank: initialBank(),
    remainderBank: initialBank(),
    mahalanobis: initialMahalanobis(SCORE_FEATURES),
    slowLevel: initialRobustLevel(SLOW_VALUES_KEPT),
    level: initialRobustLevel(),
    remainderLevel: initialRobustLevel(),
    subspace: initialSubspace(FLAG_FEATURES),
    remainderSubspace: initialSubspace(FLAG_FEATURES),
    season: initialSeason(),
    seasonChange: initialSeasonChange(),
    spreadChange: initialSpreadChange(),
    spectrum: null,
    patterns: initialPatterns(),
    tails: initialTails(),
    kept: null,
  };
}

/**
 * Begins a channel's histograms anew: its distances are those of another series from here on, and
 * what it was before is no more to be gone back to.
 */
export function forgetTails(channel: ChannelState): void {
  channel.tails = initialTails();
  channel.kept = null;
}

/**
 * Channels `[from, to)` of a stream. Their generators are drawn in turn, so that a channel's does
 * not depend on when it came.
 */
export function initialChannels(from: number, to: number, seed: number): ChannelState[] {
  const seeds = seedRandom(seed);
  for (let c = 0; c < from; c++) nextUint32(seeds);
  return Array.from({ length: to - from }, () => initialChannel(seedRandom(nextUint32(seeds))));
}

const scoreFeatures = new Float64Array(SCORE_FEATURES);
const flagFeatures = new Float64Array(FLAG_FEATURES);

/**
 * Raises `parts` to this channel's calibrated score parts: distance, its average, slow level.
 *
 * @returns the distance as evidence of a flag
 */
function scoreChannel(
  channel: ChannelState,
  x: number,
  dt: number,
  rates: BankRates,
  parts: Float64Array,
): number {
  stepBank(channel.bank, x, rates);
  writeScoreFeatures(channel.bank, scoreFeatures);
  const distance = stepMahalanobis(channel.mahalanobis, scoreFeatures);
  channel.smoothed += (Math.min(distance, DISTANCE_MAX) - channel.smoothed) / SMOOTHING;
  channel.slow += (x - channel.slow) * decayRate(SLOW_TAU, dt);
  const slowDistance = robustDistance(channel.slowLevel, channel.slow);
  addToRobustLevel(channel.slowLevel, channel.slow, channel.random);
  // Before the covariance is known there is no distance, which must not count as a small one.
  if (channel.count < GRACE_PERIOD) return 0;
  const raw = [distance, channel.smoothed, slowDistance];
  for (let i = 0; i < SCORE_PARTS; i++) {
    parts[i] = Math.max(parts[i]!, stepTail(channel.tails[i]!, raw[i]!, SCORE_RULE));
  }
  return stepTail(channel.tails[9]!, distance, FLAG_RULE);
}

/** What one sample of one channel gave; scratch of a sample, by channel. */
export interface ChannelEvidence {
  /** Of subspace, level, patterns, slow change and distance. */
  readonly parts: Float64Array;
  /** Flag features as deviations from their past.                           [FLAG_FEATURES] */
  readonly deviations: Float64Array;
  /** True where they are those of what the season leaves. */
  isSeasonal: boolean;
  /** How far above the usual level or season, in robust standard deviations. */
  effect: number;
  /** The value, or what the season left of it. */
  remainder: number;
  /** −log10 p where a change of the spread is known, below 0 where that falls, else 0. */
  spreadChange: number;
  /** −log10 p where a change of the season, of the spectrum is known, else 0. */
  seasonChange: number;
  spectrum: number;
  /** False where the channel had no value. */
  /** To the newest value from the one before, in mean jumps; 0 where none was learned. */
  jump: number;
  isPresent: boolean;
}

/** Evidence of a channel without a value. */
export function initialEvidence(): ChannelEvidence {
  return {
    parts: new Float64Array(FLAG_PARTS),
    deviations: new Float64Array(FLAG_FEATURES),
    isSeasonal: false,
    effect: 0,
    remainder: 0,
    spreadChange: 0,
    seasonChange: 0,
    spectrum: 0,
    jump: 0,
    isPresent: false,
  };
}

/** First of the slow bands: tau = 64. */
const SLOW_BAND = 5;

/** Largest deviation of the slow bands, the slow level and the slow energy from their past. */
function slowChange(features: Float64Array): number {
  let most = Math.abs(features[FLAG_FEATURES - 1]!);
  for (let i = SLOW_BAND; i <= BAND_COUNT; i++) most = Math.max(most, Math.abs(features[i]!));
  return most;
}

/** Values from which the mean difference is known well enough to hold a jump against it. */
const JUMP_COUNT_MIN = 8;

/**
 * Learns how far a value, or what the season leaves of it, is from the one before.
 *
 * @returns −log10 p of such a jump
 */
function learnJump(channel: ChannelState, value: number, out: ChannelEvidence): number {
  const { meanDifference } = channel.bank;
  const jump = Math.abs(value - channel.before);
  channel.before = value;
  out.jump = 0;
  if (channel.count <= JUMP_COUNT_MIN || meanDifference === 0) return 0;
  out.jump = jump / meanDifference;
  return stepTail(channel.tails[10]!, out.jump, FLAG_RULE);
}

/** How far from its middle a value is remembered as it is. */
function reachOf(level: RobustLevelState): number {
  return level.count < REACH_COUNT_MIN ? Infinity : REACH_SCALES * flooredScale(level);
}

/** What a sample's time says. */
export interface ChannelTime {
  /** Sampling periods since the stream's last sample. */
  readonly dt: number;
  readonly rates: BankRates;
  /** True where the stream is so fast that its spectrum is looked at. */
  readonly isFast: boolean;
}

/** Writes a channel's flag evidence but that of the distance, which is there. */
export function gatherEvidence(
  channel: ChannelState,
  x: number,
  { dt, rates, isFast }: ChannelTime,
  out: ChannelEvidence,
): void {
  const { season, tails, level, subspace, remainderSubspace, kept } = channel;
  channel.position += dt;
  const tick = Math.max(season.tick + 1, Math.round(channel.position));
  const remainder = stepSeason(season, x, tick - season.tick);
  out.remainder = remainder;
  const isGateOpen = isSeasonGateOpen(season);
  out.seasonChange = stepSeasonChange(channel.seasonChange, x, season);
  if (isFast) channel.spectrum ??= initialSpectrum();
  out.spectrum = isFast ? stepSpectrum(channel.spectrum!, season.ring, season.tick) : 0;
  stepFlagFeatures(channel.flagBank, x, { rates, reach: reachOf(level) }, flagFeatures);
  const plain = stepTail(tails[3]!, stepSubspace(subspace, flagFeatures), FLAG_RULE);
  if (!isGateOpen) writeDeviations(subspace, flagFeatures, out.deviations);
  const reach = reachOf(channel.remainderLevel);
  stepFlagFeatures(channel.remainderBank, remainder, { rates, reach }, flagFeatures);
  const seasonal = stepTail(tails[4]!, stepSubspace(remainderSubspace, flagFeatures), FLAG_RULE);
  if (isGateOpen) writeDeviations(remainderSubspace, flagFeatures, out.deviations);
  out.isSeasonal = isGateOpen;
  const distance = robustDistance(level, x);
  addToRobustLevel(level, x, channel.random, kept?.level);
  const remainderDistance = robustDistance(channel.remainderLevel, remainder);
  addToRobustLevel(channel.remainderLevel, remainder, channel.random, kept?.remainderLevel);
  if (channel.count < 128 || channel.count % 32 === 0) channel.patternScale = flooredScale(level);
  const unit = { median: level.median, scale: channel.patternScale, count: channel.count };
  const pattern = stepPatterns(channel.patterns, season.ring, season.tick, unit, channel.random);
  const change = stepTail(tails[8]!, slowChange(out.deviations), FLAG_RULE);
  const jump = learnJump(channel, isGateOpen ? remainder : x, out);
  // A young channel cannot know how rare a sample is.
  const cap = 0.5 + Math.log10(channel.count + 2);
  const { parts } = out;
  parts[0] = Math.min(isGateOpen ? seasonal : plain, cap);
  const far = stepTail(tails[5]!, distance, FLAG_RULE);
  const farFromSeason = stepTail(tails[7]!, remainderDistance, FLAG_RULE);
  parts[1] = Math.min(isGateOpen ? Math.max(far, farFromSeason) : far, cap);
  parts[2] = Math.min(stepTail(tails[6]!, pattern, FLAG_RULE), cap);
  parts[3] = Math.min(change, cap);
  // From another level than the first one all distances are large, but jumps are as they were.
  parts[4] = Math.min(channel.base === 0 ? parts[4]! : Math.max(parts[4]!, jump), cap);
  out.isPresent = true;
  out.effect = isGateOpen
    ? remainderDistance * Math.sign(remainder - channel.remainderLevel.median)
    : distance * Math.sign(x - level.median);
}

/**
 * A value as the channel learns it: at most 100 scales from the middle, or ten times the largest
 * value so far where that is more. Beyond lies a reading that failed (9999, 1e20): learned whole it
 * would be what every later sample is small beside. What goes on is let in tenfold with each
 * further sample. A series that mostly stands still has no scale to tell one by.
 */
function withoutGlitch({ level, base, season, remainderLevel }: ChannelState, x: number): number {
  const middle = base + level.median;
  const usual = isSeasonGateOpen(season) ? remainderLevel : level;
  const scale = level.count < REACH_COUNT_MIN ? Infinity : flooredScale(usual);
  const reach = Math.max(GLITCH_SCALES * scale, GLITCH_GROWTH * level.magnitude);
  const most = Math.abs(x - middle) <= reach || isMostlyStill(level) ? VALUE_MAX : reach;
  return Math.min(middle + most, Math.max(middle - most, x));
}

const unheard = initialEvidence();
const unheardParts = new Float64Array(SCORE_PARTS);

/**
 * Advances a channel by a value; raises `scoreParts` and writes its evidence. A glitch is told as
 * large as it is, by a channel of its own that is forgotten.
 */
export function stepChannel(
  channel: ChannelState,
  value: number,
  time: ChannelTime,
  scoreParts: Float64Array,
  out: ChannelEvidence,
): void {
  if (channel.count === 0) channel.offset = value;
  const x = Math.min(VALUE_MAX, Math.max(-VALUE_MAX, value - channel.offset));
  const learned = withoutGlitch(channel, x);
  if (learned === x) return takeValue(channel, x, time, scoreParts, out);
  const whole = copyTree(channel as unknown as Tree) as unknown as ChannelState;
  takeValue(whole, x, time, scoreParts, out);
  takeValue(channel, learned, time, unheardParts, unheard);
}

function takeValue(
  channel: ChannelState,
  x: number,
  { dt, rates: sharedRates, isFast }: ChannelTime,
  scoreParts: Float64Array,
  out: ChannelEvidence,
): void {
  const elapsed = channel.count === 0 ? 1 : channel.waiting + dt;
  const rates = elapsed === dt ? sharedRates : bankRates(elapsed);
  channel.waiting = 0;
  out.parts[4] = scoreChannel(channel, x, elapsed, rates, scoreParts);
  const time = { dt: channel.count === 0 ? 0 : elapsed, rates, isFast };
  gatherEvidence(channel, x - channel.base, time, out);
  const step = { dt: time.dt, unit: channel.bank.meanDifference };
  out.spreadChange = stepSpreadChange(channel.spreadChange, out.remainder, step);
  channel.count++;
}

/**
 * Mean difference in mean deviations from which samples are nearly independent: √2 where they are,
 * 1 for an autoregression of 0.5.
 */
const INDEPENDENCE_MIN = 1.2;

/** Half the shape of normal noise, whose jumps are to change nothing. */
const LIGHT_SHAPE = 0.05;

/**
 * How heavy the tail of a channel's jumps is: 0.05 of normal noise. Jumps, as a large event is two
 * of them, where it leaves many large distances behind. The jump to the newest value is left out:
 * it would make its own tail heavy.
 */
export function jumpShape({ tails }: ChannelState, { jump }: ChannelEvidence): number {
  return Math.max(0, tailShapeBefore(tails[10]!, jump, FLAG_RULE) - LIGHT_SHAPE);
}

/**
 * True where samples are nearly independent: there what is far from the past is the chance of a
 * single sample.
 */
export function isIndependent({ bank, season }: ChannelState): boolean {
  return bank.meanDifference > INDEPENDENCE_MIN * season.deviation;
}
