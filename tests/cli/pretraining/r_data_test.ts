import assert from "node:assert/strict";
import {
  cubeTable,
  parseRObject,
  readRFile,
  readRObject,
  rTables,
} from "../../../src/cli/pretraining/r_data.ts";
import { zipped } from "./_tar.ts";

/** Writes what R's `serialize()` would, in XDR: big-endian words. */
class Writer {
  readonly parts: number[] = [];
  word(...values: number[]): this {
    const bytes = new DataView(new ArrayBuffer(4));
    for (const value of values) {
      bytes.setInt32(0, value);
      this.parts.push(...new Uint8Array(bytes.buffer));
    }
    return this;
  }
  real(...values: number[]): this {
    const bytes = new DataView(new ArrayBuffer(8));
    for (const value of values) {
      bytes.setFloat64(0, value);
      this.parts.push(...new Uint8Array(bytes.buffer));
    }
    return this;
  }
  text(text: string): this {
    const bytes = new TextEncoder().encode(text);
    this.word(0x40009, bytes.length).parts.push(...bytes);
    return this;
  }
  texts(flags: number, values: readonly string[]): this {
    this.word(16 | flags, values.length);
    for (const value of values) this.text(value);
    return this;
  }
  /** The attribute `names`, and the end of the attributes. */
  names(values: readonly string[]): this {
    this.word(0x402, 1).text("names");
    return this.texts(0, values).word(254);
  }
  bytes(version = 2): Uint8Array<ArrayBuffer> {
    const head = new Writer().word(version, 0x40202, 0x20300);
    if (version === 3) head.word(5).parts.push(...new TextEncoder().encode("UTF-8"));
    return Uint8Array.from([0x58, 0x0a, ...head.parts, ...this.parts]);
  }
}

/** A data frame: a factor-like text, reals with NA, whole numbers with NA, a range. */
function frame(): Writer {
  const out = new Writer().word(19 | 0x200, 4).texts(0, ["a", "b", "a"]);
  out.word(14, 3).real(1.5, NaN, 3);
  out.word(13, 3).word(7, -(2 ** 31), 9);
  // A range of whole numbers: its class, its state (count, first, step), no attributes.
  out.word(238).word(2, 1).text("compact_intseq").word(254);
  out.word(14, 3).real(3, 10, 1).word(254);
  return out.names(["city", "real", "whole", "range"]);
}

Deno.test("parseRObject() reads a data frame of versions 2 and 3, NA as NaN", () => {
  for (const version of [2, 3]) {
    const [table] = rTables(parseRObject(frame().bytes(version)), {
      columns: ["real", "whole", "range"],
    });
    assert.deepEqual([...table!.columns.get("real")!], [1.5, NaN, 3]);
    assert.deepEqual([...table!.columns.get("whole")!], [7, NaN, 9]);
    assert.deepEqual([...table!.columns.get("range")!], [10, 11, 12]);
  }
});

Deno.test("rTables() parts a frame by a column and says which columns there are", () => {
  const value = parseRObject(frame().bytes());
  const tables = rTables(value, { columns: ["range"], group: ["city"] });
  assert.deepEqual(
    tables.map(({ name, columns }) => [name, [...columns.get("range")!]]),
    [["a", [10, 12]], ["b", [11]]],
  );
  assert.throws(
    () => rTables(value, { columns: ["city"] }),
    /column is "city".*city,real,whole,range/,
  );
});

const DAY_MS = 86_400_000;

/** A factor, numbers and dates: what `saveRDS()` writes of a data frame. */
function file(): Uint8Array<ArrayBuffer> {
  const out = new Writer().word(19 | 0x200, 4);
  out.word(13 | 0x200, 4).word(2, 1, 2, 2);
  out.word(0x402, 1).text("levels").texts(0, ["Ohio", "Utah"]).word(254);
  out.word(13, 4).word(1, 2, 1, 1);
  out.word(14, 4).real(10, 20, 30, 40);
  out.word(14, 4).real(-1, 0, 1, 2);
  return out.names(["state", "hour", "rain", "day"]).bytes();
}

