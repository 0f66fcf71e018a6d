import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { StorageFullError } from "../../../src/base/errors.ts";
import { storeErrorOf } from "../../../src/stores/_helpers/sqlite_error.ts";

function errorOf(statement: (database: DatabaseSync) => void): unknown {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE a (b BLOB UNIQUE)");
  database.exec("PRAGMA max_page_count = 10");
  try {
    statement(database);
  } catch (error) {
    return error;
  } finally {
    database.close();
  }
  return undefined;
}

Deno.test("storeErrorOf() names a full disk, and leaves other errors as they are", () => {
  const full = errorOf((database) => database.exec("INSERT INTO a VALUES (randomblob(100000))"));
  const named = storeErrorOf(full);
  assert.ok(named instanceof StorageFullError);
  assert.equal(named.cause, full);
  const twice = errorOf((database) => database.exec("INSERT INTO a VALUES (1), (1)"));
  assert.ok(twice instanceof Error);
  assert.equal(storeErrorOf(twice), twice);
  assert.equal(storeErrorOf("text"), "text");
});
