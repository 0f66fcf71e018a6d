import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { backboneObjective } from "../../src/training/objective.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });
const model = backboneOf(parseBackbone({
  input: { kind: "tokens", vocabulary: 4 },
  width: 4,
  layers: [{ name: "mamba", config: { state: 2 } }],
  output: { size: 4 },
}));
const parameters = Object.fromEntries(
  Object.entries(model.init(seedRandom(1))).map(([name, tensor]) => [name, cpu.upload(tensor)]),
);
const ids = tensorOf([2, 3], Float64Array.of(0, 1, 2, 3, 0, 1));

Deno.test("backboneObjective() is the mean over what has weight, with its metrics", () => {
  const objective = backboneObjective(model, { kind: "crossEntropy", classes: 4 });
  const weight = tensorOf([2, 3], Float64Array.of(0, 0, 1, 0, 0, 1));
  const result = objective(cpu, parameters, { input: ids, target: ids, weight }, {});
  assert.equal(result.samples, 6);
  const logits = cpu.dataOf(model.forward(cpu, parameters, ids).y);
  const lossAt = (row: number, own: number) => {
    const values = Array.from(logits.subarray(4 * row, 4 * row + 4));
    return Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0)) - values[own]!;
  };
  const expected = (lossAt(2, 2) + lossAt(5, 1)) / 2;
  assert.ok(Math.abs(cpu.dataOf(result.loss)[0]! - expected) < 1e-12);
  assert.equal(cpu.dataOf(result.metrics!["accuracy"]!.total)[0], 2);
});
