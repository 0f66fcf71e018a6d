/**
 * The members' forecasts of a pending one, in half the bytes of f32: as whole steps above the
 * lowest of them. All are cut to within a range of what was seen, and what they are kept for is the
 * size of their errors.
 */

/** Steps between the lowest and the highest. */
export const STEPS = 65_535;

/** Forecasts of members over their leads: `lowest + step * members`. */
export type MemberSteps = {
  /** [member, lead] */
  members: Uint16Array;
  lowest: number;
  step: number;
};

/**
 * Keeps forecasts.
 *
 *   members = round((forecast − lowest) / step),   step = (highest − lowest) / 65535
 *
 * @param forecasts  of each member, finite                                            [lead]
 */
export function keepMembers(
  forecasts: readonly Float64Array[],
  horizon: number,
  out: MemberSteps,
): void {
  let lowest = Infinity;
  let highest = -Infinity;
  for (let i = 0; i < forecasts.length; i++) {
    const forecast = forecasts[i]!;
    for (let l = 0; l < horizon; l++) {
      const value = forecast[l]!;
      if (value < lowest) lowest = value;
      if (value > highest) highest = value;
    }
  }
  const perStep = highest > lowest ? STEPS / (highest - lowest) : 0;
  for (let i = 0; i < forecasts.length; i++) {
    const forecast = forecasts[i]!;
    const at = i * horizon;
    for (let l = 0; l < horizon; l++) {
      // The array truncates: half a step more makes it round.
      out.members[at + l] = (forecast[l]! - lowest) * perStep + 0.5;
    }
  }
  out.lowest = forecasts.length > 0 ? lowest : 0;
  out.step = forecasts.length > 0 ? (highest - lowest) / STEPS : 0;
}

/** The forecast that is kept at a place, within half a step. */
export function memberAt({ members, lowest, step }: MemberSteps, at: number): number {
  return lowest + step * members[at]!;
}
