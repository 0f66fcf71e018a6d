import assert from "node:assert/strict";
import { gaussianCrps } from "../../src/ops/gaussian_crps.ts";
import { distance, run, t } from "./_run.ts";

const at = async (m: number, logScale: number, target: number) => {
  const predictions = t([1, 2], [m, logScale]);
  return (await run(gaussianCrps, { predictions, targets: t([1], [target]) }, {})).loss!.data[0]!;
};

Deno.test("gaussianCrps() at the mean is (√2 − 1)/√π standard deviations", async () => {
  const expected = (Math.SQRT2 - 1) / Math.sqrt(Math.PI);
  assert.ok(Math.abs(await at(1, 0, 1) - expected) < 1e-15);
  assert.ok(Math.abs(await at(1, Math.log(5), 1) - 5 * expected) < 1e-14);
});

Deno.test("gaussianCrps() of a narrow forecast is the absolute error", async () => {
  // Less σ/√π, which e^{-20} makes 1.2e-9.
  assert.ok(Math.abs(await at(1, -20, 4) - 3) < 2e-9);
});

Deno.test("gaussianCrps() is in the target's unit", async () => {
  const one = await at(1, 0.3, 2);
  assert.ok(distance([await at(1000, 0.3 + Math.log(1000), 2000)], [1000 * one]) < 1e-9);
});
