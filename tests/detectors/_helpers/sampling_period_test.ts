import assert from "node:assert/strict";
import {
  ELAPSED_MAX,
  initialPeriod,
  stepPeriod,
} from "../../../src/detectors/_helpers/sampling_period.ts";

Deno.test("stepPeriod() gives exactly 1 for a regular series and counts a gap in periods", () => {
  const state = initialPeriod();
  for (let i = 0; i < 100; i++) assert.equal(stepPeriod(state, i / 44_100), 1);
  const later = stepPeriod(state, 149 / 44_100);
  // The gap of 50 periods is a difference of rounded times.
  assert.ok(Math.abs(later - 50) < 1e-6, `${later}`);
});

Deno.test("stepPeriod() follows a changed rate and is not moved by gaps", () => {
  const state = initialPeriod();
  let timeS = 0;
  for (let i = 0; i < 200; i++) stepPeriod(state, timeS += i % 10 === 9 ? 5000 : 60);
  assert.equal(state.periodS, 60);
  for (let i = 0; i < 200; i++) stepPeriod(state, timeS += 300);
  assert.equal(state.periodS, 300);
});

Deno.test("stepPeriod() counts one period for a time that does not advance", () => {
  const state = initialPeriod();
  for (const timeS of [0, 60, 120, 120, 30, 180]) assert.equal(stepPeriod(state, timeS), 1);
  assert.equal(stepPeriod(state, 1e12), ELAPSED_MAX);
});
