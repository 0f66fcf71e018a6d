import assert from "node:assert/strict";
import {
  chartTables,
  csvTables,
  daysTable,
  edfTable,
  lineTables,
  spacedTable,
  wfdbTable,
  withoutSpan,
  yearsTable,
} from "../../../src/cli/pretraining/tables.ts";

Deno.test("csvTables() reads columns of numbers, leaves labels out and keeps gaps", () => {
  const [table] = csvTables("timestamp,a,b,label\n1970-01-01T00:00:01Z,1,,0\n2000,2,x,1\n");
  assert.deepEqual([...table!.timesMs!], [1_000, 2_000]);
  assert.deepEqual([...table!.columns.keys()], ["a", "b"]);
  assert.deepEqual([...table!.columns.get("a")!], [1, 2]);
  assert.ok(table!.columns.get("b")!.every(Number.isNaN));
  assert.throws(() => csvTables("timestamp,a\nsoon,1\n"), /timestamp is "soon"/);
});

Deno.test("csvTables() parts a long table by its series", () => {
  const tables = csvTables("series,t,value\nA,0,1\nB,0,5\nA,1,2\n", ["value"]);
  assert.deepEqual(tables.map(({ name }) => name), ["A", "B"]);
  assert.deepEqual([...tables[0]!.columns.get("value")!], [1, 2]);
  assert.equal(tables[0]!.timesMs, null);
});

Deno.test("csvTables() takes quoted headings and parts by another column", () => {
  const tables = csvTables(
    '"firm","year","invest"\nGM,1935,3\nUS Steel,1935,5\n',
    ["invest"],
    ["firm"],
  );
  assert.deepEqual(
    tables.map(({ name, columns }) => [name, [...columns.get("invest")!]]),
    [["GM", [3]], ["US Steel", [5]]],
  );
});

Deno.test("csvTables() parts by two columns", () => {
  const tables = csvTables("a,b,x\n1,2,5\n1,3,6\n1,2,7\n", ["x"], ["a", "b"]);
  assert.deepEqual(
    tables.map(({ name, columns }) => [name, ...columns.get("x")!]),
    [["1/2", 5, 7], ["1/3", 6]],
  );
});

Deno.test("lineTables() makes a series of each line, of the columns headed by a year", () => {
  const tables = lineTables('"Name","FIPS",1929,1930\n"Ohio",39,5,6\n"Utah",49,,8\n', "Name");
  assert.deepEqual(
    tables.map(({ name, columns }) => [name, ...columns.get("value")!]),
    [["Ohio", 5, 6], ["Utah", NaN, 8]],
  );
});

Deno.test("spacedTable() reads lines of numbers below any heading", () => {
  const text =
    "     SERIES 14\n  Date  x\n       (0h)\n\n1962   1  -0.5\n1962   2   0.25  \n1963\n";
  const fields = ["year", "month", "x"];
  assert.deepEqual([...spacedTable(text, fields, ["x"]).columns.get("x")!], [-0.5, 0.25]);
  assert.throws(() => spacedTable(text, fields, ["z"]), /column is "z".*year,month,x/);
});

Deno.test("yearsTable() lays months one after another", () => {
  const { columns } = yearsTable("YEAR,JAN,FEB\n1950,1,2\n1951,,4\n");
  assert.deepEqual([...columns.get("value")!], [1, 2, NaN, 4]);
});

Deno.test("daysTable() sorts the days and leaves what is none; withoutSpan() takes some out", () => {
  const days = { "2001-01-03": { B: 3 }, "2001-01-01": { A: 1, B: 1 }, "2001-01-02": { A: 2 } };
  const table = daysTable(JSON.stringify({ ...days, undefined: { A: 9 } }));
  assert.deepEqual([...table.columns.get("A")!], [1, 2, NaN]);
  assert.deepEqual([...table.columns.get("B")!], [1, NaN, 3]);
  assert.deepEqual([...daysTable(JSON.stringify(days), ["B"]).columns.keys()], ["B"]);
  const parts = withoutSpan(table, "2001-01-02", "2001-01-03");
  assert.deepEqual(
    parts.map(({ name, columns }) => [name, [...columns.get("B")!]]),
    [["before", [1]], ["after", [3]]],
  );
  assert.throws(() => withoutSpan({ ...table, timesMs: null }, "2001", "2002"), /with a clock/);
});

Deno.test("chartTables() gives a row an hour and drops sparse lines", () => {
  const lines = ["record,minute,parameter,value"];
  for (let hour = 0; hour < 30; hour++) lines.push(`7,${60 * hour + 5},HR,${80 + hour}`);
  lines.push("7,10,Temp,37", "7,4000,HR,9", "7,130,HR,-1", "7,20,Age,50");
  const tables = chartTables(lines.join("\n"), ["HR", "Temp"]);
  assert.deepEqual(tables.map(({ name }) => name), ["7/HR"]);
  const values = tables[0]!.columns.get("value")!;
  assert.equal(values.length, 48);
  assert.equal(values[29], 109);
  assert.equal(values[2], 82, "a value below zero is none");
  assert.ok(Number.isNaN(values[30]!));
});

Deno.test("wfdbTable() unpacks two leads of 12 bits in three bytes", () => {
  // Three frames of (1000, −3): the mean of each lead is its value.
  const [a, b] = [1_000, 4_096 - 3];
  const frame = [a & 255, a >> 8 | (b >> 8) << 4, b & 255];
  const { columns } = wfdbTable(Uint8Array.from([...frame, ...frame, ...frame]));
  assert.ok(Math.abs(columns.get("lead0")![0]! - 1_000) < 1e-9);
  assert.ok(Math.abs(columns.get("lead1")![0]! + 3) < 1e-9);
});

/** An EDF file of two records: signals A, B and the annotations, of 2, 2 and 1 samples. */
function edf(): Uint8Array {
  const counts = [2, 2, 2, 1];
  const labels = ["A", "B", "C", "EDF Annotations"];
  const size = 256 * (1 + counts.length);
  const pad = (text: string | number, width: number) => `${text}`.padEnd(width);
  const main = pad("0", 184) + pad(size, 8) + pad("", 44) + pad(2, 8) + pad(1, 8) + pad(4, 4);
  const signals = labels.map((label) => pad(label, 16)).join("") +
    pad("", 200 * counts.length) + counts.map((count) => pad(count, 8)).join("") +
    pad("", 32 * counts.length);
  const samples = Int16Array.from([1, 2, 3, 4, 5, -6, 99, 7, 8, 9, 10, 11, -12, 99]);
  const out = new Uint8Array(size + samples.byteLength);
  out.set(new TextEncoder().encode(main + signals));
  out.set(new Uint8Array(samples.buffer), size);
  return out;
}

Deno.test("edfTable() reads every second signal over all records, no annotations", () => {
  const { columns } = edfTable(edf());
  assert.deepEqual([...columns.keys()], ["A", "C"]);
  assert.deepEqual([...columns.get("A")!], [1, 2, 7, 8]);
  assert.deepEqual([...columns.get("C")!], [5, -6, 11, -12]);
});
