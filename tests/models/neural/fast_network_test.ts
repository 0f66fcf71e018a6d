import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { openRunner } from "../../../src/models/neural/fast_network.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { ANCHORS, leadRows, LEVELS, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

const SIZES = { width: 24, depth: 3, state: 12, mlp: 20, head: 28 };
const CONFIGS = [
  parseNeural({ kind: "s5", ...SIZES }),
  parseNeural({ kind: "mamba", ...SIZES, width: 16, state: 4 }),
];

function draws(length: number, seed: number): Float32Array {
  const random = seedRandom(seed);
  return Float32Array.from({ length }, () => nextNormal(random));
}

/** Rows of leads with anchors that are partly there. */
function drawnLeads(count: number) {
  const rows = leadRows(count);
  rows.features.set(draws(rows.features.length, 5));
  rows.anchors.set(draws(rows.anchors.length, 6));
  rows.valid.set(rows.valid.map((_, i) => i % ANCHORS === 0 || i % 3 > 0 ? 1 : 0));
  rows.scale.set(draws(count, 7).map(Math.abs));
  return rows;
}

for (const config of CONFIGS) {
  const network = networkOf(config);
  const tensors = network.init(seedRandom(2));
  const count = 41;
  const tokens = draws(count * TOKEN_FEATURES, 3);
  const elapsed = Float64Array.from({ length: count }, (_, i) => i % 9 === 4 ? 3.25 : 1);
  const seasonal = elapsed.map((step) => 24 / 7 * step);

  Deno.test(`openRunner() of ${config.kind} gives what the network's own steps give`, () => {
    const runner = openRunner({ config, tensors });
    const state = new Float32Array(runner.stateLength);
    const hidden = new Float32Array(runner.hiddenLength);
    const plain = network.initialState(1, "f64");
    let own = new Float64Array(0);
    for (let k = 0; k < count; k++) {
      const token = Float64Array.from(
        tokens.subarray(k * TOKEN_FEATURES, (k + 1) * TOKEN_FEATURES),
      );
      const at = [elapsed.subarray(k, k + 1), seasonal.subarray(k, k + 1)] as const;
      runner.absorb(state, Float32Array.from(token), ...at, 1, hidden);
      own = Float64Array.from(network.stepHidden(tensors, token, elapsed[k]!, seasonal[k]!, plain));
      const largest = Math.max(...own.map(Math.abs));
      own.forEach((value, i) => {
        assert.ok(Math.abs(value - hidden[i]!) < 3e-5 * largest, `${k}, ${i}`);
      });
    }
    assert.equal(4 * runner.stateLength, network.stateBytes("f32"));
    const leads = drawnLeads(70);
    const decoded = runner.decode(hidden, leads, 70);
    const expected = network.decode(tensors, own, leads, 70);
    assert.equal(decoded.length, 70 * LEVELS.length);
    const largest = Math.max(...expected.map(Math.abs));
    decoded.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 3e-5 * largest, `quantile ${i}`);
      if (i % LEVELS.length > 0) assert.ok(value >= decoded[i - 1]!);
    });
  });

  Deno.test(`openRunner() of ${config.kind}: samples together are samples one by one`, () => {
    const runner = openRunner({ config, tensors });
    const together = new Float32Array(runner.stateLength);
    const hidden = new Float32Array(config.head);
    runner.absorb(together, tokens, elapsed, seasonal, count, hidden);
    const apart = new Float32Array(runner.stateLength);
    const one = new Float32Array(config.head);
    for (let k = 0; k < count; k++) {
      const token = tokens.subarray(k * TOKEN_FEATURES, (k + 1) * TOKEN_FEATURES);
      runner.absorb(apart, token, elapsed.subarray(k, k + 1), seasonal.subarray(k, k + 1), 1, one);
    }
    assert.deepEqual(apart, together);
    assert.deepEqual(one, hidden);
  });

  Deno.test(`openRunner() of ${config.kind}: leads together are leads one by one`, () => {
    const runner = openRunner({ config, tensors });
    const hidden = draws(config.head, 9);
    const leads = drawnLeads(9);
    const together = runner.decode(hidden, leads, 9).slice();
    assert.deepEqual(runner.decode(hidden, leads, 1), together.slice(0, LEVELS.length));
  });
}
