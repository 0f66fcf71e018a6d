import assert from "node:assert/strict";
import { addRows } from "../../src/ops/add_rows.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("addRows() adds a row to each of its own", async () => {
  const inputs = { a: t([2, 2], [10, 20, 30, 40]), b: filled([2, 2, 2], (i) => i) };
  const { out } = await run(addRows, inputs, { activation: "identity" });
  assert.deepEqual(out!.shape, [2, 2, 2]);
  assert.deepEqual([...out!.data], [10, 21, 12, 23, 34, 45, 36, 47]);
});

Deno.test("addRows() takes the activation of the sum", async () => {
  const { out } = await run(addRows, { a: t([1, 1], [1]), b: t([1, 2, 1], [1, -3]) }, {
    activation: "silu",
  });
  assert.ok(distance(out!.data, [2 / (1 + Math.exp(-2)), -2 / (1 + Math.exp(2))]) < 1e-15);
});

Deno.test("addRows() names the axis at fault", async () => {
  const inputs = { a: t([1, 2], [1, 2]), b: t([1, 2, 1], [1, -3]) };
  await assert.rejects(() => run(addRows, inputs, { activation: "silu" }), { axis: "b.2" });
});
