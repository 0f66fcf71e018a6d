import assert from "node:assert/strict";
import { slice } from "../../src/ops/slice.ts";
import { filled, run } from "./_run.ts";

Deno.test("slice() takes a range of each row", async () => {
  const { out } = await run(slice, { x: filled([2, 5], (i) => i) }, { start: 1, count: 3 });
  assert.deepEqual(out!.shape, [2, 3]);
  assert.deepEqual([...out!.data], [1, 2, 3, 6, 7, 8]);
});

Deno.test("slice() may be empty and refuses what is outside", async () => {
  const x = filled([2, 5], (i) => i);
  assert.deepEqual((await run(slice, { x }, { start: 5, count: 0 })).out!.shape, [2, 0]);
  await assert.rejects(() => run(slice, { x }, { start: 6, count: 0 }), { field: "start" });
  await assert.rejects(() => run(slice, { x }, { start: 3, count: 3 }), { field: "count" });
});
