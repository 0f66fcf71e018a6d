import type { Tree } from "../base/tree.ts";

/**
 * The contract of every detector: all channels of one stream, sample by sample, online. The state
 * is plain data and a pure function of the samples absorbed.
 */
export interface DetectorConfig {
  readonly channels: number;
  /** Seed of the reservoirs, derived from the stream's name. */
  readonly seed: number;
}

/** An alarm opens at a sample whose flag is at least this. */
export const FLAG_THRESHOLD = 1.5;

/** What `absorb` writes for each sample. */
export interface Detection {
  /** Ranks samples: −log10 of a calibrated tail probability, 0 in the grace period.     [length] */
  readonly score: Float64Array;
  /**
   * Evidence where an event opens or rises, else 0. An alarm opens where it is at least
   * {@linkcode FLAG_THRESHOLD}, once an event: after that the event stays 0. Smaller values are
   * what would open an alarm at a lower threshold.                                     [length]
   */
  readonly flag: Float64Array;
}

/** One way to score and flag; a member of the hub. */
export interface Detector<S extends Tree = Tree> {
  readonly name: string;
  /** Samples without any score. */
  readonly gracePeriod: number;
  /** Upper bound of the packed state for this many channels, in bytes. */
  stateBytesMax(channels: number): number;

  initialState(config: DetectorConfig): S;

  /**
   * The state for `config.channels` channels, of which the first are those of `state`: as if the
   * new ones had always been there and missing. Takes over `state`, which is not to be used again.
   */
  addChannels(state: S, config: DetectorConfig): S;

  /**
   * Advances `state` over samples in time order. A sample whose time does not advance counts as one
   * sampling period later.
   *
   * @param timesS   seconds since the stream's epoch                                   [length]
   * @param values   one column a channel; NaN is a missing value             [channel][length]
   * @param out      written for every sample                                           [length]
   */
  absorb(
    state: S,
    timesS: Float64Array,
    values: readonly Float64Array[],
    out: Detection,
  ): void;
}
