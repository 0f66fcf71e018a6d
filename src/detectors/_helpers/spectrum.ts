import {
  initialMahalanobis,
  learnMahalanobis,
  mahalanobisDistance,
  type MahalanobisState,
} from "./mahalanobis.ts";
import { studentSurprise } from "./student.ts";
import { initialTail, stepTail, type TailRule, type TailState } from "./tail_calibration.ts";

/**
 * Spectrum of a fast channel (audio, vibration, EEG): the powers of half-octave bands, block by
 * block, held against those of the blocks before.
 *
 *   P_b = sum of |X_k|² over the bins of band b        X: DFT of 256 samples under a Hann window
 *   f_b = log(P_b + 1e-6 · mean power)                 13 bands, from fs/256 to fs/2
 *   g_b += (f_b − g_b) / 8                             f_b clipped to 3 deviations from its mean
 *   z   = largest |g_b − mean| / sd of a band          m = Mahalanobis distance of g from its past
 *   p   = 2/256 · the smaller chance of z and m        at most one alarm a block
 *
 * The chance of each is the larger one of that in its own past (a Pareto tail) and that of normal
 * averages, which a young histogram cannot know:
 *
 *   26 · P(T > z)      P(T > (m^(2/3) − 1 + 2/117) / sqrt(2/117))    (Wilson and Hilferty 1931)
 *
 * T is Student's with as many degrees of freedom as there are independent averages so far.
 *
 * A tone that appears, a band that grows or fades and a peak that moves are unlikely in some bands,
 * or in the way they go together. The average over 8 blocks finds what is small in each of them,
 * and the clip keeps a click in one of them from looking like a change. Of odd blocks every eighth
 * is learned.
 *
 * The window is that of the ring that the season is searched in, so nothing is kept twice.
 */
export const SPECTRUM_BLOCK = 256;

/** Longest sampling period of a channel whose spectrum is looked at, in seconds. */
export const SPECTRUM_PERIOD_S_MAX = 0.1;

/** First bin of each band; the last ends behind the highest frequency. */
const EDGES = [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 129] as const;
const BANDS = EDGES.length - 1;
const BINS = SPECTRUM_BLOCK / 2;
const POWER_FLOOR = 1e-6;
/** Blocks after which the powers are forgotten. */
const MEMORY = 2_000;
/** Blocks before anything is said. */
const BLOCKS_MIN = 100;
/** Blocks of the average, and standard deviations of a block at which its features are clipped. */
const SMOOTHING = 8;
const CLIP = 3;
/** Variance of a block in that of the average, were blocks independent. */
const BLOCK_VARIANCE = 2 * SMOOTHING - 1;
/** −log10 of the chance from which a block is odd. */
const ODD_SURPRISE = 1.5;

/** One in so many odd blocks is learned: what lasts is the new past at last. */
const ODD_LEARNED = 8;
/** Two statistics, of which the smaller chance counts, once a block. */
const CORRECTION = Math.log10(SPECTRUM_BLOCK / 2);
/** Mean and variance of (χ²/k)^(1/3) with a degree of freedom a band: 1 − 2/(9k), 2/(9k). */
const CUBE_ROOT_VARIANCE = 2 / (9 * BANDS);

const SPECTRUM_RULE: TailRule = { tailShare: 0.1, cap: 30, decluster: false };

/** Powers of a channel's bands so far. */
export type SpectrumState = {
  /** Samples of the block that is filling. */
  filled: number;
  blocks: number;
  meanPower: number;
  /** True while the last block was odd. */
  isOdd: boolean;
  /** First and last bin of the band that was furthest from its past in the last odd block. */
  firstBin: number;
  lastBin: number;
  /** Averages of the log powers.                                                        [band] */
  readonly averages: Float64Array;
  readonly distance: MahalanobisState;
  /** Of the furthest band, and of the distance. */
  readonly bandTail: TailState;
  readonly distanceTail: TailState;
};

/** A channel without a block. */
export function initialSpectrum(): SpectrumState {
  return {
    filled: 0,
    blocks: 0,
    meanPower: 0,
    isOdd: false,
    firstBin: 0,
    lastBin: 0,
    averages: new Float64Array(BANDS),
    distance: initialMahalanobis(BANDS),
    bandTail: initialTail(SPECTRUM_RULE),
    distanceTail: initialTail(SPECTRUM_RULE),
  };
}

const cosines = Float64Array.from(
  { length: SPECTRUM_BLOCK },
  (_, i) => Math.cos((2 * Math.PI * i) / SPECTRUM_BLOCK),
);
const block = new Float64Array(SPECTRUM_BLOCK);
const features = new Float64Array(BANDS);

/**
 * Advances by one sample, which is the last of the ring.
 *
 * @param ring  values by tick modulo its length
 * @param tick  of the last sample
 * @returns −log10 p where a change is known, else 0
 */
