import assert from "node:assert/strict";
import { gridTable } from "../../../src/cli/pretraining/netcdf.ts";

const [ROWS, WIDTH, RECORDS] = [3, 5, 4];
const MISSING = -99.5;

/** Value of a variable at a point of the grid and a record. */
const valueAt = (variable: number, record: number, row: number, column: number) =>
  1_000 * variable + 100 * record + 10 * row + column;

/** A file of two variables over time, rows and columns, and one over time alone. */
function netcdf(version: 1 | 2): Uint8Array {
  const parts: number[] = [];
  const word = (...values: number[]) => {
    for (const value of values) {
      const bytes = new DataView(new ArrayBuffer(4));
      bytes.setInt32(0, value);
      parts.push(...new Uint8Array(bytes.buffer));
    }
  };
  const float = (value: number) => {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setFloat32(0, value);
    parts.push(...new Uint8Array(bytes.buffer));
  };
  const name = (text: string) => {
    word(text.length);
    parts.push(...new TextEncoder().encode(text.padEnd(4 * Math.ceil(text.length / 4), "\0")));
  };
  parts.push(...new TextEncoder().encode("CDF"), version);
  word(RECORDS, 10, 3);
  for (const [text, size] of [["time", 0], ["lat", ROWS], ["lon", WIDTH]] as const) {
    name(text);
    word(size);
  }
  word(12, 1);
  name("history");
  word(2, 5);
  parts.push(...new TextEncoder().encode("hello\0\0\0"));
  const grid = 4 * ROWS * WIDTH;
  const sizes = [["hour", [0], 6, 8], ["u", [0, 1, 2], 5, grid], [
    "v",
    [0, 1, 2],
    5,
    grid,
  ]] as const;
  word(11, sizes.length);
  const begins: number[] = [];
  for (const [text, dimensions, type, size] of sizes) {
    name(text);
    word(dimensions.length, ...dimensions);
    if (type === 5) {
      word(12, 1);
      name("missing_value");
      word(5, 1);
      float(MISSING);
    } else word(0, 0);
    word(type, size);
    if (version === 2) word(0);
    begins.push(parts.length);
    word(0);
  }
  let begin = parts.length;
  const out = () => new DataView(Uint8Array.from(parts).buffer);
  sizes.forEach(([, , , size], k) => {
    const view = new DataView(new ArrayBuffer(4));
    view.setInt32(0, begin);
    parts.splice(begins[k]!, 4, ...new Uint8Array(view.buffer));
    begin += size;
  });
  for (let record = 0; record < RECORDS; record++) {
    word(0, record);
    for (const variable of [1, 2]) {
      for (let i = 0; i < ROWS * WIDTH; i++) {
        const [row, column] = [Math.floor(i / WIDTH), i % WIDTH];
        const isMissing = variable === 2 && record === 1;
        float(isMissing ? MISSING : valueAt(variable, record, row, column));
      }
    }
  }
  return new Uint8Array(out().buffer);
}

Deno.test("gridTable() gives a series for each point of a coarser grid, in both versions", () => {
  for (const version of [1, 2] as const) {
    const { columns, timesMs } = gridTable(netcdf(version), ["u", "v"], [2, 3]);
    assert.equal(timesMs, null);
    assert.deepEqual([...columns.keys()], ["u/1/1", "u/1/4", "v/1/1", "v/1/4"]);
    assert.deepEqual(
      [...columns.get("u/1/4")!],
      [0, 1, 2, 3].map((record) => valueAt(1, record, 1, 4)),
    );
    assert.deepEqual(
      [...columns.get("v/1/1")!],
      [0, 1, 2, 3].map((record) => record === 1 ? NaN : valueAt(2, record, 1, 1)),
    );
    assert.equal(gridTable(netcdf(version), ["u"], [1, 1]).columns.size, ROWS * WIDTH);
  }
});

Deno.test("gridTable() refuses another format, another variable and a file that is cut short", () => {
  const bytes = netcdf(1);
  assert.throws(() => gridTable(bytes, ["hour"], [1, 1]), /variable is "hour"/);
  assert.throws(() => gridTable(bytes, ["w"], [1, 1]), /variable is "w".*records, rows/);
  assert.throws(() => gridTable(bytes.slice(0, -4), ["v"], [1, 1]), /4 records/);
  assert.throws(() => gridTable(new Uint8Array(40), ["u"], [1, 1]), /version 1 or 2/);
});
