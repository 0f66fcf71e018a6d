import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { ManualClock } from "../../src/base/clock.ts";
import { OverloadError } from "../../src/base/errors.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { TAIL_CHUNKS_MAX } from "../../src/stores/_helpers/chunk_table.ts";
import {
  type AppendResult,
  CorruptChunkError,
  DATABASE_FILE,
  openMemoryStore,
  openSqliteStore,
} from "../../src/stores/mod.ts";
import { observations, points, rowsOf, table, withFolder } from "./_stores.ts";

const clock = new ManualClock();

function openFile<T>(folder: string, body: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(`${folder}/${DATABASE_FILE}`);
  try {
    return body(database);
  } finally {
    database.close();
  }
}

Deno.test("openSqliteStore() reports a damaged chunk instead of reading round it", () =>
  withFolder(async (folder) => {
    let store = await openSqliteStore({ folder, clock });
    await store.append([points("a", [[10, 1], [20, 2]]), points("b", [[10, 1]])]);
    await store.close();
    openFile(folder, (database) => {
      const { bytes } = database.prepare(
        "SELECT bytes FROM chunk JOIN stream ON key = stream WHERE id = 'a'",
      ).get() as { bytes: Uint8Array };
      bytes[bytes.length >> 1]! ^= 1;
      database.prepare("UPDATE chunk SET bytes = ? WHERE stream = 1").run(bytes);
    });
    store = await openSqliteStore({ folder, clock });
    const damaged = (error: Error) =>
      error instanceof CorruptChunkError && error.place === "a/in order/0";
    await assert.rejects(store.readInOrder("a", 0, 10), damaged);
    await assert.rejects(observations(store, "a"), damaged);
    // Whether an older sample is a duplicate cannot be said, so nothing of the request is stored.
    await assert.rejects(store.append([points("b", [[20, 2]]), points("a", [[10, 1]])]), damaged);
    assert.deepEqual(await observations(store, "b"), [{ t: 10, value: 1 }]);
    const [next] = await store.append([points("a", [[30, 3]])]);
    assert.equal(next!.accepted, 1);
    await store.close();
  }));

Deno.test("openSqliteStore() tells of damaged pages, and names a file beyond reading", () =>
  withFolder(async (folder) => {
    let store = await openSqliteStore({ folder, clock });
    await store.append([points("a", [[10, 1], [20, 2]])]);
    await store.close();
    const told: string[] = [];
    const onFaults = (faults: readonly string[]) => told.push(...faults);
    await (await openSqliteStore({ folder, clock, onFaults })).close();
    assert.deepEqual(told, []);
    const page = openFile(folder, (database) => {
      const found = database.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'forecast'");
      return found.get()!["rootpage"] as number;
    });
    const spoil = (offset: number) => {
      const file = Deno.openSync(`${folder}/${DATABASE_FILE}`, { write: true });
      file.seekSync(offset, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(4_096).fill(0xa5));
      file.close();
    };
    spoil((page - 1) * 4_096);
    store = await openSqliteStore({ folder, clock, onFaults });
    assert.match(told.join("\n"), /page|malformed/i);
    // What does not lie there is served.
    assert.equal((await observations(store, "a")).length, 2);
    await store.close();
    spoil(0);
    await assert.rejects(
      openSqliteStore({ folder, clock }),
      /driftline.sqlite" is damaged: file is/,
    );
  }));

Deno.test("openSqliteStore() passes over a damaged snapshot", () =>
  withFolder(async (folder) => {
    let store = await openSqliteStore({ folder, clock });
    const [result] = await store.append([points("a", [[10, 1], [20, 2]])]);
    const streamCreatedNs = result!.record.createdNs;
    const { sha256Hex } = await import("../../src/base/hash.ts");
    for (const appliedOffset of [1, 2]) {
      const bytes = Uint8Array.of(appliedOffset);
      const stateHash = sha256Hex(bytes);
      const snapshot = { streamId: "a", appliedOffset, modelHash: "m", stateHash, bytes };
      await store.commit([{ streamCreatedNs, snapshot, events: [], forecast: null }]);
    }
    await store.close();
    openFile(folder, (database) => {
      database.exec("UPDATE snapshot SET bytes = x'ff' WHERE applied_offset = 2");
    });
    store = await openSqliteStore({ folder, clock });
    assert.equal((await store.latestSnapshot("a"))!.appliedOffset, 1);
    await store.close();
  }));

