import type { DatabaseSync, StatementSync } from "node:sqlite";
import {
  type BehindStream,
  DEFAULT_SETTINGS,
  mergeSettings,
  type StreamRecord,
  type StreamSettings,
} from "../store.ts";
import { LruMap } from "./lru.ts";

/** One kind of a stream's log: how long it is, and where its not yet compacted tail begins. */
export interface LogPart {
  count: number;
  /** `start` of the first chunk that compaction may still touch. */
  tail: number;
  /** Chunks from there on. */
  tailChunks: number;
}

/** A stream's row, kept in memory; changed in place and written back by `write`. */
export interface StreamHead {
  readonly key: number;
  readonly id: string;
  readonly createdNs: bigint;
  settings: StreamSettings;
  channels: readonly string[];
  firstNs: bigint | null;
  lastNs: bigint | null;
  readonly inOrder: LogPart;
  readonly late: LogPart;
}

/** Stream rows kept in memory, each counted as one and its channels as one each. */
export const HEADS_WEIGHT_MAX = 1_000_000;

type Row = Record<string, bigint | string | null>;

/** The table of streams with a bounded cache of its rows. */
export class StreamTable {
  readonly #heads = new LruMap<string, StreamHead>(HEADS_WEIGHT_MAX);
  readonly #select: StatementSync;
  readonly #selectKey: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #list: StatementSync;
  readonly #behind: StatementSync;
  readonly #remove: StatementSync;
  readonly #totals: StatementSync;
  #lastCreatedNs: bigint;

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    };
    this.#select = prepare("SELECT * FROM stream WHERE id = ?");
    this.#selectKey = prepare("SELECT * FROM stream WHERE key = ?");
    this.#insert = prepare(
      "INSERT INTO stream (id, created_ns, settings, channels, in_order, in_order_tail," +
        " in_order_tail_chunks, late, late_tail, late_tail_chunks)" +
        " VALUES (?, ?, ?, '[]', 0, 0, 0, 0, 0, 0) RETURNING key",
    );
    this.#update = prepare(
      "UPDATE stream SET settings = ?, channels = ?, first_ns = ?, last_ns = ?, in_order = ?," +
        " in_order_tail = ?, in_order_tail_chunks = ?, late = ?, late_tail = ?," +
        " late_tail_chunks = ? WHERE key = ?",
    );
    this.#list = prepare("SELECT * FROM stream WHERE id > ? ORDER BY id LIMIT ?");
    this.#behind = prepare(
      "SELECT id, in_order - applied AS samples FROM (SELECT id, in_order, coalesce((SELECT" +
        " applied_offset FROM snapshot WHERE snapshot.stream = stream.key ORDER BY sequence DESC" +
        " LIMIT 1), 0) AS applied FROM stream WHERE id > ?) WHERE in_order > applied" +
        " ORDER BY id LIMIT ?",
    );
    this.#remove = prepare("DELETE FROM stream WHERE key = ?");
    this.#totals = prepare(
      "SELECT count(*) AS streams, coalesce(sum(in_order + late), 0) AS samples FROM stream",
    );
    const newest = prepare("SELECT coalesce(max(created_ns), 0) AS ns FROM stream").get() as Row;
    this.#lastCreatedNs = newest.ns as bigint;
  }

  get(id: string): StreamHead | null {
    const cached = this.#heads.get(id);
    if (cached !== undefined) return cached;
    const row = this.#select.get(id) as Row | undefined;
    if (row === undefined) return null;
    const head = readHead(row);
    this.#keep(head);
    return head;
  }

  /** The stream of a key, or null. */
  byKey(key: number): StreamHead | null {
    const row = this.#selectKey.get(key) as Row | undefined;
    return row === undefined ? null : this.get(row.id as string);
  }

  /** Makes a stream. Creation times are unique, so a stream made anew is told from the old one. */
  create(id: string, settings: StreamSettings, nowNs: bigint): StreamHead {
    const after = this.#lastCreatedNs + 1n;
    const createdNs = nowNs > after ? nowNs : after;
    this.#lastCreatedNs = createdNs;
    const row = this.#insert.get(id, createdNs, JSON.stringify(settings)) as Row;
    const part = () => ({ count: 0, tail: 0, tailChunks: 0 });
    const head: StreamHead = {
      key: Number(row.key),
      id,
      createdNs,
      settings,
      channels: [],
      firstNs: null,
      lastNs: null,
      inOrder: part(),
      late: part(),
    };
    this.#keep(head);
    return head;
  }

  #keep(head: StreamHead): void {
    this.#heads.set(head.id, head, 1 + head.channels.length);
  }

  write(head: StreamHead): void {
    this.#keep(head);
    const { inOrder, late } = head;
    this.#update.run(
      JSON.stringify(head.settings),
      JSON.stringify(head.channels),
      head.firstNs,
      head.lastNs,
      inOrder.count,
      inOrder.tail,
      inOrder.tailChunks,
      late.count,
      late.tail,
      late.tailChunks,
      head.key,
    );
  }

  put(
    id: string,
    change: Partial<StreamSettings>,
    nowNs: bigint,
  ): { head: StreamHead; created: boolean } {
    const present = this.get(id);
    const settings = mergeSettings(present?.settings ?? DEFAULT_SETTINGS, change);
    if (present === null) return { head: this.create(id, settings, nowNs), created: true };
    present.settings = settings;
    this.write(present);
    return { head: present, created: false };
  }

  list(after: string, limit: number): StreamHead[] {
    return (this.#list.all(after, limit) as Row[]).map(readHead);
  }

  /** Streams whose newest snapshot has not absorbed all in-order samples. */
  listBehind(after: string, limit: number): BehindStream[] {
    const rows = this.#behind.all(after, limit) as Row[];
    return rows.map(({ id, samples }) => ({ id: id as string, samples: Number(samples) }));
  }

  remove(head: StreamHead): void {
    this.#heads.delete(head.id);
    this.#remove.run(head.key);
  }

  /** Forgets what is in memory: it may be ahead of the table after a rollback. */
  forget(ids: Iterable<string>): void {
    for (const id of ids) this.#heads.delete(id);
  }

  totals(): { streams: number; samples: number } {
    const row = this.#totals.get() as Row;
    return { streams: Number(row.streams), samples: Number(row.samples) };
  }
}

function readHead(row: Row): StreamHead {
  const part = (name: string): LogPart => ({
    count: Number(row[name]),
    tail: Number(row[`${name}_tail`]),
    tailChunks: Number(row[`${name}_tail_chunks`]),
  });
  return {
    key: Number(row.key),
    id: row.id as string,
    createdNs: row.created_ns as bigint,
    settings: JSON.parse(row.settings as string),
    channels: JSON.parse(row.channels as string),
    firstNs: row.first_ns as bigint | null,
    lastNs: row.last_ns as bigint | null,
    inOrder: part("in_order"),
    late: part("late"),
  };
}

/** The row as the contract shows it; shares nothing that changes. */
export function recordOf(head: StreamHead): StreamRecord {
  return {
    id: head.id,
    createdNs: head.createdNs,
    settings: head.settings,
    channels: head.channels,
    logOffset: head.inOrder.count + head.late.count,
    inOrderCount: head.inOrder.count,
    firstNs: head.firstNs,
    lastNs: head.lastNs,
  };
}
