import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { openCpu, openScope } from "../../src/device/mod.ts";
import { seedRandom } from "../../src/base/random.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { backboneObjective } from "../../src/training/objective.ts";
import { emaDecayAt, type Metrics, openTraining } from "../../src/training/training.ts";
import type { TrainingState } from "../../src/training/training.ts";
import { gpuTest } from "../_gpu.ts";
import { initial, minibatch, OPTIONS } from "./_task.ts";

const cpu = openCpu({ poison: true });

/** Trains to a step and reads the metrics at every fifth. */
async function trainTo(
  device: Device,
  step: number,
  saved?: TrainingState,
  change: Partial<typeof OPTIONS> = {},
) {
  const training = openTraining(device, initial(), { ...OPTIONS, ...change }, saved);
  const metrics: Metrics[] = [];
  while (training.step < step) {
    training.iterate();
    if (training.step % 5 === 0) metrics.push(await training.readMetrics());
  }
  const state = await training.save();
  training.release();
  return { state, metrics };
}

const bits = ({ tensors }: TrainingState) =>
  Object.entries(tensors).map(([name, { data }]) => [
    name,
    sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]).sort(([a], [b]) => a! < b! ? -1 : 1);

Deno.test("iterate() lowers the loss", async () => {
  const { metrics } = await trainTo(cpu, 40);
  const [first, last] = [metrics[0]!.loss, metrics.at(-1)!.loss];
  assert.ok(last < 0.5 * first, `${first} to ${last}`);
  assert.ok(metrics.every(({ gradientNorm }) => gradientNorm! > 0));
  // 5 steps of 2 minibatches of 4 × 12 samples; the metric is the loss over its own count.
  assert.ok(metrics.every(({ samples }) => samples === 480));
  const { perElement } = metrics[0]!.values;
  assert.ok(Math.abs(perElement! - first / 48) < 1e-7 * first);
});

/** The same state as a file gives it: in another order. */
const reordered = (state: TrainingState): TrainingState => ({
  ...state,
  tensors: Object.fromEntries(Object.entries(state.tensors).reverse()),
});

/** Where the second part begins: within and at the end of what one reading of metrics covers. */
for (const cut of [7, 10]) {
  Deno.test(`20 steps are ${cut} steps, saved, and the rest, in every bit`, async () => {
    const whole = await trainTo(cpu, 20);
    const first = await trainTo(cpu, cut);
    const second = await trainTo(cpu, 20, reordered(first.state));
    assert.deepEqual(bits(second.state), bits(whole.state));
    assert.deepEqual([...first.metrics, ...second.metrics], whole.metrics);
  });
}

gpuTest("a resumed training goes on in every bit on this GPU, too", async (gpu) => {
  const used = gpu.memory.used;
  const whole = await trainTo(gpu, 6);
  const first = await trainTo(gpu, 3);
  const second = await trainTo(gpu, 6, reordered(first.state));
  assert.deepEqual(bits(second.state), bits(whole.state));
  assert.deepEqual([...first.metrics, ...second.metrics], whole.metrics);
  assert.equal(gpu.memory.used, used);
});

gpuTest("training on the GPU is training on the CPU", async (gpu) => {
  const expected = await trainTo(cpu, 5);
  const actual = await trainTo(gpu, 5);
  const [cpuLoss, gpuLoss] = [expected.metrics[0]!.loss, actual.metrics[0]!.loss];
  // f32 sums in another order, through five steps of a rate of 0.02.
  assert.ok(Math.abs(gpuLoss - cpuLoss) < 1e-4 * cpuLoss, `${gpuLoss}, not ${cpuLoss}`);
});

gpuTest("an iteration reads nothing to the host", async (gpu) => {
  let reads = 0;
  const counting: Device = {
    ...openScope(gpu),
    read: (tensor: DeviceTensor): Promise<Tensor> => {
      reads++;
      return gpu.read(tensor);
    },
  };
  const training = openTraining(counting, initial(), OPTIONS);
  for (let i = 0; i < 4; i++) training.iterate();
  assert.equal(reads, 0);
  const metrics = await training.readMetrics();
  assert.ok(Number.isFinite(metrics.loss));
  // The loss, the metric's sum and total, and the gradient's norm: one number each.
  assert.equal(reads, 4);
  training.release();
});

Deno.test("gradients of accumulated minibatches are those of their mean", () => {
  const both = openTraining(cpu, initial("f64"), {
    ...OPTIONS,
    accumulate: 2,
    objective: plainObjective,
    minibatch: (index) => minibatch(index, "f64"),
  });
  const joined = openTraining(cpu, initial("f64"), {
    ...OPTIONS,
    accumulate: 1,
    objective: plainObjective,
    minibatch: () => join(minibatch(0, "f64"), minibatch(1, "f64")),
  });
  for (const training of [both, joined]) training.iterate();
  for (const [name, tensor] of Object.entries(both.weights())) {
    const expected = cpu.dataOf(joined.weights()[name]!);
    // Sums of a few dozen f64 products in another order, divided by a root of their own size.
    cpu.dataOf(tensor).forEach((value, i) =>
      assert.ok(Math.abs(value - expected[i]!) < 1e-9, name)
    );
  }
});

