import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ManualClock } from "../../../src/base/clock.ts";
import { nextUint32, seedRandom } from "../../../src/base/random.ts";
import type { Segment } from "../../../src/signal/segment.ts";
import {
  JOURNAL_PIECE_VALUES_MAX,
  JOURNAL_PIECES_MAX,
  JOURNAL_VALUES_MAX,
} from "../../../src/stores/_helpers/journal.ts";
import { SqliteCore } from "../../../src/stores/_helpers/sqlite_core.ts";
import {
  type AppendResult,
  CorruptChunkError,
  DATABASE_FILE,
  openMemoryStore,
} from "../../../src/stores/mod.ts";
import { observations, points, rowsOf, table, withFolder } from "../_stores.ts";

/** One core on a folder of its own, which a crash can hit. */
class Crashing {
  readonly #root: string;
  #folder: string;
  #crashes = 0;
  core: SqliteCore;

  constructor(root: string) {
    this.#root = root;
    this.#folder = `${root}/0`;
    Deno.mkdirSync(this.#folder);
    this.core = new SqliteCore(this.path);
  }

  get path(): string {
    return `${this.#folder}/${DATABASE_FILE}`;
  }

  /** What is in the files stays, what is in memory goes. */
  crash(): void {
    const before = this.#folder;
    this.#folder = `${this.#root}/${++this.#crashes}`;
    Deno.mkdirSync(this.#folder);
    for (const { name } of Deno.readDirSync(before)) {
      Deno.copyFileSync(`${before}/${name}`, `${this.#folder}/${name}`);
    }
    this.core.close();
    this.core = new SqliteCore(this.path);
  }
}

const append = (core: SqliteCore, ...segments: Segment[]) =>
  core.append([{ segments, options: {} }], 1n)[0]!;

const count = (core: SqliteCore, id: string) => core.getStream(id)!.inOrderCount;

/** Rows of a table, looked at in a copy: the core keeps its file to itself. */
function rowCount(path: string, name: "journal" | "chunk"): number {
  const folder = Deno.makeTempDirSync({ prefix: "driftline-store-" });
  try {
    for (const end of ["", "-wal"]) Deno.copyFileSync(path + end, `${folder}/copy${end}`);
    const database = new DatabaseSync(`${folder}/copy`);
    const row = database.prepare(`SELECT count(*) AS rows FROM ${name}`).get() as { rows: number };
    database.close();
    return row.rows;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("Journal holds one row a transaction, which survive a crash", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[1, 1]]), points("b", [[1, 1]]));
    for (let i = 2; i <= 5; i++) {
      const of = (id: string) => ({ segments: [points(id, [[i, i]])], options: {} });
      store.core.append([of("a"), of("b")], 1n);
    }
    assert.equal(rowCount(store.path, "journal"), 4);
    assert.equal(rowCount(store.path, "chunk"), 2);
    assert.deepEqual([count(store.core, "a"), store.core.stats().samples], [5, 10]);
    assert.deepEqual(store.core.listStreams("", 9).map(({ lastNs }) => lastNs), [5n, 5n]);
    store.crash();
    assert.deepEqual(rowsOf(store.core.readInOrder("b", 0, 9)).length, 5);
    assert.equal(store.core.getStream("a")!.lastNs, 5n);
    store.core.close();
    return Promise.resolve();
  }));

Deno.test("Journal is packed when more than JOURNAL_PIECES_MAX pieces wait", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[0, 0]]));
    const requests = Array.from({ length: JOURNAL_PIECES_MAX }, (_, i) => ({
      segments: [points("a", [[i + 1, i]])],
      options: {},
    }));
    store.core.append(requests, 1n);
    assert.equal(rowCount(store.path, "journal"), 1);
    assert.equal(rowCount(store.path, "chunk"), 1);
    append(store.core, points("a", [[JOURNAL_PIECES_MAX + 1, 0]]));
    assert.equal(rowCount(store.path, "journal"), 0);
    assert.equal(rowCount(store.path, "chunk"), 2);
    assert.equal(rowsOf(store.core.readInOrder("a", 0, 2_000)).length, JOURNAL_PIECES_MAX + 2);
    store.core.close();
    return Promise.resolve();
  }));

