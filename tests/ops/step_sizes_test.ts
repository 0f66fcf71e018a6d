import assert from "node:assert/strict";
import { stepSizes } from "../../src/ops/step_sizes.ts";
import { distance, run, t } from "./_run.ts";

const logDt = t([2], [Math.log(0.5), Math.log(3)]);

Deno.test("stepSizes() spreads the learned steps over elapsed times", async () => {
  const { dt } = await run(stepSizes, { logDt, scale: t([1, 3], [1, 2, 0]) }, {});
  assert.deepEqual(dt!.shape, [1, 3, 2]);
  assert.ok(distance(dt!.data, [0.5, 3, 1, 6, 0, 0]) < 1e-15);
});

Deno.test("stepSizes() gives one step a feature without elapsed times", async () => {
  const { dt } = await run(stepSizes, { logDt }, {});
  assert.deepEqual(dt!.shape, [2]);
  assert.ok(distance(dt!.data, [0.5, 3]) < 1e-15);
});

Deno.test("stepSizes() names the input at fault", async () => {
  await assert.rejects(() => run(stepSizes, { logDt, scale: t([3], [1, 1, 1]) }, {}), /scale/);
});
