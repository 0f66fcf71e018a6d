import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { copyTree } from "../../../src/base/tree.ts";
import {
  addToRobustLevel,
  flooredScale,
  initialRobustLevel,
  isMostlyStill,
  keepLevel,
  RESERVOIR_SIZE,
  restoreLevel,
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

Deno.test("isMostlyStill() is true from half of the values being the same on", () => {
  const random = seedRandom(4);
  const levelOf = (every: number) => {
    const state = initialRobustLevel();
    for (let i = 0; i < 240; i++) addToRobustLevel(state, i % every === 0 ? 0 : 1 + i, random);
    // The median of what moves above 0 is no value that comes again.
    return { ...state, median: 0 };
  };
  assert.ok(isMostlyStill(levelOf(1)) && isMostlyStill(levelOf(2)));
  assert.ok(!isMostlyStill(levelOf(3)));
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

Deno.test("restoreLevel() takes back what was learned, of which a long past keeps little", () => {
  const most: number[] = [];
  for (const count of [0, 1, 100, 255, 256, 400, 5_000]) {
    const random = seedRandom(count);
    const state = initialRobustLevel();
    for (let i = 0; i < count; i++) addToRobustLevel(state, nextNormal(random), random);
    const whole = copyTree(state);
    const before = keepLevel(state);
    for (let i = 0; i < 2_000; i++) addToRobustLevel(state, 9, random, before);
    most.push(before.slots.length);
    assert.equal(new Set(before.slots).size, before.slots.length);
    assert.notDeepEqual(state, whole);
    restoreLevel(state, before);
    assert.deepEqual(state, whole);
  }
  assert.ok(most.every((slots) => slots <= RESERVOIR_SIZE));
  // Of 256 values kept of 5,000, as many go on as 2,000 more are likely to leave: 2,000 / 7,000.
  assert.ok(most.at(-1)! < 0.4 * RESERVOIR_SIZE, `${most}`);
});