/** The objective without what differs from row to row: dropout. */
const plainObjective: typeof OPTIONS.objective = (device, parameters, example) =>
  OPTIONS.objective(device, parameters, example, {});

function join(a: ReturnType<typeof minibatch>, b: ReturnType<typeof minibatch>) {
  const rows = (x: Tensor, y: Tensor): Tensor => ({
    ...x,
    shape: [x.shape[0]! + y.shape[0]!, ...x.shape.slice(1)],
    data: Float64Array.from([...x.data, ...y.data]),
  });
  return { input: rows(a.input, b.input), target: rows(a.target, b.target) };
}

Deno.test("the moving average follows the parameters, and evaluations use it", async () => {
  const training = openTraining(cpu, initial("f64"), {
    ...OPTIONS,
    minibatch: (index) => minibatch(index, "f64"),
  });
  const name = "output.bias";
  let average = initial("f64")[name]!.data[0]!;
  for (let step = 1; step <= 3; step++) {
    training.iterate();
    const value = cpu.dataOf(training.weights()[name]!)[0]!;
    const decay = emaDecayAt(0.9, step);
    average = decay * average + (1 - decay) * value;
    const kept = cpu.dataOf(training.weights("ema")[name]!)[0]!;
    assert.ok(Math.abs(kept - average) < 1e-12);
  }
  const examples = [minibatch(90, "f64"), minibatch(91, "f64")];
  const { loss } = await training.evaluate(examples);
  const mean = (weights: Record<string, DeviceTensor>) => {
    const losses = examples.map((example) => {
      const { loss } = OPTIONS.objective(cpu, weights, example, {});
      return cpu.dataOf(loss)[0]!;
    });
    return (losses[0]! + losses[1]!) / 2;
  };
  assert.equal(loss, mean(training.weights("ema")));
  assert.notEqual(loss, mean(training.weights()));
});

Deno.test("branches that are run again give the same bits", async () => {
  // With one minibatch a step; else gradients of a branch add up in another order.
  const plain = await trainTo(cpu, 6, undefined, { accumulate: 1 });
  const again = await trainTo(cpu, 6, undefined, { accumulate: 1, recompute: true });
  assert.deepEqual(bits(again.state), bits(plain.state));
});

gpuTest("branches that are run again hold less memory, and give it all back", async (gpu) => {
  const used = gpu.memory.used;
  const deep = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 1 },
    width: 8,
    layers: new Array(6).fill({ name: "mamba", config: { state: 4 } }),
    output: { size: 1 },
  }));
  const peaks: number[] = [];
  const losses: number[] = [];
  for (const recompute of [false, true]) {
    const training = openTraining(gpu, deep.init(seedRandom(1)), {
      ...OPTIONS,
      objective: backboneObjective(deep, { kind: "squaredError" }),
      minibatch: (index) => minibatch(index, "f32", { batch: 4, length: 256 }),
      recompute,
      accumulate: 1,
    });
    training.iterate();
    gpu.resetPeakMemory();
    training.iterate();
    losses.push((await training.readMetrics()).loss);
    peaks.push(gpu.memory.peak - used);
    training.release();
    assert.equal(gpu.memory.used, used);
  }
  assert.equal(losses[0], losses[1]);
  // Of the six layers one is whole at a time, and of the others one tensor of many is kept.
  assert.ok(peaks[1]! < 0.5 * peaks[0]!, `${peaks}`);
});

Deno.test("the loss in mixed precision is that in f32, to a hundredth", async () => {
  const losses: number[][] = [];
  for (const precision of ["f32", "mixed"] as const) {
    const training = openTraining(cpu, initial(), {
      ...OPTIONS,
      precision,
      accumulate: 1,
      // Large enough that activations are packed.
      minibatch: (index) => minibatch(index, "f32", { batch: 16, length: 48 }),
    });
    const own: number[] = [];
    while (training.step < 30) {
      training.iterate();
      own.push((await training.readMetrics()).loss);
    }
    losses.push(own);
  }
  const [exact, mixed] = losses as [number[], number[]];
  assert.notDeepEqual(mixed, exact);
  assert.ok(mixed.at(-1)! < 0.5 * mixed[0]!);
  mixed.forEach((loss, i) => assert.ok(Math.abs(loss - exact[i]!) < 0.01 * exact[i]!, `${i}`));
});

Deno.test("emaDecayAt() begins low and ends at the decay", () => {
  assert.equal(emaDecayAt(0.99, 0), 0.1);
  assert.equal(emaDecayAt(0.99, 10_000), 0.99);
});

