import assert from "node:assert/strict";
import { channelComponentsShape } from "../../src/service/component_shapes.ts";

Deno.test("channelComponentsShape() widens where a value is missing, within its bounds", () => {
  const zero = Float64Array.of(0, 0);
  const shape = channelComponentsShape({
    timesNs: BigInt64Array.of(0n, 1_000_000_000n),
    values: Float64Array.of(4, NaN),
    parts: {
      signal: Float64Array.of(3, 1),
      signalDeviation: Float64Array.of(0.5, 3),
      level: Float64Array.of(3, 1),
      levelDeviation: zero,
      slope: zero,
      shortTerm: zero,
      seasons: [{ lengthS: 60, values: zero }],
      noiseDeviation: 4,
    },
    range: { lower: 0 },
    covariates: Float64Array.of(-1, 0),
    ...{ appliedOffset: 2, modelHash: "m", stateHash: "s" },
  }, [80]);
  assert.deepEqual(shape.values, [4, null]);
  assert.deepEqual(shape.remainder, [1, null]);
  const { lower, upper } = shape.intervals["80"]!;
  assert.ok(Math.abs(upper[0]! - (3 + 1.28155 * 0.5)) < 1e-4);
  // Signal and noise together: 3, 4, 5.
  assert.ok(Math.abs(upper[1]! - (1 + 1.28155 * 5)) < 1e-4);
  assert.equal(lower[1], 0);
  assert.deepEqual(shape.covariates, [-1, 0]);
  assert.deepEqual(shape.seasons, [{ lengthS: 60, values: [0, 0] }]);
});
