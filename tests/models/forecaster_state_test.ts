import assert from "node:assert/strict";
import { emptyState, isBlurred, takeSample } from "../../src/models/forecaster_state.ts";
import { channel, HOUR_S } from "./_series.ts";

Deno.test("emptyState() refuses settings by name and value", () => {
  assert.throws(() => emptyState(channel({ horizon: 1.5 })), /horizon is "1.5"/);
  assert.throws(() => emptyState(channel({ lower: 2, upper: 1 })), /upper is "1"/);
  assert.throws(() => emptyState(channel({ seasonsS: [Infinity] })), /seasonsS is "Infinity"/);
  assert.equal(emptyState(channel({ lower: 1, upper: 1 })).seen, 0);
});

Deno.test("takeSample() counts samples, and keeps those with a value of the series", () => {
  const state = emptyState(channel());
  const taken = [1, 2, NaN, 3].map((value, i) => takeSample(state, i * HOUR_S, value));
  assert.deepEqual(taken, [true, true, false, true]);
  assert.deepEqual([state.count, state.seen, state.buffer.length], [4, 3, 3]);
  assert.equal(isBlurred(state, 3 * HOUR_S), true);
  assert.equal(isBlurred(state, 3 * HOUR_S + 1e-6), false);
});

Deno.test("takeSample() refuses times that go back and values that are no numbers", () => {
  const state = emptyState(channel());
  takeSample(state, HOUR_S, 1);
  assert.throws(() => takeSample(state, HOUR_S, 2), /timesS is "3600"/);
  assert.throws(() => takeSample(state, NaN, 2), /timesS is "NaN"/);
  assert.throws(() => takeSample(state, 2 * HOUR_S, -Infinity), /values is "-Infinity"/);
  assert.deepEqual([state.count, state.seen, state.lastTimeS], [1, 1, HOUR_S]);
});
