import assert from "node:assert/strict";
import { contextFeatures } from "../../../src/models/neural/context_features.ts";
import { featureStart, takeSample } from "../../../src/models/neural/features.ts";
import { TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";
import { drawn } from "./_check.ts";

Deno.test("contextFeatures() is one sample at a time", () => {
  const { times, values, seasons } = drawn(1, 100, [12, 0], true);
  const whole = contextFeatures(times, values, seasons);
  const state = featureStart(seasons);
  const token = new Float32Array(TOKEN_FEATURES);
  times.forEach((time, i) => {
    takeSample(state, time, values[i]!, token, 0);
    const row = whole.tokens.subarray(i * TOKEN_FEATURES, (i + 1) * TOKEN_FEATURES);
    assert.deepEqual(row, token);
    assert.equal(whole.elapsed[i], Math.fround(state.elapsed));
    assert.equal(whole.seasonal[i], Math.fround(2 * state.elapsed));
  });
  assert.deepEqual(whole.state, state);
});

Deno.test("contextFeatures() refuses times without values", () => {
  assert.throws(() => contextFeatures([1, 2], [1], [0, 0]), /"values" has size 1, expected 2/);
});
