import assert from "node:assert/strict";
import { openRunner } from "../../src/models/neural/fast_network.ts";
import { LEVELS } from "../../src/models/neural/shapes.ts";
import { decodeWeights } from "../../src/models/neural/weights.ts";
import { fanFactor, fanOffset, fitFan } from "../../src/models/neural_fan.ts";
import { neuralStart } from "../../src/models/neural_track.ts";
import { normalQuantile } from "../../src/models/normal.ts";
import { noise } from "./_series.ts";
import { drawnNetwork } from "./neural/_network.ts";

const HORIZON = 8;
const BUCKETS = [[0, 1], [1, 2], [2, 8]] as const;

function trackOf() {
  const runner = openRunner(decodeWeights(drawnNetwork()));
  return neuralStart("test@0", runner, [], 1, HORIZON);
}

/** Standard normal quantiles at every lead. */
const FAN = Float64Array.from(
  { length: HORIZON * LEVELS.length },
  (_, i) => normalQuantile(LEVELS[i % LEVELS.length]!),
);

/** Forecasts whose errors are `size` times as large as their fan says. */
function pastOf(count: number, size: number) {
  const errors = noise(count * HORIZON, 3);
  return Array.from({ length: count }, (_, k) => ({
    quantiles: FAN,
    targets: errors.slice(k * HORIZON, (k + 1) * HORIZON).map((error) => size * error),
  }));
}

Deno.test("fitFan() widens a fan that was too narrow, and narrows one too wide", () => {
  for (const size of [0.7, 1, 2]) {
    const track = trackOf();
    fitFan(track, pastOf(400, size), BUCKETS, HORIZON, 100_000);
    for (const factor of track.fan) {
      assert.ok(Math.abs(factor / size - 1) < 0.2, `${size}: ${factor}`);
    }
  }
});

Deno.test("fitFan() believes little of few origins, and nothing of none", () => {
  const track = trackOf();
  fitFan(track, pastOf(3, 2), BUCKETS, HORIZON, 3);
  assert.ok(track.fan.every((factor) => factor > 0.9 && factor < 1.15));
  const none = trackOf();
  const unknown = { quantiles: FAN, targets: new Float64Array(HORIZON).fill(NaN) };
  fitFan(none, [unknown], BUCKETS, HORIZON, 100_000);
  assert.ok(none.fan.every((factor) => factor === 1));
});

Deno.test("fanOffset() multiplies the distance from the median by the bucket's factor", () => {
  const track = trackOf();
  track.fan.set([1, 2, 3, 1, 2, 6]);
  assert.equal(fanFactor(track, 2, 0.5), 3);
  assert.ok(Math.abs(fanFactor(track, 2, 0.9) - 3) < 1e-12);
  assert.ok(Math.abs(fanFactor(track, 2, 0.975) - 6) < 1e-12);
  assert.equal(fanOffset(track, FAN, 4, 2, 0.5), 0);
  assert.ok(Math.abs(fanOffset(track, FAN, 4, 1, 0.9) - 2 * normalQuantile(0.9)) < 1e-9);
});
