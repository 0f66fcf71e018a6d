/** A linear readout of the memory, shared by the columns of a series. */
import { absorbPairs, type NormalEquations, normalEquations } from "./least_squares.ts";
import {
  MEMORY_FEATURES,
  memoryFeaturesInto,
  memoryLevel,
  memoryObserve,
  memoryStart,
  memoryWeight,
} from "./memory.ts";
import type { LongSeries } from "./series.ts";

/** Days after which the memory has filled enough to learn from. */
const WARM_DAYS = 14;
/** Pairs that are added at once. */
const BLOCK = 256;

/** What the memory said at every sample of one column. */
export interface MemoryTrack {
  /** In deviations of the training months.                            [sample, memory feature] */
  readonly features: Float32Array;
  readonly levels: Float64Array;
  readonly weights: Float64Array;
}

function trackOf(x: Float64Array, samplesADay: number): MemoryTrack {
  const track = {
    features: new Float32Array(x.length * MEMORY_FEATURES),
    levels: new Float64Array(x.length),
    weights: new Float64Array(x.length),
  };
  const memory = memoryStart(samplesADay, x[0]!);
  for (let t = 0; t < x.length; t++) {
    memoryObserve(memory, x[t]!);
    memoryFeaturesInto(memory, track.features, t * MEMORY_FEATURES);
    track.levels[t] = memoryLevel(memory);
    track.weights[t] = memoryWeight(memory);
  }
  return track;
}

/** Divides features by their deviations, and weights by their mean, over the training months. */
function scaleTracks(tracks: readonly MemoryTrack[], trainEnd: number): void {
  const count = trainEnd * tracks.length;
  const sums = new Float64Array(MEMORY_FEATURES);
  const squares = new Float64Array(MEMORY_FEATURES);
  let weight = 0;
  for (const { features, weights } of tracks) {
    for (let i = 0; i < trainEnd * MEMORY_FEATURES; i++) {
      const k = i % MEMORY_FEATURES;
      sums[k] = sums[k]! + features[i]!;
      squares[k] = squares[k]! + features[i]! * features[i]!;
    }
    for (let t = 0; t < trainEnd; t++) weight += weights[t]! / count;
  }
  const deviations = sums.map((sum, k) =>
    Math.sqrt(Math.max(0, squares[k]! / count - (sum / count) ** 2)) || 1
  );
  for (const { features, weights } of tracks) {
    for (let i = 0; i < features.length; i++) {
      features[i] = features[i]! / deviations[i % MEMORY_FEATURES]!;
    }
    for (let t = 0; t < weights.length; t++) weights[t] = weights[t]! / weight;
  }
}

/** The memory of every column, sample by sample; scales come from the training months. */
export function memoryTracks({ columns, samplesADay, trainEnd }: LongSeries): MemoryTrack[] {
  const tracks = columns.map((x) => trackOf(x, samplesADay));
  scaleTracks(tracks, trainEnd);
  return tracks;
}

/** Features at some origins.                                        [origin, memory feature] */
export function featuresAt({ features }: MemoryTrack, origins: readonly number[]): Float64Array {
  const out = new Float64Array(origins.length * MEMORY_FEATURES);
  for (const [r, origin] of origins.entries()) {
    const from = origin * MEMORY_FEATURES;
    out.set(features.subarray(from, from + MEMORY_FEATURES), r * MEMORY_FEATURES);
  }
  return out;
}

/**
 * The sums of the regression of targets, less the memory's level, on the memory's features, over
 * the training months; loud times weigh less.
 */
export function readoutEquations(
  { columns, samplesADay, samplesAnHour, trainEnd }: LongSeries,
  tracks: readonly MemoryTrack[],
  horizon: number,
): NormalEquations {
  const sums = normalEquations(MEMORY_FEATURES, horizon);
  const step = samplesAnHour;
  for (const [c, x] of columns.entries()) {
    const track = tracks[c]!;
    const origins: number[] = [];
    const absorb = () => {
      const targets = new Float64Array(origins.length * horizon);
      for (const [r, origin] of origins.entries()) {
        const level = track.levels[origin]!;
        for (let j = 0; j < horizon; j++) targets[r * horizon + j] = x[origin + 1 + j]! - level;
      }
      const weights = Float64Array.from(origins, (origin) => track.weights[origin]!);
      if (origins.length > 0) absorbPairs(sums, featuresAt(track, origins), targets, weights);
      origins.length = 0;
    };
    for (let t = WARM_DAYS * samplesADay; t < trainEnd - horizon; t += step) {
      origins.push(t);
      if (origins.length === BLOCK) absorb();
    }
    absorb();
  }
  return sums;
}
