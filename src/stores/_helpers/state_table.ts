import type { DatabaseSync, StatementSync } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { packTree, type Tree, unpackTree } from "../../base/tree.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  FORECASTS_KEPT,
  type IssuedForecast,
  type Snapshot,
  SNAPSHOTS_KEPT,
} from "../store.ts";
import type { StreamHead } from "./stream_table.ts";

interface SnapshotRow {
  readonly applied_offset: number;
  readonly model_hash: string;
  readonly state_hash: string;
  readonly bytes: Uint8Array;
}

interface BytesRow {
  readonly bytes: Uint8Array;
}

/** The tables of what is derived from the log: snapshots, issued forecasts, alarms. */
export class StateTable {
  readonly #putSnapshot: StatementSync;
  readonly #trimSnapshots: StatementSync;
  readonly #newestSnapshots: StatementSync;
  readonly #putForecast: StatementSync;
  readonly #trimForecasts: StatementSync;
  readonly #newestForecasts: StatementSync;
  readonly #hasEvent: StatementSync;
  readonly #putEvent: StatementSync;
  readonly #eventsBetween: StatementSync;
  readonly #countEvents: StatementSync;
  readonly #remove: readonly StatementSync[];

  constructor(database: DatabaseSync) {
    this.#putSnapshot = database.prepare(
      "INSERT OR REPLACE INTO snapshot (stream, applied_offset, model_hash, state_hash, bytes)" +
        " VALUES (?, ?, ?, ?, ?)",
    );
    this.#newestSnapshots = database.prepare(
      "SELECT applied_offset, model_hash, state_hash, bytes FROM snapshot" +
        " WHERE stream = ? ORDER BY sequence DESC",
    );
    this.#putForecast = database.prepare(
      "INSERT OR REPLACE INTO forecast (stream, applied_offset, model_hash, bytes)" +
        " VALUES (?, ?, ?, ?)",
    );
    this.#newestForecasts = database.prepare(
      "SELECT bytes FROM forecast WHERE stream = ? ORDER BY sequence DESC LIMIT ?",
    );
    const trim = (table: string, kept: number) =>
      database.prepare(
        `DELETE FROM ${table} WHERE stream = ?1 AND sequence <= (SELECT sequence FROM ${table}` +
          ` WHERE stream = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ${kept})`,
      );
    this.#trimSnapshots = trim("snapshot", SNAPSHOTS_KEPT);
    this.#trimForecasts = trim("forecast", FORECASTS_KEPT);
    this.#hasEvent = database.prepare(
      "SELECT 1 FROM event WHERE stream = ? AND timestamp_ns = ? AND channels = ?",
    );
    this.#putEvent = database.prepare(
      "INSERT OR REPLACE INTO event (stream, timestamp_ns, channels, bytes) VALUES (?, ?, ?, ?)",
    );
    this.#eventsBetween = database.prepare(
      "SELECT bytes FROM event WHERE stream = ? AND timestamp_ns >= ? AND timestamp_ns <= ?" +
        " ORDER BY timestamp_ns, channels LIMIT ?",
    );
    this.#countEvents = database.prepare(
      "SELECT count(*) AS count FROM event WHERE stream = ? AND timestamp_ns >= ?",
    );
    this.#remove = ["snapshot", "forecast", "event"].map((table) =>
      database.prepare(`DELETE FROM ${table} WHERE stream = ?`)
    );
  }

  putSnapshot(head: StreamHead, snapshot: Snapshot): void {
    const { appliedOffset, modelHash, stateHash, bytes } = snapshot;
    this.#putSnapshot.run(head.key, appliedOffset, modelHash, stateHash, bytes);
    this.#trimSnapshots.run(head.key);
  }

  /** The newest intact snapshot; a damaged one is passed over, since the log can rebuild it. */
  latestSnapshot(head: StreamHead, modelHash: string | undefined): Snapshot | null {
    for (const row of this.#newestSnapshots.iterate(head.key) as unknown as Iterable<SnapshotRow>) {
      if (modelHash !== undefined && row.model_hash !== modelHash) continue;
      if (row.applied_offset > head.inOrder.count) continue;
      if (sha256Hex(row.bytes) !== row.state_hash) continue;
      return {
        streamId: head.id,
        appliedOffset: row.applied_offset,
        modelHash: row.model_hash,
        stateHash: row.state_hash,
        bytes: row.bytes,
      };
    }
    return null;
  }

  putForecast(head: StreamHead, forecast: IssuedForecast): void {
    const bytes = packTree(forecast as unknown as Tree);
    this.#putForecast.run(head.key, forecast.appliedOffset, forecast.modelHash, bytes);
    this.#trimForecasts.run(head.key);
  }

  readForecasts(head: StreamHead, limit: number): IssuedForecast[] {
    const rows = this.#newestForecasts.all(head.key, limit) as unknown as BytesRow[];
    return rows.map((row) => unpackTree(row.bytes) as unknown as IssuedForecast);
  }

  /** True when no event had the key. */
  putEvent(head: StreamHead, event: AlarmEvent): boolean {
    const bytes = packTree(event as unknown as Tree);
    const key = [head.key, event.timestampNs, eventChannels(event)] as const;
    const isNew = this.#hasEvent.get(...key) === undefined;
    this.#putEvent.run(...key, bytes);
    return isNew;
  }

  /** Gives the event of an alarm the reason that it has now. */
  reviseEvent(head: StreamHead, ended: AlarmEnd): void {
    const [fromNs, toNs] = openingSpan(ended);
    for (const event of this.readEvents(head, fromNs, toNs, REVISED_MAX)) {
      if (isRevised(event, ended)) this.putEvent(head, { ...event, reason: ended.reason });
    }
  }

  readEvents(head: StreamHead, fromNs: bigint, toNs: bigint, limit: number): AlarmEvent[] {
    const rows = this.#eventsBetween.all(head.key, fromNs, toNs, limit) as unknown as BytesRow[];
    return rows.map((row) => unpackTree(row.bytes) as unknown as AlarmEvent);
  }

  countEvents(head: StreamHead, fromNs: bigint): number {
    return (this.#countEvents.get(head.key, fromNs) as { count: number }).count;
  }

  removeStream(head: StreamHead): void {
    for (const statement of this.#remove) statement.run(head.key);
  }
}

/** Alarms of one stream that are looked at within a microsecond. */
const REVISED_MAX = 100;
const MICROSECOND_NS = 1_000n;

/** When an alarm opened, which its end knows to the microsecond. */
export function openingSpan({ openedNs }: AlarmEnd): readonly [bigint, bigint] {
  return [openedNs - MICROSECOND_NS, openedNs + MICROSECOND_NS];
}

/** True of the event of an alarm that has another reason now. */
export function isRevised(event: AlarmEvent, { number, reason }: AlarmEnd): boolean {
  return event.number === number && event.reason !== reason;
}

/** The channel set of an event as one text, whatever the order the channels are named in. */
export function eventChannels(event: AlarmEvent): string {
  return JSON.stringify([...event.channels].sort());
}
