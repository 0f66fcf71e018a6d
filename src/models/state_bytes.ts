import { AR_LAGS_MAX } from "./ar_differences.ts";
import { FEATURES_MAX, LIGHT_FEATURES_MAX } from "./bank.ts";
import { ERROR_RING_MAX } from "./calibration.ts";
import { PHASE_PER_HORIZON_MAX } from "./calibrate.ts";
import { PENDING_MAX } from "./ensemble_run.ts";
import { WAITING_FORECASTS_MAX } from "./filter_track.ts";
import {
  filtersOf,
  isSigned,
  isTransformed,
  kindOf,
  type MemberName,
  readoutsOf,
} from "./members.ts";
import { ADAPT_LEADS_MAX, LESSON_NUMBERS } from "./neural_adapt.ts";
import { networkOfId } from "./registry.ts";
import { BUFFER_ROOM_MAX } from "./sample_buffer.ts";
import { GRID_ROOM_MAX } from "./slot_grid.ts";
import { STRUCTURAL_STATES_MAX } from "./structural_layout.ts";

/** Leads that have statistics of their own; longer horizons extend the last. */
export const LEARNED_LEADS_MAX = 96;

/**
 * An upper bound of the packed state, from the limits of its parts. Members on the log or root and
 * those that stand in for them are never there together.
 *
 * @param networkBytes  the bound of a network's own part by its id; default that of one that serves
 */
export function stateBytesMax(
  members: readonly MemberName[],
  networkBytes: (id: string) => number = (id) => networkOfId(id).stateBytesMax,
): number {
  const [signed, other] = [isTransformed, isSigned].map((isOut) =>
    bytesMaxOf(members.filter((name) => !isOut(name)), networkBytes)
  );
  return Math.max(signed!, other!);
}

function bytesMaxOf(
  members: readonly MemberName[],
  networkBytes: (id: string) => number,
): number {
  const leads = LEARNED_LEADS_MAX;
  const packed = (size: number) => size * (size + 1) / 2;
  const readoutBytes = (size: number) => 8 * (packed(size) + leads + 3) + 4 * size * leads;
  let total = BUFFER_ROOM_MAX * 16 + GRID_ROOM_MAX * (4 + 1 / 8);
  for (const filter of filtersOf(members)) {
    const readouts = readoutsOf(members, filter);
    total += 4 * packed(STRUCTURAL_STATES_MAX) + 8 * STRUCTURAL_STATES_MAX + 2048;
    if (readouts.light) total += readoutBytes(LIGHT_FEATURES_MAX);
    if (readouts.full) total += readoutBytes(FEATURES_MAX);
    if (readouts.light || readouts.full) {
      const origins = Math.ceil(WAITING_FORECASTS_MAX / leads) + 2;
      total += origins * (4 * leads + 4 * (2 * FEATURES_MAX + LIGHT_FEATURES_MAX) + 9);
    }
  }
  for (const name of members) {
    const kind = kindOf(name);
    if (kind.form !== "neural") continue;
    total += networkBytes(kind.network);
    total += PENDING_MAX * 4 * ADAPT_LEADS_MAX * LESSON_NUMBERS;
  }
  total += PENDING_MAX * (2 * leads * members.length + 4 * leads * 6 + 256);
  if (members.includes("ar_differences")) total += 12 * AR_LAGS_MAX + 8 * packed(AR_LAGS_MAX + 1);
  total += 4 * ERROR_RING_MAX + 8 * 4 * leads + 2 * 8 * PHASE_PER_HORIZON_MAX * leads;
  return total + 8192;
}
