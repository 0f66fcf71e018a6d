import assert from "node:assert/strict";
import { InvalidValueError, LimitError, OverloadError, ShapeError } from "../../src/base/errors.ts";
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu, openScope } from "../../src/device/mod.ts";
import { LAYERS, type LayerState } from "../../src/layers/mod.ts";
import { type Backbone, backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import {
  openServing,
  type Serving,
  SERVING_CAPACITY_MAX,
  SERVING_STEPS_MAX,
} from "../../src/models/serving.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

const cpu = openCpu({ poison: true, simd: false });

/** f32 through several layers and a dozen steps: those of the layers' own law, added up. */
const F32_CLOSE = 1e-4;
const ROUNDS = 9;
const STREAMS = 5;

const SMALL: Readonly<Record<string, Record<string, unknown>>> = {
  attention: { window: 30 },
  mamba2: { chunk: 8 },
};

function layerOf(name: string) {
  const known = LAYERS.find((layer) => layer.name === name)!.examples[0];
  const given = { ...(["attention"].includes(name) ? {} : { state: 4 }), ...SMALL[name] };
  return {
    name,
    config: Object.fromEntries(Object.entries(given).filter(([key]) => key in known)),
  };
}

function backbone(
  layers: readonly (string | { name: string; config: Record<string, unknown> })[],
  change: Record<string, unknown> = {},
): Backbone {
  return backboneOf(parseBackbone({
    input: { kind: "signal", feature: 3 },
    width: 8,
    layers: layers.map((layer) => typeof layer === "string" ? layerOf(layer) : layer),
    output: { size: 2 },
    ...change,
  }));
}

function parametersOf(model: Backbone): Record<string, Tensor> {
  const random = seedRandom(8);
  return Object.fromEntries(
    Object.entries(model.init(seedRandom(7))).map(([name, tensor]) => {
      const move = (value: number) => Math.fround(value + 0.05 * nextNormal(random));
      return [name, tensorOf(tensor.shape, Float64Array.from(tensor.data, move))];
    }),
  );
}

/** Numbers of one stream's sample, or its token. */
function drawInput(model: Backbone, random: RandomState): number[] {
  const { input } = model.config;
  if (input.kind === "tokens") return [Math.floor(nextUniform(random) * input.vocabulary)];
  return Array.from({ length: input.feature }, () => Math.fround(nextNormal(random)));
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  const scale = Math.max(1e-3, ...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / scale;
    assert.ok(error <= F32_CLOSE, `${what}[${i}] is ${actual[i]}, not ${expected[i]}`);
  }
}

function assertStates(actual: LayerState, expected: LayerState, what: string): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), what);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    assert.deepEqual(actual[name]!.shape, shape, `${what}: ${name}`);
    assertClose(actual[name]!.data, data, `${what}: ${name}`);
  }
}

/** A stream as `Backbone.step` advances it, in f64. */
interface Follower {
  readonly slot: number;
  readonly state: LayerState;
}

/**
 * Serves batches of changing streams, in changing order and at changing times, beside one step at a
 * time in f64; at the end compares every state, and goes on in another stream from one of them.
 */
async function serveBeside(device: Device, model: Backbone, isTimed = true): Promise<void> {
  const tensors = parametersOf(model);
  const serving = openServing(device, model, tensors, { capacity: STREAMS + 2 });
  try {
    const random = seedRandom(3);
    const followers: Follower[] = [...serving.open(STREAMS)].map((slot) => ({
      slot,
      state: model.initialState(1),
    }));
    for (let round = 0; round < ROUNDS; round++) {
      const batch = followers.filter((_, i) => (i + round) % 3 > 0);
      if (round % 2 === 1) batch.reverse();
      await stepBeside(serving, model, tensors, batch, random, isTimed && round > 2);
    }
    for (const { slot, state } of followers) {
      assertStates(await serving.read(slot), state, `stream ${slot}`);
    }
    await moveBeside(serving, model, tensors, followers[1]!, random);
  } finally {
    serving.close();
  }
}