Deno.test("openSqliteStore() keeps a data folder to one process", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock });
    await store.append([points("a", [[10, 1]])]);
    await assert.rejects(openSqliteStore({ folder, clock }), /in use by another process/);
    await store.close();
    await (await openSqliteStore({ folder, clock })).close();
  }));

Deno.test("openSqliteStore() refuses files of newer versions and of other programs", () =>
  withFolder(async (folder) => {
    await (await openSqliteStore({ folder, clock })).close();
    openFile(folder, (database) => database.exec("PRAGMA user_version = 99"));
    await assert.rejects(openSqliteStore({ folder, clock }), /schema 99/);
    openFile(folder, (database) => {
      database.exec("PRAGMA user_version = 1; PRAGMA application_id = 5");
    });
    await assert.rejects(openSqliteStore({ folder, clock }), /another program/);
  }));

Deno.test("openSqliteStore() groups requests that wait into one transaction", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock });
    await Promise.all(
      Array.from({ length: 500 }, (_, i) => store.append([points(`s${i}`, [[i, i]])])),
    );
    const { transactions, appends, bytes } = await store.stats();
    assert.equal(appends, 500);
    assert.ok(transactions <= 5, `${transactions} transactions`);
    assert.ok(bytes > 0);
    await store.close();
  }));

Deno.test("openSqliteStore() refuses more than its queue holds, before anything is stored", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock, queueBytesMax: 1_000 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.append([points(`s${i}`, [[1, 1]])])),
    );
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.ok(refused.length > 0 && refused.length < 20);
    for (const { reason } of refused) {
      assert.ok(reason instanceof OverloadError);
      assert.ok(reason.retryAfterS > 0);
    }
    const { streams, queuedBytes } = await store.stats();
    assert.deepEqual([streams, queuedBytes], [20 - refused.length, 0]);
    await store.close();
  }));

Deno.test("openSqliteStore() packs single samples into few chunks", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock });
    for (let i = 0; i < 1_000; i++) {
      // Every third sample comes late, so that both logs are packed.
      const time = i % 3 === 2 ? i * 10 - 25 : i * 10;
      await store.append([points("a", [[time, i]])]);
    }
    const rows = await observations(store, "a");
    assert.equal(rows.length, 1_000);
    await store.close();
    const counts = openFile(
      folder,
      (database) =>
        database.prepare(
          "SELECT kind, count(*) AS chunks, sum(count) AS samples FROM chunk" +
            " GROUP BY kind ORDER BY kind",
        ).all(),
    ) as { chunks: number; samples: number }[];
    for (const { chunks } of counts) assert.ok(chunks <= TAIL_CHUNKS_MAX + 1, `${chunks} chunks`);
    assert.deepEqual(counts.map(({ samples }) => samples), [667, 333]);
  }));

/** Appends drawn so that times collide, channels differ and bodies are out of order. */
const body: fc.Arbitrary<Segment[]> = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b"),
    rows: fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 40 }),
        fc.option(fc.integer({ min: 0, max: 1 }), { nil: null }),
        fc.option(fc.integer({ min: 0, max: 1 }), { nil: null }),
      ),
      { maxLength: 6 },
    ),
    channels: fc.constantFrom(["x", "y"], ["y", "z"], ["z", "x"]),
  }).map(({ id, rows, channels }) => table(id, channels, rows)),
  { minLength: 1, maxLength: 3 },
);

/** Channels without a value in them may or may not be named: that is no difference. */
function told(result: AppendResult): unknown {
  const { inOrder, record, ...rest } = result;
  return { ...rest, inOrder: rowsOf(inOrder), record: { ...record, createdNs: 0n } };
}

Deno.test("openSqliteStore() does what the plain store does, whatever is appended", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock });
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 25 }), async (bodies) => {
        const plain = openMemoryStore({ clock });
        for (const id of ["a", "b"]) await store.deleteStream(id);
        for (const segments of bodies) {
          const expected = await plain.append(segments);
          const actual = await store.append(segments);
          assert.deepEqual(actual.map(told), expected.map(told));
        }
        for (const id of ["a", "b"]) {
          assert.deepEqual(await observations(store, id), await observations(plain, id));
          for (const limit of [1, 7, 19]) {
            const oldest = await plain.readObservations(id, 5n, 35n, limit);
            assert.deepEqual(
              rowsOf(await store.readObservations(id, 5n, 35n, limit)),
              rowsOf(oldest),
            );
          }
          const inOrder = await plain.readInOrder(id, 3, 9);
          assert.deepEqual(rowsOf(await store.readInOrder(id, 3, 9)), rowsOf(inOrder));
        }
      }),
      { numRuns: 60 },
    );
    await store.close();
  }));
