import { RING_SIZE } from "./season.ts";

/**
 * What a channel was like before a change: the median at each phase of the season of up to eight
 * cycles before it, or of up to 256 samples where there is no season. What differs from it is held
 * against the variance and the correlation of neighbours that it leaves of those cycles, in which
 * what lies further out than 5 deviations is cut.
 */
const CYCLES_MIN = 2;
const CYCLES_MAX = 8;
const PAST_MIN = 32;
const PAST_MAX = 256;
/** Samples before an alarm in which the change may have begun. */
export const LEAD_MAX = 96;
/** So many equal neighbours are a value that stands still or stayed away: no part of a change. */
const STILL_MIN = 8;
/** Shortest season that is looked at. */
const SEASON_MIN = 12;
/** A season that was found may be so much longer or shorter. */
const LENGTH_SLIP = 2;
const CORRELATION_MAX = 0.95;
const CUT = 5;
/** Deviations from which a sample is far away. */
const FAR = 1.5;
/** Least shift of a level in deviations, and largest correlation of neighbours. */
const SHIFT_MIN = 3;
const SHIFT_RHO_MAX = 0.9;
/** A normal distribution's standard deviation is so many times its mean deviation. */
const MEAN_DEVIATION_TO_SD = 1.2533;

/** Where a change lies in a ring of samples. */
export interface ChangePlace {
  /** Tick of the alarm, and the last one so far. */
  readonly since: number;
  readonly tick: number;
  /** Season before the change in ticks; 0 = none. */
  readonly length: number;
}

/** Scratch of one look: what {@linkcode findPast} found. */
export const past = {
  /** First tick of its cycles, and the first one behind them. */
  from: 0,
  end: 0,
  /** Length of a cycle, which is 1 without a season. */
  length: 1,
  /** Correlation of neighbours, and variance of what it leaves. */
  rho: 0,
  variance: 0,
};

const profile = new Float64Array(RING_SIZE);
const sorted = new Float64Array(PAST_MAX);

/** The season of a place, where it is long enough to be looked at; else 0. */
export function seasonOf({ length }: ChangePlace): number {
  return length >= SEASON_MIN ? length : 0;
}

/** Samples before the alarm since which no value stood still, at most 96. */
function movingSamples(ring: Float32Array, since: number, most: number): number {
  let equal = 1;
  for (let lead = 1; lead < most; lead++) {
    const isEqual = ring[(since - lead) % RING_SIZE] === ring[(since - lead - 1) % RING_SIZE];
    equal = isEqual ? equal + 1 : 1;
    if (equal === STILL_MIN) return Math.max(1, lead - STILL_MIN + 1);
  }
  return most;
}

/**
 * Finds the cycles before a change. Of a length that is a little off, cycles slip, so that its
 * neighbours are tried as well.
 *
 * @param ring  values by tick modulo its length
 * @returns samples between them and the alarm; 0 where too little is known
 */
export function findPast(ring: Float32Array, place: ChangePlace): number {
  const { since, tick } = place;
  const season = seasonOf(place);
  const oldest = Math.max(0, tick + 1 - RING_SIZE);
  const slip = season === 0 ? 0 : LENGTH_SLIP;
  const least = season === 0 ? PAST_MIN : CYCLES_MIN * (season + slip);
  // One sample more, which the first is whitened by.
  const most = Math.min(LEAD_MAX, since - 1 - oldest - least);
  if (most < 1) return 0;
  const lead = movingSamples(ring, since, most);
  past.end = since - lead - 1;
  const reach = past.end - oldest;
  if (season === 0) {
    learnPast(ring, 1, Math.min(PAST_MAX, reach));
    return lead;
  }
  const cycles = Math.min(CYCLES_MAX, Math.floor(reach / (season + slip)));
  let best = season;
  let smallest = Infinity;
  for (let length = season - slip; length <= season + slip; length++) {
    learnPast(ring, length, cycles);
    if (past.variance >= smallest) continue;
    best = length;
    smallest = past.variance;
  }
  if (past.length !== best) learnPast(ring, best, cycles);
  return lead;
}

