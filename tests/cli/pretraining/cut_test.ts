import assert from "node:assert/strict";
import { earliestCut, findContext, rowsAllowed } from "../../../src/cli/pretraining/cut.ts";
import type { RealTable } from "../../../src/cli/pretraining/tables.ts";

const wave = (count: number, turn = 0.3) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(turn * i) + i / 50);

function table(
  name: string,
  columns: Record<string, Float64Array>,
  startMs: number | null = 0,
): RealTable {
  const count = Object.values(columns)[0]!.length;
  return {
    name,
    timesMs: startMs === null ? null : Float64Array.from({ length: count }, (_, i) => startMs + i),
    columns: new Map(Object.entries(columns)),
  };
}

const window = (id: string, series: string, context: Iterable<number | null>) => ({
  id,
  task: "t",
  series,
  context: [...context],
});

Deno.test("findContext() finds where a context begins, gaps and rounding included", () => {
  const values = wave(200);
  assert.equal(findContext(values, [...values.slice(60, 110)]), 60);
  const printed = [...values.slice(60, 110)].map((x) => Number(x.toPrecision(7)));
  assert.equal(findContext(values, printed), 60);
  const gapped = values.slice();
  gapped[70] = NaN;
  const filled: (number | null)[] = printed.slice();
  filled[3] = null;
  assert.equal(findContext(gapped, filled), 60);
  assert.equal(findContext(values, [...wave(50, 0.31)]), -1);
  assert.equal(findContext(values, [...wave(300)]), -1, "longer than the values");
});

Deno.test("findContext() takes the first of several places", () => {
  const values = Float64Array.from({ length: 90 }, (_, i) => i % 10);
  assert.equal(findContext(values, [...values.slice(40, 60)]), 0);
});

Deno.test("earliestCut() ends every column and every sister table at the first instant", () => {
  const [a, b] = [wave(200), wave(200, 0.7)];
  const tables = [table("x", { value: a }, 0), table("y", { value: b }, 25)];
  const cut = earliestCut(tables, [
    window("w/1", "x", a.subarray(120, 150)),
    window("w/2", "y", b.subarray(80, 110)),
  ]);
  // Row 80 of the second table is instant 105, before instant 120 of the first.
  assert.deepEqual(cut, { window: "w/2", row: 80, timeMs: 105 });
  assert.equal(rowsAllowed(tables[0]!, cut), 105);
  assert.equal(rowsAllowed(tables[1]!, cut), 80);
});

Deno.test("earliestCut() goes by the row where there is no clock", () => {
  const tables = [table("", { a: wave(200), b: wave(200, 0.9) }, null)];
  const cut = earliestCut(tables, [window("w/1", "b", wave(200, 0.9).subarray(50, 90))]);
  assert.deepEqual(cut, { window: "w/1", row: 50, timeMs: null });
  assert.equal(rowsAllowed(tables[0]!, cut), 50);
});

Deno.test("earliestCut() of no windows cuts nothing", () => {
  const tables = [table("", { a: wave(30) })];
  assert.equal(earliestCut(tables, []), null);
  assert.equal(rowsAllowed(tables[0]!, null), 30);
});

Deno.test("earliestCut() refuses a source in which a window is not found", () => {
  const tables = [table("", { a: wave(60), b: wave(60) })];
  assert.throws(
    () => earliestCut(tables, [window("w/9", "a", wave(20, 1.1))]),
    /window is "w\/9"/,
  );
  assert.throws(() => earliestCut(tables, [window("w/9", "c", wave(20))]), /window is "w\/9"/);
});
