/** Seeded series with known truth, for tests: the same seed gives the same samples. */
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../src/base/random.ts";
import type { Segment } from "../src/signal/segment.ts";
import type { Dataset } from "./dataset.ts";

/** What {@linkcode seasonal} draws. Amplitudes are in the units of the values. */
export interface SeasonalOptions {
  readonly seed: number;
  readonly length: number;
  /** Seconds between samples. Default 3,600. */
  readonly periodS?: number;
  /** Samples in one season. Default 24. */
  readonly seasonLength?: number;
  readonly level?: number;
  readonly amplitude?: number;
  /** Rise from the first sample to the last. */
  readonly rise?: number;
  /** Standard deviation of the noise. */
  readonly noise?: number;
  readonly streamId?: string;
}

/** A generated segment and the indices at which something unlike the rest was planted. */
export interface PlantedSegment {
  readonly segment: Segment;
  readonly anomalies: readonly { readonly index: number; readonly length: number }[];
}

/** First timestamp of every generated series: 2024-01-01T00:00:00Z. */
export const SYNTHETIC_START_NS = 1_704_067_200_000_000_000n;

function evenTimestamps(length: number, periodS: number): BigInt64Array {
  const stepNs = BigInt(Math.round(periodS * 1e9));
  return BigInt64Array.from({ length }, (_, i) => SYNTHETIC_START_NS + BigInt(i) * stepNs);
}

function segmentOf(streamId: string, timestampsNs: BigInt64Array, column: Float64Array): Segment {
  return { streamId, channels: ["value"], timestampsNs, values: [column] };
}

/**
 * Level + trend + one season with its second harmonic + white noise.
 *
 *   y[i] = level + rise·i/length + amplitude·(sin(w·i) + cos(2·w·i)/3) + noise·e[i]
 *
 * with w = 2π / seasonLength and e standard normal.
 */
export function seasonal(options: SeasonalOptions): Segment {
  const { seed, length, periodS = 3_600, seasonLength = 24 } = options;
  const { level = 10, amplitude = 4, rise = 1, noise = 0.5 } = options;
  const random = seedRandom(seed);
  const w = 2 * Math.PI / seasonLength;
  const column = Float64Array.from(
    { length },
    (_, i) =>
      level + rise * i / length + amplitude * (Math.sin(w * i) + Math.cos(2 * w * i) / 3) +
      noise * nextNormal(random),
  );
  return segmentOf(options.streamId ?? "seasonal", evenTimestamps(length, periodS), column);
}

/** A random walk: y[i] = y[i − 1] + scale·e[i], where no forecast beats the last value. */
export function randomWalk(
  options: { seed: number; length: number; periodS?: number; scale?: number; streamId?: string },
): Segment {
  const { seed, length, periodS = 86_400, scale = 1 } = options;
  const random = seedRandom(seed);
  const column = new Float64Array(length);
  let value = 100;
  for (let i = 0; i < length; i++) {
    value += scale * nextNormal(random);
    column[i] = value;
  }
  return segmentOf(options.streamId ?? "random-walk", evenTimestamps(length, periodS), column);
}

/** The same samples at jittered times with some dropped: what a real source sends. */
export function irregular(
  segment: Segment,
  options: { seed: number; dropShare?: number; jitterShare?: number },
): Segment {
  const { seed, dropShare = 0.2, jitterShare = 0.3 } = options;
  const random = seedRandom(seed);
  const length = segment.timestampsNs.length;
  const stepNs = length > 1 ? Number(segment.timestampsNs[1]! - segment.timestampsNs[0]!) : 0;
  const kept: number[] = [];
  const timestamps: bigint[] = [];
  for (let i = 0; i < length; i++) {
    const dropped = nextUniform(random) < dropShare;
    const shift = (nextUniform(random) - 0.5) * jitterShare * stepNs;
    if (dropped) continue;
    kept.push(i);
    timestamps.push(segment.timestampsNs[i]! + BigInt(Math.round(shift)));
  }
  return {
    streamId: segment.streamId,
    channels: segment.channels,
    timestampsNs: BigInt64Array.from(timestamps),
    values: segment.values.map((column) => Float64Array.from(kept, (i) => column[i]!)),
  };
}

/**
 * A seasonal series with a spike, a level shift, a stuck value and a dropout to zero planted, one
 * in each fifth of the series after the first.
 */
export function planted(options: SeasonalOptions): PlantedSegment {
  const segment = seasonal(options);
  const column = segment.values[0]!;
  const { amplitude = 4, noise = 0.5, seasonLength = 24 } = options;
  const random = seedRandom(options.seed ^ 0x5bd1e995);
  const size = 2 * amplitude + 8 * noise;
  const run = Math.max(3, seasonLength >> 1);
  const anomalies = [1, run, run, run].map((length, k) => ({
    index: placeIn(random, column.length, k + 1, length),
    length,
  }));
  const [spike, shift, stuck, dropout] = anomalies;
  column[spike!.index]! += size;
  for (let i = 0; i < run; i++) {
    column[shift!.index + i]! += size;
    column[stuck!.index + i] = column[stuck!.index]!;
    column[dropout!.index + i] = 0;
  }
  return { segment, anomalies };
}

/** A start in fifth `fifth` (0 to 4) that leaves room for `length` samples. */
function placeIn(random: RandomState, total: number, fifth: number, length: number): number {
  const width = Math.floor(total / 5);
  const room = Math.max(1, width - length);
  return fifth * width + Math.floor(nextUniform(random) * room);
}

const PLANTED_LENGTH = 2_000;

/** Eleven weeks of a generated daily rhythm with four planted anomalies. */
export const synthetic: Dataset = {
  name: "synthetic-planted",
  title: "Generated daily rhythm with planted anomalies",
  origin: {
    package: null,
    file: null,
    sha256: null,
    source: "datasets/synthetic.ts, seed 1",
    licence: "Apache-2.0",
  },
  sampleCount: PLANTED_LENGTH,
  units: { value: "1" },
  seasonLength: 24,
  load: () =>
    Promise.resolve(
      planted({ seed: 1, length: PLANTED_LENGTH, streamId: "synthetic-planted" }).segment,
    ),
};
