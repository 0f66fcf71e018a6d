import assert from "node:assert/strict";
import { gaussianLoss } from "../../src/ops/gaussian_loss.ts";
import { distance, run, t } from "./_run.ts";

Deno.test("gaussianLoss() is minus the log of the density", async () => {
  const predictions = t([2, 2], [0, 0, 3, Math.log(2)]);
  const { loss } = await run(gaussianLoss, { predictions, targets: t([2], [0, 5]) }, {});
  const densities = [1 / Math.sqrt(2 * Math.PI), Math.exp(-0.5) / Math.sqrt(8 * Math.PI)];
  const expected = -(Math.log(densities[0]!) + Math.log(densities[1]!)) / 2;
  assert.ok(distance(loss!.data, [expected]) < 1e-15);
});

Deno.test("gaussianLoss() needs a mean and a log scale", async () => {
  const inputs = { predictions: t([1, 3], [0, 0, 0]), targets: t([1], [0]) };
  await assert.rejects(() => run(gaussianLoss, inputs, {}), {
    axis: "predictions.column",
    expected: 2,
  });
});
