import assert from "node:assert/strict";
import { adam, CLIP_EPS } from "../../src/ops/adam.ts";
import { distance, run, t } from "./_run.ts";

const PARAMS = { rate: 0.1, step: 1, beta1: 0.9, beta2: 0.999, eps: 0, decay: 0 };
const inputs = {
  parameter: t([2], [1, 1]),
  gradient: t([2], [3, -0.01]),
  mean: t([2], [0, 0]),
  variance: t([2], [0, 0]),
};

Deno.test("adam() first moves every weight by the rate, against the gradient's sign", async () => {
  const { nextParameter } = await run(adam, inputs, PARAMS);
  assert.ok(distance(nextParameter!.data, [0.9, 1.1]) < 1e-15);
});

Deno.test("adam() decays the weight itself, or through the gradient", async () => {
  const still = { ...inputs, gradient: t([2], [0, 0]) };
  const apart = await run(adam, still, { ...PARAMS, eps: 1e-8, decay: 0.5 });
  assert.ok(distance(apart["nextParameter"]!.data, [0.95, 0.95]) < 1e-15);
  const through = await run(adam, still, { ...PARAMS, decay: 0.5, decayInGradient: true });
  assert.ok(distance(through["nextParameter"]!.data, [0.9, 0.9]) < 1e-15);
});

Deno.test("adam() clips by the norm that it is given", async () => {
  const clipped = { ...inputs, squaredNorm: t([1], [16]) };
  const { nextMean } = await run(adam, clipped, { ...PARAMS, clipNorm: 2 });
  const factor = 2 / (4 + CLIP_EPS);
  assert.ok(distance(nextMean!.data, [0.3 * factor, -0.001 * factor]) < 1e-15);
});

Deno.test("adam() names what is wrong", async () => {
  await assert.rejects(() => run(adam, inputs, { ...PARAMS, step: 0 }), { field: "step" });
  await assert.rejects(() => run(adam, inputs, { ...PARAMS, beta2: 1 }), { field: "beta2" });
  await assert.rejects(() => run(adam, inputs, { ...PARAMS, rate: NaN }), { field: "rate" });
  const squaredNorm = t([1], [1]);
  await assert.rejects(() => run(adam, { ...inputs, squaredNorm }, PARAMS), { field: "clipNorm" });
});
