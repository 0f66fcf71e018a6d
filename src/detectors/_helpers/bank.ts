/**
 * The multi-scale state of one channel: exponential averages at log-spaced time constants, and
 * energies of the first difference.
 *
 *   e_i += alpha(tau_i, dt) · (x − e_i)      tau = 2, 4, …, 256 sampling periods      e_0 = x
 *   b_i  = e_(i−1) − e_i                     8 bands; e_8 is the slow level
 *   E_T += alpha(T, dt) · (|x − x_before| − E_T)                        T = 4, 16, 64, 8
 *
 *   alpha(tau, dt) = 1 − (1 − 1/tau)^dt      so that a regular series (dt = 1) has 1/tau
 *
 * `dt` is the elapsed time in sampling periods.
 */
export const BAND_COUNT = 8;

/** Features of the score: bands, slow level, log energies of T = 4, 16, 64. */
export const SCORE_FEATURES = BAND_COUNT + 4;

/** Features of the flag evidence: bands, slow level, log energies of T = 8, 64. */
export const FLAG_FEATURES = BAND_COUNT + 3;

const TAUS = [2, 4, 8, 16, 32, 64, 128, 256] as const;
const ENERGY_TAUS = [4, 16, 64, 8] as const;

/** Share of the mean difference that floors an energy, so that a flat stretch has a finite log. */
const ENERGY_FLOOR = 0.01;

/** Log energy of a series that has never moved. */
const LOG_ENERGY_STILL = Math.log(ENERGY_FLOOR);

/** Rates of the averages for one elapsed time. */
export interface BankRates {
  readonly bands: Float64Array;
  readonly energies: Float64Array;
}

/** Share of the way to a new value after `dt` sampling periods; 1/tau at dt = 1. */
export function decayRate(tau: number, dt: number): number {
  return dt === 1 ? 1 / tau : 1 - Math.pow(1 - 1 / tau, dt);
}

/** The rates for `dt` sampling periods. */
export function bankRates(dt: number): BankRates {
  return {
    bands: Float64Array.from(TAUS, (tau) => decayRate(tau, dt)),
    energies: Float64Array.from(ENERGY_TAUS, (tau) => decayRate(tau, dt)),
  };
}

/** Rates of a regular series. */
export const UNIT_RATES: BankRates = bankRates(1);

/** Averages and energies of one channel; see the head of this file. */
export type BankState = {
  count: number;
  readonly averages: Float64Array;
  readonly energies: Float64Array;
  previous: number;
  meanDifference: number;
  /** The first difference that was not 0: the unit of the energies. */
  unit: number;
};

/** A bank that has seen nothing. */
export function initialBank(): BankState {
  return {
    count: 0,
    averages: new Float64Array(BAND_COUNT),
    energies: new Float64Array(ENERGY_TAUS.length),
    previous: 0,
    meanDifference: 0,
    unit: 0,
  };
}

/** Advances the bank by one sample. */
export function stepBank(bank: BankState, x: number, rates: BankRates): void {
  const { averages, energies } = bank;
  if (bank.count === 0) {
    averages.fill(x);
    bank.previous = x;
  }
  const difference = Math.abs(x - bank.previous);
  bank.previous = x;
  bank.count++;
  bank.meanDifference += (difference - bank.meanDifference) / bank.count;
  if (bank.unit === 0) bank.unit = difference;
  for (let i = 0; i < BAND_COUNT; i++) {
    averages[i] = averages[i]! + (x - averages[i]!) * rates.bands[i]!;
  }
  for (let i = 0; i < energies.length; i++) {
    energies[i] = energies[i]! + (difference - energies[i]!) * rates.energies[i]!;
  }
}

/** The average of 16 samples, which a value's reach is counted from. */
const REACH_BAND = 3;

const whole: BankState = initialBank();

/**
 * Writes the flag features with `x`, of which the bank then keeps what lies within `reach` of its
 * average of 16 samples: a spike is told as large as it is, and is soon forgotten; a lasting shift
 * is followed by a 16th of the reach a sample, until it is within it.            [FLAG_FEATURES]
 */
export function stepFlagFeatures(
  bank: BankState,
  x: number,
  { rates, reach }: { readonly rates: BankRates; readonly reach: number },
  out: Float64Array,
): void {
  const middle = bank.averages[REACH_BAND]!;
  const kept = Math.min(middle + reach, Math.max(middle - reach, x));
  if (kept === x) {
    stepBank(bank, x, rates);
    writeFlagFeatures(bank, out);
    return;
  }
  copyBank(bank, whole);
  stepBank(whole, x, rates);
  writeFlagFeatures(whole, out);
  stepBank(bank, kept, rates);
}

function copyBank(from: BankState, to: BankState): void {
  to.count = from.count;
  to.previous = from.previous;
  to.meanDifference = from.meanDifference;
  to.unit = from.unit;
  to.averages.set(from.averages);
  to.energies.set(from.energies);
}

function logEnergy(bank: BankState, index: number): number {
  if (bank.unit === 0) return LOG_ENERGY_STILL;
  const floor = ENERGY_FLOOR * bank.meanDifference;
  return Math.log((bank.energies[index]! + floor) / bank.unit);
}

/** Share of the mean difference that floors a motion: what is far below it is all the same. */
const MOTION_FLOOR = 0.05;

/** Mean difference of the last 16 samples or so, with its floor. */
export function motionOf({ energies, meanDifference }: BankState): number {
  return energies[1]! + MOTION_FLOOR * meanDifference;
}

function writeBands(bank: BankState, out: Float64Array): void {
  let last = bank.previous;
  for (let i = 0; i < BAND_COUNT; i++) {
    out[i] = last - bank.averages[i]!;
    last = bank.averages[i]!;
  }
  out[BAND_COUNT] = last;
}

/** Writes the features of the score.                                    [SCORE_FEATURES] */
export function writeScoreFeatures(bank: BankState, out: Float64Array): void {
  writeBands(bank, out);
  for (let i = 0; i < 3; i++) out[BAND_COUNT + 1 + i] = logEnergy(bank, i);
}

/** Writes the features of the flag evidence.                             [FLAG_FEATURES] */
export function writeFlagFeatures(bank: BankState, out: Float64Array): void {
  writeBands(bank, out);
  out[BAND_COUNT + 1] = logEnergy(bank, 3);
  out[BAND_COUNT + 2] = logEnergy(bank, 2);
}
