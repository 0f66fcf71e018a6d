import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openTape, type Seed, type Tape } from "../../src/autodiff/tape.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { activation, add, gate, matmul, runOp, slice } from "../../src/ops/mod.ts";
import { defineOp } from "../../src/ops/op.ts";
import { mamba } from "../../src/layers/mod.ts";
import { asDtype, reshape, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu({ poison: true });

/** Sums of some products in f64, in another order. */
const CLOSE = 1e-12;

function drawn(shape: number[], seed: number): Tensor {
  const random = seedRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tensorOf(shape, Float64Array.from({ length: size }, () => nextNormal(random)));
}

async function assertGradient(tape: Tape, of: DeviceTensor, expected: ArrayLike<number>) {
  const gradient = tape.gradient(of);
  assert.ok(gradient, "no gradient");
  const { data } = await tape.device.read(gradient);
  assert.equal(data.length, expected.length);
  data.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < CLOSE, `${data}`));
}

const ones = (shape: readonly number[]) =>
  tensorOf([...shape], new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(1));

Deno.test("backward() passes gradients through a chain, and adds up where it forks", async () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))));
  // y = x·x + x, so dy/dx = 2x + 1.
  const { out: square } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
  const { out } = runOp(tape.device, add, { a: square, b: x }, {});
  tape.backward([[out, ones([2])]]);
  await assertGradient(tape, x, [5, 7]);
});

Deno.test("backward() goes through reshaped views and leaves unused outputs out", async () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(drawn([2, 3], 1)));
  const flat = reshape(x, [6]);
  const part = runOp(tape.device, slice, { x: flat }, { start: 1, count: 2 }).out;
  runOp(tape.device, activation, { x: flat }, { kind: "silu" });
  tape.backward([[part, ones([2])]]);
  await assertGradient(tape, x, [0, 1, 1, 0, 0, 0]);
  assert.deepEqual(tape.gradient(x)!.shape, [2, 3]);
});

Deno.test("a seed stays its owner's, also where several fall on one output", async () => {
  const freed: number[] = [];
  const base: Device = { ...cpu, free: (tensor) => freed.push(tensor.buffer.id) };
  const tape = openTape(base);
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))));
  const { out } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
  const seeds = [1, 2, 4].map((value) => cpu.upload(tensorOf([2], Float64Array.of(value, value))));
  tape.backward([[out, seeds[0]!], [out, seeds[1]!], [x, seeds[2]!]]);
  await assertGradient(tape, x, [3 * 4 + 4, 3 * 6 + 4]);
  tape.release();
  assert.deepEqual(seeds.map((seed) => cpu.dataOf(seed)[0]), [1, 2, 4]);
  assert.ok(seeds.every((seed) => !freed.includes(seed.buffer.id)));
});

Deno.test("a seed from the host is not written, though a residual sum hands it on", async () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))));
  const { out: square } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
  // The branch is two ops long: when x is reached again nothing else holds the seed.
  const { out: branch } = runOp(tape.device, slice, { x: square }, { start: 0, count: 2 });
  const { out } = runOp(tape.device, add, { a: x, b: branch }, {});
  const seed = ones([2]);
  tape.backward([[out, seed]]);
  await assertGradient(tape, x, [5, 7]);
  assert.deepEqual([...seed.data], [1, 1]);
});

Deno.test("a gradient is written to the home of its tensor, and adds up there", () => {
  const tape = openTape(cpu);
  const home = cpu.upload(tensorOf([2], Float64Array.of(7, 7)));
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))), home);
  for (let i = 1; i <= 2; i++) {
    const { out } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
    tape.backward([[out, ones([2])]]);
    assert.equal(tape.gradient(x)!.buffer.id, home.buffer.id);
    assert.deepEqual([...cpu.dataOf(home)], [4 * i, 6 * i]);
  }
  tape.release();
  assert.deepEqual([...cpu.dataOf(home)], [8, 12]);
});

Deno.test("a segment's gradients go to the homes of its inputs", () => {
  const tape = openTape(cpu);
  const home = cpu.upload(tensorOf([2], Float64Array.of(7, 7)));
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))), home);
  const { out } = tape.checkpoint([x], (device) => ({
    out: runOp(device, gate, { y: x, z: x }, { activation: "identity" }).out,
  }));
  tape.backward([[out, ones([2])]]);
  assert.equal(tape.gradient(x)!.buffer.id, home.buffer.id);
  assert.deepEqual([...cpu.dataOf(home)], [4, 6]);
});

