import { DELAY_STATES, type DelayMemory, delayMemory, delayObserve } from "./delay_memory.ts";
import type { Season } from "./season.ts";

/**
 * The frozen multi-scale memory behind the readout: diagonal continuous-time modes (S4D, arXiv
 * 2206.11893) driven by a filter's innovations and by its values.
 *
 *   x(u + dt) = exp(lambda·dt)·x(u) + g·z,   lambda = −1/tau + i·omega
 *
 * Real modes are exponentially weighted means, g = 1 − exp(−dt/tau); damped harmonics of the
 * season have tau = 2 seasons and g = 2 (1 − exp(−dt/tau)). Any dt is exact. An innovation is that
 * of one slot, and those of slots without a sample are expected to be 0: its dt in g is 1 at most,
 * or the one after a gap would stand for all of the gap. Beside them stands a short LegT window
 * (`delay_memory.ts`), from which the newest delays can be read.
 */
export type BankState = {
  /** Means of the innovations.                                                  [innovation tau] */
  innovations: Float64Array;
  /** Means of the values.                                                            [value tau] */
  values: Float64Array;
  /** Damped harmonics of the values, real and imaginary part.                       [2·harmonic] */
  harmonics: Float64Array;
  /** Legendre coefficients of the newest slots.                                    [delay state] */
  delays: Float64Array;
};

/** The time scales of a bank, in slots. */
export type BankScales = {
  readonly innovationTaus: readonly number[];
  readonly valueTaus: readonly number[];
  /** Angular frequencies per slot. */
  readonly omegas: readonly number[];
  readonly harmonicTau: number;
  readonly memory: DelayMemory;
  /** What the newest step keeps: mostly the next one is as long. */
  readonly step: BankStep;
};

/** What is left of each part of a bank after `dt` slots. */
type BankStep = {
  dt: number;
  readonly innovations: Float64Array;
  /** What a new innovation counts in each of their means. */
  readonly gains: Float64Array;
  readonly values: Float64Array;
  harmonic: number;
  /** Cosine and sine of each harmonic's turn, times what is left of it. */
  readonly turns: Float64Array;
};

const INNOVATION_TAUS = [1.5, 4, 12, 36];
const INNOVATION_TAUS_SHORT = [1.5, 4];
/** Samples from which on a bank has all of its scales. */
export const LONG_SERIES = 300;

/** Slots that the delays reach back. */
const DELAY_WINDOW = 12;

/** Harmonics of each season whose phase is a feature. */
const PHASE_HARMONICS_MAX = 3;

/** Features are clipped at this many standard deviations. */
const FEATURE_CLIP = 5;

/** The constant feature; small, so that its prior is tight. */
const CONSTANT_FEATURE = 0.3;

/** Most light features of any bank. */
export const LIGHT_FEATURES_MAX = 1 + INNOVATION_TAUS.length;

/** Most features of any bank. */
export const FEATURES_MAX = LIGHT_FEATURES_MAX + 2 + 4 + DELAY_STATES + 2 + 4 * PHASE_HARMONICS_MAX;

/** The scales for a series of this length. */
export function bankScales(length: number, seasons: readonly Season[]): BankScales {
  const season = seasons[0]?.length ?? 1;
  const innovationTaus = length > LONG_SERIES ? INNOVATION_TAUS : INNOVATION_TAUS_SHORT;
  const valueTaus = [season, 4 * season];
  const omegas = season > 2 ? [2 * Math.PI / season, 4 * Math.PI / season] : [];
  return {
    innovationTaus,
    valueTaus,
    omegas,
    harmonicTau: 2 * season,
    memory: delayMemory(DELAY_WINDOW),
    step: {
      dt: NaN,
      innovations: new Float64Array(innovationTaus.length),
      gains: new Float64Array(innovationTaus.length),
      values: new Float64Array(valueTaus.length),
      harmonic: 0,
      turns: new Float64Array(2 * omegas.length),
    },
  };
}

function stepOf({ innovationTaus, valueTaus, harmonicTau, omegas, step }: BankScales, dt: number) {
  if (step.dt === dt) return step;
  step.dt = dt;
  const one = Math.min(1, dt);
  innovationTaus.forEach((tau, k) => {
    step.innovations[k] = Math.exp(-dt / tau);
    step.gains[k] = 1 - Math.exp(-one / tau);
  });
  valueTaus.forEach((tau, k) => step.values[k] = Math.exp(-dt / tau));
  step.harmonic = Math.exp(-dt / harmonicTau);
  omegas.forEach((omega, k) => {
    step.turns[2 * k] = step.harmonic * Math.cos(omega * dt);
    step.turns[2 * k + 1] = step.harmonic * Math.sin(omega * dt);
  });
  return step;
}

