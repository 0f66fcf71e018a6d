import assert from "node:assert/strict";
import { timedSteps } from "../../src/ops/timed_steps.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("timedSteps() multiplies the steps of a sample by its elapsed time", async () => {
  const inputs = { raw: t([2, 2], [0, 1, 0, 1]), scale: t([2], [1, 3]) };
  const { delta } = await run(timedSteps, inputs, {});
  const [a, b] = [Math.log(2), Math.log1p(Math.E)];
  assert.ok(distance(delta!.data, [a, b, 3 * a, 3 * b]) < 1e-15);
});

Deno.test("timedSteps() names the axis at fault", async () => {
  const inputs = { raw: filled([2, 3, 2], () => 1), scale: filled([2, 2], () => 1) };
  await assert.rejects(() => run(timedSteps, inputs, {}), { axis: "scale.1" });
});
