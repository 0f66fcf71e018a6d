import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { networkOf, type NeuralConfig, parseNeural } from "../../src/models/neural/network.ts";
import { NEURAL_LOSS, neuralObjective } from "../../src/training/neural_objective.ts";
import { openTraining } from "../../src/training/training.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { randomBatch, TINY } from "../models/neural/_batch.ts";

const cpu = openCpu({ poison: true });
const SIZES = { batch: 2, length: 12, picks: 3, leads: 4 };
const KINDS = ["s5", "mamba"] as const;

type Tensors = Record<string, Tensor>;

function made(kind: NeuralConfig["kind"], dtype: Dtype) {
  const network = networkOf(parseNeural({ ...TINY, kind }));
  const tensors: Tensors = {};
  for (const [name, tensor] of Object.entries(network.init(seedRandom(3)))) {
    tensors[name] = asDtype(tensor, dtype);
  }
  return { network, tensors, objective: neuralObjective(network) };
}

/** The loss and the gradient of every parameter on a device. */
async function gradientsOn(
  device: Device,
  kind: NeuralConfig["kind"],
  dtype: Dtype,
  recomputes = false,
) {
  const { tensors, objective } = made(kind, dtype);
  const tape = openTape(device);
  const parameters = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, tape.watch(device.upload(tensor))]),
  );
  const context = recomputes ? { recompute: tape.checkpoint } : {};
  const { loss } = objective(tape.device, parameters, randomBatch(SIZES, 4), context);
  tape.backward([[loss, asDtype(tensorOf([1], Float64Array.of(1)), dtype)]]);
  const gradients: Tensors = {};
  for (const [name, tensor] of Object.entries(parameters)) {
    gradients[name] = await device.read(tape.gradient(tensor)!);
  }
  tape.device.free(loss);
  tape.release();
  for (const tensor of Object.values(parameters)) device.free(tensor);
  return gradients;
}

for (const kind of KINDS) {
  Deno.test(`neuralObjective() of ${kind}: gradients are differences of the loss`, async () => {
    const gradients = await gradientsOn(cpu, kind, "f64");
    const { tensors, objective } = made(kind, "f64");
    const random = seedRandom(9);
    for (const [name, tensor] of Object.entries(tensors)) {
      const along = tensor.data.map(() => nextNormal(random));
      const lossAt = (step: number) => {
        const moved = tensor.data.map((value, i) => value + step * along[i]!);
        const given = { ...tensors, [name]: { ...tensor, data: moved } };
        const uploaded = Object.fromEntries(
          Object.entries(given).map(([key, value]) => [key, cpu.upload(value)]),
        );
        return cpu.dataOf(objective(cpu, uploaded, randomBatch(SIZES, 4)).loss)[0]!;
      };
      const step = 1e-5;
      const slope = (lossAt(step) - lossAt(-step)) / (2 * step);
      const expected = Array.from(gradients[name]!.data).reduce(
        (sum, g, i) => sum + g * along[i]!,
        0,
      );
      assert.ok(
        Math.abs(slope - expected) <= 1e-6 * Math.max(1e-2, Math.abs(expected)),
        `${name}: ${slope} by differences, ${expected} by the tape`,
      );
    }
  });

  Deno.test(`neuralObjective() of ${kind}: branches that run again give the same bits`, async () => {
    assert.deepEqual(
      await gradientsOn(cpu, kind, "f64", true),
      await gradientsOn(cpu, kind, "f64"),
    );
  });

  gpuTest(`neuralObjective() of ${kind}: a GPU gives the CPU's gradients`, async (device) => {
    const exact = await gradientsOn(cpu, kind, "f64");
    const single = await gradientsOn(device, kind, "f32");
    for (const [name, { data }] of Object.entries(exact)) {
      const size = Math.max(...Array.from(data, Math.abs));
      const error = Math.max(
        ...Array.from(data, (value, i) => Math.abs(value - single[name]!.data[i]!)),
      );
      assert.ok(error <= 2e-4 * size, `${name}: off by ${error} of ${size}`);
    }
  });
}

gpuTest(
  "neuralObjective() trains: the loss falls, and the same seed gives the same bits",
  async (device) => {
    const run = async (steps: number) => {
      const { tensors, objective } = made("s5", "f32");
      const training = openTraining(device, tensors, {
        objective,
        minibatch: () => randomBatch(SIZES, 4),
        schedule: { kind: "constant", rate: 3e-3 },
        seed: 1,
        optimizer: { clipNorm: 1, beta2: 0.98 },
      });
      training.iterate();
      const first = (await training.readMetrics()).loss;
      for (let i = 1; i < steps; i++) training.iterate();
      await training.readMetrics();
      training.iterate();
      const last = (await training.readMetrics()).loss;
      const { tensors: saved } = await training.save();
      training.release();
      return { first, last, saved };
    };
    const [a, b] = [await run(30), await run(30)];
    assert.ok(a.last < 0.7 * a.first, `${a.first} to ${a.last}`);
    assert.deepEqual(a, b);
  },
);

Deno.test("neuralObjective() counts samples and leaves out what is unknown", () => {
  const { tensors, objective } = made("s5", "f64");
  const batch = randomBatch(SIZES, 4);
  const uploaded = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, cpu.upload(tensor)]),
  );
  const { loss, samples } = objective(cpu, uploaded, batch);
  assert.equal(samples, SIZES.batch * SIZES.length);
  const target = batch.target.map((value, i) => batch.weight[i] === 0 ? NaN : value);
  const other = objective(cpu, uploaded, { ...batch, target }).loss;
  assert.deepEqual(cpu.dataOf(other), cpu.dataOf(loss));
});

Deno.test("NEURAL_LOSS halves the tails and raises the median", () => {
  assert.deepEqual(NEURAL_LOSS.shares, [0.5, 1, 1, 1, 1, 1.5, 1, 1, 1, 1, 0.5]);
});
