import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { FAULTS_TOLD_MAX, pageFaults } from "../../../src/stores/_helpers/page_check.ts";
import { openDatabase } from "../../../src/stores/_helpers/sqlite_schema.ts";
import { withFolder } from "../../_folder.ts";

const PAGE_BYTES = 4_096;

/** A database with a hundred chunks, of which `damage` may spoil pages. */
async function faultsOf(damage: (pages: DatabaseSync) => number[], bytesMax?: number) {
  let faults: string[] = [];
  await withFolder((folder) => {
    const path = `${folder}/store.sqlite`;
    let database = openDatabase(path);
    const put = database.prepare("INSERT INTO chunk VALUES (?, 0, ?, 1, 0, 0, randomblob(9000))");
    for (let i = 0; i < 100; i++) put.run(i % 7, i);
    const spoiled = damage(database);
    database.close();
    const file = Deno.openSync(path, { write: true });
    for (const page of spoiled) {
      file.seekSync((page - 1) * PAGE_BYTES, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(PAGE_BYTES).fill(0xa5));
    }
    file.close();
    database = new DatabaseSync(path);
    faults = pageFaults(database, bytesMax);
    database.close();
    return Promise.resolve();
  });
  return faults;
}

function rootOf(database: DatabaseSync, name: string): number {
  const found = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = ?").get(name);
  return found!["rootpage"] as number;
}

Deno.test("pageFaults() finds nothing in a database that is whole, small or large", async () => {
  assert.deepEqual(await faultsOf(() => []), []);
  assert.deepEqual(await faultsOf(() => [], PAGE_BYTES), []);
});

Deno.test("pageFaults() names damaged pages, in a large database those of small tables", async () => {
  const chunks = (database: DatabaseSync) => [rootOf(database, "chunk")];
  const feed = (database: DatabaseSync) => [rootOf(database, "feed")];
  const found = await faultsOf(chunks);
  assert.ok(found.length >= 1 && found.length <= FAULTS_TOLD_MAX, String(found));
  assert.match(found[0]!, /page|malformed/i);
  assert.deepEqual(await faultsOf(chunks, PAGE_BYTES), []);
  assert.match((await faultsOf(feed, PAGE_BYTES))[0]!, /page|malformed/i);
});
