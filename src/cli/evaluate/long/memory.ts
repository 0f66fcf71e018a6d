/**
 * A frozen multi-scale memory of a channel, of constant size, from which long horizons are read:
 * diagonal continuous-time modes (S4D, arXiv 2206.11893),
 *
 *   m(t + 1) = exp(−1/tau + i·omega)·m(t) + g·x(t + 1),
 *
 * real ones (g = 1 − exp(−1/tau)) from hours to a week, and harmonics of the day (twice that g)
 * that remember for days, beside the newest samples. The week's mean is the level that forecasts
 * are told from; the deviation of a fortnight weighs samples of quiet and loud times alike.
 */
const MEAN_HOURS = [2, 6, 12];
const MEAN_DAYS = [1, 3, 7];
const DAY_HARMONICS = 8;
const HARMONIC_DAYS = [1.5, 4, 14];
const NEWEST = 12;
const VARIANCE_DAYS = 14;
const VARIANCE_START = 0.3;
/** Added to a variance, in units of the series' own, so that still times do not weigh all. */
const VARIANCE_FLOOR = 0.05;
const HOURS_A_DAY = 24;

const MEANS = MEAN_HOURS.length + MEAN_DAYS.length;
const HARMONICS = HARMONIC_DAYS.length * DAY_HARMONICS;

/** Features of a memory. */
export const MEMORY_FEATURES = MEANS + 2 * HARMONICS + NEWEST + 1;

/** What a memory holds of one channel. */
export interface Memory {
  readonly meanDecays: readonly number[];
  readonly varianceDecay: number;
  /** Real and imaginary part of the harmonics' steps.                           [2·harmonic] */
  readonly steps: Float64Array;
  readonly gains: Float64Array;
  readonly means: Float64Array;
  readonly harmonics: Float64Array;
  /** The newest samples, the last one first.                                    [newest + 1] */
  readonly newest: Float64Array;
  slowMean: number;
  variance: number;
}

/** A memory that has seen nothing but knows the first value of its channel. */
export function memoryStart(samplesADay: number, value: number): Memory {
  const hours = [...MEAN_HOURS, ...MEAN_DAYS.map((days) => HOURS_A_DAY * days)];
  const steps = new Float64Array(2 * HARMONICS);
  const gains = new Float64Array(HARMONICS);
  for (let i = 0; i < HARMONICS; i++) {
    const decay = Math.exp(-1 / (HARMONIC_DAYS[Math.trunc(i / DAY_HARMONICS)]! * samplesADay));
    const omega = 2 * Math.PI * (i % DAY_HARMONICS + 1) / samplesADay;
    steps[2 * i] = decay * Math.cos(omega);
    steps[2 * i + 1] = decay * Math.sin(omega);
    gains[i] = 2 * (1 - decay);
  }
  return {
    meanDecays: hours.map((tau) => Math.exp(-HOURS_A_DAY / (tau * samplesADay))),
    varianceDecay: Math.exp(-1 / (VARIANCE_DAYS * samplesADay)),
    steps,
    gains,
    means: new Float64Array(MEANS).fill(value),
    harmonics: new Float64Array(2 * HARMONICS),
    newest: new Float64Array(NEWEST + 1).fill(value),
    slowMean: value,
    variance: VARIANCE_START,
  };
}

/** Advances a memory by one sample. */
export function memoryObserve(memory: Memory, value: number): void {
  const { means, meanDecays, harmonics, steps, gains, newest, varianceDecay } = memory;
  for (let k = 0; k < MEANS; k++) means[k] = value + meanDecays[k]! * (means[k]! - value);
  for (let k = 0; k < HARMONICS; k++) {
    const re = harmonics[2 * k]!;
    const im = harmonics[2 * k + 1]!;
    const c = steps[2 * k]!;
    const s = steps[2 * k + 1]!;
    harmonics[2 * k] = c * re - s * im + gains[k]! * value;
    harmonics[2 * k + 1] = s * re + c * im;
  }
  newest.copyWithin(1, 0, NEWEST);
  newest[0] = value;
  memory.slowMean = value + varianceDecay * (memory.slowMean - value);
  const square = (value - memory.slowMean) ** 2;
  memory.variance = square + varianceDecay * (memory.variance - square);
}

/** The level that forecasts of a memory are told from. */
export function memoryLevel(memory: Memory): number {
  return memory.means[MEANS - 1]!;
}

/** How much a pair that begins at this memory weighs. */
export function memoryWeight(memory: Memory): number {
  return 1 / (memory.variance + VARIANCE_FLOOR);
}

/** Writes the features: means and newest samples less the last one, harmonics, last − level. */
export function memoryFeaturesInto(memory: Memory, out: Float32Array | Float64Array, at: number) {
  const last = memory.newest[0]!;
  for (const mean of memory.means) out[at++] = mean - last;
  for (const value of memory.harmonics) out[at++] = value;
  for (let k = 1; k <= NEWEST; k++) out[at++] = memory.newest[k]! - last;
  out[at] = last - memoryLevel(memory);
}
