import assert from "node:assert/strict";
import {
  DeviceLostError,
  InvalidValueError,
  LimitError,
  OverloadError,
} from "../../src/base/errors.ts";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu, openScope, openWebGpu } from "../../src/device/mod.ts";
import type { Backbone } from "../../src/models/backbone.ts";
import {
  openServing,
  type Serving,
  SERVING_CAPACITY_MAX,
  SERVING_STEPS_MAX,
} from "../../src/models/serving.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import {
  assertClose,
  assertStates,
  backbone,
  drawInput,
  FUSED,
  MAMBA_NARROW,
  parametersOf,
  serveBeside,
} from "./_serving.ts";

const cpu = openCpu({ poison: true, simd: false });

const HYBRID = backbone(["mamba2", "mamba", "attention", "s4d"], { mlp: 5 });
const TOKENS = backbone(["s5", "h3"], { input: { kind: "tokens", vocabulary: 7 }, norm: "layer" });

const SERVED: readonly [string, Backbone][] = [
  ["two Mamba blocks", FUSED],
  ["a Mamba block with biases and no norm", backbone([MAMBA_NARROW], { norm: "none" })],
  ["a Mamba block without a window", backbone([{ name: "mamba", config: { width: 1 } }])],
  ["a hybrid with MLPs", HYBRID],
  ["a hybrid of tokens, with layer norms", TOKENS],
];

for (const [name, model] of SERVED) {
  Deno.test(`Serving.step() is Backbone.step() on the CPU: ${name}`, () => serveBeside(cpu, model));

  gpuTest(`Serving.step() is Backbone.step() on the GPU: ${name}`, async (gpu) => {
    // A first run leaves the device's constant tables behind.
    await serveBeside(gpu, model);
    const { used } = gpu.memory;
    await serveBeside(gpu, model);
    assert.equal(gpu.memory.used, used, "bytes left behind");
    assert.deepEqual(takeFaults(), []);
  });
}

gpuTest(
  "Serving.step() with states in f16 is near Backbone.step(), in less memory",
  async (gpu) => {
    await serveBeside(cpu, FUSED, { states: "f16" });
    await serveBeside(gpu, FUSED, { states: "f16" });
    const bytesOf = (states: "f32" | "f16") => {
      const before = gpu.memory.used;
      const options = { capacity: 256, states };
      const serving = openServing(gpu, FUSED, parametersOf(FUSED), options);
      const bytes = gpu.memory.used - before;
      serving.close();
      return bytes;
    };
    const stateBytes = 256 * FUSED.stateBytes(1, "f32");
    assert.ok(bytesOf("f32") - bytesOf("f16") > stateBytes / 4);
    assert.throws(
      () => openServing(gpu, HYBRID, parametersOf(HYBRID), { capacity: 1, states: "f16" }),
      /states is "f16", expected f32, since a layer is not mamba/,
    );
    assert.deepEqual(takeFaults(), []);
  },
);

/** Outputs and the last state of the parallel form over one row. */
async function forwardOf(model: Backbone, tensors: Record<string, Tensor>, input: Tensor) {
  const scope = openScope(cpu);
  const { y, state } = model.forward(scope, tensors, asDtype(input, "f64"));
  const read = await scope.read(y);
  const states: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(state)) states[name] = await scope.read(tensor);
  return { y: read.data, state: states };
}

gpuTest("Serving.step() over a sequence is Backbone.forward(), steps in flight", async (gpu) => {
  const length = SERVING_STEPS_MAX - 3;
  const tensors = parametersOf(FUSED);
  const random = seedRandom(9);
  const input = Array.from({ length }, () => drawInput(FUSED, random));
  const forward = await forwardOf(
    FUSED,
    tensors,
    tensorOf([1, length, 3], Float64Array.from(input.flat())),
  );
  for (const device of [gpu, cpu]) {
    const serving = openServing(device, FUSED, tensors, { capacity: 2 });
    const slots = serving.open(1);
    const outputs = await Promise.all(input.map((inputs) => serving.step({ slots, inputs })));
    assertClose(outputs.flatMap((y) => [...y]), forward.y, "outputs");
    assertStates(await serving.read(slots[0]!), forward.state, "state");
    serving.close();
  }
});

Deno.test("Serving.open() gives what was used before its first state again", async () => {
  const tensors = parametersOf(FUSED);
  const serving = openServing(cpu, FUSED, tensors, { capacity: 1 });
  const samples = { slots: serving.open(1), inputs: [1, -2, 3] };
  const first = await serving.step(samples);
  await serving.step(samples);
  serving.release(samples.slots);
  assert.equal(serving.size, 0);
  assert.deepEqual(serving.open(1), samples.slots);
  assert.deepEqual(await serving.step(samples), first);
  serving.close();
});

