/**
 * States as the step ops keep them on a device, `lanes`: the states of a feature in vectors of
 * four, the vectors of neighbouring features next to one another,
 *
 *   lanes[.., n/4, d, n%4] = states[.., d, n]
 */
import type { FloatArray } from "../../tensor/tensor.ts";

/** States of a vector. */
export const LANE = 4;

/**
 * Copies rows of states into lanes.
 *
 * @param states  [row, feature, state], state a multiple of 4
 */
export function toLanesInto(
  lanes: FloatArray,
  states: FloatArray,
  feature: number,
  state: number,
): void {
  for (let i = 0; i < states.length; i++) lanes[laneIndex(i, feature, state)] = states[i]!;
}

/** The reverse of {@linkcode toLanesInto}. */
export function fromLanesInto(
  states: FloatArray,
  lanes: FloatArray,
  feature: number,
  state: number,
): void {
  for (let i = 0; i < states.length; i++) states[i] = lanes[laneIndex(i, feature, state)]!;
}

/** Where element i of [row, feature, state] lies among the lanes. */
function laneIndex(i: number, feature: number, state: number): number {
  const n = i % state;
  const d = Math.floor(i / state) % feature;
  const row = Math.floor(i / (state * feature));
  return row * state * feature + (Math.floor(n / LANE) * feature + d) * LANE + n % LANE;
}