Deno.test("readRFile() reads an object with and without gzip; rTables() its factors and dates", async () => {
  for (const bytes of [file(), await zipped(file())]) {
    const frame = await readRFile(bytes);
    const choice = { columns: ["rain"], clock: "day" };
    const [table] = rTables(frame, choice);
    assert.deepEqual([...table!.timesMs!], [-DAY_MS, 0, DAY_MS, 2 * DAY_MS]);
    const parts = rTables(frame, { ...choice, group: ["state", "hour"] });
    assert.deepEqual(
      parts.map(({ name, timesMs, columns }) => [name, timesMs![0], ...columns.get("rain")!]),
      [["Utah/1", -DAY_MS, 10, 30, 40], ["Ohio/2", 0, 20]],
    );
    assert.deepEqual([...rTables(frame, { clock: "day" })[0]!.columns.keys()], [
      "state",
      "hour",
      "rain",
    ]);
  }
});

Deno.test("rTables() leaves rows out, or keeps them without values", async () => {
  const frame = await readRFile(file());
  const values = (rows: { column: string; among?: number[]; least?: number }) =>
    rTables(frame, { columns: ["rain"], rows }).map(({ columns }) => [...columns.get("rain")!]);
  assert.deepEqual(values({ column: "hour", among: [1] }), [[10, 30, 40]]);
  assert.deepEqual(values({ column: "hour", least: 2 }), [[NaN, 20, NaN, NaN]]);
  assert.deepEqual(values({ column: "hour", among: [9] }), []);
  assert.throws(() => values({ column: "state of", least: 2 }), /column is "state of"/);
});

/** A list `mets` of one array over 3 rows, 2 columns, 2 months and 2 years: its index as value. */
function cube(): Uint8Array<ArrayBuffer> {
  const out = new Writer().word(19 | 0x200, 1).word(19 | 0x200, 2);
  out.word(14 | 0x200, 24).real(...Array.from({ length: 24 }, (_, i) => i));
  out.word(0x402, 1).text("dim").word(13, 4).word(3, 2, 2, 2).word(254);
  out.word(14, 1).real(5);
  return out.names(["ozone", "flat"]).names(["mets"]).bytes();
}

Deno.test("cubeTable() gives a series for each point of a coarser grid", () => {
  const value = parseRObject(cube());
  const { columns } = cubeTable(value, ["ozone"], [2, 1]);
  assert.deepEqual([...columns.keys()], ["ozone/1/0", "ozone/1/1"]);
  assert.deepEqual([...columns.get("ozone/1/0")!], [1, 7, 13, 19]);
  assert.deepEqual([...columns.get("ozone/1/1")!], [4, 10, 16, 22]);
  assert.equal(cubeTable(value, ["ozone"], [1, 1]).columns.size, 6);
  for (const name of ["flat", "clouds"]) {
    assert.throws(() => cubeTable(value, [name], [1, 1]), /a grid and times: ozone,flat/);
  }
});

Deno.test("parseRObject() refuses what is no vector and what is no serialization", () => {
  assert.throws(() => parseRObject(new Writer().word(3).bytes()), /a vector or a list/);
  assert.throws(() => parseRObject(new Uint8Array(40)), /a serialization in XDR/);
});

Deno.test("readRObject() finds an object in its database", async () => {
  const object = await zipped(frame().bytes(), "deflate");
  const database = Uint8Array.from([9, 9, 9, 0, 0, 0, 1, ...object]);
  const index = new Writer().word(19 | 0x200, 2);
  index.word(19 | 0x200, 1).word(13, 2).word(3, object.length + 4).names(["weather"]);
  index.word(10, 1).word(1).names(["variables", "compressed"]);
  const packedIndex = await zipped(index.bytes());
  const found = await readRObject(packedIndex, database, "weather");
  assert.deepEqual([...rTables(found, { columns: ["whole"] })[0]!.columns.keys()], ["whole"]);
  await assert.rejects(readRObject(packedIndex, database, "wind"), /R object is "wind"/);
});
