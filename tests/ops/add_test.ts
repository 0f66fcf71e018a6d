import assert from "node:assert/strict";
import { add } from "../../src/ops/add.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("add() repeats the second tensor over leading axes", async () => {
  const { out } = await run(add, { a: t([2, 2], [1, 2, 3, 4]), b: t([2], [10, 20]) }, {});
  assert.deepEqual([...out!.data], [11, 22, 13, 24]);
});

Deno.test("add() refuses shapes that are no trailing axes", async () => {
  const a = filled([2, 3], () => 1);
  await assert.rejects(() => run(add, { a, b: filled([2], () => 1) }, {}), { name: "ShapeError" });
  await assert.rejects(() => run(add, { a, b: filled([1, 2, 3], () => 1) }, {}), {
    name: "ShapeError",
  });
});
