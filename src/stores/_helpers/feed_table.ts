import type { DatabaseSync, StatementSync } from "node:sqlite";
import { packTree, type Tree, unpackTree } from "../../base/tree.ts";
import { type AlarmEnd, type AlarmEvent, FEED_MAX, type FeedEntry } from "../store.ts";
import type { StreamHead } from "./stream_table.ts";

type Told = { readonly opened: AlarmEvent } | { readonly ended: AlarmEnd };

/** The table of alarms that opened and ended and that nobody has settled yet. */
export class FeedTable {
  readonly #add: StatementSync;
  readonly #trim: StatementSync;
  readonly #after: StatementSync;
  readonly #settle: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#add = database.prepare("INSERT INTO feed (stream, bytes) VALUES (?, ?)");
    this.#trim = database.prepare(
      "DELETE FROM feed WHERE sequence <= (SELECT max(sequence) FROM feed) - ?",
    );
    this.#after = database.prepare(
      "SELECT sequence, bytes FROM feed WHERE sequence > ? ORDER BY sequence LIMIT ?",
    );
    this.#settle = database.prepare("DELETE FROM feed WHERE sequence <= ?");
    this.#remove = database.prepare("DELETE FROM feed WHERE stream = ?");
  }

  add(head: StreamHead, told: Told): void {
    this.#add.run(head.key, packTree(told as unknown as Tree));
    this.#trim.run(FEED_MAX);
  }

  read(after: number, limit: number): FeedEntry[] {
    const rows = this.#after.all(after, limit) as unknown as {
      readonly sequence: number | bigint;
      readonly bytes: Uint8Array;
    }[];
    return rows.map(({ sequence, bytes }) => {
      const told = unpackTree(bytes) as unknown as Told;
      return { sequence: Number(sequence), ...told };
    });
  }

  settle(sequence: number): void {
    this.#settle.run(sequence);
  }

  removeStream(head: StreamHead): void {
    this.#remove.run(head.key);
  }
}
