import assert from "node:assert/strict";
import { coldExpectation, coldPeriodS, coldQuantiles } from "../../src/models/cold_forecast.ts";
import { priorShape } from "../../src/models/error_shape.ts";
import { emptyState, takeSample } from "../../src/models/forecaster_state.ts";
import { channel, HOUR_S, hours } from "./_series.ts";

/** A state that has seen these values, one an hour. */
function stateOf(...values: number[]) {
  const state = emptyState(channel());
  hours(values.length).forEach((time, i) => takeSample(state, time, values[i]!));
  return state;
}

Deno.test("coldExpectation() is the last value, with the mean step widened for few", () => {
  const { mean, meanAbs } = coldExpectation(stateOf(10, 12, 11, 14));
  assert.equal(mean, 14);
  assert.equal(meanAbs, (2 + 1 + 3) / 3 * (1 + 4 / 4));
  // Of one value, or of equal ones, its size stands for the step; of zeros 1.
  assert.deepEqual(coldExpectation(stateOf(-5)), { mean: -5, meanAbs: 5 * (1 + 4) });
  assert.deepEqual(coldExpectation(stateOf(0, 0)), { mean: 0, meanAbs: 1 + 4 / 2 });
  assert.deepEqual(coldExpectation(stateOf()), { mean: NaN, meanAbs: NaN });
  const most = Number.MAX_VALUE;
  assert.deepEqual(coldExpectation(stateOf(most, -most)), { mean: -most, meanAbs: most });
});

Deno.test("coldPeriodS() is the mean distance of the values", () => {
  assert.equal(coldPeriodS(stateOf(1)), null);
  // A missing value is no sample.
  assert.equal(coldPeriodS(stateOf(1, 2, NaN, 3)), 1.5 * HOUR_S);
});

Deno.test("coldQuantiles() widen by the lead to the power 0.35 around the last value", () => {
  const state = stateOf(10, 12, 11, 14);
  const [low, high] = [0.1, 0.9].map((quantile) => 0.8 * 4 * priorShape(quantile));
  const rows = coldQuantiles(state, hours(8, 4), Float64Array.of(0.1, 0.5, 0.9));
  for (let t = 0; t < 8; t++) {
    assert.equal(rows[3 * t + 1], 14);
    assert.ok(Math.abs(rows[3 * t]! - (14 + low! * (t + 1) ** 0.35)) < 1e-9);
    assert.ok(Math.abs(rows[3 * t + 2]! - (14 + high! * (t + 1) ** 0.35)) < 1e-9);
  }
});
