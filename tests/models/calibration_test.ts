import assert from "node:assert/strict";
import {
  calibrationObserve,
  conditionsInto,
  ERROR_RING_MAX,
  growthExponent,
  leadScale,
  leadScalesInto,
  recencyFactor,
  standardQuantiles,
} from "../../src/models/calibration.ts";
import { calibrate } from "../../src/models/calibrate.ts";
import type { PastForecast } from "../../src/models/past_forecast.ts";
import { priorShape } from "../../src/models/error_shape.ts";
import { HORIZON, pastOf } from "./_past_forecasts.ts";
import { noise } from "./_series.ts";

Deno.test("conditionsInto() widens with disagreement and level, within limits", () => {
  const state = calibrate(pastOf(50, () => 1), HORIZON, 1, 10, 1, 200);
  const conditions = (spread: number, size: number) => {
    const out = new Float32Array(HORIZON);
    const flat = (value: number) => new Float32Array(HORIZON).fill(value);
    conditionsInto(state, 0, flat(spread), flat(size), out);
    return out[3]!;
  };
  assert.ok(Math.abs(conditions(1, 10) - 1) < 1e-6);
  assert.ok(conditions(3, 10) > conditions(1, 10));
  assert.equal(conditions(1e9, 10), conditions(1e6, 10));
  assert.ok(Math.abs(conditions(1, 40) / conditions(1, 10) - 4 ** 0.3) < 1e-5);
});

Deno.test("standardQuantiles() of a calibration without errors is the prior shape, widened", () => {
  const state = calibrate([], HORIZON, 1, 0, 1, 10);
  const [low, high] = standardQuantiles(state, Float64Array.of(0.1, 0.9));
  assert.ok(Math.abs(high! - 1.15 * priorShape(0.9)) < 1e-12);
  assert.ok(Math.abs(low! + high!) < 1e-12);
  assert.ok(leadScale(state, 8) > leadScale(state, 0));
});

Deno.test("calibrationObserve() follows a change of scale and keeps its memory bounded", () => {
  const state = calibrate(pastOf(100, () => 1), HORIZON, 1, 0, 1, 400);
  const before = leadScale(state, 2);
  const draws = noise(12_000, 4);
  const forecast = {
    point: new Float32Array(HORIZON),
    condition: new Float32Array(HORIZON).fill(1),
  };
  draws.forEach((draw, i) => {
    const awaited = { ...forecast, slot: i - 1 - i % HORIZON };
    calibrationObserve(state, [awaited], i, Float64Array.of(5 * draw), 1, 1);
  });
  assert.ok(leadScale(state, 2) > 3 * before);
  assert.equal(state.ring.length, ERROR_RING_MAX);
  const [high] = standardQuantiles(state, Float64Array.of(0.9));
  assert.ok(high! > 1 && high! < 3);
});

Deno.test("calibrationObserve() learns the same from many slots as from one after the other", () => {
  const season = 12;
  const start = () => calibrate(pastOf(100, () => 1), HORIZON, 1, 0, season, 400);
  const [whole, parts] = [start(), start()];
  assert.equal(whole.phaseSum.length, season);
  const forecasts = [0, 3, 4].map((slot) => ({
    slot: 400 + slot,
    point: Float32Array.from(noise(HORIZON, slot)),
    // One whose conditions are not known yet teaches nothing.
    condition: new Float32Array(slot === 3 ? 0 : HORIZON).fill(1.5),
  }));
  const values = noise(2 * HORIZON, 8);
  calibrationObserve(whole, forecasts, 401, values, values.length, 3);
  for (let i = 0; i < values.length; i++) {
    calibrationObserve(parts, forecasts, 401 + i, values.subarray(i), 1, i === 0 ? 3 : 1);
  }
  assert.deepEqual(parts, whole);
  assert.notDeepEqual(whole.leadSum, start().leadSum);
});

Deno.test("leadScale() and recencyFactor() let no single burst of errors blow the fan up", () => {
  const calm = calibrate(pastOf(100, () => 1), HORIZON, 1, 0, 1, 400);
  const burst = calibrate(pastOf(100, (slot) => slot > 340 ? 20 : 1), HORIZON, 1, 0, 1, 400);
  // A seventh of the errors, 20 times as large: their mean grows 3.7-fold.
  const grown = leadScale(burst, 5) / leadScale(calm, 5);
  assert.ok(grown > 1.5 && grown < 2.5, `${grown}`);
  assert.ok(Math.abs(recencyFactor(calm, 407) - 1) < 0.1, `${recencyFactor(calm, 407)}`);
  const recency = recencyFactor(burst, 407);
  assert.ok(recency > 1.15 && recency < 1.4, `${recency}`);
  // After some horizons without a sample nothing is recent.
  assert.ok(Math.abs(recencyFactor(burst, 407 + 6 * HORIZON) - 1) < 0.01);
});

Deno.test("growthExponent() tells a walk's errors from a stationary series'", () => {
  const flat = pastOf(300, () => 1);
  const walk = flat.map((past) => ({
    ...past,
    errors: past.errors.map((error, l) => error * Math.sqrt(l + 1)),
  }));
  const exponentOf = (past: PastForecast[]) =>
    growthExponent(calibrate(past, HORIZON, 1, 0, 1, 1200));
  assert.equal(exponentOf(flat), 0.1);
  assert.ok(Math.abs(exponentOf(walk) - 0.5) < 0.12, `${exponentOf(walk)}`);
  // Too few leads to tell: the square root.
  assert.equal(growthExponent(calibrate([], 4, 1, 0, 1, 10)), 0.5);
});

Deno.test("leadScalesInto() gives the bits of leadScale(), at the ends and where all leads are", () => {
  for (const horizon of [1, 2, 3, 12, 47, 96]) {
    const past: PastForecast[] = Array.from({ length: 20 }, (_, o) => ({
      slot: o,
      point: new Float32Array(horizon),
      spread: new Float32Array(horizon).fill(1),
      size: new Float32Array(horizon).fill(10),
      errors: noise(horizon, o + 1),
    }));
    const state = calibrate(past, horizon, 1, 10, 1, 40);
    const scales = new Float64Array(horizon);
    leadScalesInto(state, scales);
    assert.deepEqual([...scales], Array.from(scales, (_, lead) => leadScale(state, lead)));
  }
});
