/** A past forecast and how it came out. */
export type PastForecast = {
  readonly slot: number;
  /** Normalised point forecasts.                                                         [lead] */
  readonly point: Float32Array;
  /** Disagreement of the members.                                                        [lead] */
  readonly spread: Float32Array;
  /** Size of the point forecast in the values' own units.                                [lead] */
  readonly size: Float32Array;
  /** Observation minus point; NaN where it is not known.                                 [lead] */
  readonly errors: Float64Array;
};
