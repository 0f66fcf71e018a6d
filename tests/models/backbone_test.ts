import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { LAYERS, type LayerState } from "../../src/layers/mod.ts";
import { type Backbone, backboneOf, type BackboneOptions } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import type { OpRun } from "../../src/ops/run.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu({ poison: true });
const BATCH = 2;
const LENGTH = 21;

/** Another order of the same f64 sums through several layers of values near 1. */
const F64_CLOSE = 1e-11;
/** f32 through several layers: those of the layers' own law, added up. */
const F32_CLOSE = 1e-4;

/** Small overrides, so that a test takes milliseconds. */
const SMALL: Readonly<Record<string, Record<string, unknown>>> = {
  attention: { window: 30 },
  mamba2: { state: 4, chunk: 8 },
};

const layerOf = (name: string) => {
  const state = ["attention", "mamba2"].includes(name) ? {} : { state: 4 };
  const given = { ...state, ...SMALL[name] };
  const known = LAYERS.find((layer) => layer.name === name)!.examples[0];
  const config = Object.entries(given).filter(([key]) => key in known);
  return { name, config: Object.fromEntries(config) };
};

function backbone(layers: readonly string[], change: Record<string, unknown> = {}): Backbone {
  return backboneOf(parseBackbone({
    input: { kind: "signal", feature: 3 },
    width: 8,
    layers: layers.map(layerOf),
    output: { size: 2 },
    ...change,
  }));
}

/** Every member alone, and hybrids with what may stand between them. */
const BACKBONES: readonly [string, Backbone][] = [
  ...LAYERS.map(({ name }): [string, Backbone] => [name, backbone([name])]),
  ["a hybrid with MLPs", backbone(["mamba2", "mamba", "attention", "s4d"], { mlp: 5 })],
  ["a layer without norms", backbone(["s4d"], { norm: "none" })],
  [
    "a hybrid of tokens, with layer norms",
    backbone(["s5", "h3"], {
      input: { kind: "tokens", vocabulary: 7 },
      norm: "layer",
    }),
  ],
];

function inputOf({ config: { input } }: Backbone, length = LENGTH): Tensor {
  const random = seedRandom(5);
  if (input.kind === "tokens") {
    const draw = () => Math.floor(nextUniform(random) * input.vocabulary);
    return tensorOf([BATCH, length], Float64Array.from({ length: BATCH * length }, draw));
  }
  const size = BATCH * length * input.feature;
  const draw = () => Math.fround(nextNormal(random));
  return tensorOf([BATCH, length, input.feature], Float64Array.from({ length: size }, draw));
}

/** Samples `from` to `to`. */
function part(tensor: Tensor, from: number, to: number): Tensor {
  const [batch = 0, length = 0, ...rest] = tensor.shape;
  const width = rest.reduce((a, b) => a * b, 1);
  const rows = Array.from({ length: batch }, (_, b) => [
    ...tensor.data.subarray((b * length + from) * width, (b * length + to) * width),
  ]);
  return tensorOf([batch, to - from, ...rest], Float64Array.from(rows.flat()));
}

/** Parameters whose norms, biases and skips are not what they begin with: none is 0 or 1. */
function parametersOf(model: Backbone): Record<string, Tensor> {
  const random = seedRandom(8);
  return Object.fromEntries(
    Object.entries(model.init(seedRandom(7))).map(([name, tensor]) => {
      const move = (value: number) => Math.fround(value + 0.05 * nextNormal(random));
      return [name, tensorOf(tensor.shape, Float64Array.from(tensor.data, move))];
    }),
  );
}

async function runForward(
  device: Device,
  model: Backbone,
  tensors: Record<string, Tensor>,
  input: Tensor,
  options: BackboneOptions = {},
): Promise<{ y: Tensor; state: LayerState }> {
  const result = model.forward(device, tensors, input, options);
  const y = await device.read(result.y);
  device.free(result.y);
  const state: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(result.state)) {
    state[name] = await device.read(tensor);
    device.free(tensor);
  }
  return { y, state };
}

function assertClose(actual: Tensor, expected: Tensor, allowed: number, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, what);
  const scale = Math.max(1e-300, ...Array.from(expected.data, Math.abs));
  expected.data.forEach((value, i) => {
    const error = Math.abs(actual.data[i]! - value) / scale;
    assert.ok(error <= allowed, `${what}[${i}]: ${actual.data[i]}, not ${value}`);
  });
}

