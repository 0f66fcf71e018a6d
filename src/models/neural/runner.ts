import type { LeadRows } from "./shapes.ts";

/**
 * A network at work in this thread, on one stream at a time: what the neural member asks of it.
 * Its weights lie in it, its state with the stream.
 */
export interface NeuralRunner {
  /** Numbers of a stream's state, and of what the decoder sees of it. */
  readonly stateLength: number;
  readonly hiddenLength: number;
  /**
   * Advances a state over samples. Samples together and one by one give the same bits.
   *
   * @param state     advanced in place                                     [stateLength]
   * @param tokens                                              [count, TOKEN_FEATURES]
   * @param elapsed   slots since the sample before                              [count]
   * @param seasonal  the same on the season's clock                             [count]
   * @param hidden    receives what the decoder sees after the last sample  [hiddenLength]
   */
  absorb(
    state: Float32Array,
    tokens: Float32Array,
    elapsed: Float64Array,
    seasonal: Float64Array,
    count: number,
    hidden: Float32Array,
  ): void;
  /**
   * Quantiles of the first `count` leads, relative to the last value and in their units. The
   * answer is overwritten by the next call.
   *
   * @param hidden  after the newest sample                               [hiddenLength]
   * @returns                                                           [count, LEVELS]
   */
  decode(hidden: Float32Array, leads: LeadRows, count: number): Float32Array;
  /**
   * The same of the leads 1, 2, 3, …, in less than half the time: most of the far ones are decoded
   * from what lies on a straight line between their neighbours, and need no features in `leads`.
   * For statistics of past forecasts.
   */
  decodeRoughly(hidden: Float32Array, leads: LeadRows, count: number): Float32Array;
}
