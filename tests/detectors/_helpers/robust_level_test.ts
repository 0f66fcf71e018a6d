import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  addToRobustLevel,
  flooredScale,
  initialRobustLevel,
  robustDistance,
} from "../../../src/detectors/_helpers/robust_level.ts";

Deno.test("robust level estimates median and scale in spite of a fifth of outliers", () => {
  const random = seedRandom(1);
  const state = initialRobustLevel();
  for (let i = 0; i < 5000; i++) {
    addToRobustLevel(state, i % 5 === 0 ? 1000 : 3 + 2 * nextNormal(random), random);
  }
  // 256 values: the median's standard error is 0.16, the outliers shift it by half a deviation.
  assert.ok(Math.abs(state.median - 3.6) < 0.8, `median ${state.median}`);
  assert.ok(Math.abs(state.scale - 2.6) < 1.2, `scale ${state.scale}`);
  assert.ok(robustDistance(state, 30) > 6);
});

Deno.test("robust level has a scale where more than half of the values are equal", () => {
  const random = seedRandom(2);
  const state = initialRobustLevel();
  for (let i = 0; i < 1000; i++) addToRobustLevel(state, i % 4 === 0 ? i % 3 : 0, random);
  assert.equal(state.median, 0);
  assert.ok(state.scale > 0.1);
});

Deno.test("robustDistance() is 0 for a constant and for a young level", () => {
  const random = seedRandom(3);
  const state = initialRobustLevel();
  for (let i = 0; i < 20; i++) {
    addToRobustLevel(state, i, random);
    assert.equal(robustDistance(state, 1000), 0);
  }
  const flat = initialRobustLevel();
  for (let i = 0; i < 100; i++) addToRobustLevel(flat, 0, random);
  assert.equal(flooredScale(flat), 0);
  assert.equal(robustDistance(flat, 0), 0);
  assert.equal(robustDistance(flat, 1), 1e6);
});