function assertStatesClose(actual: LayerState, expected: LayerState, allowed: number): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const name of Object.keys(expected)) {
    assertClose(actual[name]!, expected[name]!, allowed, name);
  }
}

for (const [name, model] of BACKBONES) {
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const size = model.config.output.size;

  Deno.test(`a backbone of ${name}: forward is repeated step`, async () => {
    const { y, state } = await runForward(cpu, model, tensors, input);
    const stepped = model.initialState(BATCH);
    for (let k = 0; k < LENGTH; k++) {
      const out = model.step(tensors, part(input, k, k + 1).data, stepped);
      const sample = tensorOf([BATCH, 1, size], Float64Array.from(out));
      assertClose(sample, part(y, k, k + 1), F64_CLOSE, `sample ${k}`);
    }
    assertStatesClose(stepped, state, F64_CLOSE);
    const bytes = Object.values(stepped).reduce((sum, { data }) => sum + data.byteLength, 0);
    assert.equal(model.stateBytes(BATCH), bytes);
    assert.equal(model.stateBytes(BATCH, "f32"), bytes / 2);
  });

  Deno.test(`a backbone of ${name}: forward goes on from a carried state`, async () => {
    const whole = await runForward(cpu, model, tensors, input);
    const first = await runForward(cpu, model, tensors, part(input, 0, 8));
    const second = await runForward(cpu, model, tensors, part(input, 8, LENGTH), {
      state: first.state,
    });
    assertClose(second.y, part(whole.y, 8, LENGTH), F64_CLOSE, "y");
    assertStatesClose(second.state, whole.state, F64_CLOSE);
  });

  gpuTest(`a backbone of ${name}: the GPU is the CPU within ${F32_CLOSE}`, async (gpu) => {
    const expected = await runForward(cpu, model, tensors, input);
    // The first run makes constant tables that the device keeps.
    await runForward(gpu, model, tensors, asDtype(input, "f32"));
    const used = gpu.memory.used;
    const actual = await runForward(gpu, model, tensors, asDtype(input, "f32"));
    assertClose(actual.y, expected.y, F32_CLOSE, "y");
    assertStatesClose(actual.state, expected.state, F32_CLOSE);
    assert.equal(gpu.memory.used, used);
  });
}

Deno.test("irregular samples reach every layer in both forms", async () => {
  const model = backbone(["mamba", "s4d"]);
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const scales = Float64Array.from({ length: LENGTH }, (_, k) => 0.2 + (k % 4));
  const dtScale = tensorOf([BATCH, LENGTH], Float64Array.from([...scales, ...scales]));
  const { y } = await runForward(cpu, model, tensors, input, { dtScale });
  const state = model.initialState(BATCH);
  scales.forEach((scale, k) => {
    const out = model.step(tensors, part(input, k, k + 1).data, state, scale);
    assertClose(tensorOf([BATCH, 1, 2], Float64Array.from(out)), part(y, k, k + 1), F64_CLOSE, "y");
  });
});

Deno.test("layers may have clocks of their own in both forms", async () => {
  const model = backbone(["s5", "mamba"]);
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const scales = [0.2, 3].map((step) =>
    Float64Array.from({ length: LENGTH }, (_, k) => step * (1 + k % 3))
  );
  const dtScale = scales.map((each) =>
    tensorOf([BATCH, LENGTH], Float64Array.from([...each, ...each]))
  );
  const { y } = await runForward(cpu, model, tensors, input, { dtScale });
  const state = model.initialState(BATCH);
  for (let k = 0; k < LENGTH; k++) {
    const own = scales.map((each) => each[k]!);
    const out = model.step(tensors, part(input, k, k + 1).data, state, own);
    assertClose(tensorOf([BATCH, 1, 2], Float64Array.from(out)), part(y, k, k + 1), F64_CLOSE, "y");
  }
  const [first] = dtScale;
  await assert.rejects(() => runForward(cpu, model, tensors, input, { dtScale: [first!] }), {
    field: "dtScale.length",
  });
});

