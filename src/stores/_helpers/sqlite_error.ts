import { StorageFullError } from "../../base/errors.ts";

/** SQLite's text of SQLITE_FULL; the code itself is missing where `exec` throws. */
const FULL_TEXT = "database or disk is full";

/** SQLite's texts of SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGE_TEXTS = ["database disk image is malformed", "file is not a database"];

/** What an error while a database is opened means: one that is damaged is named with its file. */
export function openingErrorOf(error: unknown, path: string): unknown {
  if (!(error instanceof Error)) return error;
  if (/database is locked/.test(error.message)) {
    return new Error(`"${path}" is in use by another process`);
  }
  if (!DAMAGE_TEXTS.some((text) => error.message.startsWith(text))) return error;
  return new Error(`"${path}" is damaged: ${error.message}`, { cause: error });
}

/** What an error of the database means to those who do not know of SQLite. */
export function storeErrorOf(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith(FULL_TEXT)) return error;
  return new StorageFullError("The disk that holds the store is full", { cause: error });
}
