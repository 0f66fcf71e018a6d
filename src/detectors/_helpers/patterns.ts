import { nextUniform, type RandomState } from "../../base/random.ts";
import { addToRobustLevel, initialRobustLevel, type RobustLevelState } from "./robust_level.ts";
import { RING_SIZE } from "./season.ts";

/** Patterns kept of a channel's past (reservoir). Four times as many find no more (NAB). */
export const PATTERN_COUNT_MAX = 128;

/** Length of a pattern in ticks; averaged in pairs before it is kept. */
const PATTERN_LENGTH = 32;
const PATTERN_SIZE = PATTERN_LENGTH / 2;
const OFFER_PERIOD = 4;
const CLIP = 50;
/** Steps of a kept value a unit: ±50 in 16 bits. */
const STEPS = 65_535 / (2 * CLIP);
const HIGH_SCALES = 4;
const HIGH_COUNT_MIN = 50;
const HIGH_CHANCE = 0.1;
const CANDIDATES_MIN = 4;
/** Distances from which their level is taken: it only keeps the high ones out. */
const DISTANCES_KEPT = 128;

/** Distance of the latest pattern from its third nearest in the past. */
export type PatternState = {
  kept: number;
  offered: number;
  /** Tick of each pattern's end, modulo 2^32.                                     [pattern] */
  readonly ticks: Uint32Array;
  /** In units of the channel's scale, from −50 in steps of 1/655.               [pattern, size] */
  readonly values: Uint16Array;
  /** Level of the distances themselves, to keep surprising patterns mostly out. */
  readonly distances: RobustLevelState;
};

/** No pattern yet. */
export function initialPatterns(): PatternState {
  return {
    kept: 0,
    offered: 0,
    ticks: new Uint32Array(PATTERN_COUNT_MAX),
    values: new Uint16Array(PATTERN_COUNT_MAX * PATTERN_SIZE),
    distances: initialRobustLevel(DISTANCES_KEPT),
  };
}

const pattern = new Float32Array(PATTERN_SIZE);

/**
 * Distance of the pattern that ends at `tick`, in units of `scale`; then learns it.
 *
 * Patterns younger than their own length are not compared: they overlap. One in four patterns is
 * offered to the reservoir; one whose distance is above median + 4 scales enters with chance 0.1.
 *
 * @param ring   values by tick modulo its length
 * @param count  samples seen before this one
 */
export function stepPatterns(
  state: PatternState,
  ring: Float32Array,
  tick: number,
  unit: { readonly median: number; readonly scale: number; readonly count: number },
  random: RandomState,
): number {
  if (tick < PATTERN_LENGTH || !(unit.scale > 0)) return 0;
  const start = tick - PATTERN_LENGTH + 1;
  for (let i = 0; i < PATTERN_SIZE; i++) {
    const pair = ring[(start + 2 * i) % RING_SIZE]! + ring[(start + 2 * i + 1) % RING_SIZE]!;
    const clipped = Math.min(CLIP, Math.max(-CLIP, (pair / 2 - unit.median) / unit.scale));
    pattern[i] = Math.round((clipped + CLIP) * STEPS);
  }
  const distance = nearestDistance(state, tick);
  const { distances } = state;
  const isHigh = distances.count > HIGH_COUNT_MIN &&
    distance > distances.median + HIGH_SCALES * distances.scale;
  addToRobustLevel(distances, distance, random);
  if (unit.count % OFFER_PERIOD === 0 && !(isHigh && nextUniform(random) > HIGH_CHANCE)) {
    offer(state, tick, random);
  }
  return distance;
}

/** Root mean square distance to the third nearest (the nearest, while there are few). */
function nearestDistance(state: PatternState, tick: number): number {
  const { values, ticks } = state;
  let first = Infinity;
  let second = Infinity;
  let third = Infinity;
  let compared = 0;
  for (let r = 0; r < state.kept; r++) {
    if (((tick - ticks[r]!) >>> 0) < PATTERN_LENGTH) continue;
    compared++;
    const at = r * PATTERN_SIZE;
    let sum = 0;
    // Stops as soon as it cannot be among the three nearest: the same result for less work.
    for (let i = 0; i < PATTERN_SIZE && sum < third; i += 4) {
      const a = pattern[i]! - values[at + i]!;
      const b = pattern[i + 1]! - values[at + i + 1]!;
      const c = pattern[i + 2]! - values[at + i + 2]!;
      const d = pattern[i + 3]! - values[at + i + 3]!;
      sum += a * a + b * b + c * c + d * d;
    }
    if (sum >= third) continue;
    if (sum < first) {
      third = second;
      second = first;
      first = sum;
    } else if (sum < second) {
      third = second;
      second = sum;
    } else {
      third = sum;
    }
  }
  if (compared < CANDIDATES_MIN) return 0;
  const nearest = compared < 8 ? first : compared < 16 ? second : third;
  return Math.sqrt(nearest / PATTERN_SIZE) / STEPS;
}

function offer(state: PatternState, tick: number, random: RandomState): void {
  state.offered++;
  let slot = -1;
  if (state.kept < PATTERN_COUNT_MAX) {
    slot = state.kept++;
  } else if (nextUniform(random) < PATTERN_COUNT_MAX / state.offered) {
    slot = Math.floor(nextUniform(random) * PATTERN_COUNT_MAX);
  }
  if (slot < 0) return;
  state.values.set(pattern, slot * PATTERN_SIZE);
  state.ticks[slot] = tick;
}
