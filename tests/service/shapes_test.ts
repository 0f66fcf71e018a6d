import assert from "node:assert/strict";
import {
  columnsShape,
  forecastShape,
  levelBounds,
  numberShape,
  quantileKey,
  sampleShape,
} from "../../src/service/shapes.ts";
import type { IssuedForecast } from "../../src/stores/store.ts";
import type { Applied } from "../../src/streams/engine.ts";

Deno.test("levelBounds() gives the quantiles without the dirt of binary fractions", () => {
  assert.deepEqual(levelBounds(80), [0.1, 0.9]);
  assert.deepEqual(levelBounds(95), [0.025, 0.975]);
  assert.deepEqual(levelBounds(99.9), [0.0005, 0.9995]);
  assert.equal(quantileKey(1 - 0.9), "0.1");
});

Deno.test("forecastShape() lays values out by channel, time, quantile and level", () => {
  const forecast: IssuedForecast = {
    streamId: "s",
    originNs: 0n,
    timesNs: BigInt64Array.of(1_000_000_000n, 2_000_000_000n),
    quantiles: Float64Array.of(0.1, 0.5, 0.9),
    values: { a: Float64Array.of(1, 2, 3, 4, 5, NaN) },
    appliedOffset: 7,
    modelHash: "m",
    stateHash: "h",
  };
  const shape = forecastShape(forecast, [80, 95], 9);
  assert.deepEqual(shape.channels["a"], [
    {
      timestamp: "1970-01-01T00:00:01Z",
      median: 2,
      quantiles: { "0.1": 1, "0.5": 2, "0.9": 3 },
      // 95 % was not computed, so it is not told.
      intervals: { "80": [1, 3] },
    },
    {
      timestamp: "1970-01-01T00:00:02Z",
      median: 5,
      quantiles: { "0.1": 4, "0.5": 5, "0.9": null },
      intervals: { "80": [4, null] },
    },
  ]);
  assert.deepEqual(shape.provenance, {
    modelHash: "m",
    stateHash: "h",
    appliedOffset: 7,
    logOffset: 9,
    origin: "1970-01-01T00:00:00Z",
  });
});

Deno.test("missing and infinite numbers are null in JSON", () => {
  assert.equal(numberShape(NaN), null);
  assert.equal(numberShape(-Infinity), null);
  assert.equal(numberShape(0), 0);
  const segment = {
    streamId: "s",
    channels: ["a"],
    timestampsNs: BigInt64Array.of(0n, 1n),
    values: [Float64Array.of(1, NaN)],
  };
  assert.deepEqual(columnsShape(segment), { a: [1, null] });
  const applied: Applied = {
    segment,
    start: 0,
    appliedOffset: 2,
    expected: [Float64Array.of(NaN, 1.5)],
    scale: [Float64Array.of(NaN, 0.5)],
    score: Float64Array.of(0, 2),
    flag: Float64Array.of(0, 0),
    alarms: [],
    ended: [],
  };
  assert.deepEqual(sampleShape(applied, 1), {
    timestamp: "1970-01-01T00:00:00.000000001Z",
    values: { a: null },
    expected: { a: 1.5 },
    scale: { a: 0.5 },
    score: 2,
  });
});
