/**
 * The hub of the stores: every way to keep what must survive, by name. A new store is one file
 * and one line here; the laws of `tests/stores/laws_test.ts` then hold for it, too.
 */
export { openMemoryStore } from "./memory.ts";
export { DATABASE_FILE, openSqliteStore, type SqliteStoreOptions } from "./sqlite.ts";
export * from "./store.ts";
