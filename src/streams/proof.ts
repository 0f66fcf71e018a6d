import type { Store } from "../stores/store.ts";
import type { Claim, ProvenState } from "./engine.ts";
import { readFeedback } from "./feedback_log.ts";
import { type Replay, replayLog, sendPart } from "./log_replay.ts";

/**
 * Proof of states: a state is a pure function of the settings, of the samples in order and of the
 * feedback at its place among them. So whether a state, a forecast or an alarm came from this log
 * is found out by replaying it from the first sample on and comparing hashes.
 */

/**
 * Compares claimed states with those that the log makes. At a place of the log there is a state
 * before and after each feedback that was given there: a claim may be of any.
 *
 * @param claims  no offset beyond the log's
 * @returns       one answer a claim, in the order given
 * @throws {StreamFailedError} the model threw
 * @throws {OverloadError} nobody waits any more
 */
export async function proveClaims(
  store: Pick<Store, "readInOrder" | "readLedger">,
  replay: Replay,
  claims: readonly Claim[],
  onProgress?: (offset: number) => void,
): Promise<ProvenState[]> {
  const { id: streamId, settings } = replay.record;
  const stops = [...new Set(claims.map(({ appliedOffset }) => appliedOffset))]
    .sort((a, b) => a - b);
  const hashes = new Map<number, string[]>(stops.map((offset) => [offset, []]));
  await sendPart(replay, { start: { streamId, settings, snapshot: null } });
  await replayLog(replay, {
    ...{ at: 0, end: stops.at(-1) ?? 0, settings, without: [], stops },
    feedback: await readFeedback(store, replay.record),
    onHash: (offset, stateHash) => hashes.get(offset)!.push(stateHash),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return claims.map((claim) => {
    const made = hashes.get(claim.appliedOffset)!;
    const isProven = made.includes(claim.stateHash);
    return { ...claim, isProven, replayedHash: isProven ? claim.stateHash : made.at(-1)! };
  });
}
