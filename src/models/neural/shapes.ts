/**
 * Sizes that the features, the network and the training of the neural forecaster share.
 */

/** Numbers that the backbone sees of a sample (docs/neural.md lists them). */
export const TOKEN_FEATURES = 24;

/** Candidate forecasts that the decoder mixes. */
export const ANCHORS = 20;

/** Scalars of a lead: its size, its phases and what is known at the origin. */
export const LEAD_SCALARS = 18;

/** Harmonics of the season in the functional basis of a lead. */
export const LEAD_HARMONICS = 12;

/** Legendre polynomials of the log of a lead, degrees 0 to 5. */
export const LEAD_POLYNOMIALS = 6;

/** Functions of a lead: sines, cosines, Legendre polynomials, w, w², w³ and 1/√lead. */
export const LEAD_BASIS = 2 * LEAD_HARMONICS + LEAD_POLYNOMIALS + 4;

/** Numbers that the decoder sees of a lead: anchors, which of them exist, scalars and the basis. */
export const LEAD_FEATURES = 2 * ANCHORS + LEAD_SCALARS + LEAD_BASIS;

/** The quantiles that the network gives, ascending. */
export const LEVELS: readonly number[] = [
  0.025,
  0.1,
  0.2,
  0.3,
  0.4,
  0.5,
  0.6,
  0.7,
  0.8,
  0.9,
  0.975,
];

/**
 * What the decoder sees of leads, one a row. A quantile q of a row stands for the value
 *
 *   last + unit·q
 *
 * with the last value of the state that the rows were taken from.
 */
export interface LeadRows {
  /** What the decoder reads.                                  [row, {@linkcode LEAD_FEATURES}] */
  readonly features: Float32Array<ArrayBuffer>;
  /** (candidate − last) / unit; 0 where the candidate is absent.     [row, {@linkcode ANCHORS}] */
  readonly anchors: Float32Array<ArrayBuffer>;
  /** 1 where the candidate exists, else 0.                           [row, {@linkcode ANCHORS}] */
  readonly valid: Float32Array<ArrayBuffer>;
  /** Typical size of a one-step surprise, over the unit.                                   [row] */
  readonly scale: Float32Array<ArrayBuffer>;
  /** The seasonal-naive error expected at the lead, in units of the values, > 0.           [row] */
  readonly unit: Float64Array<ArrayBuffer>;
}

/** Room for `count` rows. */
export function leadRows(count: number): LeadRows {
  return {
    features: new Float32Array(count * LEAD_FEATURES),
    anchors: new Float32Array(count * ANCHORS),
    valid: new Float32Array(count * ANCHORS),
    scale: new Float32Array(count),
    unit: new Float64Array(count),
  };
}
