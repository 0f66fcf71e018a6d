import { DatabaseSync } from "node:sqlite";
import { openingErrorOf } from "./sqlite_error.ts";

/** "DRFT" as a number: SQLite's application id of a Driftline file. */
const APPLICATION_ID = 0x44524654;

/**
 * Each entry lifts the schema by one version. A released entry never changes; a new version is a
 * new entry.
 *
 * `chunk.start` counts the samples of its kind before it: 0 = in order, 1 = late. Small columns
 * stand before the blob, so a scan over them does not touch the blob's overflow pages.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE stream (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    created_ns INTEGER NOT NULL,
    settings TEXT NOT NULL,
    channels TEXT NOT NULL,
    first_ns INTEGER,
    last_ns INTEGER,
    in_order INTEGER NOT NULL,
    in_order_tail INTEGER NOT NULL,
    in_order_tail_chunks INTEGER NOT NULL,
    late INTEGER NOT NULL,
    late_tail INTEGER NOT NULL,
    late_tail_chunks INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE chunk (
    stream INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    start INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (stream, kind, start)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chunk_time ON chunk (stream, kind, last_ns, first_ns);
  CREATE TABLE snapshot (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    applied_offset INTEGER NOT NULL,
    model_hash TEXT NOT NULL,
    state_hash TEXT NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (stream, applied_offset, model_hash)
  ) STRICT;
  CREATE TABLE forecast (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    applied_offset INTEGER NOT NULL,
    model_hash TEXT NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (stream, applied_offset, model_hash)
  ) STRICT;
  CREATE TABLE event (
    stream INTEGER NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    channels TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (stream, timestamp_ns, channels)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE answer (
    key TEXT PRIMARY KEY,
    request_hash TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX answer_age ON answer (created_ns);
  `,
  `
  CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE feed (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE ledger (
    ledger TEXT NOT NULL,
    key TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (ledger, key)
  ) STRICT, WITHOUT ROWID;
  `,
];

/** The schema version that this build writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** Pages of the write-ahead log after which SQLite copies it back (4 KiB each: 16 MiB). */
const CHECKPOINT_PAGES = 4_096;

/**
 * Opens a database file and lifts its schema to this build's version.
 *
 * Write-ahead log, fsync at every commit, and an exclusive lock: one process owns a data folder,
 * so what it keeps in memory about the streams is true.
 *
 * @throws {Error} the file is another program's, a newer version's, or in use by another process
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    database.exec("PRAGMA cache_size = -65536");
    database.exec("PRAGMA temp_store = MEMORY");
    migrate(database, path);
  } catch (error) {
    database.close();
    throw openingErrorOf(error, path);
  }
  return database;
}

function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, number>;
  return row[name]!;
}

function migrate(database: DatabaseSync, path: string): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    const version = pragma(database, "user_version");
    const application = pragma(database, "application_id");
    if (version > SCHEMA_VERSION) {
      throw new Error(`"${path}" has schema ${version}, this build knows up to ${SCHEMA_VERSION}`);
    }
    if (version > 0 && application !== APPLICATION_ID) {
      throw new Error(`"${path}" is a database of another program`);
    }
    // Nothing is written to a database that is current: it opens on a full disk, too.
    if (version < SCHEMA_VERSION) {
      for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    }
    database.exec("COMMIT");
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
