import assert from "node:assert/strict";
import { memoryBytes, packTree } from "../../../src/base/tree.ts";
import {
  featureStart,
  HISTORY_SLOTS_MAX,
  KEPT,
  KEPT_2,
  SEASON,
  SEASON_2,
  seasonClock,
  STRETCH,
} from "../../../src/models/neural/feature_state.ts";
import { takeSample } from "../../../src/models/neural/features.ts";
import { TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

function usedOf(seasons: readonly [number, number]): number[] {
  const { numbers } = featureStart(seasons);
  return [SEASON, SEASON_2, KEPT, KEPT_2].map((index) => numbers[index]!);
}

Deno.test("featureStart() keeps as many seasons as fit, and none that does not", () => {
  assert.deepEqual(usedOf([24, 168]), [24, 168, 5, 3]);
  assert.deepEqual(usedOf([288, 2016]), [288, 2016, 5, 1]);
  assert.deepEqual(usedOf([1000, 0]), [1000, 0, 2, 0]);
  assert.deepEqual(usedOf([1440, 10_080]), [1440, 0, 1, 0]);
  assert.deepEqual(usedOf([3600, 0]), [0, 0, 0, 0]);
  assert.equal(featureStart([1440, 0]).numbers[STRETCH], 0);
});

Deno.test("featureStart() takes a lone second season for the first", () => {
  assert.deepEqual(usedOf([0, 12]), [12, 0, 5, 0]);
  assert.deepEqual(usedOf([12, 12]), [12, 0, 5, 0]);
  assert.deepEqual(usedOf([1.2, 12]), [12, 0, 5, 0]);
});

Deno.test("featureStart() refuses lengths that are none", () => {
  assert.throws(() => featureStart([-1, 0]), /seasons\[0\] is "-1"/);
  assert.throws(() => featureStart([24, NaN]), /seasons\[1\] is "NaN"/);
});

Deno.test("a state packs into less than 12 KiB and never grows, whatever the seasons", () => {
  for (
    const seasons of [[0, 0], [12, 0], [24, 168], [288, 2016], [539.4, 899], [2697, 0], [9e9, 9e9]]
  ) {
    const state = featureStart(seasons as [number, number]);
    const token = new Float32Array(TOKEN_FEATURES);
    const fresh = memoryBytes(state);
    for (let i = 0; i < 6000; i++) takeSample(state, i * 1.25, Math.sin(i), token, 0);
    assert.equal(memoryBytes(state), fresh);
    const packed = packTree(state).length;
    assert.ok(packed < 12 * 1024, `${seasons}: ${packed}`);
    assert.ok(state.history.length <= HISTORY_SLOTS_MAX);
  }
});

Deno.test("seasonClock() makes 24 steps a season, within its bounds", () => {
  assert.equal(seasonClock(featureStart([0, 0])), 1);
  assert.equal(seasonClock(featureStart([24, 168])), 1);
  assert.equal(seasonClock(featureStart([12, 0])), 2);
  assert.equal(seasonClock(featureStart([2, 0])), 8);
  assert.equal(seasonClock(featureStart([2016, 0])), 0.08);
});
