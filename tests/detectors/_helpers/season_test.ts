import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  findSeason,
  initialSeason,
  isSeasonGateOpen,
  RING_SIZE,
  stepSeason,
} from "../../../src/detectors/_helpers/season.ts";

Deno.test("findSeason() finds the season of a noisy wave and none in noise", () => {
  const random = seedRandom(1);
  for (const length of [24, 96, 288, 700]) {
    const ring = Float32Array.from({ length: RING_SIZE }, (_, i) => {
      return Math.sin(2 * Math.PI * i / length) + 0.3 * nextNormal(random);
    });
    const found = findSeason(ring, RING_SIZE, RING_SIZE);
    // Noise moves a flat peak by a few lags.
    assert.ok(Math.abs(found - length) <= Math.max(1, 0.04 * length), `${found} for ${length}`);
  }
  const noise = Float32Array.from({ length: RING_SIZE }, () => nextNormal(random));
  assert.equal(findSeason(noise, RING_SIZE, RING_SIZE), 0);
  assert.equal(findSeason(new Float32Array(RING_SIZE), RING_SIZE, RING_SIZE), 0);
});

Deno.test("stepSeason() leaves little of a season and opens its gate", () => {
  const random = seedRandom(2);
  const state = initialSeason();
  let left = 0;
  for (let i = 0; i < 3000; i++) {
    const remainder = stepSeason(
      state,
      10 * Math.sin(2 * Math.PI * i / 50) + nextNormal(random),
      1,
    );
    if (i >= 2000) left += Math.abs(remainder) / 1000;
  }
  assert.equal(state.length, 50);
  assert.ok(isSeasonGateOpen(state));
  // The noise has a mean magnitude of 0.8; a profile of rate 1/4 adds a seventh.
  assert.ok(left < 1.1, `${left} left`);
});

Deno.test("stepSeason() keeps its phase over gaps", () => {
  const state = initialSeason();
  const wave = (tick: number) => Math.sin(2 * Math.PI * tick / 50);
  for (let i = 0; i < 1000; i++) stepSeason(state, wave(i), 1);
  assert.equal(state.length, 50);
  assert.ok(Math.abs(stepSeason(state, wave(1012), 13)) < 0.05);
  stepSeason(state, wave(1_000_000 + 1012), 1_000_000);
  assert.equal(state.tick, 1_001_012);
});
