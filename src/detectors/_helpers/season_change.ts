import { studentSurprise } from "./student.ts";

/**
 * Changes of a season: of its shape, its amplitude or its length, told by cycles of it that agree
 * with each other and not with those before.
 *
 * The values of a cycle are averaged in 12 stretches, and mean and slope are taken out, so that
 * neither a shift of level nor a trend looks like a change:
 *
 *   D   = sum (shape − profile)²                                              once a cycle
 *   t   = (log D − mean) / (sd · sqrt(1 + 1/n))       mean, sd of log D of the n cycles before
 *   p   = P(T > t) / length                           T Student's with n − 1 degrees of freedom
 *
 * A cycle is odd where P(T > t) < 0.05 and D is above 6 % of the profile's energy (a quarter of its
 * amplitude). Three odd cycles in a row that agree (their distance from each other is below half of
 * D: those of noise that has grown do not) are a change, whose p is the largest of theirs; then
 * the last of them is the profile. So a weekend in a series with a daily season is none, nor is an
 * event inside one cycle.
 *
 * A length is found by autocorrelation (see season.ts), some time after it changed. Another one
 * that is no multiple or part of the one before is a change where two cycles in a row under the old
 * length were odd not long ago.
 */
export const SHAPE_SIZE = 12;

const ODD_SURPRISE = -Math.log10(0.05);
const EFFECT_SHARE = 0.06;
const AGREEMENT = 0.5;
const CONFIRMING_CYCLES = 3;
const CYCLES_MIN = 8;
/** Cycles after which their distances are forgotten. */
const MEMORY = 60;
const PROFILE_RATE = 0.2;
/** Odd cycles a length that is found later: a search comes every 2,048 ticks. */
const BROKEN_TICKS_MAX = 4_096;
const ODD_PROFILE_RATE = 0.05;
/** Standard deviations at which a distance is clipped before it is learned. */
const CLIP = 3;
/** Share of a cycle's samples that must have come. */
const PRESENT_MIN = 0.75;
const DISTANCE_FLOOR = 1e-9;
/** Lengths this near to each other are one season, ... */
const SAME_LENGTH = 0.1;
/** ... and this near to a whole multiple, a season and its repetitions. */
const MULTIPLE = 0.03;

/** What is known of the cycles of a channel's season. */
export type SeasonChangeState = {
  /** Of the season that is followed, in sampling periods; 0 = none. */
  length: number;
  /** Number of the cycle that is being averaged; −1 = none. */
  cycle: number;
  hasProfile: boolean;
  /** Cycles whose distance was learned, at most 60. */
  count: number;
  meanLog: number;
  varianceLog: number;
  /** Odd cycles in a row that agree, and −log10 p of the least odd of them. */
  run: number;
  runSurprise: number;
  /** Odd cycles in a row, whether they agree or not, and −log10 p likewise. */
  odd: number;
  oddSurprise: number;
  /** −log10 p of the oddest two cycles in a row of late, and when they were over. */
  brokenSurprise: number;
  brokenTick: number;
  readonly sums: Float32Array;
  readonly counts: Uint16Array;
  readonly profile: Float32Array;
  /** Shape of the cycle before. */
  readonly former: Float32Array;
};

/** No season yet. */
export function initialSeasonChange(): SeasonChangeState {
  return {
    length: 0,
    cycle: -1,
    hasProfile: false,
    count: 0,
    meanLog: 0,
    varianceLog: 0,
    run: 0,
    runSurprise: 0,
    odd: 0,
    oddSurprise: 0,
    brokenSurprise: 0,
    brokenTick: 0,
    sums: new Float32Array(SHAPE_SIZE),
    counts: new Uint16Array(SHAPE_SIZE),
    profile: new Float32Array(SHAPE_SIZE),
    former: new Float32Array(SHAPE_SIZE),
  };
}

/**
 * Advances by one sample.
 *
 * @param tick    position on the grid of the sampling period
 * @param length  of the season, in sampling periods; 0 = none
 * @returns −log10 p where a change is known, else 0
 */
export function stepSeasonChange(
  state: SeasonChangeState,
  x: number,
  { tick, length }: { readonly tick: number; readonly length: number },
): number {
  if (length < SHAPE_SIZE) return 0;
  let surprise = length === state.length ? 0 : takeLength(state, length, tick);
  const cycle = Math.floor(tick / length);
  if (cycle !== state.cycle) {
    if (state.cycle >= 0) surprise = Math.max(surprise, endCycle(state, tick));
    state.cycle = cycle;
    state.sums.fill(0);
    state.counts.fill(0);
  }
  const at = Math.floor((SHAPE_SIZE * (tick - cycle * length)) / length);
  state.sums[at] = state.sums[at]! + x;
  state.counts[at] = state.counts[at]! + 1;
  return surprise;
}

function isNear(a: number, b: number): boolean {
  return Math.abs(a - b) <= SAME_LENGTH * Math.min(a, b);
}

