import assert from "node:assert/strict";
import { dssWeights } from "../../src/ssm/dss.ts";

Deno.test("dssWeights() normalises a real mode by its sum over the length", () => {
  const length = 20;
  const [lambda, dt] = [-0.7, 0.1];
  const [weight] = dssWeights(Float64Array.of(lambda, 0), Float64Array.of(dt), length);
  let sum = 0;
  for (let l = 0; l < length; l++) sum += Math.exp(lambda * dt * l);
  // weight = 1/(lambda·Σ exp(lambda·dt·l)), up to the 1e-7 of the regularised reciprocal.
  assert.ok(Math.abs(weight! * lambda * sum - 1) < 1e-6);
});

Deno.test("dssWeights() stays finite where a mode's sum vanishes", () => {
  const weights = dssWeights(Float64Array.of(0, 0), Float64Array.of(0.1), 8);
  assert.ok(weights.every((value) => value === 0));
});
