import type { Tree } from "../base/tree.ts";

/** How the alarms of a stream are told; part of what its state depends on. */
export type FlagOptions = {
  /**
   * False alarms a sample of a clean stream: an alarm opens where the chance of such an event is at
   * most this.                                                                        (0, 0.1]
   */
  readonly falseAlarmRate: number;
  /** "learn": an event that comes again is told less; "tell": it is told each time. */
  readonly repeats: "learn" | "tell";
  /** Least distance of the value from its usual level, in robust standard deviations; 0 = any. */
  readonly effectMin: number;
  /** Seconds after an alarm in which no other one opens. */
  readonly coolDownS: number;
};

/** What a stream has that was never told otherwise. */
export const DEFAULT_FLAG_OPTIONS: FlagOptions = {
  falseAlarmRate: 1e-4,
  repeats: "learn",
  effectMin: 0,
  coolDownS: 0,
};

/** −log10 of the default rate of false alarms: an alarm opens at such a flag or a higher one. */
export const FLAG_THRESHOLD = -Math.log10(DEFAULT_FLAG_OPTIONS.falseAlarmRate);

/**
 * The contract of every detector: all channels of one stream, sample by sample, online. The state
 * is plain data and a pure function of the samples absorbed.
 */
export interface DetectorConfig {
  readonly channels: number;
  /** Seed of the reservoirs, derived from the stream's name. */
  readonly seed: number;
  /** Default: {@linkcode DEFAULT_FLAG_OPTIONS}. */
  readonly options?: FlagOptions | undefined;
}

/** What spoke loudest in an event; a missing heartbeat is told by the service's clock. */
export const REASONS = [
  "spike",
  "level",
  "drift",
  "variance",
  "shape",
  "season",
  "stuck",
  "dropout",
  "clock",
  "spectrum",
  "heartbeat",
] as const;

/** One of {@linkcode REASONS}. */
export type Reason = typeof REASONS[number];

/** What is known of an event when its alarm opens, is revised, and when it is over. */
export interface FlagEvent {
  /** Sample of the call at which this is said. */
  readonly index: number;
  /** An alarm is revised where its reason turns out to be another one. */
  readonly phase: "open" | "revised" | "end";
  /** Counts the alarms of a stream from 0; the others have the number of their opening. */
  readonly number: number;
  /** When the alarm opened, in seconds since the stream's epoch. */
  readonly openedS: number;
  /** When the evidence was highest so far. */
  readonly peakS: number;
  /**
   * Chance a sample that a clean stream opens an event this high: at the opening that of the
   * moment, at the end that of the peak.                                                [0, 1]
   */
  readonly p: number;
  /** −log10 of the tail probability of the sample that was highest: what ranks samples. */
  readonly score: number;
  readonly reason: Reason;
  /** Indices of the channels that spoke, loudest first; none where all did (a clock). */
  readonly channels: readonly number[];
  /** Frequencies of the band that changed, in Hz; of spectra only. */
  readonly bandHz?: readonly [number, number];
}

/** What `absorb` writes for each sample. */
export interface Detection {
  /** Ranks samples: −log10 of a calibrated tail probability, 0 in the grace period.     [length] */
  readonly score: Float64Array;
  /**
   * −log10 of the chance p that a clean stream opens such an event at a sample: told where an event
   * opens or has become ten times rarer, else 0. An alarm opens where p has fallen to the wanted
   * rate of false alarms, once an event: after that the event stays 0. Smaller values are what
   * would open an alarm at a higher rate.                                              [length]
   */
  readonly flag: Float64Array;
  /** Alarms that opened and ended, in order; added to. */
  readonly events: FlagEvent[];
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
   * Forgets how far a channel used to be off, as its values are another series from here on:
   * chances are learned anew, what the values are like is kept.
   */
  forgetTails(state: S, channel: number): void;

  /**
   * Advances `state` over samples in time order. A sample whose time does not advance counts as one
   * sampling period later.
   *
   * @param timesS   seconds since the stream's epoch                                   [length]
   * @param values   one column a channel; NaN is a missing value             [channel][length]
   * @param out      written for every sample
   */
  absorb(
    state: S,
    timesS: Float64Array,
    values: readonly Float64Array[],
    out: Detection,
  ): void;
}