Deno.test("openTraining() refuses a state without one of the parameters", async () => {
  const { state } = await trainTo(cpu, 1);
  const { "weights/output.bias": _, ...tensors } = state.tensors;
  const open = () => openTraining(cpu, initial(), OPTIONS, { ...state, tensors });
  assert.throws(open, { name: "InvalidValueError", field: "output.bias" });
});

Deno.test("openTraining() refuses what a damaged state holds, by its name", async () => {
  const { state } = await trainTo(cpu, 1);
  const one = tensorOf([1], Float32Array.of(1));
  const double = tensorOf([1], Float64Array.of(1));
  const broken: [string, Record<string, Tensor>][] = [
    ["optimizer/mean/output.weight.shape", { "optimizer/mean/output.weight": one }],
    ["ema/output.weight.shape", { "ema/output.weight": one }],
    ["weights/output.bias.dtype", { "weights/output.bias": double }],
    ["weights/none", { "weights/none": one }],
    ["optimizer/mode/output.bias", { "optimizer/mode/output.bias": one }],
    ["weights/__proto__", { ["weights/__proto__"]: one }],
  ];
  for (const [field, change] of broken) {
    const open = () =>
      openTraining(cpu, initial(), OPTIONS, { ...state, tensors: { ...state.tensors, ...change } });
    assert.throws(open, { name: "InvalidValueError", field }, field);
  }
  const { "optimizer/variance/output.bias": _, ...tensors } = state.tensors;
  const open = () => openTraining(cpu, initial(), OPTIONS, { ...state, tensors });
  assert.throws(open, { name: "InvalidValueError", field: "optimizer/variance/output.bias" });
});

Deno.test("openTraining() refuses options out of range by their names", () => {
  const open = (change: Partial<typeof OPTIONS>) => () =>
    openTraining(cpu, initial(), { ...OPTIONS, ...change });
  assert.throws(open({ accumulate: 0 }), { field: "accumulate" });
  assert.throws(open({ emaDecay: 1 }), { field: "emaDecay" });
});

gpuTest(
  "the memory of an iteration grows with the length, not with the states of it",
  async (gpu) => {
    const state = 16;
    const width = 8;
    const model = backboneOf(parseBackbone({
      input: { kind: "signal", feature: 1 },
      width,
      layers: [{ name: "mamba", config: { state } }],
      output: { size: 1 },
    }));
    const peakOf = (length: number) => {
      const input = tensorOf([1, length, 1], new Float32Array(length).fill(0.5));
      gpu.resetPeakMemory();
      const before = gpu.memory.used;
      const training = openTraining(gpu, model.init(seedRandom(1)), {
        objective: backboneObjective(model, { kind: "squaredError" }),
        minibatch: () => ({ input, target: input }),
        schedule: { kind: "constant", rate: 1e-3 },
        seed: 1,
      });
      training.iterate();
      training.release();
      return gpu.memory.peak - before;
    };
    const peaks = [512, 1024, 2048].map(peakOf);
    const [first, second] = [peaks[1]! - peaks[0]!, peaks[2]! - peaks[1]!];
    // Sizes are rounded up by at most an eighth.
    assert.ok(Math.abs(second / first - 2) < 0.25, `${peaks}`);
    // All tensors of a sample, of which some twenty are as wide as the scan, take less than twice
    // what its states would: a scan that kept them and their decays would take more by itself.
    const statesOfASample = 4 * state * 2 * width;
    const bytesOfASample = second / 1024;
    assert.ok(bytesOfASample < 2 * statesOfASample, `${bytesOfASample} B a sample`);
    await gpu.read(gpu.upload(tensorOf([1], Float32Array.of(0))));
  },
);

Deno.test("openTraining() frees what it had uploaded where the device has no room", async () => {
  const full = openTraining(cpu, initial(), OPTIONS);
  full.iterate();
  const saved = await full.save();
  let uploads = 0;
  const counting = { ...cpu, upload: (tensor: Tensor) => (uploads++, cpu.upload(tensor)) };
  openTraining(counting, initial(), OPTIONS, saved);
  assert.ok(uploads > 5, `${uploads} uploads`);
  for (let room = 0; room < uploads; room++) {
    const held = new Set<number>();
    const device: Device = {
      ...cpu,
      upload(tensor: Tensor) {
        if (held.size >= room) throw new LimitError("room", room, held.size + 1);
        const uploaded = cpu.upload(tensor);
        held.add(uploaded.buffer.id);
        return uploaded;
      },
      free: (tensor: DeviceTensor) => void held.delete(tensor.buffer.id),
    };
    assert.throws(() => openTraining(device, initial(), OPTIONS, saved), { name: "LimitError" });
    assert.equal(held.size, 0);
  }
});
