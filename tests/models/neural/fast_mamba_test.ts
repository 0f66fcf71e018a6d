import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { denseBytes, DenseUnit } from "../../../src/device/mod.ts";
import { mamba } from "../../../src/layers/mamba.ts";
import { FastMamba, fastMambaBytes } from "../../../src/models/neural/fast_mamba.ts";

for (const example of mamba.examples) {
  const config = { ...example, feature: 6 };

  Deno.test(`FastMamba (width ${config.width}) is the layer's step at any elapsed time`, () => {
    const params = mamba.init(config, seedRandom(1));
    const unit = new DenseUnit(fastMambaBytes(config) + 2 * denseBytes(config.feature));
    const mixer = new FastMamba(unit, config, params.tensors);
    const [u, y] = [unit.floats(config.feature), unit.floats(config.feature)];
    const random = seedRandom(2);
    const own = mamba.initialState(config, 1, "f64");
    const state = new Float32Array(mixer.stateLength);
    for (let k = 0; k < 40; k++) {
      const elapsed = k % 5 === 0 ? 700 : 0.5 + k % 3;
      for (let d = 0; d < u.length; d++) u[d] = nextNormal(random);
      mixer.mix(y, u, state, [elapsed], 0, 1, 1);
      const expected = mamba.step(params, Float64Array.from(u), own, elapsed);
      const largest = Math.max(1, ...expected.map(Math.abs));
      y.forEach((value, d) => assert.ok(Math.abs(value - expected[d]!) < 1e-5 * largest, `${k}`));
    }
  });
}
