import assert from "node:assert/strict";
import {
  COUNT,
  featureStart,
  MEAN,
  ORIGIN,
  STEP,
  VARIANCE,
  WEIGHT_SEASON,
} from "../../../src/models/neural/feature_state.ts";
import {
  countFeature,
  driftOf,
  profileSize,
  seasonalSize,
  secondSize,
  spreadOf,
  stepSize,
  TINY,
  trendOf,
} from "../../../src/models/neural/sizes.ts";

Deno.test("spreadOf() is the standard deviation, or what the level is rounded to", () => {
  const { numbers } = featureStart([0, 0]);
  assert.equal(spreadOf(numbers), TINY);
  numbers[ORIGIN] = 3e6;
  numbers[MEAN] = 1e6;
  assert.equal(spreadOf(numbers), 4e-6);
  numbers[VARIANCE] = 9;
  assert.equal(spreadOf(numbers), 3);
});

Deno.test("sizes that have not been seen stand on those that have", () => {
  const { numbers } = featureStart([24, 168]);
  numbers[STEP] = 2;
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12);
  near(stepSize(numbers, 10), 2.1);
  near(seasonalSize(numbers, 10), 2.2);
  near(profileSize(numbers, 10), 2.2);
  near(secondSize(numbers, 10), 2.3);
  numbers[WEIGHT_SEASON] = 1;
  near(seasonalSize(numbers, 10), 0.1);
  near(profileSize(numbers, 10), 0.1);
  near(secondSize(numbers, 10), 0.2);
});

Deno.test("driftOf() and trendOf() are 0 before there is any", () => {
  const { numbers } = featureStart([24, 0]);
  assert.equal(driftOf(numbers), 0);
  assert.equal(trendOf(numbers), 0);
});

Deno.test("countFeature() stops at a thousand samples", () => {
  const { numbers } = featureStart([0, 0]);
  numbers[COUNT] = 1000;
  const thousand = countFeature(numbers);
  numbers[COUNT] = 1e9;
  assert.equal(countFeature(numbers), thousand);
});
