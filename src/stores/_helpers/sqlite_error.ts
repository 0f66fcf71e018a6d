import { StorageFullError } from "../../base/errors.ts";

/** SQLite's text of SQLITE_FULL; the code itself is missing where `exec` throws. */
const FULL_TEXT = "database or disk is full";

/** What an error of the database means to those who do not know of SQLite. */
export function storeErrorOf(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith(FULL_TEXT)) return error;
  return new StorageFullError("The disk that holds the store is full", { cause: error });
}
