import assert from "node:assert/strict";
import { DELAY_STATES, delayMemory, delayObserve } from "../../src/models/delay_memory.ts";

function after(values: readonly number[], dt: number, window = 12): Float64Array {
  const memory = delayMemory(window);
  const state = new Float64Array(DELAY_STATES);
  for (const value of values) delayObserve(memory, state, dt, value);
  return state;
}

Deno.test("delayObserve() holds the mean of the window and nothing else of a constant", () => {
  const state = after(new Array(60).fill(3), 1);
  // Five windows after the start the memory has forgotten it to a thousandth.
  assert.ok(Math.abs(state[0]! - 3) < 5e-3, `${state[0]}`);
  for (let k = 1; k < DELAY_STATES; k++) assert.ok(Math.abs(state[k]!) < 2e-2, `${state[k]}`);
});

Deno.test("delayObserve() of a ramp has a mean half a window back and a tilt", () => {
  const state = after(Array.from({ length: 120 }, (_, i) => i), 1);
  // Held inputs lag by half a step; an order of four carries a ramp exactly.
  assert.ok(Math.abs(state[0]! - (119 - 6 + 0.5)) < 0.1, `${state[0]}`);
  assert.ok(Math.abs(Math.abs(state[1]!) - 6) < 0.1, `${state[1]}`);
});

Deno.test("delayObserve() over one step is two half steps under a held input", () => {
  const values = [1, -2, 4, 0.5];
  const whole = after(values, 1);
  const halves = after(values.flatMap((value) => [value, value]), 0.5);
  whole.forEach((value, k) => assert.ok(Math.abs(value - halves[k]!) < 1e-12));
});

Deno.test("delayObserve() forgets what lies before the window", () => {
  const quiet = after(new Array(80).fill(0), 1);
  const loud = after([1e3, ...new Array(80).fill(0)], 1);
  loud.forEach((value, k) => assert.ok(Math.abs(value - quiet[k]!) < 1));
});
