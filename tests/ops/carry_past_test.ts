import assert from "node:assert/strict";
import { carryPast } from "../../src/ops/carry_past.ts";
import { filled, run, t } from "./_run.ts";

Deno.test("carryPast() joins the past and the sequence and keeps the last samples", async () => {
  const u = t([1, 2, 2], [1, 10, 2, 20]);
  const x0 = t([1, 2, 3], [-3, -2, -1, -30, -20, -10]);
  const { joined, state } = await run(carryPast, { u, x0 }, { past: 3 });
  assert.deepEqual(joined!.shape, [1, 5, 2]);
  assert.deepEqual([...joined!.data], [-3, -30, -2, -20, -1, -10, 1, 10, 2, 20]);
  assert.deepEqual(state!.shape, [1, 2, 3]);
  assert.deepEqual([...state!.data], [-1, 1, 2, -10, 10, 20]);
});

Deno.test("carryPast() begins with zeros where nothing was carried in", async () => {
  const { joined } = await run(carryPast, { u: t([1, 1, 1], [7]) }, { past: 2 });
  assert.deepEqual([...joined!.data], [0, 0, 7]);
});

Deno.test("carryPast() names what is at fault", async () => {
  const u = filled([2, 5, 3], () => 0);
  await assert.rejects(() => run(carryPast, { u }, { past: 0 }), { field: "past" });
  const x0 = filled([2, 3, 4], () => 0);
  await assert.rejects(() => run(carryPast, { u, x0 }, { past: 5 }), { axis: "x0.past" });
});
