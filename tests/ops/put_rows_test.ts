import assert from "node:assert/strict";
import { ShapeError } from "../../src/base/errors.ts";
import { embedding } from "../../src/ops/embedding.ts";
import { putRows } from "../../src/ops/put_rows.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("putRows() puts back what embedding() took out, changed", async () => {
  const table = filled([5, 3], (i) => i);
  const ids = t([2], [4, 1]);
  const { out } = await run(embedding, { table, ids }, {});
  const values = t([2, 3], out!.data.map((value) => -value));
  const { next } = await run(putRows, { table, slots: ids, values }, {});
  assert.deepEqual([...next!.data], [0, 1, 2, -3, -4, -5, 6, 7, 8, 9, 10, 11, -12, -13, -14]);
});

Deno.test("putRows() refuses values of another count or width", async () => {
  const table = filled([5, 3], (i) => i);
  const slots = t([2], [0, 1]);
  await assert.rejects(
    () => run(putRows, { table, slots, values: filled([3, 3], () => 0) }, {}),
    new ShapeError("values.batch", 2, 3),
  );
  await assert.rejects(
    () => run(putRows, { table, slots, values: filled([2, 4], () => 0) }, {}),
    new ShapeError("values.feature", 3, 4),
  );
});
