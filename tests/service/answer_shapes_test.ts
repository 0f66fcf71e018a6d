import assert from "node:assert/strict";
import { answersShape } from "../../src/service/answer_shapes.ts";
import type { ForecastResult } from "../../src/streams/engine.ts";

const FORECAST: ForecastResult = {
  streamId: "s",
  originNs: 0n,
  timesNs: BigInt64Array.of(1_000_000_000n, 2_000_000_000n),
  quantiles: Float64Array.of(0.1, 0.5, 0.9),
  values: { a: new Float64Array(6) },
  appliedOffset: 7,
  modelHash: "m",
  stateHash: "h",
};

Deno.test("answersShape() is empty where nothing was asked of draws", () => {
  assert.deepEqual(answersShape(FORECAST, [80]), {});
  const nothing = { paths: new Float64Array(0), aggregates: [], thresholds: [] };
  assert.deepEqual(answersShape({ ...FORECAST, answers: { a: nothing } }, [80]), {});
});

Deno.test("answersShape() names windows, crossings and paths by channel", () => {
  const answers = {
    a: {
      paths: Float64Array.of(1, 2, 3, NaN),
      aggregates: [{
        aggregate: "total" as const,
        from: 0,
        count: 2,
        mean: 3.5,
        quantiles: Float64Array.of(1, 3, 6),
      }],
      thresholds: [{
        threshold: 9,
        direction: "up" as const,
        beyond: Float64Array.of(0.05, 0.51234567),
        crossed: Float64Array.of(0.1, 0.6),
      }],
    },
  };
  assert.deepEqual(answersShape({ ...FORECAST, answers }, [80]), {
    aggregates: {
      a: [{
        aggregate: "total",
        from: "1970-01-01T00:00:01Z",
        to: "1970-01-01T00:00:02Z",
        count: 2,
        mean: 3.5,
        median: 3,
        quantiles: { "0.1": 1, "0.5": 3, "0.9": 6 },
        intervals: { "80": [1, 6] },
      }],
    },
    thresholds: {
      a: [{
        threshold: 9,
        direction: "up",
        probability: [0.05, 0.5123],
        crossed: [0.1, 0.6],
        crossing: { "0.1": "1970-01-01T00:00:01Z", "0.5": "1970-01-01T00:00:02Z", "0.9": null },
      }],
    },
    paths: { a: [[1, 2], [3, null]] },
  });
});

Deno.test("answersShape() tells what regressors add", () => {
  const regression = { a: { share: 0.123456, effect: Float64Array.of(1, NaN) } };
  assert.deepEqual(answersShape({ ...FORECAST, regression }, [80]), {
    regression: { a: { share: 0.1235, effect: [1, null] } },
  });
});