Deno.test("Journal is packed beyond JOURNAL_VALUES_MAX, and takes no larger piece", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[0, 0]]));
    const length = JOURNAL_PIECE_VALUES_MAX / 2;
    let time = 1;
    const next = (samples: number) =>
      points("a", Array.from({ length: samples }, () => [time++, time % 7]));
    append(store.core, next(length + 1));
    assert.equal(rowCount(store.path, "journal"), 0);
    for (let i = 0; i < JOURNAL_VALUES_MAX / JOURNAL_PIECE_VALUES_MAX; i++) {
      append(store.core, next(length));
    }
    assert.ok(rowCount(store.path, "journal") > 0);
    append(store.core, next(1));
    assert.equal(rowCount(store.path, "journal"), 0);
    assert.equal(count(store.core, "a"), time);
    store.core.close();
    return Promise.resolve();
  }));

Deno.test("Journal is read with what is packed, by place and by time, and nothing is written", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[10, 0], [20, 1]]));
    append(store.core, points("a", [[30, 2], [40, 3]]));
    append(store.core, points("a", [[50, 4]]));
    const { transactions } = store.core.stats();
    assert.equal(rowCount(store.path, "journal"), 2);
    const values = (segment: Segment | null) => segment === null ? null : [...segment.values[0]!];
    for (let from = 0; from < 7; from++) {
      for (let limit = 1; limit < 7; limit++) {
        const expected = [0, 1, 2, 3, 4].slice(from, from + limit);
        const read = values(store.core.readInOrder("a", from, limit));
        assert.deepEqual(read, expected.length === 0 ? null : expected, `${from}, ${limit}`);
      }
    }
    assert.deepEqual(values(store.core.readTail("a", 2)), [3, 4]);
    assert.deepEqual(values(store.core.readTail("a", 9)), [0, 1, 2, 3, 4]);
    assert.deepEqual(values(store.core.readObservations("a", 20n, 40n, 9)), [1, 2, 3]);
    assert.deepEqual(values(store.core.readObservations("a", 11n, 60n, 3)), [1, 2, 3]);
    assert.deepEqual(values(store.core.readObservations("a", 41n, 49n, 3)), []);
    assert.equal(store.core.stats().transactions, transactions);
    store.core.close();
    return Promise.resolve();
  }));

Deno.test("Journal stays as it was when a transaction is undone", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[0, 0]]), points("b", [[0, 0]]));
    store.core.close();
    const database = new DatabaseSync(store.path);
    database.exec(
      "CREATE TRIGGER refuse BEFORE INSERT ON chunk WHEN NEW.start > 0 BEGIN" +
        " SELECT RAISE(ROLLBACK, 'disk is full'); END",
    );
    database.close();
    store.core = new SqliteCore(store.path);
    append(store.core, points("a", [[1, 1], [2, 2]]));
    append(store.core, points("b", [[1, 1]]));
    // Reading packs nothing; a late sample does, which fails together with all of its group.
    assert.equal(store.core.readInOrder("a", 0, 9)!.timestampsNs.length, 3);
    const late = { segments: [points("a", [[1, 9]])], options: {} };
    const plain = { segments: [points("b", [[2, 2]])], options: {} };
    assert.throws(() => store.core.append([plain, late], 1n), /disk is full/);
    assert.deepEqual([count(store.core, "a"), count(store.core, "b")], [3, 2]);
    append(store.core, points("b", [[2, 3]]));
    assert.deepEqual([count(store.core, "a"), count(store.core, "b")], [3, 3]);
    assert.throws(() => store.core.close(), /disk is full/);
    return Promise.resolve();
  }));

