import assert from "node:assert/strict";
import { gatherRows } from "../../src/ops/gather_rows.ts";
import { IDS_MAX } from "../../src/tensor/ids.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("gatherRows() takes rows of two tables by one number", async () => {
  const a = t([2, 1, 2], [0, 1, 10, 11]);
  const b = t([1, 1, 2], [20, 21]);
  const { out } = await run(gatherRows, { a, b, rows: t([4], [2, 0, 2, 1]) }, {});
  assert.deepEqual(out!.shape, [4, 1, 2]);
  assert.deepEqual([...out!.data], [20, 21, 0, 1, 20, 21, 10, 11]);
});

Deno.test("gatherRows() may take none, and refuses tables that do not fit", async () => {
  const a = filled([2, 3], (i) => i);
  assert.deepEqual((await run(gatherRows, { a, rows: t([0], []) }, {})).out!.shape, [0, 3]);
  const rows = t([1], [0]);
  const wrong = run(gatherRows, { a, rows, b: filled([2, 4], (i) => i) }, {});
  await assert.rejects(wrong, { axis: "b.1" });
  await assert.rejects(run(gatherRows, { a: filled([0, 3], (i) => i), rows }, {}), {
    axis: "rows of a and b",
  });
  const shapes = { a: [IDS_MAX + 1, 0], rows: [1] };
  assert.throws(() => gatherRows.outputShapes(shapes, {}), { limitName: "IDS_MAX" });
});