Deno.test("a residual sum hands its gradient on without a copy", () => {
  let made = 0;
  const base: Device = { ...cpu, alloc: (shape, dtype) => (made++, cpu.alloc(shape, dtype)) };
  const tape = openTape(base);
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))));
  const y = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(4, 5))));
  const { out } = runOp(tape.device, add, { a: x, b: y }, {});
  const { out: square } = runOp(tape.device, gate, { y: out, z: out }, { activation: "identity" });
  made = 0;
  tape.backward([[square, ones([2])]]);
  // The two gradients of the product alone.
  assert.equal(made, 2);
  assert.deepEqual([...cpu.dataOf(tape.gradient(x)!)], [12, 16]);
  assert.deepEqual([...cpu.dataOf(tape.gradient(y)!)], [12, 16]);
});

Deno.test("gradients of several iterations add up until release()", async () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([1], Float64Array.of(4))));
  for (let i = 0; i < 3; i++) {
    const { out } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
    tape.backward([[out, ones([1])]]);
  }
  await assertGradient(tape, x, [24]);
  tape.release();
  assert.equal(tape.gradient(x), undefined);
});

Deno.test("a tape records only what depends on a watched tensor", () => {
  const tape = openTape(cpu);
  const opaque = defineOp({ ...add, name: "opaque" });
  const { backward: _, ...withoutBackward } = opaque;
  const a = cpu.upload(drawn([2], 2));
  const { out } = runOp(tape.device, withoutBackward, { a, b: a }, {});
  assert.throws(() => tape.backward([[out, ones([2])]]), /does not come from a watched/);
  tape.watch(a);
  assert.throws(
    () => runOp(tape.device, withoutBackward, { a, b: a }, {}),
    /Op opaque has no backward/,
  );
});

Deno.test("a tensor that is freed early keeps its value for the way back", async () => {
  const freed: number[] = [];
  const base: Device = { ...cpu, free: (tensor) => freed.push(tensor.buffer.id) };
  const tape = openTape(base);
  const x = tape.watch(base.upload(tensorOf([2], Float64Array.of(2, 3))));
  const scope = openScope(tape.device);
  const { out: square } = runOp(scope, gate, { y: x, z: x }, { activation: "identity" });
  const { out: power } = runOp(scope, gate, { y: square, z: x }, { activation: "identity" });
  const sum = scope.keep(runOp(scope, add, { a: power, b: power }, {}).out);
  scope.release();
  // `power` is read by no backward, `square` is.
  assert.ok(freed.includes(power.buffer.id) && !freed.includes(square.buffer.id));
  tape.backward([[sum, ones([2])]]);
  await assertGradient(tape, x, [24, 54]);
  assert.ok(freed.includes(square.buffer.id));
  assert.ok(!freed.includes(sum.buffer.id) && !freed.includes(x.buffer.id));
});

Deno.test("watch() gives the gradient of a computed tensor, too", async () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([2], Float64Array.of(2, 3))));
  const { out: square } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
  tape.watch(square);
  const { out } = runOp(tape.device, gate, { y: square, z: x }, { activation: "identity" });
  tape.backward([[out, ones([2])]]);
  await assertGradient(tape, square, [2, 3]);
  await assertGradient(tape, x, [12, 27]);
  tape.release();
});

Deno.test("a recording goes back once; what it computed is a constant after it", () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([1], Float64Array.of(2))));
  const { out } = runOp(tape.device, gate, { y: x, z: x }, { activation: "identity" });
  tape.backward([[out, ones([1])]]);
  assert.throws(() => tape.backward([[out, ones([1])]]), /from a watched one, or no more/);
  // Truncated: the next iteration begins with a value, not with the way to it.
  const { out: next } = runOp(tape.device, gate, { y: out, z: x }, { activation: "identity" });
  tape.backward([[next, ones([1])]]);
  assert.deepEqual([...cpu.dataOf(tape.gradient(x)!)], [4 + 4]);
  assert.equal(tape.gradient(out), undefined);
});

