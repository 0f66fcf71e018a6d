/** A stream that is followed from its first samples on, and what its forecasts came to. */

/** A series that a model is fed sample by sample. */
export interface LiveStream {
  readonly name: string;
  /** Streams that are told together. */
  readonly group: string;
  /** Whether its values were measured somewhere, not drawn. */
  readonly isReal: boolean;
  readonly periodS: number;
  /** Leads that forecasts are asked for. */
  readonly horizon: number;
  /** NaN where nothing was measured.                                                 [sample] */
  readonly values: Float64Array;
  /** Standard deviation of the error of the best possible forecast, where known.       [lead] */
  readonly ideal: Float64Array | null;
}

/** Samples seen before a forecast: first count of each age. */
export const AGES: readonly number[] = [8, 32, 128, 512, 2048];

/** Targets of one age and one bucket of leads. */
export interface Cell {
  count: number;
  inside80: number;
  inside95: number;
}

/** How a model did on a stream. */
export interface Followed {
  readonly name: string;
  readonly group: string;
  readonly isReal: boolean;
  readonly samples: number;
  /** [age][bucket of leads: near, middle, far] */
  readonly cells: readonly (readonly Cell[])[];
  /** What 80 % intervals would have had to be multiplied by to hold 80 % of all targets. */
  readonly needed: number;
  /** Mean width of the 80 % intervals beside the ideal ones; null where these are not known. */
  readonly width: number | null;
  /** Mean over the deciles of twice the pinball loss, beside the error of the last value. */
  readonly loss: number;
}
