import assert from "node:assert/strict";
import { poles } from "../../src/ops/poles.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("poles() keeps every mode in the left half plane", async () => {
  const logDecay = t([1, 2], [Math.log(2), -50]);
  const { lambda } = await run(poles, { logDecay, frequency: t([1, 2], [3, -4]) }, {});
  assert.deepEqual(lambda!.shape, [1, 2, 2]);
  assert.ok(distance(lambda!.data, [-2, 3, -Math.exp(-50), -4]) < 1e-15);
});

Deno.test("poles() names the axis at fault", async () => {
  const inputs = { logDecay: filled([2, 3], () => 0), frequency: filled([2, 4], () => 0) };
  await assert.rejects(() => run(poles, inputs, {}), { axis: "frequency.axis 1" });
});
