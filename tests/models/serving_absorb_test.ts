import assert from "node:assert/strict";
import { nextUniform, type RandomState, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import type { Backbone } from "../../src/models/backbone.ts";
import type { Backlog } from "../../src/models/backlog.ts";
import { openServing } from "../../src/models/serving.ts";
import { joinStates, stateOf } from "../../src/models/serving_absorb.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { assertClose, assertStates, backbone, drawInput, FUSED, parametersOf } from "./_serving.ts";

const cpu = openCpu({ poison: true });
const HYBRID = backbone(["mamba2", "mamba", "s4d"], { mlp: 5 });

function backlogOf(
  model: Backbone,
  length: number,
  random: RandomState,
  isTimed: boolean,
): Backlog {
  const rows = Array.from({ length }, () => drawInput(model, random));
  const input = tensorOf([length, 3], Float32Array.from(rows.flat()));
  const gap = () => Math.fround(2 * nextUniform(random));
  return { input, ...(isTimed && { dtScale: Float32Array.from({ length }, gap) }) };
}

/** Steps, a backlog of one length for each stream, and steps again, beside steps alone in f64. */
async function absorbBeside(device: Device, model: Backbone): Promise<void> {
  const tensors = parametersOf(model);
  const random = seedRandom(5);
  const serving = openServing(device, model, tensors, { capacity: 5 });
  try {
    const slots = [...serving.open(4)];
    const states = slots.map(() => model.initialState(1));
    const { size } = model.config.output;
    const step = async () => {
      const inputs = slots.map(() => drawInput(model, random));
      const y = await serving.step({ slots, inputs: inputs.flat() });
      states.forEach((state, i) => {
        const expected = model.step(tensors, Float64Array.from(inputs[i]!), state);
        assertClose(y.subarray(i * size, (i + 1) * size), expected, `output of stream ${i}`);
      });
    };
    await step();
    await step();
    // The first stream has nothing to absorb.
    const backlogs = [0, 1, 37, 64].map((n, i) => backlogOf(model, n, random, i === 2));
    const y = await serving.absorb(slots, backlogs);
    assert.ok(y.subarray(0, size).every(Number.isNaN));
    backlogs.forEach(({ input, dtScale }, i) => {
      for (let k = 0; k < input.shape[0]!; k++) {
        const sample = Float64Array.from(input.data.subarray(3 * k, 3 * k + 3));
        const expected = model.step(tensors, sample, states[i]!, dtScale?.[k] ?? 1);
        if (k < input.shape[0]! - 1) continue;
        assertClose(y.subarray(i * size, (i + 1) * size), expected, `last output of stream ${i}`);
      }
    });
    for (const [i, slot] of slots.entries()) {
      assertStates(await serving.read(slot), states[i]!, `stream ${i}`);
    }
    await step();
  } finally {
    serving.close();
  }
}

for (const [name, model] of [["Mamba blocks", FUSED], ["a hybrid", HYBRID]] as const) {
  Deno.test(`Serving.absorb() is stepping on the CPU: ${name}`, () => absorbBeside(cpu, model));

  gpuTest(`Serving.absorb() is stepping on the GPU: ${name}`, async (gpu) => {
    // A first run leaves the device's constant tables behind.
    await absorbBeside(gpu, model);
    const { used } = gpu.memory;
    await absorbBeside(gpu, model);
    assert.equal(gpu.memory.used, used, "bytes left behind");
    assert.deepEqual(takeFaults(), []);
  });
}

Deno.test("Serving.absorb() refuses slots and backlogs that are none, and changes nothing", async () => {
  const tensors = parametersOf(FUSED);
  const serving = openServing(cpu, FUSED, tensors, { capacity: 3 });
  const [a, b] = serving.open(2) as unknown as [number, number];
  const before = await serving.read(a);
  const backlog = backlogOf(FUSED, 4, seedRandom(1), false);
  const refuse = (slots: number[], backlogs: Backlog[], expected: object) =>
    assert.rejects(serving.absorb(slots, backlogs), expected);
  await refuse([a], [], { field: "backlogs.length" });
  await refuse([a, a], [backlog, backlog], { field: "slots[1]" });
  await refuse([2], [backlog], { field: "slots[0]" });
  const narrow = { input: tensorOf([2, 2], new Float32Array(4)) };
  await refuse([b, a], [backlog, narrow], { axis: "backlogs[1].input.feature" });
  assert.deepEqual(await serving.read(a), before);
  assert.deepEqual(await serving.absorb([], []), new Float32Array(0));
  // Meanwhile its streams are nobody else's; the others go on.
  const absorbing = serving.absorb([a], [backlog]);
  await assert.rejects(serving.step({ slots: [a], inputs: [0, 0, 0] }), { field: "slots[0]" });
  assert.throws(() => serving.release([a]), { field: "slots[0]" });
  await serving.step({ slots: [b], inputs: [0, 0, 0] });
  await absorbing;
  await serving.step({ slots: [a], inputs: [0, 0, 0] });
  serving.close();
});

Deno.test("joinStates() and stateOf() are each other's way back", () => {
  const state = (value: number) => ({
    "layers.0.x": tensorOf([1, 2, 2], Float32Array.of(value, value + 1, value + 2, value + 3)),
    "layers.1.past": tensorOf([1, 1], Float32Array.of(-value)),
  });
  const joined = joinStates([state(0), state(10)]);
  assert.deepEqual(joined["layers.0.x"]!.shape, [2, 2, 2]);
  assert.deepEqual(stateOf(joined, 0), state(0));
  assert.deepEqual(stateOf(joined, 1), state(10));
});