Deno.test("Serving refuses what it cannot hold, by name and limit", async () => {
  const tensors = parametersOf(FUSED);
  const open = (capacity: number) => openServing(cpu, FUSED, tensors, { capacity });
  assert.throws(
    () => open(0),
    new InvalidValueError("capacity", 0, "a whole number of at least 1"),
  );
  assert.throws(
    () => open(SERVING_CAPACITY_MAX + 1),
    new LimitError("SERVING_CAPACITY_MAX", SERVING_CAPACITY_MAX, SERVING_CAPACITY_MAX + 1),
  );
  const pooled = backbone(["mamba"], { output: { size: 2, pool: "mean" } });
  assert.throws(
    () => openServing(cpu, pooled, parametersOf(pooled), { capacity: 1 }),
    /output\.pool is "mean"/,
  );
  const { ["output.bias"]: _, ...incomplete } = tensors;
  assert.throws(() => openServing(cpu, FUSED, incomplete, { capacity: 1 }), /output\.bias/);
  const serving = open(2);
  serving.open(2);
  assert.throws(() => serving.open(1), new LimitError("capacity", 2, 3));
  assert.throws(() => serving.open(0.5), /count is "0\.5"/);
  assert.throws(() => serving.release([5]), /slots\[0\] is "5"/);
  serving.close();
  await assert.rejects(() => serving.step({ slots: [], inputs: [] }), /closed/);
});

Deno.test("Serving.step() refuses a batch whole, and names what is wrong", async () => {
  const serving = openServing(cpu, FUSED, parametersOf(FUSED), { capacity: 3 });
  const slots = serving.open(2);
  const before = await serving.read(slots[0]!);
  const inputs = [1, 2, 3, 4, 5, 6];
  const refused = async (samples: Parameters<Serving["step"]>[0], message: RegExp) => {
    await assert.rejects(() => serving.step(samples), (error: unknown) => {
      assert.ok(error instanceof InvalidValueError);
      assert.match(error.message, message);
      return true;
    });
  };
  await refused({ slots: [0, 2], inputs }, /slots\[1\] is "2"/);
  await refused({ slots: [0, -1], inputs }, /slots\[1\] is "-1"/);
  await refused({ slots: [1, 1], inputs }, /slots\[1\] is "1", expected a slot that the batch/);
  await refused({ slots: [0], inputs }, /inputs\.length is "6", expected 3/);
  await refused({ slots, inputs, elapsed: [1] }, /elapsed\.length is "1", expected 2/);
  await refused({ slots, inputs: [1, 2, NaN, 4, 5, 6] }, /inputs\[2\] is "NaN"/);
  await refused({ slots, inputs, elapsed: [1, -0.5] }, /elapsed\[1\] is "-0\.5"/);
  await refused({ slots, inputs, clocks: [[1, 1], [1, 1]] }, /clocks is "given", expected elapsed/);
  assert.deepEqual(await serving.read(slots[0]!), before);
  serving.close();
});

Deno.test("Serving.step() refuses clocks that are none of the layers'", async () => {
  const model = backbone(["s5", "s5"]);
  const serving = openServing(cpu, model, parametersOf(model), { capacity: 2 });
  const given = { slots: serving.open(2), inputs: [1, 2, 3, 4, 5, 6] };
  const refused = (times: Partial<Parameters<Serving["step"]>[0]>, message: RegExp) =>
    assert.rejects(() => serving.step({ ...given, ...times }), message);
  await refused({ clocks: [[1, 1]] }, /clocks\.length is "1", expected 2/);
  await refused({ clocks: [[1, 1], [1]] }, /clocks\[1\]\.length is "1", expected 2/);
  await refused({ clocks: [[1, 1], [1, NaN]] }, /clocks\[1\]\[1\] is "NaN"/);
  await refused({ clocks: [[1, 1], [1, 1]], elapsed: [1, 1] }, /clocks is "given", expected none/);
  serving.close();
});

gpuTest("Serving.step() refuses more steps in flight than SERVING_STEPS_MAX", async (gpu) => {
  const serving = openServing(gpu, FUSED, parametersOf(FUSED), { capacity: 1 });
  const samples = { slots: serving.open(1), inputs: [1, 2, 3] };
  const steps = Array.from({ length: SERVING_STEPS_MAX }, () => serving.step(samples));
  await assert.rejects(() => serving.step(samples), OverloadError);
  await Promise.all(steps);
  await serving.step(samples);
  serving.close();
});

gpuTest("Serving.step() fails with the device, and a state that was read goes on", async () => {
  const opened = await openWebGpu();
  assert.ok("device" in opened);
  const { device } = opened;
  try {
    const tensors = parametersOf(FUSED);
    const lost = openServing(device, FUSED, tensors, { capacity: 1 });
    const samples = { slots: lost.open(1), inputs: [1, -2, 3] };
    await lost.step(samples);
    const state = await lost.read(0);
    const second = await lost.step(samples);
    device.simulateLoss();
    await assert.rejects(() => lost.step(samples), DeviceLostError);
    await device.opened();
    await assert.rejects(() => lost.step(samples), DeviceLostError);
    lost.close();
    const serving = openServing(device, FUSED, tensors, { capacity: 1 });
    serving.open(1);
    serving.write(0, state);
    assert.deepEqual(await serving.step(samples), second);
    serving.close();
  } finally {
    await device.close();
  }
});
