/** The geometry that the backward passes of the scans share. */
import { InvalidValueError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import { powerOfTwoAtLeast } from "./plan.ts";

/** Steps whose states an invocation finds again at once; it holds them in registers. */
const BACKWARD_TILE = 8;

/**
 * Steps between kept states: inside a chunk a workgroup remembers the state at each of its tiles
 * in its own memory, so the device keeps one state in 64.
 */
export const BACKWARD_CHUNK = 64;

/** States of one feature that a workgroup can hold, one an invocation. */
const LANES_MAX = 256;

/**
 * Constants of a workgroup of the backward passes: LANES invocations for the states of a feature,
 * FEATURES features.
 *
 * @param bytes  workgroup memory of an invocation
 * @throws {InvalidValueError} more states than a workgroup has invocations; `field` is named
 */
export function backwardTile(
  field: string,
  states: number,
  feature: number,
  limits: GpuLimits,
  bytes: number,
) {
  let most = Math.min(LANES_MAX, limits.invocationsMax);
  while (most * bytes > limits.workgroupBytesMax) most /= 2;
  const lanes = Math.max(8, powerOfTwoAtLeast(states));
  if (lanes > most) throw new InvalidValueError(field, states, `at most ${most} for gradients`);
  const features = Math.min(Math.max(1, most / lanes), powerOfTwoAtLeast(feature));
  return {
    LANES: lanes,
    FEATURES: features,
    LANE_GROUP: lanes * features,
    BACK_TILE: BACKWARD_TILE,
    BACK_TILES: BACKWARD_CHUNK / BACKWARD_TILE,
  };
}
