import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { compileIteration } from "../../src/training/compile_iteration.ts";
import { backboneObjective } from "../../src/training/objective.ts";
import { openTraining } from "../../src/training/training.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

const model = backboneOf(parseBackbone({
  input: { kind: "signal", feature: 1 },
  width: 8,
  layers: ["mamba", "s4d"],
  output: { size: 1, pool: "none" },
}));
const input = tensorOf([2, 24, 1], Float32Array.from({ length: 48 }, (_, i) => Math.sin(i)));

function open(device: Device) {
  return openTraining(device, model.init(seedRandom(1)), {
    objective: backboneObjective(model, { kind: "squaredError" }),
    minibatch: () => ({ input, target: input }),
    schedule: { kind: "constant", rate: 1e-3 },
    seed: 1,
    accumulate: 2,
    emaDecay: 0.99,
    optimizer: { clipNorm: 1 },
  });
}

gpuTest("compileIteration() leaves nothing to compile to the iterations after it", async (gpu) => {
  const told: (readonly [number, number])[] = [];
  const compiled = await compileIteration(gpu, open, (...line) => told.push(line));
  assert.ok(compiled > 20, `${compiled} pipelines`);
  assert.deepEqual(told.at(-1), [compiled, compiled]);
  const before = await gpu.pipelinesCompiled();
  const training = open(gpu);
  for (let i = 0; i < 3; i++) training.iterate();
  const { loss } = await training.readMetrics();
  assert.ok(Number.isFinite(loss));
  assert.equal(await gpu.pipelinesCompiled(), before);
  training.release();
  assert.deepEqual(takeFaults(), []);
});

Deno.test("compileIteration() has nothing to do on a CPU", async () => {
  assert.equal(await compileIteration(openCpu(), open), 0);
});
