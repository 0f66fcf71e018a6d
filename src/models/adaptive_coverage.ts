/**
 * Adaptive conformal correction of the interval widths, live, per lead bucket, level and side.
 *
 *   log f ← log f + gamma·(missed on the side − (1 − level)/2)
 *
 * Gibbs and Candès (2021) eq. 2, on the logarithm of a width factor in place of the level, so that
 * quantiles stay finite and ordered. It keeps the long-run share of misses of each side at half of
 * what the level leaves for any sequence of errors, with one exception: a level shift, which every
 * open forecast misses by far, would be repaid with fans far too wide for ten times as long. Misses
 * by more than {@linkcode FAR} half widths raise a factor by {@linkcode FAR_RISE_MAX} at most, or
 * by as much of it as a target counts; room for others comes back with all other targets, three
 * times as fast as those inside lower the factor. Only forecasts that were really issued count,
 * never those of a refit's replay.
 *
 * It starts from what series before this one asked for (docs/evidence/coverage.md): of a stream,
 * errors to come are larger than those that a fan was fitted to, and more so far out; a committee
 * that is put to the end of a whole context at once needs less.
 */
export type AdaptiveState = {
  /** log of the width factor.                                            [level, side, bucket] */
  logFactor: Float64Array;
  /** What far misses have added to it of late.                            [level, side, bucket] */
  farRise: Float64Array;
  /** Targets inside their interval and targets seen.                                    [level] */
  inside: Float64Array;
  seen: Float64Array;
  /** Mean width of the newest intervals, in the values' units; NaN before the first.     [level] */
  width: Float64Array;
};

/** The central intervals that are watched. */
export const WATCHED_LEVELS = [0.8, 0.95] as const;

/** Share of targets that are to fall beyond either side of a level's interval.           [level] */
const SIDE_MISSES = Float64Array.from(WATCHED_LEVELS, (level) => (1 - level) / 2);

/** Most buckets of lead times. */
const BUCKETS = 3;
const SIDES = 2;

/** Where the logarithms of the factors start.                                           [level] */
const LOG_FACTOR_START = [0.03, 0.09] as const;

/** The same for a committee at the end of a context that it was put to at once.         [level] */
export const LOG_FACTOR_AT_ONCE = [0, 0.07] as const;

const LEARNING_RATE = 0.03;
/** Standard errors from which the share of misses so far is no chance. */
const HASTE_ERRORS = 5;
/** How far that share is off, by what it should be, where it is none and targets count once. */
const HASTE_UNIT = 0.05;
/** Half widths beyond which a miss is far. */
const FAR = 3;
/** Most that far misses that count whole add to a factor's logarithm until others make room. */
export const FAR_RISE_MAX = 0.1;
const FAR_RETURN = 3;
/** Intervals over which their width is averaged. */
const WIDTH_MEMORY = 500;
const LOG_FACTOR_MIN = -0.7;
const LOG_FACTOR_MAX = 1.4;

/**
 * No forecast has come out yet.
 *
 * @param logFactors  where the logarithms of the factors start                          [level]
 */
export function adaptiveStart(
  logFactors: readonly [near: number, far: number] = LOG_FACTOR_START,
): AdaptiveState {
  return {
    logFactor: Float64Array.from(
      { length: WATCHED_LEVELS.length * SIDES * BUCKETS },
      (_, i) => logFactors[Math.floor(i / (SIDES * BUCKETS))]!,
    ),
    farRise: new Float64Array(WATCHED_LEVELS.length * SIDES * BUCKETS),
    inside: new Float64Array(WATCHED_LEVELS.length),
    seen: new Float64Array(WATCHED_LEVELS.length),
    width: new Float64Array(WATCHED_LEVELS.length).fill(NaN),
  };
}

/**
 * What is told of a target beside an interval. In an array, since numbers that one function hands
 * to another are put on the heap, and every sample is a target of several forecasts.
 */
export const TARGET = {
  /** Distance from the centre in half widths of its side: inside from −1 to 1. */
  position: 0,
  /** What one target counts, 1 at most: neighbouring leads of one origin err together. */
  share: 1,
  /** Width of the interval, in the values' units. */
  width: 2,
  /** What it counts after all: written by {@linkcode adaptiveObserve}. */
  counts: 3,
  size: 4,
} as const satisfies Record<string, number>;

