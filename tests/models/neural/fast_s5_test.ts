import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { denseBytes, DenseUnit } from "../../../src/device/mod.ts";
import { s5, type S5Config } from "../../../src/layers/s5.ts";
import { FastS5, fastS5Bytes, TRANSITIONS_MAX } from "../../../src/models/neural/fast_s5.ts";

const config: S5Config = { ...s5.examples[0]!, feature: 5, state: 8, block: 1 };

Deno.test("FastS5 keeps a bounded number of transitions, and forgets none of their values", () => {
  const params = s5.init(config, seedRandom(1));
  const unit = new DenseUnit(fastS5Bytes(config) + 2 * denseBytes(config.feature));
  const mixer = new FastS5(unit, config, params.tensors);
  const [u, y] = [unit.floats(config.feature), unit.floats(config.feature)];
  const random = seedRandom(2);
  const own = s5.initialState(config, 1, "f64");
  const state = new Float32Array(mixer.stateLength);
  // Every elapsed time comes twice, the second time after it has been forgotten.
  for (let k = 0; k < 2 * (TRANSITIONS_MAX + 9); k++) {
    const elapsed = 1 + (k % (TRANSITIONS_MAX + 9)) / 64;
    for (let d = 0; d < u.length; d++) u[d] = nextNormal(random);
    mixer.mix(y, u, state, [elapsed], 0, 1, 1);
    const expected = s5.step(params, Float64Array.from(u), own, elapsed);
    y.forEach((value, d) => assert.ok(Math.abs(value - expected[d]!) < 1e-4, `${k}, ${d}`));
  }
});