Deno.test("checkpoint() refuses a segment in a segment, and an input as an output", () => {
  const tape = openTape(cpu);
  const x = tape.watch(cpu.upload(tensorOf([1], Float64Array.of(2))));
  const inner = (device: Device) => ({ out: runOp(device, add, { a: x, b: x }, {}).out });
  const nested = () => tape.checkpoint([x], () => tape.checkpoint([x], inner));
  assert.throws(nested, /cannot hold another segment/);
  assert.throws(() => tape.checkpoint([x], () => ({ out: x })), /output "out" is its input/);
  const { out } = tape.checkpoint([x], inner);
  tape.backward([[out, ones([1])]]);
  assert.deepEqual([...cpu.dataOf(tape.gradient(x)!)], [2]);
});

/** A small network: silu(x·w1)·w2, and the gradients of its sum. */
function network(tape: Tape, checkpointed: boolean, w1: DeviceTensor, w2: DeviceTensor): Seed[] {
  const x = asDtype(drawn([5, 4], 3), w1.dtype);
  const hidden = (device: Device) => {
    const a = runOp(device, matmul, { a: x, b: w1 }, {}).c;
    const active = runOp(device, activation, { x: a }, { kind: "silu" }).y;
    return { out: runOp(device, gate, { y: active, z: a }, { activation: "tanh" }).out };
  };
  const { out } = checkpointed ? tape.checkpoint([w1], hidden) : hidden(tape.device);
  const y = runOp(tape.device, matmul, { a: out, b: w2 }, {}).c;
  tape.device.free(out);
  return [[y, asDtype(ones([5, 2]), w1.dtype)]];
}

Deno.test("checkpoint() gives the same gradients", () => {
  const gradients: number[][] = [];
  for (const checkpointed of [false, true]) {
    const tape = openTape(cpu);
    const w1 = tape.watch(cpu.upload(drawn([4, 3], 4)));
    const w2 = tape.watch(cpu.upload(drawn([3, 2], 5)));
    tape.backward(network(tape, checkpointed, w1, w2));
    gradients.push([w1, w2].flatMap((w) => [...cpu.dataOf(tape.gradient(w)!)]));
  }
  assert.deepEqual(gradients[0], gradients[1]);
  assert.ok(gradients[0]!.every((value) => value !== 0));
});

gpuTest(
  "an iteration on the GPU reads nothing to the host and gives all memory back",
  async (gpu) => {
    const used = gpu.memory.used;
    let reads = 0;
    const base: Device = {
      ...openScope(gpu),
      read: (tensor) => {
        reads++;
        return gpu.read(tensor);
      },
    };
    const config = mamba.examples[0]!;
    const params = mamba.init(config, seedRandom(6));
    const counting = openTape(base);
    const watched = Object.entries(params.tensors).map(([name, tensor]) =>
      [name, counting.watch(gpu.upload(asDtype(tensor, "f32")))] as const
    );
    const tensors = Object.fromEntries(watched);
    const u = asDtype(drawn([2, 70, 4], 7), "f32");
    for (let i = 0; i < 2; i++) {
      const { y, state } = mamba.forward(counting.device, { config, tensors }, u);
      for (const tensor of Object.values(state)) counting.device.free(tensor);
      counting.backward([[y, asDtype(ones([2, 70, 4]), "f32")]]);
      counting.device.free(y);
    }
    assert.equal(reads, 0);
    const gradient = await gpu.read(counting.gradient(tensors["logA"]!)!);
    assert.ok(gradient.data.every((value) => Number.isFinite(value)));
    counting.release();
    for (const [, tensor] of watched) gpu.free(tensor);
    assert.equal(gpu.memory.used, used);
  },
);

gpuTest("checkpoint() on the GPU is the plain recording", async (gpu) => {
  const used = gpu.memory.used;
  const results: Float32Array[] = [];
  for (const checkpointed of [false, true]) {
    const tape = openTape(gpu);
    const w1 = tape.watch(gpu.upload(asDtype(drawn([4, 3], 4), "f32")));
    const w2 = tape.watch(gpu.upload(asDtype(drawn([3, 2], 5), "f32")));
    const recorded: Tape = { ...tape, device: openScope(tape.device) };
    const seeds = network(recorded, checkpointed, w1, w2);
    tape.backward(seeds);
    results.push((await gpu.read(tape.gradient(w1)!)).data as Float32Array);
    (recorded.device as ReturnType<typeof openScope>).release();
    tape.release();
    for (const w of [w1, w2]) gpu.free(w);
  }
  assert.deepEqual(results[0], results[1]);
  assert.equal(gpu.memory.used, used);
});