/**
 * What a target counts. More where intervals have held far too many or too few so far, and not by
 * chance: with n targets that count s each, of which a share m missed where q should have,
 *
 *   min(1, s · max(1, |m/q − 1| / 0.05))   where (m − q)² > 5² q (1 − q)/(n s),   else s
 */
function countOf({ inside, seen }: AdaptiveState, levelIndex: number, share: number): number {
  const count = seen[levelIndex]!;
  const wanted = 2 * SIDE_MISSES[levelIndex]!;
  const off = 1 - inside[levelIndex]! / count - wanted;
  const isChance = count * share * off * off <= HASTE_ERRORS ** 2 * wanted * (1 - wanted);
  return isChance ? share : Math.min(1, share * Math.max(1, Math.abs(off) / wanted / HASTE_UNIT));
}

/**
 * Learns where a target fell beside the interval of a level, and how wide that was.
 *
 * @param levelIndex  of {@linkcode WATCHED_LEVELS}
 * @param bucket      of the target's lead
 * @param target      numbers at the positions of {@linkcode TARGET}                 [TARGET.size]
 */
export function adaptiveObserve(
  state: AdaptiveState,
  levelIndex: number,
  bucket: number,
  target: Float64Array,
): void {
  const below = levelIndex * SIDES * BUCKETS + bucket;
  const above = below + BUCKETS;
  const { logFactor, farRise, seen, inside, width } = state;
  const count = seen[levelIndex]! + 1;
  seen[levelIndex] = count;
  const isInside = Math.abs(target[TARGET.position]!) <= 1;
  if (isInside) inside[levelIndex] = inside[levelIndex]! + 1;
  const counts = countOf(state, levelIndex, target[TARGET.share]!);
  target[TARGET.counts] = counts;
  if (isInside && farRise[below] === 0 && farRise[above] === 0) {
    // What nearly every target does: both sides fall a little.
    const fall = LEARNING_RATE * counts * SIDE_MISSES[levelIndex]!;
    logFactor[below] = heldFactor(logFactor[below]! - fall);
    logFactor[above] = heldFactor(logFactor[above]! - fall);
  } else {
    observeSide(state, levelIndex, below, -1, target);
    observeSide(state, levelIndex, above, 1, target);
  }
  const before = width[levelIndex]!;
  const now = target[TARGET.width]!;
  const share = count < WIDTH_MEMORY ? 1 / count : 1 / WIDTH_MEMORY;
  width[levelIndex] = Number.isNaN(before) ? now : before + share * (now - before);
}

function heldFactor(log: number): number {
  return log > LOG_FACTOR_MAX ? LOG_FACTOR_MAX : log < LOG_FACTOR_MIN ? LOG_FACTOR_MIN : log;
}

/** One side of {@linkcode adaptiveObserve}: −1 below the centre, 1 above. */
function observeSide(
  { logFactor, farRise }: AdaptiveState,
  levelIndex: number,
  at: number,
  side: number,
  target: Float64Array,
): void {
  const expected = SIDE_MISSES[levelIndex]!;
  const share = target[TARGET.share]!;
  const rate = LEARNING_RATE * target[TARGET.counts]!;
  const fall = rate * expected;
  const beyond = side * target[TARGET.position]!;
  let step = -fall;
  const risen = farRise[at]!;
  if (beyond > FAR) {
    const room = FAR_RISE_MAX * share - risen;
    step = Math.min(LEARNING_RATE * share * (1 - expected), Math.max(0, room));
    farRise[at] = risen + step;
  } else {
    if (beyond > 1) step = rate * (1 - expected);
    if (risen > 0) farRise[at] = Math.max(0, risen - FAR_RETURN * fall);
  }
  logFactor[at] = heldFactor(logFactor[at]! + step);
}

/**
 * Width factor of a quantile in a lead bucket, on its side of the median; between the watched
 * levels it is interpolated.
 */
export function widthFactor(state: AdaptiveState, bucket: number, quantile: number): number {
  const level = Math.abs(2 * quantile - 1);
  const at = (quantile < 0.5 ? 0 : BUCKETS) + bucket;
  const near = state.logFactor[at]!;
  const far = state.logFactor[SIDES * BUCKETS + at]!;
  const [low, high] = WATCHED_LEVELS;
  const share = Math.min(1, Math.max(0, (level - low) / (high - low)));
  return Math.exp(near * (1 - share) + far * share);
}
