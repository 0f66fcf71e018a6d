import type { Tree } from "../base/tree.ts";

/**
 * The contract of every model that serves: one channel of one stream.
 *
 * A model is a set of pure functions over a state that is plain data ({@linkcode Tree}): typed
 * arrays, numbers, strings, plain objects. `absorb` changes the state in place and depends on
 * nothing else, so state = f(model, samples), bit for bit, however the samples were cut into
 * segments. Time is irregular: each sample advances the state by its own elapsed time.
 */

/** What a model is told once, when a channel is first seen. Part of the model hash. */
export interface ChannelConfig {
  /** Nanoseconds since the Unix epoch that `timesS` = 0 stands for (the first sample's time). */
  readonly epochNs: bigint;
  /** Leads that the model learns errors for, in sampling periods. */
  readonly horizon: number;
  /** Smallest possible value, where declared: forecasts stay at or above it. */
  readonly lower: number | null;
  /** Largest possible value, where declared. */
  readonly upper: number | null;
  /** Seed of whatever a model draws; derived from the stream and channel name. */
  readonly seed: number;
  /** Season lengths in seconds, where a user declares them; empty = found. */
  readonly seasonsS: readonly number[];
}

/** One-step predictions made before each sample was seen; written by `absorb`. */
export interface OneStep {
  /** Median predicted for the sample, in its units; NaN before the model can predict.   [length] */
  readonly expected: Float64Array;
  /** Scale of the error (standard deviation), in its units; NaN where unknown.          [length] */
  readonly scale: Float64Array;
}

/** What a model can say of itself, for `GET /v1/streams/{id}`. */
export interface ModelSummary {
  /** Typical sampling period in seconds; null before it is known. */
  readonly periodS: number | null;
  /** Found season lengths in seconds, shortest first. */
  readonly seasonsS: readonly number[];
  /** Share of past values inside their own interval, by level (live, out of sample). */
  readonly coverage: readonly {
    readonly level: number;
    readonly value: number;
    readonly count: number;
    /** Mean width of the newest intervals, in the values' units; NaN before the first. */
    readonly width: number;
    /**
     * `width` in standard deviations of the values as of the last fit, which streams of any unit
     * can be compared by; NaN before the first interval, and where no value differed.
     */
    readonly relativeWidth: number;
  }[];
  /** Present weights of a committee's members. */
  readonly weights: Readonly<Record<string, number>>;
}

/** What past samples were made of: signal = level + short term + seasons; the rest is noise. */
export interface PastComponents {
  /** All but the noise, given all samples before and after, and its standard deviation. [time] */
  readonly signal: Float64Array;
  readonly signalDeviation: Float64Array;
  readonly level: Float64Array;
  readonly levelDeviation: Float64Array;
  /** Change of the level in a sampling period.                                           [time] */
  readonly slope: Float64Array;
  /** What passes in a few sampling periods.                                              [time] */
  readonly shortTerm: Float64Array;
  readonly seasons: readonly { readonly lengthS: number; readonly values: Float64Array }[];
  /** Standard deviation of the noise: a missing value lies about its signal by both. */
  readonly noiseDeviation: number;
}

/** A model that serves; see the top of this file. */
export interface Model<S extends Tree = Tree> {
  /** Name and version; a change of behaviour changes it, and with it the model hash. */
  readonly name: string;
  /** Upper bound of the packed state, in bytes, for ever. */
  readonly stateBytesMax: number;

  initialState(config: ChannelConfig): S;

  /**
   * Advances `state` over samples in time order.
   *
   * @param timesS  seconds since the epoch of the config, strictly increasing       [length]
   * @param values  NaN is a missing value                                            [length]
   * @param oneStep when given, receives what was predicted before each sample        [length]
   */
  absorb(state: S, timesS: Float64Array, values: Float64Array, oneStep?: OneStep): void;

  /**
   * Quantiles at future times (later than the last sample absorbed). Does not change the state.
   *
   * @param timesS    seconds since the epoch, increasing                             [time]
   * @param quantiles in (0, 1), increasing                                           [quantile]
   * @returns         row-major, increasing along each row                          [time, quantile]
   */
  forecast(state: S, timesS: Float64Array, quantiles: Float64Array): Float64Array;

  /**
   * Standard normal draws at future times that hang together over the times as the errors of this
   * state's forecasts do; each time's own distribution is for `forecast` to say.
   *
   * @param timesS  as in `forecast`                                                  [time]
   * @returns       row-major; the same for the same state, count and seed      [draw, time]
   */
  draws(state: S, timesS: Float64Array, count: number, seed: number): Float64Array;

  /**
   * What samples of the past were made of, under the parameters of the state; does not change it.
   *
   * @param timesS  strictly increasing; any stretch of the past                      [time]
   * @param values  NaN is a missing value, whose signal is told too                  [time]
   * @returns       null where the model takes nothing apart, or is not fitted yet
   */
  components(state: S, timesS: Float64Array, values: Float64Array): PastComponents | null;

  /**
   * Times of the newest samples with a value that the state remembers.
   *
   * @returns seconds since the epoch, increasing, at most `count`                    [sample]
   */
  newestTimes(state: S, count: number): Float64Array;

  summary(state: S): ModelSummary;
}
