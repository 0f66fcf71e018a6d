import assert from "node:assert/strict";
import { softmax } from "../../src/ops/softmax.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("softmax() gives the shares of the exponentials and the log of their sum", async () => {
  const x = t([1, 3], [Math.log(1), Math.log(2), Math.log(5)]);
  const { y, logSumExp } = await run(softmax, { x }, {});
  assert.ok(distance(y!.data, [1 / 8, 2 / 8, 5 / 8]) < 1e-15);
  assert.ok(distance(logSumExp!.data, [Math.log(8)]) < 1e-15);
});

Deno.test("softmax() does not care for a shift, however large", async () => {
  const near = await run(softmax, { x: filled([1, 6], (i) => i) }, {});
  const far = await run(softmax, { x: filled([1, 6], (i) => i + 1e6) }, {});
  assert.ok(distance(near.y!.data, far.y!.data) < 1e-15);
});

Deno.test("softmax() causal sees nothing later, and the last row sees all", async () => {
  const x = filled([2, 3], () => 0);
  const { y } = await run(softmax, { x }, { causal: true });
  assert.ok(distance(y!.data, [1 / 2, 1 / 2, 0, 1 / 3, 1 / 3, 1 / 3]) < 1e-15);
});

Deno.test("softmax() scales before it weighs", async () => {
  const { y } = await run(softmax, { x: t([1, 2], [0, 2]) }, { scale: 0.5 });
  assert.ok(distance(y!.data, [1 / (1 + Math.E), Math.E / (1 + Math.E)]) < 1e-15);
});

Deno.test("softmax() names the parameter at fault", async () => {
  const x = filled([3, 2], () => 1);
  await assert.rejects(() => run(softmax, { x }, { scale: 0 }), { field: "scale" });
  await assert.rejects(() => run(softmax, { x }, { causal: true }), { field: "x.rows" });
});