Deno.test("picked samples have the outputs that they have among all", async () => {
  const model = backbone(["s5", "mamba"]);
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const all = await runForward(cpu, model, tensors, input);
  const places = [3, 3, LENGTH - 1, 0, 7, 1];
  const picks = tensorOf([BATCH, 3], Float64Array.from(places));
  const { y, state } = await runForward(cpu, model, tensors, input, { picks });
  assert.deepEqual(y.shape, [BATCH, 3, 2]);
  places.forEach((k, i) => {
    const row = Math.floor(i / 3) * LENGTH + k;
    const expected = all.y.data.slice(2 * row, 2 * row + 2);
    const actual = tensorOf([2], y.data.slice(2 * i, 2 * i + 2));
    assertClose(actual, tensorOf([2], expected), F64_CLOSE, "y");
  });
  assertStatesClose(state, all.state, F64_CLOSE);
  const pooled = backbone(["s5"], { output: { size: 2, pool: "last" } });
  await assert.rejects(() => runForward(cpu, pooled, parametersOf(pooled), input, { picks }), {
    field: "output.pool",
  });
});

Deno.test("a pooled output is that of the mean or of the last sample", async () => {
  const last = backbone(["mamba"], { output: { size: 2, pool: "last" } });
  const mean = backbone(["mamba"], { output: { size: 2, pool: "mean" } });
  const every = backbone(["mamba"]);
  const tensors = parametersOf(last);
  const input = inputOf(last);
  const { y } = await runForward(cpu, every, tensors, input);
  const pooled = await runForward(cpu, last, tensors, input);
  assert.deepEqual(pooled.y.shape, [BATCH, 2]);
  assert.deepEqual(pooled.y.data, part(y, LENGTH - 1, LENGTH).data);
  // The output layer is linear, so that the mean of its outputs is its output of the mean.
  const means = [0, 1].flatMap((b) =>
    [0, 1].map((i) => {
      const rows = Array.from({ length: LENGTH }, (_, k) => y.data[(b * LENGTH + k) * 2 + i]!);
      return rows.reduce((sum, value) => sum + value, 0) / LENGTH;
    })
  );
  const { y: averaged } = await runForward(cpu, mean, tensors, input);
  assertClose(averaged, tensorOf([BATCH, 2], Float64Array.from(means)), F64_CLOSE, "mean");
});

Deno.test("a step refuses what has no recurrent form", () => {
  const mean = backbone(["mamba"], { output: { size: 2, pool: "mean" } });
  const sample = new Float64Array(BATCH * 3);
  const step = (model: Backbone) => () =>
    model.step(model.init(seedRandom(1)), sample, model.initialState(BATCH));
  assert.throws(step(mean), { name: "InvalidValueError", field: "output.pool" });
  const both = backbone([], { layers: [{ name: "s5", config: { bidirectional: true } }] });
  assert.throws(step(both), { field: "layers[0].config.bidirectional" });
});

Deno.test("forward refuses an input of another width and missing parameters", () => {
  const model = backbone(["mamba"]);
  const tensors = model.init(seedRandom(1));
  const wide = tensorOf([1, 2, 4], new Float64Array(8));
  assert.throws(() => model.forward(cpu, tensors, wide), /Axis "input.feature" has size 4/);
  const { "output.bias": _, ...rest } = tensors;
  assert.throws(() => model.forward(cpu, rest, inputOf(model)), { field: "output.bias" });
});

Deno.test("dropout follows its seed, differs between branches and is off without one", async () => {
  const model = backbone(["mamba", "mamba"], { dropout: 0.5 });
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const run = async (dropoutSeed?: number) =>
    (await runForward(cpu, model, tensors, input, { dropoutSeed })).y.data;
  assert.deepEqual(await run(3), await run(3));
  assert.notDeepEqual(await run(3), await run(4));
  const plain = backbone(["mamba", "mamba"]);
  assert.deepEqual(await run(), (await runForward(cpu, plain, tensors, input)).y.data);
  const steps: number[] = [];
  const device = {
    ...cpu,
    record: ({ op, params }: OpRun) => {
      if (op.name === "dropout") steps.push((params as { step: number }).step);
    },
  };
  await runForward(device, model, tensors, input, { dropoutSeed: 3 });
  assert.deepEqual(steps, [0, 1]);
});

/**
 * Step of the fourth-order differences. They are off by the rule's own error, a part of the
 * gradient's size, and by the rounding of the loss's terms divided by the step (2e-16/3e-5).
 */
const DIFFERENCE_STEP = 3e-5;
const DIFFERENCE_CLOSE = 1e-7;
const ROUNDING_CLOSE = 1e-10;

const sumOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Along a random direction of each parameter: the tape's gradient is the central difference. */
function assertGradients(model: Backbone, options: BackboneOptions): void {
  const input = inputOf(model);
  const tensors = parametersOf(model);
  const random = seedRandom(11);
  const weights = Float64Array.from({ length: BATCH * LENGTH * 2 }, () => nextNormal(random));
  const lossOf = (changed: Record<string, Tensor>) => {
    const data = cpu.dataOf(model.forward(cpu, changed, input, options).y);
    const terms = Array.from(data, (value, i) => value * weights[i]!);
    return [sumOf(terms), sumOf(terms.map(Math.abs))] as const;
  };
  const tape = openTape(cpu);
  const watched = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tape.watch(cpu.upload(tensor))]),
  );
  const { y } = model.forward(tape.device, watched, input, options);
  tape.backward([[y, tensorOf(y.shape, weights)]]);
  for (const [name, tensor] of Object.entries(tensors)) {
    const gradient = tape.gradient(watched[name]!);
    assert.ok(gradient, `no gradient of ${name}`);
    const direction = Float64Array.from(tensor.data, () => nextNormal(random));
    const along = (step: number) => {
      const data = Float64Array.from(tensor.data, (value, i) => value + step * direction[i]!);
      return lossOf({ ...tensors, [name]: tensorOf(tensor.shape, data) })[0];
    };
    const h = DIFFERENCE_STEP;
    const measured = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h);
    const products = Array.from(cpu.dataOf(gradient), (value, i) => value * direction[i]!);
    const allowed = DIFFERENCE_CLOSE * sumOf(products.map(Math.abs)) +
      ROUNDING_CLOSE * lossOf(tensors)[1];
    const error = Math.abs(measured - sumOf(products));
    assert.ok(error <= allowed, `${name}: ${measured}, not ${sumOf(products)}`);
  }
}

for (const [name, model] of BACKBONES) {
  Deno.test(`a backbone of ${name}: gradients reach every parameter`, () => {
    assertGradients(model, {});
    const scales = Float64Array.from({ length: BATCH * LENGTH }, (_, i) => 0.2 + (i % 4));
    assertGradients(model, { dtScale: tensorOf([BATCH, LENGTH], scales) });
  });
}

Deno.test("gradients pass through dropout", () => {
  const model = backbone(["mamba", "s4d"], { mlp: 5, dropout: 0.25 });
  assertGradients(model, { dropoutSeed: 9 });
});

Deno.test("a backbone without norms keeps amplitudes: linear layers give a linear model", async () => {
  const config = { state: 4, activation: "identity", mix: false };
  const model = backbone([], { norm: "none", layers: [{ name: "s4d", config }] });
  const tensors = parametersOf(model);
  const input = inputOf(model);
  const outputs = await Promise.all([0, 1, 2].map(async (gain) => {
    const { shape, data } = input;
    const scaled = tensorOf(shape, Float64Array.from(data, (value) => gain * value));
    return (await runForward(cpu, model, tensors, scaled)).y.data;
  }));
  outputs[2]!.forEach((value, i) => {
    const [none, once] = [outputs[0]![i]!, outputs[1]![i]!];
    assert.ok(Math.abs(value - none - 2 * (once - none)) < F64_CLOSE);
  });
});

Deno.test("a backbone of one feature tells its sizes apart from the first step on", async () => {
  const model = backbone(["mamba"], { input: { kind: "signal", feature: 1 } });
  const tensors = model.init(seedRandom(7));
  const at = async (value: number) => {
    const input = tensorOf([1, 1, 1], Float64Array.of(value));
    return (await runForward(cpu, model, tensors, input)).y.data[0]!;
  };
  // With a bias of 0 the norm would leave its sign alone.
  assert.ok(Math.abs(await at(2) - await at(1)) > 1e-3);
});

Deno.test("step() of two configurations on the same tensors is each one's own", () => {
  const of = (discretization: string) =>
    backbone([], { layers: [{ name: "s4d", config: { state: 4, discretization } }] });
  const [zoh, bilinear] = [of("zoh"), of("bilinear")];
  const tensors = zoh.init(seedRandom(1));
  const sample = Float64Array.of(1, -1, 0.5);
  const out = (model: Backbone, weights: typeof tensors) =>
    model.step(weights, sample, model.initialState(1));
  const expected = out(bilinear, { ...tensors });
  assert.notDeepEqual(out(zoh, tensors), expected);
  assert.deepEqual(out(bilinear, tensors), expected);
});
