import { initialMahalanobis, type MahalanobisState, stepMahalanobis } from "./mahalanobis.ts";
import { initialTail, stepTail, type TailRule, type TailState } from "./tail_calibration.ts";

/**
 * Spectrum of a fast channel (audio, vibration, EEG): the powers of half-octave bands, block by
 * block, held against those of the blocks before.
 *
 *   P_b = sum of |X_k|² over the bins of band b        X: DFT of 256 samples under a Hann window
 *   f_b = log(P_b + 1e-6 · mean power)                 13 bands, from fs/256 to fs/2
 *   m   = Mahalanobis distance of f from its past      u = −log10 of its tail probability
 *
 * A tone that appears, a band that grows or fades and a peak that moves are unlikely in some bands,
 * or in the way they go together. One odd block may be a click: a change is two in a row, whose u
 * is the smaller one. The chance is one a block, which is less than one a sample.
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
/** −log10 of the chance from which a block is odd. */
const ODD_SURPRISE = 2;

const SPECTRUM_RULE: TailRule = { tailShare: 0.1, cap: 30, decluster: false };

/** Powers of a channel's bands so far. */
export type SpectrumState = {
  /** Samples of the block that is filling. */
  filled: number;
  blocks: number;
  meanPower: number;
  /** −log10 p of the block before. */
  former: number;
  /** True while the last block was odd. */
  isOdd: boolean;
  /** First and last bin of the band that was furthest from its past in the last odd block. */
  firstBin: number;
  lastBin: number;
  readonly distance: MahalanobisState;
  readonly tail: TailState;
};

/** A channel without a block. */
export function initialSpectrum(): SpectrumState {
  return {
    filled: 0,
    blocks: 0,
    meanPower: 0,
    former: 0,
    isOdd: false,
    firstBin: 0,
    lastBin: 0,
    distance: initialMahalanobis(BANDS),
    tail: initialTail(SPECTRUM_RULE),
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
  const far = furthestBand(state.distance);
  const distance = stepMahalanobis(state.distance, features, MEMORY);
  const isKnown = state.blocks++ >= BLOCKS_MIN;
  const u = stepTail(state.tail, distance, SPECTRUM_RULE);
  const surprise = isKnown ? u : 0;
  const told = Math.min(surprise, state.former);
  state.former = surprise;
  state.isOdd = surprise >= ODD_SURPRISE;
  if (state.isOdd) {
    state.firstBin = EDGES[far]!;
    state.lastBin = EDGES[far + 1]! - 1;
  }
  return told;
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

/** Index of the band that is furthest from its mean, in its standard deviations. */
function furthestBand({ mean, cov }: MahalanobisState): number {
  let most = -1;
  let furthest = 0;
  for (let b = 0; b < BANDS; b++) {
    const variance = cov[b * BANDS + b]!;
    const distance = variance > 0 ? (features[b]! - mean[b]!) ** 2 / variance : 0;
    if (distance <= most) continue;
    most = distance;
    furthest = b;
  }
  return furthest;
}
