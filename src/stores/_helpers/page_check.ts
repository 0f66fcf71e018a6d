import type { DatabaseSync } from "node:sqlite";

/** Bytes of a database all of whose pages are looked at when it is opened. */
export const CHECKED_BYTES_MAX = 256 * 1024 * 1024;
/** Faults that a check tells at most. */
export const FAULTS_TOLD_MAX = 10;

/**
 * Tables that are looked at in a larger one: few pages, and all streams depend on them. The bytes
 * of samples and states have checksums of their own, and are looked at when they are read.
 */
const SMALL_TABLES = ["stream", "journal", "feed", "ledger"] as const;

function faultsOf(database: DatabaseSync, argument: string): string[] {
  let rows: Record<string, unknown>[];
  try {
    rows = database.prepare(`PRAGMA quick_check(${argument})`).all();
  } catch (error) {
    // Where the first page of a table is damaged the check itself fails.
    return [`quick_check(${argument}): ${error instanceof Error ? error.message : error}`];
  }
  return rows.flatMap((row) => String(row["quick_check"]).split("\n"))
    .filter((line) => line !== "ok" && !line.startsWith("***"));
}

/**
 * What is wrong with the pages of a database, as SQLite's `quick_check` says it: a fault of the
 * disk shows at the start and not when somebody asks for what was there.
 *
 * @param bytesMax  size from which on the small tables alone are looked at
 * @returns         at most {@linkcode FAULTS_TOLD_MAX}; none where all is well
 */
export function pageFaults(database: DatabaseSync, bytesMax = CHECKED_BYTES_MAX): string[] {
  const pragma = (name: string) =>
    Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0]);
  const isSmall = pragma("page_count") * pragma("page_size") <= bytesMax;
  const faults = isSmall
    ? faultsOf(database, String(FAULTS_TOLD_MAX))
    : SMALL_TABLES.flatMap((table) => faultsOf(database, table));
  return faults.slice(0, FAULTS_TOLD_MAX);
}
