import { InvalidValueError } from "../base/errors.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import type { Engine } from "../streams/engine.ts";

/** A state that is to be proven; both members or, for the present state, neither. */
export interface ProofQuestion {
  /** In-order samples that it had absorbed. */
  readonly appliedOffset?: number | undefined;
  readonly stateHash?: string | undefined;
}

/** What the log says of a state. */
export interface ProofShape {
  readonly id: string;
  readonly proven: boolean;
  readonly appliedOffset: number;
  /** Time of the last sample that the state had absorbed. */
  readonly timestamp: string;
  readonly modelHash: string;
  /** As it was told. */
  readonly stateHash: string;
  /** As the log makes it. */
  readonly replayedHash: string;
}

/**
 * Replays a stream's log from the first sample on and compares the state that it makes with one
 * that was told: with a forecast or an alarm, or the present one.
 *
 * @throws {InvalidValueError} half a question, or an offset that the log does not reach
 * @throws {LimitError} REWIND_VALUES_MAX
 */
export async function stateProof(
  { store, engine }: { readonly store: Store; readonly engine: Engine },
  record: StreamRecord,
  { appliedOffset, stateHash }: ProofQuestion,
): Promise<ProofShape> {
  const { id } = record;
  if (record.inOrderCount === 0) throw new InvalidValueError("id", id, "a stream with a sample");
  if ((appliedOffset === undefined) !== (stateHash === undefined)) {
    const missing = appliedOffset === undefined ? "appliedOffset" : "stateHash";
    throw new InvalidValueError(missing, undefined, "both appliedOffset and stateHash, or neither");
  }
  const present = await engine.describe(id);
  const claim = appliedOffset === undefined
    ? { appliedOffset: present.appliedOffset, stateHash: present.stateHash }
    : { appliedOffset, stateHash: stateHash! };
  const reached = Math.max(record.inOrderCount, present.appliedOffset);
  if (claim.appliedOffset < 1 || claim.appliedOffset > reached) {
    throw new InvalidValueError("appliedOffset", claim.appliedOffset, `1 to ${reached}`);
  }
  const { isProven, ...told } = await engine.prove(id, claim);
  const last = await store.readInOrder(id, claim.appliedOffset - 1, 1);
  const timestamp = formatTimestamp(last!.timestampsNs[0]!);
  return { id, proven: isProven, ...told, timestamp, modelHash: present.modelHash };
}
