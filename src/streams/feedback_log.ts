import { LimitError } from "../base/errors.ts";
import { PAGE_MAX, type Store } from "../stores/store.ts";
import { type Feedback, FEEDBACK_MAX } from "./feedback.ts";

/** Feedback with its place in the stream's log of samples. */
export type PlacedFeedback = Feedback & {
  /** In-order samples that the state had absorbed when it was given. */
  readonly offset: number;
  /** `createdNs` of the stream that it is about. */
  readonly createdNs: bigint;
};

interface StreamName {
  readonly id: string;
  readonly createdNs: bigint;
}

const ledgerOf = (id: string) => `feedback ${id}`;

/** Keys in the order of the entries. */
const keyOf = (index: number) => String(index).padStart(6, "0");

/** All feedback of a stream, in the order in which it was given. */
export async function readFeedback(
  store: Pick<Store, "readLedger">,
  { id, createdNs }: StreamName,
): Promise<PlacedFeedback[]> {
  const entries = await store.readLedger(ledgerOf(id), { limit: PAGE_MAX });
  return entries.map(({ value }) => value as unknown as PlacedFeedback)
    .filter((entry) => entry.createdNs === createdNs);
}

/**
 * Writes feedback behind what there is.
 *
 * @param count  entries that the stream has already
 * @throws {LimitError} {@linkcode FEEDBACK_MAX}; nothing was written
 */
export async function appendFeedback(
  store: Store,
  { id, createdNs }: StreamName,
  { count, number, isFine, offset }: Feedback & { readonly count: number; readonly offset: number },
): Promise<void> {
  if (count >= FEEDBACK_MAX) throw new LimitError("FEEDBACK_MAX", FEEDBACK_MAX, count + 1, "fine");
  const value = { createdNs, offset, number, isFine };
  await store.writeLedger({
    puts: [{ ledger: ledgerOf(id), key: keyOf(count), value }],
    removes: [],
  });
}

/** Forgets all feedback of a stream that is gone. */
export async function removeFeedback(store: Store, id: string): Promise<void> {
  const entries = await store.readLedger(ledgerOf(id), { limit: PAGE_MAX });
  if (entries.length > 0) await store.writeLedger({ puts: [], removes: entries });
}
