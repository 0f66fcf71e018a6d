import {
  FAST,
  type FeatureState,
  HEAD,
  KNOWN,
  MEAN,
  MINIMUM,
  NEWEST,
  ORIGIN,
  SCALE,
  STRETCH,
  STRETCHES,
  TIME,
} from "./feature_state.ts";

/**
 * The recent past on whole slots: a ring of f32, value = origin + scale·ring.
 *
 * Slots between two samples lie on the line between them; they are filled when the second arrives.
 * Reads between slots lie on the line between these.
 */

/** Once the mean is this many spreads from the origin, the origin follows it. */
const ORIGIN_SPREADS = 16;

/** The scale follows the spread beyond this ratio: far within what f32 holds. */
const SCALE_RATIO = 2 ** 30;

/** Whether the history reaches `lag` slots back from the newest sample. */
export function reachesBack(numbers: Float64Array, lag: number): boolean {
  return lag - (numbers[TIME]! - numbers[NEWEST]!) <= numbers[KNOWN]! - 1;
}

/** The longest lag that {@linkcode reachesBack}. */
export function reachOf(numbers: Float64Array): number {
  return numbers[KNOWN]! - 1 + (numbers[TIME]! - numbers[NEWEST]!);
}

/** Ring's value `back` slots before the head; slots that were never seen read as 0. */
function ringAt(history: Float32Array, head: number, back: number): number {
  const whole = Math.floor(back);
  const share = back - whole;
  let at = head - whole;
  if (at < 0) at += history.length;
  if (share === 0) return history[at]!;
  const before = at === 0 ? history.length - 1 : at - 1;
  return history[at]! * (1 - share) + history[before]! * share;
}

/**
 * The value `lag` slots before the newest sample, less the origin.
 *
 * @param lag  ≥ 0, and not beyond {@linkcode reachOf}
 */
export function valueBack(state: FeatureState, lag: number): number {
  const { numbers, history } = state;
  if (lag === 0) return state.last - numbers[ORIGIN]!;
  const offset = numbers[TIME]! - numbers[NEWEST]!;
  const back = lag - offset;
  const scale = numbers[SCALE]!;
  const head = numbers[HEAD]!;
  if (back >= 0) return scale * ringAt(history, head, back);
  // Between the newest whole slot and a sample that fell behind it.
  const share = -back / offset;
  return scale * history[head]! * (1 - share) + (state.last - numbers[ORIGIN]!) * share;
}

/** Sum of the ring over the newest `length` slots; of the slot that is cut, its share. */
function newestSum(history: Float32Array, head: number, length: number): number {
  const whole = Math.floor(length);
  let at = head;
  let sum = 0;
  for (let i = 0; i < whole; i++) {
    sum += history[at]!;
    at = at === 0 ? history.length - 1 : at - 1;
  }
  return sum + (length - whole) * history[at]!;
}

function sumStretches(state: FeatureState): void {
  const { numbers, history } = state;
  const stretch = numbers[STRETCH]!;
  const head = numbers[HEAD]!;
  numbers[STRETCHES] = 2 * newestSum(history, head, stretch) -
    newestSum(history, head, 2 * stretch);
}

/** The history's first slot: the newest whole one before the first sample, with its value. */
export function startHistory(state: FeatureState, u: number): void {
  const { numbers } = state;
  numbers[NEWEST] = Math.floor(u);
  numbers[KNOWN] = 1;
}

/**
 * Lets origin and scale follow the series once they are far from its mean and spread; at the second
 * sample the scale becomes the spread.
 *
 * @param spread  the spread of the series, > 0
 */
export function followSeries(state: FeatureState, spread: number): void {
  const { numbers, history } = state;
  const ratio = spread / numbers[SCALE]!;
  const fits = ratio < SCALE_RATIO && ratio > 1 / SCALE_RATIO;
  const far = Math.abs(numbers[MEAN]!) > ORIGIN_SPREADS * spread;
  if (fits && !far) return;
  const origin = far ? numbers[ORIGIN]! + numbers[MEAN]! : numbers[ORIGIN]!;
  const shift = numbers[ORIGIN]! - origin;
  const known = numbers[KNOWN]!;
  let at = numbers[HEAD]!;
  for (let i = 0; i < known; i++) {
    history[at] = (history[at]! * numbers[SCALE]! + shift) / spread;
    at = at === 0 ? history.length - 1 : at - 1;
  }
  numbers[ORIGIN] = origin;
  numbers[SCALE] = spread;
  numbers[MEAN] = numbers[MEAN]! + shift;
  numbers[FAST] = numbers[FAST]! + shift;
  numbers[MINIMUM] = numbers[MINIMUM]! + shift;
  sumStretches(state);
}

/**
 * Fills the whole slots between the newest sample and the next one, on the line between the two.
 *
 * @param u      slot time of the next sample, not before the newest
 * @param value  its value less the origin
 */
export function fillHistory(state: FeatureState, u: number, value: number): void {
  const { numbers, history } = state;
  const end = Math.floor(u);
  const from = numbers[NEWEST]!;
  if (end === from) return;
  const time = numbers[TIME]!;
  const last = state.last - numbers[ORIGIN]!;
  const slope = (value - last) / (u - time);
  const scale = numbers[SCALE]!;
  const stretch = numbers[STRETCH]!;
  // Of a gap longer than the history only its end remains; then the sums are made again.
  const skipped = Math.max(0, end - from - history.length);
  let head = numbers[HEAD]!;
  let sum = numbers[STRETCHES]!;
  for (let slot = from + skipped + 1; slot <= end; slot++) {
    const written = Math.fround((slot === u ? value : last + slope * (slot - time)) / scale);
    head = head + 1 === history.length ? 0 : head + 1;
    history[head] = written;
    if (stretch > 0) {
      sum += written - 2 * ringAt(history, head, stretch) + ringAt(history, head, 2 * stretch);
    }
  }
  numbers[STRETCHES] = sum;
  numbers[HEAD] = head;
  numbers[NEWEST] = end;
  numbers[KNOWN] = Math.min(history.length, numbers[KNOWN]! + end - from);
  if (skipped > 0) sumStretches(state);
}
