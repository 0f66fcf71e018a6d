/** Samples kept of a channel's recent past, on a regular grid of its sampling period. */
export const RING_SIZE = 1536;

/** Longest season that is found, in sampling periods. */
export const LAG_MAX = 720;

const FIRST_SEARCH = 128;
const SEARCH_PERIOD_MAX = 2048;
const CORRELATION_MIN = 0.25;
/** A later peak must be this much higher than an earlier one: a multiple is no better season. */
const LATER_PEAK_FACTOR = 1.08;
const SEASON_MIN = 5;
const PROFILE_RATE = 0.25;
const PROFILE_CYCLES = 3;
const GATE_MEMORY = 300;
const GATE_SHARE = 0.6;
const LEVEL_MEMORY = 1000;

/**
 * Season of a channel: found from the autocorrelation of the ring, followed as a profile by phase.
 *
 *   profile[phase] += 0.25 (x − profile[phase])          remainder = x − profile[phase]
 *
 * The gate is open where the season explains the level: EMA300 |remainder| < 0.6 EMA300 |x − mean|.
 */
export type SeasonState = {
  /** Samples seen. */
  count: number;
  /** Position on the grid of the last sample; −1 before the first. */
  tick: number;
  /** Tick at which the season is searched next. */
  nextSearch: number;
  /** Season length in sampling periods; 0 = none found. */
  length: number;
  readonly ring: Float32Array;
  /** As long as the season.                                                       [length] */
  profile: Float32Array;
  mean: number;
  level: number;
  deviation: number;
  remainder: number;
};

/** A channel without a past. */
export function initialSeason(): SeasonState {
  return {
    count: 0,
    tick: -1,
    nextSearch: FIRST_SEARCH,
    length: 0,
    ring: new Float32Array(RING_SIZE),
    profile: new Float32Array(0),
    mean: 0,
    level: 0,
    deviation: 0,
    remainder: 0,
  };
}

/**
 * Advances by one sample, `ticks` grid positions after the one before; positions between hold the
 * last value.
 *
 * @returns the remainder after season (or slow level, where there is no season)
 */
export function stepSeason(state: SeasonState, x: number, ticks: number): number {
  const held = state.tick < 0 ? x : state.ring[state.tick % RING_SIZE]!;
  const tick = state.tick + (state.tick < 0 ? 1 : ticks);
  for (let i = Math.max(state.tick + 1, tick - RING_SIZE); i < tick; i++) {
    state.ring[i % RING_SIZE] = held;
  }
  if (tick >= state.nextSearch) search(state, tick);
  state.tick = tick;
  state.ring[tick % RING_SIZE] = x;
  state.mean += (x - state.mean) / (state.count + 1);
  const remainder = state.length >= SEASON_MIN
    ? seasonRemainder(state, x)
    : levelRemainder(state, x);
  const deviation = Math.abs(x - state.mean);
  const left = state.length >= SEASON_MIN ? Math.abs(remainder) : deviation;
  const rate = state.count === 0 ? 1 : 1 / GATE_MEMORY;
  // Judged by the past and this sample, as the averages below are.
  state.deviation += (deviation - state.deviation) * rate;
  state.remainder += (left - state.remainder) * rate;
  state.count++;
  return remainder;
}

/** True where the season explains the level, so that what it leaves is looked at. */
export function isSeasonGateOpen(state: SeasonState): boolean {
  return state.length >= SEASON_MIN && state.remainder < GATE_SHARE * state.deviation;
}

function seasonRemainder(state: SeasonState, x: number): number {
  const phase = state.tick % state.length;
  const remainder = x - state.profile[phase]!;
  state.profile[phase] = state.profile[phase]! + PROFILE_RATE * remainder;
  return remainder;
}

function levelRemainder(state: SeasonState, x: number): number {
  state.level += (x - state.level) / Math.min(state.count + 1, LEVEL_MEMORY);
  return x - state.level;
}

/** Searches the season in the samples before `tick`, and starts a new profile when it changed. */
function search(state: SeasonState, tick: number): void {
  const count = Math.min(tick, RING_SIZE);
  const length = findSeason(state.ring, tick, count);
  while (state.nextSearch <= tick) {
    state.nextSearch = state.nextSearch < SEARCH_PERIOD_MAX
      ? Math.floor(state.nextSearch * 1.5)
      : state.nextSearch + SEARCH_PERIOD_MAX;
  }
  if (length === state.length) return;
  state.length = length;
  state.profile = new Float32Array(length < SEASON_MIN ? 0 : length);
  if (length < SEASON_MIN) return;
  const sums = new Float64Array(length);
  const counts = new Uint32Array(length);
  let total = 0;
  const start = Math.max(tick - PROFILE_CYCLES * length, tick - count);
  for (let i = start; i < tick; i++) {
    const value = state.ring[i % RING_SIZE]!;
    sums[i % length] = sums[i % length]! + value;
    counts[i % length] = counts[i % length]! + 1;
    total += value;
  }
  for (let i = 0; i < length; i++) {
    state.profile[i] = counts[i]! > 0 ? sums[i]! / counts[i]! : total / (tick - start);
  }
}

const recent = new Float64Array(RING_SIZE);
const correlation = new Float64Array(LAG_MAX + 1);

/**
 * Lag of the highest local peak of the autocorrelation after its first zero crossing, 0 when none
 * is above 0.27.
 *
 * @param ring   values by tick modulo its length
 * @param tick   first tick that is not looked at
 * @param count  ticks looked at
 */
export function findSeason(ring: Float32Array, tick: number, count: number): number {
  const lagMax = Math.min(LAG_MAX, Math.floor(count / 2) - 1);
  if (lagMax < 8) return 0;
  let mean = 0;
  for (let i = 0; i < count; i++) {
    recent[i] = ring[(tick - count + i) % RING_SIZE]!;
    mean += recent[i]! / count;
  }
  for (let i = 0; i < count; i++) recent[i] = recent[i]! - mean;
  for (let lag = 0; lag <= lagMax; lag++) {
    let sum = 0;
    for (let i = lag; i < count; i++) sum += recent[i]! * recent[i - lag]!;
    correlation[lag] = sum / (count - lag);
  }
  if (!(correlation[0]! > 0)) return 0;
  let lag = 1;
  while (lag < lagMax && correlation[lag]! > 0) lag++;
  const peak = firstHighPeak(lag, lagMax);
  // Noise puts small peaks on the slope of the true one: climb to the top nearby.
  let best = peak;
  const reach = Math.floor(peak / 8);
  for (let near = peak - reach; near <= Math.min(lagMax, peak + reach); near++) {
    if (correlation[near]! > correlation[best]!) best = near;
  }
  return best;
}

/** The first local peak that no later one exceeds by 8 %, from `lag` on; 0 when none is high. */
function firstHighPeak(from: number, lagMax: number): number {
  let best = 0;
  let highest = CORRELATION_MIN;
  for (let lag = from; lag < lagMax; lag++) {
    const value = correlation[lag]! / correlation[0]!;
    const isPeak = correlation[lag]! > correlation[lag - 1]! &&
      correlation[lag]! >= correlation[lag + 1]!;
    if (isPeak && value > highest * LATER_PEAK_FACTOR) {
      highest = value;
      best = lag;
    }
  }
  return best;
}
