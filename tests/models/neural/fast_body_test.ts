import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { DenseUnit } from "../../../src/device/mod.ts";
import { S5_ACTIVATIONS } from "../../../src/layers/s5.ts";
import { backboneOf } from "../../../src/models/backbone.ts";
import { parseBackbone } from "../../../src/models/backbone_config.ts";
import { FastBody, fastBodyBytes, fastObstacle } from "../../../src/models/neural/fast_body.ts";
import { BLOCK_ROWS } from "../../../src/models/neural/fast_mixer.ts";

const FEATURE = 5;

function configOf(over: Record<string, unknown> = {}, layer: Record<string, unknown> = {}) {
  const s5 = { name: "s5", config: { state: 12, block: 1, dtMin: 0.01, dtMax: 0.3, ...layer } };
  return parseBackbone({
    input: { kind: "signal", feature: FEATURE },
    width: 20,
    layers: [s5, s5],
    norm: "layer",
    mlp: 28,
    output: { size: 20, pool: "none" },
    ...over,
  });
}

const CONFIGS: readonly [string, ReturnType<typeof configOf>][] = [
  ...S5_ACTIVATIONS.map((activation) =>
    [activation, configOf({}, { activation })] as [string, ReturnType<typeof configOf>]
  ),
  [
    "rms norm, all modes, bilinear",
    configOf({ norm: "rms" }, {
      conjugatePairs: false,
      clip: true,
      discretization: "bilinear",
    }),
  ],
  ["mamba", configOf({ layers: ["mamba", "mamba"], mlp: 0 })],
  [
    "mamba with biases, without a convolution",
    configOf({ layers: [{ name: "mamba", config: { bias: true, width: 1, dtRank: 3 } }, "s5"] }),
  ],
  ["no norm, no MLP", configOf({ norm: "none", mlp: 0 })],
];

for (const [name, config] of CONFIGS) {
  const tensors = backboneOf(config).init(seedRandom(7));
  const random = seedRandom(3);
  const count = BLOCK_ROWS + 9;
  const tokens = Float32Array.from({ length: count * FEATURE }, () => nextNormal(random));
  const elapsed = Float64Array.from({ length: count }, (_, i) => i % 7 === 3 ? 2.5 : 1);
  const open = (clocks: readonly ("samples" | "season")[]) =>
    new FastBody(new DenseUnit(fastBodyBytes(config)), config, tensors, clocks);

  Deno.test(`FastBody (${name}) is Backbone.step`, () => {
    const body = open(["samples", "samples"]);
    const state = new Float32Array(body.stateLength);
    const hidden = new Float32Array(20);
    const backbone = backboneOf(config);
    const plain = backbone.initialState(1, "f64");
    let largest = 0;
    let apart = 0;
    for (let k = 0; k < count; k++) {
      const token = Float64Array.from(tokens.subarray(k * FEATURE, (k + 1) * FEATURE));
      const y = backbone.step(tensors, token, plain, elapsed[k]!);
      body.absorb(state, Float32Array.from(token), [elapsed[k]!], [elapsed[k]!], 1, hidden);
      y.forEach((value, i) => {
        largest = Math.max(largest, Math.abs(value));
        apart = Math.max(apart, Math.abs(value - hidden[i]!));
      });
    }
    assert.ok(apart < 2e-5 * largest, `${apart} of ${largest}`);
  });

  Deno.test(`FastBody (${name}): a block is its samples one by one, bit for bit`, () => {
    const body = open(["samples", "season"]);
    const seasonal = elapsed.map((step) => 0.7 * step);
    const apart = new Float32Array(body.stateLength);
    const one = new Float32Array(20);
    const hidden = new Float32Array(20);
    for (let k = 0; k < count; k++) {
      const token = tokens.subarray(k * FEATURE, (k + 1) * FEATURE);
      body.absorb(apart, token, [elapsed[k]!], [seasonal[k]!], 1, one);
      if (![0, 3, BLOCK_ROWS - 1, BLOCK_ROWS, count - 1].includes(k)) continue;
      const together = new Float32Array(body.stateLength);
      body.absorb(together, tokens, elapsed, seasonal, k + 1, hidden);
      assert.deepEqual(hidden, one);
      assert.deepEqual(together, apart);
      together.fill(0);
      body.absorb(together, tokens, elapsed, seasonal, k + 1);
      assert.deepEqual(together, apart, "nobody asks for the output");
    }
  });
}

Deno.test("FastBody runs each layer on its clock", () => {
  const config = configOf();
  const tensors = backboneOf(config).init(seedRandom(1));
  const run = (clocks: readonly ("samples" | "season")[], elapsed: number, seasonal: number) => {
    const body = new FastBody(new DenseUnit(fastBodyBytes(config)), config, tensors, clocks);
    const state = new Float32Array(body.stateLength);
    const token = new Float32Array(FEATURE).fill(0.5);
    body.absorb(state, token, [elapsed], [seasonal], 1);
    return state;
  };
  assert.deepEqual(
    run(["season", "samples"], 1, 3).slice(0, 12),
    run(["samples", "season"], 3, 1).slice(0, 12),
  );
  assert.notDeepEqual(run(["season", "samples"], 1, 3), run(["samples", "samples"], 1, 3));
});

Deno.test("fastObstacle() names what is no causal S5 or Mamba", () => {
  assert.equal(fastObstacle(configOf()), undefined);
  assert.equal(fastObstacle(configOf({ layers: ["mamba2"] })), "layer mamba2");
  assert.equal(fastObstacle(configOf({}, { bidirectional: true })), "bidirectional");
  assert.equal(fastObstacle(configOf({ output: { size: 4, pool: "mean" } })), "output.pool mean");
});
