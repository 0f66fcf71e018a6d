import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import {
  initialPatterns,
  PATTERN_COUNT_MAX,
  stepPatterns,
} from "../../../src/detectors/_helpers/patterns.ts";
import { RING_SIZE } from "../../../src/detectors/_helpers/season.ts";

function distances(wave: (tick: number) => number, length: number) {
  const state = initialPatterns();
  const ring = new Float32Array(RING_SIZE);
  const random = seedRandom(1);
  const out = Array.from({ length }, (_, tick) => {
    ring[tick % RING_SIZE] = wave(tick);
    return stepPatterns(state, ring, tick, { median: 0, scale: 1, count: tick }, random);
  });
  return { out, state };
}

Deno.test("stepPatterns() gives 0 for a pattern seen before and its distance for a new one", () => {
  // One pattern in four is kept, so those at multiples of 4 have been seen at this phase of 20.
  const { out } = distances((tick) => (tick === 900 ? 6 : tick % 20 < 10 ? 1 : -1), 1000);
  assert.ok(out.slice(500, 900).every((distance, i) => i % 4 !== 0 || distance === 0));
  // One of 16 averaged pairs is 2.5 instead of 0: the root mean square over 16, to the step of a
  // kept value.
  assert.ok(Math.abs(out[900]! - 2.5 / 4) < 1 / 655, `${out[900]}`);
});

Deno.test("stepPatterns() keeps a bounded number of patterns", () => {
  const { state } = distances((tick) => Math.sin(tick * tick), 6000);
  assert.equal(state.kept, PATTERN_COUNT_MAX);
});