/** How far a sample is from those before the change at its phase. */
export function residualAt(ring: Float32Array, at: number): number {
  return ring[at % RING_SIZE]! - profile[(at - past.from) % past.length]!;
}

/** Writes the medians of the cycles, and what they leave. */
function learnPast(ring: Float32Array, length: number, cycles: number): void {
  const { end } = past;
  past.length = length;
  past.from = end - cycles * length;
  const work = sorted.subarray(0, cycles);
  for (let phase = 0; phase < length; phase++) {
    for (let c = 0; c < cycles; c++) {
      work[c] = ring[(past.from + phase + c * length) % RING_SIZE]!;
    }
    work.sort();
    profile[phase] = (work[cycles >> 1]! + work[(cycles - 1) >> 1]!) / 2;
  }
  let size = 0;
  for (let i = past.from; i < end; i++) size += Math.abs(residualAt(ring, i));
  const cut = CUT * MEAN_DEVIATION_TO_SD * size / (end - past.from);
  let squares = 0;
  let products = 0;
  let last = 0;
  for (let i = past.from; i < end; i++) {
    const residual = Math.min(cut, Math.max(-cut, residualAt(ring, i)));
    squares += residual * residual;
    products += residual * last;
    last = residual;
  }
  past.rho = squares > 0 ? Math.min(CORRELATION_MAX, Math.max(0, products / squares)) : 0;
  // Σ (y_i − rho y_(i−1))², but for its ends. Each cycle has a part in what it is held against.
  const sum = (1 + past.rho * past.rho) * squares - 2 * past.rho * products;
  past.variance = sum / (end - past.from) * (cycles + 1) / (cycles - 1);
}

/**
 * Root mean square distance of the samples `[from, tick]` from those before the change; infinite
 * where too little is known of these.
 *
 * @param ring  values by tick modulo its length
 */
export function changeSize(ring: Float32Array, place: ChangePlace, from: number): number {
  if (findPast(ring, place) === 0) return Infinity;
  let sum = 0;
  for (let at = from; at <= place.tick; at++) sum += residualAt(ring, at) ** 2;
  return Math.sqrt(sum / (place.tick - from + 1));
}

/** Standard deviation of what the past leaves of its cycles. */
function pastDeviation(): number {
  return Math.sqrt(past.variance / (1 - past.rho * past.rho));
}

/**
 * Share of the samples `[from, tick]` that are further than 1.5 deviations from those before the
 * change; 0 where too little is known of these.
 */
export function farShare(ring: Float32Array, place: ChangePlace, from: number): number {
  if (findPast(ring, place) === 0) return 0;
  const far = FAR * pastDeviation();
  let count = 0;
  for (let at = from; at <= place.tick; at++) if (Math.abs(residualAt(ring, at)) > far) count++;
  return count / (place.tick - from + 1);
}

/** True where the last sample is further than 5 deviations from the mean of so many before it. */
export function isFresh(ring: Float32Array, place: ChangePlace, window: number): boolean {
  if (findPast(ring, place) === 0) return true;
  const { tick } = place;
  let mean = 0;
  for (let at = tick - window; at < tick; at++) mean += residualAt(ring, at) / window;
  return Math.abs(residualAt(ring, tick) - mean) > CUT * pastDeviation();
}

/**
 * How far the level is from that before the change: the median of the second half of the samples
 * since the alarm. 0 where that is less than 3 deviations or too little is known, and where
 * neighbours go together so closely that no level is for good.
 */
export function levelShift(ring: Float32Array, place: ChangePlace): number {
  const { since, tick } = place;
  if (findPast(ring, place) === 0 || past.rho > SHIFT_RHO_MAX) return 0;
  const from = Math.max(since, tick - PAST_MAX + 1, since + ((tick - since) >> 1));
  const last = sorted.subarray(0, tick - from + 1);
  for (let i = 0; i < last.length; i++) last[i] = residualAt(ring, from + i);
  const shift = last.sort()[last.length >> 1]!;
  return Math.abs(shift) < SHIFT_MIN * pastDeviation() ? 0 : shift;
}
