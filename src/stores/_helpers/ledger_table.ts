import type { DatabaseSync, StatementSync } from "node:sqlite";
import { packTree, unpackTree } from "../../base/tree.ts";
import type { LedgerEntry } from "../store.ts";

/** The table of small records that services keep beside the streams. */
export class LedgerTable {
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #after: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      "INSERT OR REPLACE INTO ledger (ledger, key, bytes) VALUES (?, ?, ?)",
    );
    this.#remove = database.prepare("DELETE FROM ledger WHERE ledger = ? AND key = ?");
    this.#after = database.prepare(
      "SELECT key, bytes FROM ledger WHERE ledger = ? AND key > ? ORDER BY key LIMIT ?",
    );
  }

  put({ ledger, key, value }: LedgerEntry): void {
    this.#put.run(ledger, key, packTree(value));
  }

  remove(ledger: string, key: string): void {
    this.#remove.run(ledger, key);
  }

  read(ledger: string, after: string, limit: number): LedgerEntry[] {
    const rows = this.#after.all(ledger, after, limit) as unknown as {
      readonly key: string;
      readonly bytes: Uint8Array;
    }[];
    return rows.map(({ key, bytes }) => ({ ledger, key, value: unpackTree(bytes) }));
  }
}