async function stepBeside(
  serving: Serving,
  model: Backbone,
  tensors: Record<string, Tensor>,
  batch: readonly Follower[],
  random: RandomState,
  isTimed: boolean,
): Promise<void> {
  const inputs = batch.map(() => drawInput(model, random));
  const elapsed = isTimed ? batch.map(() => Math.fround(2 * nextUniform(random))) : undefined;
  const samples = { slots: batch.map(({ slot }) => slot), inputs: inputs.flat(), elapsed };
  const y = await serving.step(samples);
  const { size } = model.config.output;
  batch.forEach(({ state, slot }, i) => {
    const expected = model.step(tensors, Float64Array.from(inputs[i]!), state, elapsed?.[i] ?? 1);
    assertClose(y.subarray(i * size, (i + 1) * size), expected, `output of stream ${slot}`);
  });
}

/** Puts a stream's state into another slot, which then goes on as the first would. */
async function moveBeside(
  serving: Serving,
  model: Backbone,
  tensors: Record<string, Tensor>,
  from: Follower,
  random: RandomState,
): Promise<void> {
  const [slot] = serving.open(1);
  serving.write(slot!, await serving.read(from.slot));
  const moved = { slot: slot!, state: structuredClone(from.state) };
  for (let i = 0; i < 4; i++) {
    await stepBeside(serving, model, tensors, [moved], random, false);
  }
  assertStates(await serving.read(slot!), moved.state, "the moved stream");
}

const FUSED = backbone(["mamba", "mamba"]);
const MAMBA_NARROW = { name: "mamba", config: { state: 8, width: 2, dtRank: 5, bias: true } };
const HYBRID = backbone(["mamba2", "mamba", "attention", "s4d"], { mlp: 5 });
const TOKENS = backbone(["s5", "h3"], { input: { kind: "tokens", vocabulary: 7 }, norm: "layer" });

Deno.test("openServing() takes fused steps for Mamba blocks only", () => {
  const obstacleOf = (model: Backbone) => {
    const serving = openServing(cpu, model, parametersOf(model), { capacity: 1 });
    serving.close();
    return serving.obstacle;
  };
  assert.equal(obstacleOf(FUSED), undefined);
  assert.equal(obstacleOf(HYBRID), "a layer is not mamba");
  assert.equal(obstacleOf(TOKENS), "a layer is not mamba");
  assert.match(obstacleOf(backbone(["mamba"], { mlp: 4 }))!, /MLP/);
  assert.match(obstacleOf(backbone(["mamba"], { norm: "layer" }))!, /norm/);
  assert.match(obstacleOf(backbone(["mamba"], { width: 6 }))!, /multiple of 4/);
  assert.match(obstacleOf(backbone(["mamba", MAMBA_NARROW]))!, /convolutions differ/);
});

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

for (const { name } of LAYERS) {
  Deno.test(`Serving.step() is Backbone.step() on the CPU, op by op: ${name}`, () =>
    serveBeside(cpu, backbone([name])));
}

gpuTest("Serving.step() op by op is the fused one on the GPU", async (gpu) => {
  const tensors = parametersOf(FUSED);
  const [fused, chain] = (["auto", "chain"] as const).map((plan) =>
    openServing(gpu, FUSED, tensors, { capacity: 3, plan })
  );
  const random = seedRandom(1);
  for (let i = 0; i < 6; i++) {
    const samples = { inputs: [drawInput(FUSED, random), drawInput(FUSED, random)].flat() };
    const [a, b] = await Promise.all([fused, chain].map((serving) => {
      if (i === 0) serving!.open(3);
      return serving!.step({ slots: [2, 0], ...samples });
    }));
    assertClose(a!, b!, `outputs of step ${i}`);
  }
  for (const serving of [fused, chain]) serving!.close();
});

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
  assert.deepEqual(await serving.read(slots[0]!), before);
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

Deno.test("Serving.write() refuses a state of other names or shapes", () => {
  const serving = openServing(cpu, FUSED, parametersOf(FUSED), { capacity: 1 });
  const [slot] = serving.open(1);
  const state = FUSED.initialState(1);
  const { ["layers.0.ssm"]: _, ...incomplete } = state;
  assert.throws(() => serving.write(slot!, incomplete), ShapeError);
  const batched = FUSED.initialState(2);
  assert.throws(() => serving.write(slot!, batched), ShapeError);
  assert.throws(() => serving.write(slot! + 1, state), InvalidValueError);
  serving.close();
});
