import assert from "node:assert/strict";
import { type CalibrationState, ERROR_RING_MAX } from "../../src/models/calibration.ts";
import { calibrate } from "../../src/models/calibrate.ts";
import { sizeSums } from "../../src/models/error_shape.ts";
import { noSortedErrors, sortedErrors } from "../../src/models/sorted_errors.ts";
import { noise } from "./_series.ts";

function put(state: CalibrationState, value: number): void {
  state.ring[state.ringCount % ERROR_RING_MAX] = value;
  state.ringCount++;
}

function sortedAnew(state: CalibrationState): Float32Array {
  return state.ring.slice(0, Math.min(state.ringCount, ERROR_RING_MAX)).sort();
}

Deno.test("sortedErrors() is the sorted ring however many errors came since the last look", () => {
  const state = calibrate([], 12, 1, 0, 1, 10);
  const kept = noSortedErrors();
  const draws = noise(6000, 3);
  let at = 0;
  for (const count of [0, 1, 5, 1000, 17, 12, 1, 0, 130, 3, 700, 1024, 9, 2000, 4]) {
    for (let i = 0; i < count; i++) put(state, draws[at++]!);
    // Ties, and values that leave and come again.
    if (count > 3) put(state, draws[at - 3]!);
    assert.deepEqual(sortedErrors(kept, state), sortedAnew(state), `after ${count} more`);
    assert.deepEqual(kept.sums, sizeSums(kept.sorted), `after ${count} more`);
  }
});

Deno.test("sortedErrors() puts zeros, infinities and NaN where sort() puts them", () => {
  const state = calibrate([], 12, 1, 0, 1, 10);
  const kept = noSortedErrors();
  for (const draw of noise(ERROR_RING_MAX, 5)) put(state, draw);
  const odd = [0, -0, NaN, Infinity, -Infinity, 0, 1, -0, NaN, 2, 3];
  for (const value of [...odd, ...noise(ERROR_RING_MAX, 6), ...odd]) {
    put(state, value);
    const [actual, expected] = [sortedErrors(kept, state), sortedAnew(state)];
    assert.ok(actual.every((error, i) => Object.is(error, expected[i])));
    assert.deepEqual(kept.sums, sizeSums(expected));
  }
});

Deno.test("sortedErrors() looks anew at another calibration's ring", () => {
  const kept = noSortedErrors();
  for (const seed of [1, 2]) {
    const state = calibrate([], 12, 1, 0, 1, 10);
    for (const draw of noise(ERROR_RING_MAX, seed)) put(state, draw);
    assert.deepEqual(sortedErrors(kept, state), sortedAnew(state));
  }
});
