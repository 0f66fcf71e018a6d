import assert from "node:assert/strict";
import { openTape, type Precision } from "../../src/autodiff/tape.ts";
import { HALF_VALUES, mayBeHalf } from "../../src/autodiff/half.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { LAYERS } from "../../src/layers/mod.ts";
import { type Backbone, backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { OPS } from "../../src/ops/mod.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu({ poison: true });

Deno.test("HALF_VALUES names what backwards need, and no parameter", () => {
  for (const [name, values] of Object.entries(HALF_VALUES)) {
    const op = OPS.find((candidate) => candidate.name === name);
    assert.ok(op?.backward, name);
    for (const value of values) assert.ok(op.backward.needs.includes(value), `${name}.${value}`);
  }
  // What is made of parameters alone is read by backwards under these names.
  const parameters = ["A", "D", "lambda", "weight", "bias", "kernel", "logDt", "table", "ids"];
  assert.ok(!Object.values(HALF_VALUES).flat().some((name) => parameters.includes(name)));
  assert.ok(mayBeHalf("matmul", "a"));
  assert.ok(!mayBeHalf("matmul", "b"));
  assert.ok(!mayBeHalf("cross_entropy", "logits"));
  assert.ok(!mayBeHalf("selective_scan", "A"));
});

function backbone(layers: readonly unknown[]): Backbone {
  return backboneOf(parseBackbone({
    input: { kind: "signal", feature: 2 },
    width: 16,
    layers,
    mlp: 32,
    output: { size: 2 },
  }));
}

const hybrid = backbone(
  ["mamba", "mamba2", "s4d"].map((name) => ({ name, config: { state: 8 } })),
);
const SHAPE = [4, 96, 2];

function drawn(seed: number): Tensor {
  const random = seedRandom(seed);
  return tensorOf(SHAPE, Float32Array.from({ length: 768 }, () => nextNormal(random)));
}

/** Gradients of a forward in a precision, and what was told before the way back. */
async function gradientsIn(
  precision: Precision,
  device: Device,
  model: Backbone,
  beforeBackward: () => void = () => {},
  isRecomputed = false,
): Promise<Map<string, Tensor>> {
  const tape = openTape(device, precision);
  const watched = Object.entries(model.init(seedRandom(1))).map(([name, tensor]) =>
    [name, tape.watch(device.upload(asDtype(tensor, "f32")))] as const
  );
  const { y, state } = model.forward(tape.device, Object.fromEntries(watched), drawn(2), {
    recompute: isRecomputed ? tape.checkpoint : undefined,
  });
  for (const tensor of Object.values(state)) tape.device.free(tensor);
  beforeBackward();
  tape.backward([[y, drawn(3)]]);
  const gradients = new Map<string, Tensor>();
  for (const [name, tensor] of watched) {
    const { data, ...rest } = await device.read(tape.gradient(tensor)!);
    gradients.set(name, { ...rest, data: data.slice() });
  }
  tape.device.free(y);
  tape.release();
  for (const [, tensor] of watched) device.free(tensor);
  return gradients;
}

/**
 * Each factor is off by at most 4.9e-4, in any direction; errors of a few dozen of them add up along
 * the way through nine branches. A parameter's own gradient may be a sum that cancels, so that the
 * errors are measured against the whole gradient.
 */
const HALF_CLOSE = 1e-3;

/** Euclidean distance of all gradients together, relative to their length. */
function apart(actual: Map<string, Tensor>, exact: Map<string, Tensor>): number {
  let error = 0;
  let size = 0;
  for (const [name, { data }] of exact) {
    data.forEach((value, i) => {
      error += (actual.get(name)!.data[i]! - value) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(error / size);
}

const MODELS: readonly [string, Backbone][] = [
  ["a hybrid", hybrid],
  ...LAYERS.map(({ name }): [string, Backbone] => [name, backbone([name])]),
];

for (const [name, model] of MODELS) {
  Deno.test(`gradients of ${name} in mixed precision are those in f32 but for rounding`, async () => {
    const exact = await gradientsIn("f32", cpu, model);
    const distance = apart(await gradientsIn("mixed", cpu, model), exact);
    assert.ok(distance < HALF_CLOSE, `off by ${distance}`);
    assert.ok(distance > 1e-6, "nothing was rounded");
  });
}

Deno.test("mixed precision holds where branches are recomputed, too", async () => {
  const exact = await gradientsIn("f32", cpu, hybrid);
  const distance = apart(await gradientsIn("mixed", cpu, hybrid, () => {}, true), exact);
  assert.ok(distance < HALF_CLOSE, `off by ${distance}`);
});

gpuTest("mixed precision on the GPU is that of the CPU, in less memory", async (gpu) => {
  const before = gpu.memory.used;
  const used: Record<string, number> = {};
  for (const precision of ["f32", "mixed"] as const) {
    const note = () => used[precision] = gpu.memory.used - before;
    // The first run makes constant tables that the device keeps.
    await gradientsIn(precision, gpu, hybrid);
    const actual = await gradientsIn(precision, gpu, hybrid, note);
    // Numbers near the middle of two may be rounded to the other one.
    const distance = apart(actual, await gradientsIn(precision, cpu, hybrid));
    assert.ok(distance < (precision === "f32" ? 1e-5 : HALF_CLOSE), `off by ${distance}`);
  }
  const share = used["mixed"]! / used["f32"]!;
  // What is made from parameters alone, and small tensors, stay whole.
  assert.ok(share < 0.6, `mixed precision takes ${share} of the memory: ${JSON.stringify(used)}`);
});
