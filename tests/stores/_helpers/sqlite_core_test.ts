import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteCore } from "../../../src/stores/_helpers/sqlite_core.ts";
import { withFolder } from "../_stores.ts";

/** Runs `body` while copying the write-ahead log back fails with this text. */
function withFailingCheckpoint(text: string, body: () => void): void {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (sql.startsWith("PRAGMA wal_checkpoint")) throw new Error(text);
    exec.call(this, sql);
  };
  try {
    body();
  } finally {
    DatabaseSync.prototype.exec = exec;
  }
}

Deno.test("SqliteCore closes on a full disk, and what was appended is there the next time", () =>
  withFolder((folder) => {
    const path = `${folder}/store.sqlite`;
    const core = new SqliteCore(path);
    core.putStream("s", { horizon: 5 }, 1n);
    withFailingCheckpoint("database or disk is full", () => core.close());
    const again = new SqliteCore(path);
    assert.equal(again.getStream("s")?.settings.horizon, 5);
    // Another failure is told, and lets go of the file all the same.
    withFailingCheckpoint("disk I/O error", () => {
      assert.throws(() => again.close(), /disk I\/O error/);
    });
    new SqliteCore(path).close();
    return Promise.resolve();
  }));