export function stepSpectrum(state: SpectrumState, ring: Float32Array, tick: number): number {
  if (++state.filled < SPECTRUM_BLOCK) return 0;
  state.filled = 0;
  if (tick < SPECTRUM_BLOCK - 1) return 0;
  readBlock(ring, tick);
  if (!writeFeatures(state)) return 0;
  average(state);
  const surprise = stepTails(state);
  state.isOdd = surprise >= ODD_SURPRISE;
  if (state.isOdd) {
    state.firstBin = EDGES[furthest.band]!;
    state.lastBin = EDGES[furthest.band + 1]! - 1;
  }
  if (!state.isOdd || state.blocks % ODD_LEARNED === 0) {
    learnMahalanobis(state.distance, state.averages, 1 / Math.min(state.blocks + 1, MEMORY));
  }
  return state.isOdd ? surprise + CORRECTION : 0;
}

/** −log10 of the chance of this block's averages, 0 while few are known; learns their tails. */
function stepTails(state: SpectrumState): number {
  findFurthest(state);
  const distance = mahalanobisDistance(state.distance, state.averages);
  const inBands = stepTail(state.bandTail, furthest.deviations, SPECTRUM_RULE);
  const inDistances = stepTail(state.distanceTail, distance, SPECTRUM_RULE);
  if (state.blocks++ < BLOCKS_MIN) return 0;
  const degrees = Math.min(state.blocks, MEMORY) / BLOCK_VARIANCE;
  const ofBand = studentSurprise(furthest.deviations, degrees) - Math.log10(2 * BANDS);
  const cubeRoot = Math.cbrt(distance * distance);
  const z = (cubeRoot - 1 + CUBE_ROOT_VARIANCE) / Math.sqrt(CUBE_ROOT_VARIANCE);
  return Math.max(Math.min(inBands, ofBand), Math.min(inDistances, studentSurprise(z, degrees)));
}

/** The frequencies of the band that was furthest from its past, in Hz. */
export function oddBandHz(
  { firstBin, lastBin }: SpectrumState,
  periodS: number,
): readonly [number, number] {
  const binHz = 1 / (SPECTRUM_BLOCK * periodS);
  return [(firstBin - 0.5) * binHz, (lastBin + 0.5) * binHz];
}

/** The last samples without their mean, under a Hann window. */
function readBlock(ring: Float32Array, tick: number): void {
  let mean = 0;
  for (let i = 0; i < SPECTRUM_BLOCK; i++) {
    block[i] = ring[(tick - SPECTRUM_BLOCK + 1 + i) % ring.length]!;
    mean += block[i]! / SPECTRUM_BLOCK;
  }
  for (let i = 0; i < SPECTRUM_BLOCK; i++) block[i] = (block[i]! - mean) * (1 - cosines[i]!) / 2;
}

/** Writes the log powers of the bands; false where the channel has never moved. */
function writeFeatures(state: SpectrumState): boolean {
  features.fill(0);
  let total = 0;
  let band = 0;
  for (let bin = 1; bin <= BINS; bin++) {
    if (bin === EDGES[band + 1]) band++;
    let real = 0;
    let imaginary = 0;
    for (let i = 0; i < SPECTRUM_BLOCK; i++) {
      const at = (bin * i) % SPECTRUM_BLOCK;
      real += block[i]! * cosines[at]!;
      // A sine is the cosine a quarter of a turn before.
      imaginary += block[i]! * cosines[(at + 3 * SPECTRUM_BLOCK / 4) % SPECTRUM_BLOCK]!;
    }
    const power = real * real + imaginary * imaginary;
    features[band] = features[band]! + power;
    total += power;
  }
  const rate = 1 / Math.min(state.blocks + 1, MEMORY);
  state.meanPower += rate * (total - state.meanPower);
  const floor = POWER_FLOOR * state.meanPower;
  if (!(floor > 0 && Number.isFinite(total))) return false;
  for (let b = 0; b < BANDS; b++) features[b] = Math.log(features[b]! + floor);
  return true;
}

/** Moves the averages to the block's features, which are clipped once their past is known. */
function average({ blocks, averages, distance: { mean, cov } }: SpectrumState): void {
  const rate = Math.max(1 / SMOOTHING, 1 / (blocks + 1));
  for (let b = 0; b < BANDS; b++) {
    const reach = CLIP * Math.sqrt(BLOCK_VARIANCE * cov[b * BANDS + b]!);
    const least = blocks < BLOCKS_MIN ? -Infinity : mean[b]! - reach;
    const most = blocks < BLOCKS_MIN ? Infinity : mean[b]! + reach;
    const clipped = Math.min(most, Math.max(least, features[b]!));
    averages[b] = averages[b]! + rate * (clipped - averages[b]!);
  }
}

const furthest = { band: 0, deviations: 0 };

/** Writes the band that is furthest from its mean, in its standard deviations. */
function findFurthest({ averages, distance: { mean, cov } }: SpectrumState): void {
  furthest.band = 0;
  furthest.deviations = 0;
  for (let b = 0; b < BANDS; b++) {
    const variance = cov[b * BANDS + b]!;
    const deviations = variance > 0 ? Math.abs(averages[b]! - mean[b]!) / Math.sqrt(variance) : 0;
    if (deviations <= furthest.deviations) continue;
    furthest.deviations = deviations;
    furthest.band = b;
  }
}
