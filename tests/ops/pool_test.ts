import assert from "node:assert/strict";
import { pool } from "../../src/ops/pool.ts";
import { filled, run } from "./_run.ts";

Deno.test("pool() takes the mean of a length or its last position", async () => {
  const x = filled([2, 3, 2], (i) => i);
  const mean = await run(pool, { x }, { kind: "mean" });
  assert.deepEqual(mean.out!.shape, [2, 2]);
  assert.deepEqual([...mean.out!.data], [2, 3, 8, 9]);
  const last = await run(pool, { x }, { kind: "last" });
  assert.deepEqual([...last.out!.data], [4, 5, 10, 11]);
});

Deno.test("pool() names what is at fault", async () => {
  const x = filled([2, 3, 2], (i) => i);
  await assert.rejects(() => run(pool, { x }, { kind: "first" }), { field: "kind" });
  const none = filled([2, 0, 2], () => 0);
  await assert.rejects(() => run(pool, { x: none }, { kind: "mean" }), { axis: "x.length" });
});
