/**
 * An autoregression of order 2 that is learnt as the samples come:
 *
 *   y[t] = φ₁ y[t−1] + φ₂ y[t−2]
 *
 * by least squares with forgetting, drawn towards 0 by half a sample and by a value of 1 % of the
 * spread at each sample, so that what hardly varies says nothing. It is learnt from three values in
 * a row that lie about one slot apart; over a gap the values in between lie on a line. All of its
 * numbers are among those of a {@linkcode FeatureState}, from an index of its own on.
 */

/** Numbers that one autoregression takes among those of the state. */
export const AR_NUMBERS = 11;

/** Forecasts go on to this lead; beyond they stay. */
export const AR_SLOTS_MAX = 96;

/** Sum of the weights, sums of products, the newest value and the one a slot before. */
const WEIGHT = 0;
const SUM_11 = 1;
const SUM_12 = 2;
const SUM_22 = 3;
const SUM_01 = 4;
const SUM_02 = 5;
const NEWEST = 6;
const BEFORE = 7;
/** Values in a row that lie a slot apart, 3 at most; 0 = there is no newest value. */
const ROW = 8;
const PHI_1 = 9;
const PHI_2 = 10;

/** More elapsed slots than these are a step. */
export const STEP_MIN = 0.5;
/** As many elapsed slots, or more, are a gap. */
export const STEP_MAX = 1.5;

/** What draws φ towards 0: samples, and the square of a value over the spread. */
const PRIOR_SAMPLES = 0.5;
const PRIOR_SQUARE = 1e-4;

/** Bounds that keep forecasts from growing. */
const PHI_2_MIN = -0.98;
const PHI_2_MAX = 0.97;
const SUM_MAX = 0.995;

/** Whether there is something to forecast with. */
export function isKnown(numbers: Float64Array, at: number): boolean {
  return numbers[at + WEIGHT]! > 0 && numbers[at + ROW]! > 0;
}

/** φ₁ + φ₂: near 1 what has been stays, near 0 nothing does; 0 before anything is known. */
export function persistence(numbers: Float64Array, at: number): number {
  return numbers[at + PHI_1]! + numbers[at + PHI_2]!;
}

/** The newest value. */
export function newestOf(numbers: Float64Array, at: number): number {
  return numbers[at + NEWEST]!;
}

/** Forgets the newest values and keeps what was learnt: the next sample begins a row. */
export function breakRow(numbers: Float64Array, at: number): void {
  numbers[at + ROW] = 0;
}

/**
 * Takes in a value.
 *
 * @param elapsed  slots since the value before
 * @param keep     what the sums keep over a step
 * @param y        the value
 * @param before   the value a slot before, taken where more than a slot has passed
 */
export function follow(
  numbers: Float64Array,
  at: number,
  elapsed: number,
  keep: number,
  y: number,
  before: number,
): void {
  const row = numbers[at + ROW]!;
  const isStep = elapsed > STEP_MIN && elapsed < STEP_MAX;
  const y1 = numbers[at + NEWEST]!;
  const y2 = numbers[at + BEFORE]!;
  if (isStep && row >= 2) {
    numbers[at + WEIGHT] = numbers[at + WEIGHT]! * keep + 1;
    numbers[at + SUM_11] = numbers[at + SUM_11]! * keep + y1 * y1;
    numbers[at + SUM_12] = numbers[at + SUM_12]! * keep + y1 * y2;
    numbers[at + SUM_22] = numbers[at + SUM_22]! * keep + y2 * y2;
    numbers[at + SUM_01] = numbers[at + SUM_01]! * keep + y * y1;
    numbers[at + SUM_02] = numbers[at + SUM_02]! * keep + y * y2;
  }
  numbers[at + NEWEST] = y;
  numbers[at + ROW] = isStep ? Math.min(row + 1, 3) : 1;
  if (row === 0) numbers[at + BEFORE] = y;
  else if (elapsed >= STEP_MAX) numbers[at + BEFORE] = before;
  else if (isStep) numbers[at + BEFORE] = y1;
}

/** Solves for φ; values count in units of the spread, so that no product overflows. */
export function solve(numbers: Float64Array, at: number, spread: number): void {
  const weight = numbers[at + WEIGHT]!;
  if (weight === 0) return;
  const of = (index: number): number => numbers[at + index]! / spread / spread;
  const [s11, s12, s22] = [of(SUM_11), of(SUM_12), of(SUM_22)];
  const prior = PRIOR_SAMPLES * (s11 + s22) / (2 * weight) + PRIOR_SQUARE * weight;
  const [a, d] = [s11 + prior, s22 + prior];
  const [b1, b2] = [of(SUM_01), of(SUM_02)];
  const determinant = a * d - s12 * s12;
  const phi2 = Math.min(Math.max((a * b2 - s12 * b1) / determinant, PHI_2_MIN), PHI_2_MAX);
  const bound = SUM_MAX * (1 - phi2);
  numbers[at + PHI_1] = Math.min(Math.max((b1 * d - b2 * s12) / determinant, -bound), bound);
  numbers[at + PHI_2] = phi2;
}

/** What an autoregression expects after its newest value; it goes as far as it is asked for. */
export class ArPath {
  readonly #phi1: number;
  readonly #phi2: number;
  readonly #summed: boolean;
  /** Expected values by slot from the newest one on, and their sums up to there. */
  readonly #values: number[];
  readonly #sums: number[] = [0];
  #before: number;

  /** @param summed  tells the sum of the values up to a lead instead of the value */
  constructor(numbers: Float64Array, at: number, summed: boolean) {
    this.#phi1 = numbers[at + PHI_1]!;
    this.#phi2 = numbers[at + PHI_2]!;
    this.#summed = summed;
    this.#values = [numbers[at + NEWEST]!];
    this.#before = numbers[at + BEFORE]!;
  }

  #reach(slots: number): void {
    for (let known = this.#values.length - 1; known < slots; known++) {
      const y = this.#values[known]!;
      const next = this.#phi1 * y + this.#phi2 * this.#before;
      this.#before = y;
      this.#values.push(next);
      this.#sums.push(this.#sums[known]! + next);
    }
  }

  /** What is expected `lead` slots after the newest value; between two slots on the line. */
  expected(lead: number): number {
    const told = Math.min(lead, AR_SLOTS_MAX);
    const whole = Math.floor(told);
    const share = told - whole;
    this.#reach(share === 0 ? whole : whole + 1);
    const here = this.#summed ? this.#sums[whole]! : this.#values[whole]!;
    if (share === 0) return here;
    const next = this.#values[whole + 1]!;
    return this.#summed ? here + share * next : here + share * (next - here);
  }
}
