import assert from "node:assert/strict";
import { featureStart, ORIGIN } from "../../../src/models/neural/feature_state.ts";
import { takeSample } from "../../../src/models/neural/features.ts";
import { phasePastInto, seasonsIn } from "../../../src/models/neural/profile.ts";
import { TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

Deno.test("phasePastInto() weighs seasons by 0.65 a season, over those that there are", () => {
  const state = featureStart([4, 0]);
  const token = new Float32Array(TOKEN_FEATURES);
  const past = { exists: false, newest: 0, mean: 0 };
  for (let i = 0; i < 11; i++) takeSample(state, i, i === 10 ? 8 : i === 6 ? 2 : 1, token, 0);
  phasePastInto(state, 0, 4, 5, past);
  const mean = (8 + 0.65 * 2 + 0.65 ** 2 * 1) / (1 + 0.65 + 0.65 ** 2);
  assert.equal(past.newest + state.numbers[ORIGIN]!, 8);
  assert.ok(Math.abs(past.mean + state.numbers[ORIGIN]! - mean) < 1e-6);
  phasePastInto(state, 11, 4, 5, past);
  assert.equal(past.exists, false);
});

Deno.test("seasonsIn() rounds up, and forgives the rounding of a quotient", () => {
  assert.equal(seasonsIn(0.5, 4), 1);
  assert.equal(seasonsIn(4, 4), 1);
  assert.equal(seasonsIn(4.1, 4), 2);
  assert.equal(seasonsIn(3 * 0.1, 0.1), 3);
});