/** True where one of the lengths is about a whole multiple of the other. */
function isMultiple(a: number, b: number): boolean {
  const ratio = Math.max(a, b) / Math.min(a, b);
  return isNear(a, b) || Math.abs(ratio - Math.round(ratio)) <= MULTIPLE * ratio;
}

/** Another length was found; −log10 p where that is a change of the season. */
function takeLength(state: SeasonChangeState, length: number, tick: number): number {
  const { length: before, brokenSurprise, brokenTick } = state;
  const isOther = before > 0 && !isMultiple(before, length);
  const isBroken = brokenSurprise > 0 && tick - brokenTick <= BROKEN_TICKS_MAX;
  const surprise = isOther && isBroken ? brokenSurprise + Math.log10(before) : 0;
  state.length = length;
  state.cycle = -1;
  state.hasProfile = false;
  state.run = 0;
  state.odd = 0;
  state.brokenSurprise = 0;
  // Under another length cycles slide, which is no change of theirs: distances are learned anew.
  state.count = 0;
  return surprise;
}

const shape = new Float64Array(SHAPE_SIZE);

/** Writes means without mean and slope to `shape`; false where too much of the cycle is missing. */
function writeShape({ sums, counts, length }: SeasonChangeState): boolean {
  let present = 0;
  let mean = 0;
  for (let i = 0; i < SHAPE_SIZE; i++) {
    if (counts[i] === 0) return false;
    present += counts[i]!;
    shape[i] = sums[i]! / counts[i]!;
    mean += shape[i]! / SHAPE_SIZE;
  }
  if (present < PRESENT_MIN * length) return false;
  const middle = (SHAPE_SIZE - 1) / 2;
  let product = 0;
  let norm = 0;
  for (let i = 0; i < SHAPE_SIZE; i++) {
    product += (i - middle) * shape[i]!;
    norm += (i - middle) ** 2;
  }
  for (let i = 0; i < SHAPE_SIZE; i++) shape[i]! -= mean + (product / norm) * (i - middle);
  return true;
}

function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < SHAPE_SIZE; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Holds the cycle that is over against those before; −log10 p where a change is known, else 0. */
function endCycle(state: SeasonChangeState, tick: number): number {
  if (!writeShape(state)) return 0;
  const { profile, former } = state;
  if (!state.hasProfile) {
    state.hasProfile = true;
    profile.set(shape);
    former.set(shape);
    return 0;
  }
  const energy = profile.reduce((sum, value) => sum + value * value, 0);
  const distance = squaredDistance(shape, profile);
  const logged = Math.log(distance + DISTANCE_FLOOR * energy + Number.MIN_VALUE);
  const surprise = oddness(state, logged);
  const isOdd = surprise > ODD_SURPRISE && distance > EFFECT_SHARE * energy;
  follow(state, isOdd, { surprise, distance });
  if (state.odd === 2) {
    state.brokenSurprise = state.oddSurprise;
    state.brokenTick = tick;
  }
  learnDistance(state, logged);
  former.set(shape);
  if (state.run >= CONFIRMING_CYCLES) {
    profile.set(shape);
    const told = state.runSurprise + Math.log10(state.length);
    state.run = 0;
    state.odd = 0;
    state.brokenSurprise = 0;
    return told;
  }
  const rate = isOdd ? ODD_PROFILE_RATE : PROFILE_RATE;
  for (let i = 0; i < SHAPE_SIZE; i++) profile[i]! += rate * (shape[i]! - profile[i]!);
  return 0;
}

/** Counts odd cycles in a row, and those that agree with the one before. */
function follow(
  state: SeasonChangeState,
  isOdd: boolean,
  { surprise, distance }: { readonly surprise: number; readonly distance: number },
): void {
  if (!isOdd) {
    state.run = 0;
    state.odd = 0;
    return;
  }
  const agrees = squaredDistance(shape, state.former) < AGREEMENT * distance;
  state.runSurprise = state.run > 0 && agrees ? Math.min(state.runSurprise, surprise) : surprise;
  state.run = state.run > 0 && agrees ? state.run + 1 : 1;
  state.oddSurprise = state.odd > 0 ? Math.min(state.oddSurprise, surprise) : surprise;
  state.odd++;
}

/** −log10 of the chance that a cycle is this far from the profile; 0 while few are known. */
function oddness({ count, meanLog, varianceLog }: SeasonChangeState, logged: number): number {
  if (count < CYCLES_MIN) return 0;
  const sd = Math.sqrt((varianceLog * count) / (count - 1));
  const t = (logged - meanLog) / Math.max(sd * Math.sqrt(1 + 1 / count), Number.MIN_VALUE);
  return studentSurprise(t, count - 1);
}

function learnDistance(state: SeasonChangeState, logged: number): void {
  const isKnown = state.count >= CYCLES_MIN;
  const most = isKnown ? state.meanLog + CLIP * Math.sqrt(state.varianceLog) : logged;
  const difference = Math.min(logged, most) - state.meanLog;
  state.count = Math.min(state.count + 1, MEMORY);
  const rate = 1 / state.count;
  state.meanLog += rate * difference;
  state.varianceLog = (1 - rate) * (state.varianceLog + rate * difference * difference);
}
