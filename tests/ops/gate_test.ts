import assert from "node:assert/strict";
import { gate } from "../../src/ops/gate.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("gate() of halves is the gate of the two halves", async () => {
  const halves = await run(gate, { y: t([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]) }, {
    activation: "sigmoid",
  });
  const pair = await run(gate, { y: t([2, 2], [1, 2, 5, 6]), z: t([2, 2], [3, 4, 7, 8]) }, {
    activation: "sigmoid",
  });
  assert.deepEqual(halves.out!.shape, [2, 2]);
  assert.deepEqual(halves.out!.data, pair.out!.data);
});

Deno.test("gate() refuses an odd row to halve and another shape of z", async () => {
  const y = filled([2, 3], () => 1);
  const params = { activation: "silu" };
  await assert.rejects(() => run(gate, { y }, params), { field: "y.feature" });
  await assert.rejects(() => run(gate, { y, z: filled([2, 4], () => 1) }, params), {
    name: "ShapeError",
  });
});
