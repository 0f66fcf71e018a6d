import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { s5 } from "../../../src/layers/s5.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { partOf } from "../../../src/base/prefixes.ts";
import { backboneConfigOf } from "../../../src/models/neural/config.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";

const CONFIG = { kind: "s5", width: 48, depth: 2, state: 64, mlp: 48, head: 32 };

Deno.test("neuralTensors(): modes remember 1.5 to 800 samples, at periods of 2.2 samples or more", () => {
  const network = networkOf(parseNeural(CONFIG));
  const tensors = network.init(seedRandom(1));
  for (let layer = 0; layer < CONFIG.depth; layer++) {
    const of = (name: string) => tensors[`layers.${layer}.mixer.${name}`]!.data;
    const steps = [...of("logDt")].map(Math.exp);
    const decays = steps.map((dt, n) => -1 / (dt * of("lambdaRe")[n]!)).sort((a, b) => a - b);
    assert.ok(Math.abs(decays[0]! - 1.5) < 1e-9);
    assert.ok(Math.abs(decays.at(-1)! - 800) < 1e-6);
    const angles = steps.map((dt, n) => dt * of("lambdaIm")[n]!);
    assert.ok(angles.every((angle) => angle >= 0 && angle <= 2 * Math.PI / 2.2));
    const real = angles.filter((angle) => angle === 0).length / angles.length;
    assert.ok(real > 0.05 && real < 0.5, `${real}`);
  }
});

Deno.test("neuralTensors(): white input gives every mode a variance of about 1", () => {
  const config = parseNeural(CONFIG);
  const tensors = networkOf(config).init(seedRandom(2));
  const layer = backboneConfigOf(config).layers[0]!.config;
  const random = seedRandom(3);
  const length = 6000;
  const u = tensorOf(
    [1, length, CONFIG.width],
    Float32Array.from({ length: length * CONFIG.width }, () => nextNormal(random)),
  );
  const device = openCpu();
  const params = { config: layer, tensors: partOf(tensors, "layers.0.mixer.") };
  // Squares of the states after 1,000 samples each, averaged over modes.
  let sum = 0;
  for (let from = 0; from < length; from += 1000) {
    const part = tensorOf([1, 1000, CONFIG.width], u.data.slice(from * 48, (from + 1000) * 48));
    const { state } = s5.forward(device, params as never, part);
    const x = device.dataOf(state["x"]!);
    for (const value of x) sum += value * value / (CONFIG.state / 2) / (length / 1000);
  }
  assert.ok(sum > 0.6 && sum < 1.4, `${sum}`);
});

Deno.test("neuralTensors(): the decoder's output begins without a bias", () => {
  const tensors = networkOf(parseNeural(CONFIG)).init(seedRandom(1));
  assert.ok(tensors["decoder.out.bias"]!.data.every((value) => value === 0));
  const most = Math.max(...tensors["decoder.out.weight"]!.data.map(Math.abs));
  assert.ok(most <= 0.3 / Math.sqrt(CONFIG.head) && most > 0.2 / Math.sqrt(CONFIG.head));
});
