/** Every store of the hub, opened for a test and closed behind it. */
import { ManualClock } from "../../src/base/clock.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import type { Segment } from "../../src/signal/segment.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  type IssuedForecast,
  openMemoryStore,
  openSqliteStore,
  type Snapshot,
  type Store,
} from "../../src/stores/mod.ts";
import { withFolder } from "../_folder.ts";

export { withFolder };

export interface OpenedStore {
  readonly store: Store;
  readonly clock: ManualClock;
}

export interface StoreKind {
  readonly name: string;
  /** Whether what is stored survives closing and opening again. */
  readonly isDurable: boolean;
  open(folder: string, clock: ManualClock): Promise<Store>;
}

export const STORE_KINDS: readonly StoreKind[] = [
  {
    name: "memory",
    isDurable: false,
    open: (_folder, clock) => Promise.resolve(openMemoryStore({ clock })),
  },
  {
    name: "sqlite",
    isDurable: true,
    open: (folder, clock) => openSqliteStore({ folder, clock }),
  },
];

export async function withStore(
  kind: StoreKind,
  body: (opened: OpenedStore) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const clock = new ManualClock();
    const store = await kind.open(folder, clock);
    try {
      await body({ store, clock });
    } finally {
      await store.close();
    }
  });
}

/** Registers one law for every store. */
export function law(
  name: string,
  body: (opened: OpenedStore, kind: StoreKind) => Promise<void>,
): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`${kind.name} store: ${name}`, () => withStore(kind, (opened) => body(opened, kind)));
  }
}

/** A segment of one channel from pairs of (nanoseconds, value). */
export function points(
  streamId: string,
  pairs: readonly (readonly [number, number | null])[],
  channel = "value",
): Segment {
  return {
    streamId,
    channels: [channel],
    timestampsNs: BigInt64Array.from(pairs, ([time]) => BigInt(time)),
    values: [Float64Array.from(pairs, ([, value]) => value ?? NaN)],
  };
}

/** A segment of several channels, row by row; null is missing. */
export function table(
  streamId: string,
  channels: readonly string[],
  rows: readonly (readonly [number, ...(number | null)[]])[],
): Segment {
  return {
    streamId,
    channels,
    timestampsNs: BigInt64Array.from(rows, (row) => BigInt(row[0])),
    values: channels.map((_, c) => Float64Array.from(rows, (row) => row[c + 1] ?? NaN)),
  };
}

/** A segment as plain rows `{t, a: 1, b: null}` without its missing values, for comparing. */
export function rowsOf(segment: Segment | null): Record<string, number>[] {
  if (segment === null) return [];
  return Array.from(segment.timestampsNs, (time, i) => {
    const row: Record<string, number> = { t: Number(time) };
    for (const [c, name] of segment.channels.entries()) {
      const value = segment.values[c]![i]!;
      if (!Number.isNaN(value)) row[name] = value;
    }
    return row;
  });
}

export const TIME_MIN = -(2n ** 62n);
export const TIME_MAX = 2n ** 62n;

export async function observations(store: Store, id: string): Promise<Record<string, number>[]> {
  return rowsOf(await store.readObservations(id, TIME_MIN, TIME_MAX, 1_000_000));
}

/** A snapshot of a stream at an offset, whose bytes say which. */
export function snapshotAt(streamId: string, appliedOffset: number, modelHash = "m"): Snapshot {
  const bytes = new TextEncoder().encode(`${streamId}@${appliedOffset}`);
  return { streamId, appliedOffset, modelHash, stateHash: sha256Hex(bytes), bytes };
}

/** The event of an alarm. */
export function alarmAt(streamId: string, timestampNs: bigint, score = 5): AlarmEvent {
  return {
    streamId,
    timestampNs,
    kind: "anomaly",
    score,
    flag: 2,
    channels: ["value"],
    value: [3],
    expected: [null],
    appliedOffset: 3,
    modelHash: "m",
    stateHash: "s",
  };
}

/** A forecast that was issued at an offset. */
export function forecastAt(streamId: string, appliedOffset: number): IssuedForecast {
  return {
    streamId,
    originNs: BigInt(appliedOffset),
    timesNs: BigInt64Array.from([100n, 200n]),
    quantiles: Float64Array.from([0.1, 0.9]),
    values: { value: Float64Array.from([1, 2, 3, 4]) },
    appliedOffset,
    modelHash: "m",
    stateHash: "s",
  };
}

/** The end of an alarm. */
export function endAt(streamId: string, number: number): AlarmEnd {
  return {
    streamId,
    number,
    openedNs: 1n,
    peakNs: 2n,
    endedNs: 3n,
    score: 5,
    p: 1e-5,
    reason: "spike",
    channels: ["value"],
  };
}