/** A bank that has seen nothing. */
export function bankStart(scales: BankScales): BankState {
  return {
    innovations: new Float64Array(scales.innovationTaus.length),
    values: new Float64Array(scales.valueTaus.length),
    harmonics: new Float64Array(2 * scales.omegas.length),
    delays: new Float64Array(DELAY_STATES),
  };
}

/** Advances the bank by `dt` slots onto an innovation and a value. */
export function bankObserve(
  scales: BankScales,
  state: BankState,
  dt: number,
  innovation: number,
  value: number,
): void {
  const step = stepOf(scales, dt);
  for (let k = 0; k < state.innovations.length; k++) {
    const decay = step.innovations[k]!;
    state.innovations[k] = decay * state.innovations[k]! + step.gains[k]! * innovation;
  }
  for (let k = 0; k < state.values.length; k++) {
    const decay = step.values[k]!;
    state.values[k] = decay * state.values[k]! + (1 - decay) * value;
  }
  delayObserve(scales.memory, state.delays, dt, value);
  const decay = step.harmonic;
  for (let k = 0; k < scales.omegas.length; k++) {
    const re = state.harmonics[2 * k]!;
    const im = state.harmonics[2 * k + 1]!;
    const c = step.turns[2 * k]!;
    const s = step.turns[2 * k + 1]!;
    state.harmonics[2 * k] = c * re - s * im + 2 * (1 - decay) * value;
    state.harmonics[2 * k + 1] = s * re + c * im;
  }
}

/** Harmonics of each season that appear as phase features. */
function phaseHarmonics(season: Season, index: number): number {
  const available = index === 0 ? Math.floor(season.length / 2) : PHASE_HARMONICS_MAX;
  return Math.min(available, PHASE_HARMONICS_MAX);
}

/** Count of the light features, which come first, and of all features. */
export function featureCounts(
  scales: BankScales,
  seasons: readonly Season[],
): { light: number; full: number } {
  const light = 1 + scales.innovationTaus.length;
  let full = light + scales.valueTaus.length + 2 * scales.omegas.length + DELAY_STATES;
  if (seasons.length > 0) full += 2;
  seasons.forEach((season, index) => full += 2 * phaseHarmonics(season, index));
  return { light, full };
}

/**
 * Writes the features at a slot: constant, innovation means | value means, harmonics, delays,
 * seasonal difference and the one before, phases of the seasons; before scaling.
 *
 * @param slot        whole slot of the origin, for the phases
 * @param difference  value minus the one a season before, now and one slot before          [2]
 * @param out         as many as wanted, light ones first                             [feature]
 */
export function rawFeaturesInto(
  state: BankState,
  seasons: readonly Season[],
  slot: number,
  difference: readonly [number, number],
  out: Float64Array,
): void {
  let at = 0;
  out[at++] = 1;
  for (const value of state.innovations) out[at++] = value;
  if (at === out.length) return;
  for (const value of state.values) out[at++] = value;
  for (const value of state.harmonics) out[at++] = value;
  for (const value of state.delays) out[at++] = value;
  if (seasons.length > 0) {
    out[at++] = difference[0];
    out[at++] = difference[1];
  }
  for (const [index, season] of seasons.entries()) {
    const harmonics = phaseHarmonics(season, index);
    for (let j = 1; j <= harmonics; j++) {
      const angle = 2 * Math.PI * j * slot / season.length;
      out[at++] = Math.cos(angle);
      out[at++] = Math.sin(angle);
    }
  }
}

/**
 * Divides features by their deviations and clips them, in place; the first becomes the constant.
 *
 * @param features    [feature]
 * @param deviations  of each on the past, in its own unit                              [feature]
 */
export function scaleFeatures(features: Float64Array, deviations: Float64Array): void {
  features[0] = CONSTANT_FEATURE;
  for (let i = 1; i < features.length; i++) {
    const scaled = features[i]! / deviations[i]!;
    features[i] = Math.min(FEATURE_CLIP, Math.max(-FEATURE_CLIP, scaled));
  }
}
