import assert from "node:assert/strict";
import { calibrate, widenSizes } from "../../src/models/calibrate.ts";
import { leadScale, phaseFactor, standardQuantiles } from "../../src/models/calibration.ts";
import { HORIZON, NORMAL_SIZE, pastOf } from "./_past_forecasts.ts";

Deno.test("calibrate() finds scale and quantiles of normal errors", () => {
  const state = calibrate(pastOf(600, () => 3), HORIZON, 3, 0, 1, 2400);
  // The mean of √|error| of a normal is that of the prior shape where its mean |error| is 0.826
  // deviations; 600 origins have a standard error of 2.5 %.
  assert.ok(Math.abs(leadScale(state, 5) / (3 * NORMAL_SIZE) - 1) < 0.1);
  const [low, middle, high] = standardQuantiles(state, Float64Array.of(0.1, 0.5, 0.9));
  assert.equal(middle, 0);
  assert.ok(Math.abs(high! / (1.2816 / NORMAL_SIZE) - 1) < 0.1, `${high}`);
  assert.ok(Math.abs(low! / (-1.2816 / NORMAL_SIZE) - 1) < 0.1, `${low}`);
});

Deno.test("calibrate() learns which phases of the season are uncertain", () => {
  const noisyHalf = (slot: number) => slot % 8 < 4 ? 4 : 1;
  const state = calibrate(pastOf(300, noisyHalf), HORIZON, 2, 0, 8, 1200);
  const ratio = phaseFactor(state, 8 * 200 + 2) / phaseFactor(state, 8 * 200 + 6);
  // Neighbouring phases share one value, which pulls the centres of both halves not at all.
  assert.ok(Math.abs(ratio - 4) < 0.8, `${ratio}`);
  assert.equal(phaseFactor(calibrate(pastOf(9, noisyHalf), HORIZON, 2, 0, 1, 36), 3), 1);
});

Deno.test("widenSizes() widens every lead by the factor, and leaves the shape", () => {
  const state = calibrate(pastOf(60, () => 2), HORIZON, 2, 0, 1, 240);
  const before = structuredClone(state);
  widenSizes(state, 1.5);
  for (let lead = 0; lead < HORIZON; lead++) {
    assert.ok(Math.abs(leadScale(state, lead) / leadScale(before, lead) - 1.5) < 1e-9);
  }
  const quantiles = Float64Array.of(0.1, 0.9);
  assert.deepEqual(standardQuantiles(state, quantiles), standardQuantiles(before, quantiles));
});
