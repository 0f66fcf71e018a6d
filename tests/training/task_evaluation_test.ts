import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { EVALUATION_PART } from "../../src/training/task_evaluation.ts";
import { endsOfTask, evaluateTask, lossOfTask } from "../../src/training/task_evaluation.ts";
import { backboneObjective } from "../../src/training/objective.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { type Minibatch, taskByName, type TaskShape } from "../../datasets/tasks/mod.ts";

const cpu = openCpu();

/** A small backbone for a task with its parameters on the CPU device. */
function modelOf(shape: TaskShape, layers: readonly string[] = ["mamba"]) {
  const backbone = backboneOf(parseBackbone({ width: 8, layers, ...endsOfTask(shape) }));
  const tensors = Object.fromEntries(
    Object.entries(backbone.init(seedRandom(1)))
      .map(([name, tensor]) => [name, cpu.upload(asDtype(tensor, "f32"))]),
  );
  return { backbone, tensors };
}

type Model = ReturnType<typeof modelOf>;

async function examples(name: string, setting: Record<string, number>, batch = 6) {
  const task = taskByName(name);
  const whole = { ...task.setting, ...setting };
  const minibatch = (await task.open())({ seed: 1, step: 0, batch, split: "test", setting: whole });
  return { shape: task.shape(whole), minibatch };
}

/** Mean negative log likelihood and share of hits over positions of weight 1, the plain way. */
function naive(logits: Tensor, { target, weight }: Minibatch) {
  const classes = logits.shape.at(-1)!;
  let [loss, hits, count] = [0, 0, 0];
  weight.data.forEach((w, i) => {
    if (w === 0) return;
    const row = [...logits.data.subarray(i * classes, (i + 1) * classes)];
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    loss += total - row[target.data[i]!]!;
    hits += row.indexOf(Math.max(...row)) === target.data[i] ? 1 : 0;
    count++;
  });
  return { loss: loss / count, accuracy: hits / count };
}

Deno.test("endsOfTask() pools only what is asked at the end", () => {
  const at = (name: string) => endsOfTask(taskByName(name).shape(taskByName(name).setting));
  assert.deepEqual(at("selective-copying").output, { size: 16, pool: "none" });
  assert.deepEqual(at("waves").output, { size: 10, pool: "mean" });
  assert.deepEqual(at("delay"), {
    input: { kind: "signal", feature: 1 },
    output: { size: 1, pool: "none" },
  });
});

/** What the training minimises of a minibatch, and its metrics. */
function trained({ backbone, tensors }: Model, shape: TaskShape, minibatch: Minibatch) {
  const objective = backboneObjective(backbone, lossOfTask(shape));
  return objective(cpu, tensors, minibatch, undefined);
}

Deno.test("lossOfTask() is the mean over the answers that count", async () => {
  const settings = { "selective-copying": { length: 20, data: 4 }, waves: { length: 64 } };
  for (const [name, setting] of Object.entries(settings)) {
    const { shape, minibatch } = await examples(name, setting);
    const model = modelOf(shape);
    const { y } = model.backbone.forward(cpu, model.tensors, minibatch.input);
    const expected = naive(await cpu.read(y), minibatch);
    const { loss, metrics } = trained(model, shape, minibatch);
    const { sum, total } = metrics!["accuracy"]!;
    // f32 sums of a hundred terms.
    assert.ok(Math.abs(cpu.dataOf(loss)[0]! - expected.loss) < 1e-5);
    assert.equal(cpu.dataOf(sum)[0]! / cpu.dataOf(total)[0]!, expected.accuracy);
  }
});

Deno.test("lossOfTask() of values is their mean squared error where they count", async () => {
  const { shape, minibatch } = await examples("delay", { length: 64, lag: 16 });
  const model = modelOf(shape, ["s4d"]);
  const y = await cpu.read(model.backbone.forward(cpu, model.tensors, minibatch.input).y);
  let [sum, count] = [0, 0];
  minibatch.weight.data.forEach((w, i) => {
    sum += w * (y.data[i]! - minibatch.target.data[i]!) ** 2;
    count += w;
  });
  const { loss } = trained(model, shape, minibatch);
  assert.ok(Math.abs(cpu.dataOf(loss)[0]! - sum / count) < 1e-5);
});

Deno.test("evaluateTask() agrees with the objective on classes", async () => {
  const { shape, minibatch } = await examples("selective-copying", { length: 20, data: 4 });
  const model = modelOf(shape);
  const { backbone, tensors } = model;
  const score = await evaluateTask(cpu, backbone, tensors, shape, [minibatch, minibatch]);
  const { sum, total } = trained(model, shape, minibatch).metrics!["accuracy"]!;
  const figure = cpu.dataOf(sum)[0]! / cpu.dataOf(total)[0]!;
  assert.deepEqual(score, { figure, answers: 48 });
});

Deno.test("evaluateTask() carries the state from part to part", async () => {
  const length = EVALUATION_PART + 200;
  const { shape, minibatch } = await examples("delay", { length, lag: 150 }, 2);
  const model = modelOf(shape, ["mamba", "s4d"]);
  const { backbone, tensors } = model;
  const { figure } = await evaluateTask(cpu, backbone, tensors, shape, [minibatch]);
  const { loss } = trained(model, shape, minibatch);
  const power = [...minibatch.target.data].reduce((sum, value) => sum + value * value, 0);
  const whole = Math.sqrt(cpu.dataOf(loss)[0]! * 2 * (length - 150) / power);
  // The same f32 sums in another order; without the state the last 200 samples would differ.
  assert.ok(Math.abs(figure / whole - 1) < 1e-5, `${figure} and ${whole}`);
});

Deno.test("evaluateTask() of values is relative to answering nothing", async () => {
  const { shape, minibatch } = await examples("delay", { length: 64, lag: 16 });
  const { backbone, tensors } = modelOf(shape, ["s4d"]);
  const silent = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const isLast = name.startsWith("output.");
      return [name, isLast ? cpu.upload({ ...tensor, data: new Float32Array(8) }) : tensor];
    }),
  );
  silent["output.bias"] = cpu.upload({ shape: [1], dtype: "f32", data: new Float32Array(1) });
  // What does not count is no part of the size either.
  minibatch.weight.data.forEach((w, i) => w === 0 && (minibatch.target.data[i] = 7));
  const { figure } = await evaluateTask(cpu, backbone, silent, shape, [minibatch]);
  // The outputs are 0, so only the rounding of the sums is left.
  assert.ok(Math.abs(figure - 1) < 1e-5);
});

Deno.test("evaluateTask() frees all that it made, also where it fails", async () => {
  const { shape, minibatch } = await examples("induction-heads", { length: 16 });
  const { backbone, tensors } = modelOf(shape);
  const held = new Set<number>();
  const counting: Device = {
    ...cpu,
    alloc(shape, dtype) {
      const made = cpu.alloc(shape, dtype);
      held.add(made.buffer.id);
      return made;
    },
    upload(tensor) {
      const made = cpu.upload(tensor);
      held.add(made.buffer.id);
      return made;
    },
    free: (tensor) => void held.delete(tensor.buffer.id),
  };
  await evaluateTask(counting, backbone, tensors, shape, [minibatch, minibatch]);
  assert.equal(held.size, 0);
  const broken = { ...minibatch, target: tensorOf([1], Float32Array.of(0)) };
  const failing = evaluateTask(counting, backbone, tensors, shape, [minibatch, broken]);
  await assert.rejects(failing, { name: "ShapeError" });
  assert.equal(held.size, 0);
});
