import assert from "node:assert/strict";
import { outer } from "../../src/ops/outer.ts";
import { run, t } from "./_run.ts";

Deno.test("outer() multiplies every pair of features of a head", async () => {
  const { out } = await run(outer, { a: t([1, 4], [1, 2, 3, 4]), b: t([1, 4], [5, 6, 7, 8]) }, {
    size: 2,
  });
  assert.deepEqual(out!.shape, [1, 8]);
  assert.deepEqual([...out!.data], [5, 6, 10, 12, 21, 24, 28, 32]);
});

Deno.test("outer() names what is wrong", async () => {
  const a = t([1, 4], [1, 2, 3, 4]);
  await assert.rejects(() => run(outer, { a, b: a }, { size: 3 }), { field: "size" });
  await assert.rejects(() => run(outer, { a, b: t([2, 2], [1, 2, 3, 4]) }, { size: 2 }), /b/);
});
