import type { AlarmEvent, IssuedForecast, Store, StreamRecord } from "../stores/store.ts";
import { PAGE_MAX } from "../stores/store.ts";
import type { Claim } from "../streams/engine.ts";
import { proveClaims } from "../streams/proof.ts";
import type { ShardPort } from "../streams/shard_port.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../signal/timestamp.ts";

/** What the log of a stream says of things of one kind that were told of it. */
export interface Tally {
  readonly proven: number;
  /** Told from states that the log does not make. */
  readonly differing: number;
  /** Told by another version of the model, or under other settings: not comparable. */
  readonly other: number;
}

/** What the log of a stream says of all that is stored of it. */
export interface StreamProof {
  readonly id: string;
  /** In-order samples of the log. */
  readonly samples: number;
  readonly state: Tally;
  readonly forecasts: Tally;
  readonly alarms: Tally;
  /** Why the log cannot be replayed; null where it can. */
  readonly failed: string | null;
}

/** Of all things of these kinds at most PAGE_MAX are looked at, the newest forecasts. */
const KINDS = ["state", "forecasts", "alarms"] as const;

type Told = Claim & { readonly modelHash: string };

/** Where logs are replayed, and who hears how far that is. */
export interface ProofOptions {
  readonly store: Store;
  readonly ports: readonly ShardPort[];
  /** Samples replayed so far, over all streams. */
  readonly onProgress?: (samples: number) => void;
  readonly signal?: AbortSignal;
}

const NONE: Tally = { proven: 0, differing: 0, other: 0 };

/** @throws {Error} the store fails */
async function toldOf(store: Store, id: string): Promise<Record<typeof KINDS[number], Told[]>> {
  const snapshot = await store.latestSnapshot(id);
  const forecasts: IssuedForecast[] = await store.readForecasts(id, PAGE_MAX);
  const alarms: AlarmEvent[] = await store.readEvents(
    id,
    TIMESTAMP_NS_MIN,
    TIMESTAMP_NS_MAX,
    PAGE_MAX,
  );
  return { state: snapshot === null ? [] : [snapshot], forecasts, alarms };
}

/** Replays one stream's log from its first sample on. */
async function proveStream(
  { store, signal = new AbortController().signal }: ProofOptions,
  record: StreamRecord,
  replay: { readonly port: ShardPort; readonly key: number },
  onProgress: (offset: number) => void,
): Promise<StreamProof> {
  const { id, settings, inOrderCount: samples } = record;
  const told = await toldOf(store, id);
  const tallies = { state: NONE, forecasts: NONE, alarms: NONE };
  try {
    const modelHash = await replay.port.call<string>("modelHash", { streamId: id, settings });
    const claims = KINDS.flatMap((kind) =>
      told[kind].filter((one) => one.modelHash === modelHash && one.appliedOffset > 0)
        .map(({ appliedOffset, stateHash }) => ({ kind, appliedOffset, stateHash }))
    );
    const proven = await proveClaims(
      store,
      { store, record, signal, ...replay },
      claims,
      onProgress,
    );
    for (const kind of KINDS) {
      const answers = proven.filter((_, i) => claims[i]!.kind === kind);
      const held = answers.filter(({ isProven }) => isProven).length;
      const other = told[kind].length - answers.length;
      tallies[kind] = { proven: held, differing: answers.length - held, other };
    }
    return { id, samples, ...tallies, failed: null };
  } catch (error) {
    if (signal.aborted) throw error;
    const failed = error instanceof Error ? error.message : String(error);
    return { id, samples, ...tallies, failed };
  } finally {
    await replay.port.call("endRewind", { key: replay.key }).catch(() => {});
  }
}

/**
 * Replays logs from their first samples on, as many at a time as there are ports, and compares all
 * states that something stored was told from.
 *
 * @returns one answer a stream, in the order given
 */
export async function proveStreams(
  records: readonly StreamRecord[],
  options: ProofOptions,
): Promise<StreamProof[]> {
  const { ports, onProgress = () => {} } = options;
  const proofs: StreamProof[] = [];
  let next = 0;
  let replayed = 0;
  await Promise.all(ports.map(async (port) => {
    while (next < records.length) {
      const key = next++;
      let before = 0;
      proofs[key] = await proveStream(options, records[key]!, { port, key }, (offset) => {
        replayed += offset - before;
        before = offset;
        onProgress(replayed);
      });
    }
  }));
  return proofs;
}

/** Whether all that can be compared is what the log makes it. */
export function isProven({ state, forecasts, alarms, failed }: StreamProof): boolean {
  return failed === null && [state, forecasts, alarms].every(({ differing }) => differing === 0);
}