Deno.test("Journal says which row is damaged, and the store does not open", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[0, 0]]));
    append(store.core, points("a", [[1, 1]]));
    const copy = `${root}/damaged`;
    for (const end of ["", "-wal"]) Deno.copyFileSync(store.path + end, copy + end);
    store.core.close();
    const database = new DatabaseSync(copy);
    const row = database.prepare("SELECT bytes FROM journal").get() as { bytes: Uint8Array };
    row.bytes[40]! ^= 1;
    database.prepare("UPDATE journal SET bytes = ?").run(row.bytes);
    database.close();
    assert.throws(
      () => new SqliteCore(copy),
      (error) => error instanceof CorruptChunkError && /journal\/1/.test(error.message),
    );
    return Promise.resolve();
  }));

Deno.test("Journal comes to a file that was written before there was one", () =>
  withFolder((root) => {
    const store = new Crashing(root);
    append(store.core, points("a", [[0, 0]]));
    store.core.close();
    const database = new DatabaseSync(store.path);
    database.exec(
      "DROP TABLE journal; DROP TABLE feed; DROP TABLE ledger; PRAGMA user_version = 1",
    );
    database.close();
    store.core = new SqliteCore(store.path);
    append(store.core, points("a", [[1, 1]]));
    assert.equal(rowCount(store.path, "journal"), 1);
    assert.equal(rowsOf(store.core.readInOrder("a", 0, 9)).length, 2);
    store.core.close();
    return Promise.resolve();
  }));

/** A result without what differs by when a stream was made. */
function comparable({ inOrder, record, ...rest }: AppendResult): unknown {
  return { ...rest, inOrder: rowsOf(inOrder), record: { ...record, createdNs: 0n } };
}

Deno.test("Journal keeps what the plain store keeps, whatever comes between two crashes", () =>
  withFolder(async (root) => {
    const store = new Crashing(root);
    const clock = new ManualClock();
    const plain = openMemoryStore({ clock });
    const random = seedRandom(11);
    const below = (limit: number) => nextUint32(random) % limit;
    let newest = 0;
    let key = 0;
    for (let round = 0; round < 400; round++) {
      const id = "abc"[below(3)]!;
      const length = 1 + below(4);
      // Mostly newer than all before; else late, known already, or in conflict with it.
      const from = below(5) === 0 ? below(newest + 1) : newest + 1;
      const rows = Array.from({ length }, (_, i) => [from + i, below(3), below(2) ? 1 : null]);
      const segments = [table(id, below(8) === 0 ? ["x", "z"] : ["x", "y"], rows as never)];
      if (below(6) === 0) segments.push(table(`${id}2`, ["x", "y"], rows as never));
      newest = Math.max(newest, from + length);
      const options = below(6) === 0
        ? { idempotencyKey: `k${below(3) === 0 ? key : ++key}`, requestHash: String(round) }
        : {};
      const [outcome] = store.core.append([{ segments, options }], clock.nowNs());
      const told = await plain.append(segments, options).catch(() => null);
      assert.equal("error" in outcome!, told === null, `round ${round}`);
      if (told !== null && "results" in outcome!) {
        assert.deepEqual(outcome.results.map(comparable), told.map(comparable));
      }
      if (below(9) === 0) store.crash();
      if (below(40) === 0) {
        assert.equal(store.core.deleteStream(id), await plain.deleteStream(id));
      }
      if (below(12) === 0) {
        store.core.putStream(id, { horizon: 5 }, clock.nowNs());
        await plain.putStream(id, { horizon: 5 });
      }
      if (below(15) === 0) {
        const inOrder = rowsOf(await plain.readInOrder(id, 2, 50));
        assert.deepEqual(rowsOf(store.core.readInOrder(id, 2, 50)), inOrder);
      }
    }
    for (const { id, inOrderCount } of await plain.listStreams({ limit: 99 })) {
      assert.equal(count(store.core, id), inOrderCount);
      const all = store.core.readObservations(id, 0n, 1_000_000n, 9_999);
      assert.deepEqual(rowsOf(all), await observations(plain, id));
    }
    store.core.close();
  }));
