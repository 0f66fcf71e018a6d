import assert from "node:assert/strict";
import { initialFlag, stepFlag } from "../../../src/detectors/_helpers/flag_stage.ts";
import { FLAG_THRESHOLD } from "../../../src/detectors/detector.ts";

function flags(evidence: (i: number) => number, length: number): number[] {
  const state = initialFlag();
  return Array.from({ length }, (_, i) => stepFlag(state, evidence(i)));
}

Deno.test("stepFlag() opens one alarm for a long event that keeps rising", () => {
  const got = flags((i) => (i >= 300 && i < 400 ? 1 + (i - 300) / 50 : 0.1), 600);
  assert.equal(got.filter((flag) => flag >= FLAG_THRESHOLD).length, 1);
  assert.ok(got[300]! > 0);
  const alarm = got.findIndex((flag) => flag >= FLAG_THRESHOLD);
  assert.ok(got.slice(alarm + 1).every((flag) => flag === 0));
});

Deno.test("stepFlag() is silent while it warms up and for weak evidence", () => {
  assert.ok(flags(() => 4, 150).every((flag) => flag === 0));
  assert.ok(flags(() => 0.5, 1000).every((flag) => flag === 0));
});

Deno.test("stepFlag() tells a recurring event with less and less weight", () => {
  const heights = flags((i) => (i >= 1000 && i % 1000 === 0 ? 3 : 0), 8000)
    .filter((flag) => flag > 0);
  assert.equal(heights.length, 7);
  for (let k = 1; k < heights.length; k++) {
    // v − 0.6 log10(1 + N) with N earlier ones.
    assert.ok(Math.abs(heights[k]! - (3 - 0.6 * Math.log10(1 + k))) < 1e-12);
  }
});

Deno.test("stepFlag() lets two events alarm that are further apart than its gap", () => {
  const got = flags((i) => (i === 300 ? 2 : i === 380 ? 3.9 : 0), 500);
  assert.ok(got[300]! >= FLAG_THRESHOLD);
  assert.ok(got[380]! >= FLAG_THRESHOLD);
});
