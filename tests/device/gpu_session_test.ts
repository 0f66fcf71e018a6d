import assert from "node:assert/strict";
import { BIND_GROUPS_MAX, LAUNCHES_PER_SUBMIT_MAX } from "../../src/device/gpu_session.ts";
import type { DeviceTensor, Launch } from "../../src/device/device.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { TIME_REPEATS_MAX } from "../../src/device/webgpu.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

function addLaunch(a: DeviceTensor, b: DeviceTensor, out: DeviceTensor): Launch {
  const bind = (tensor: DeviceTensor) => ({ buffer: tensor.buffer, bytes: 4 * tensor.shape[0]! });
  return {
    shader: "add",
    entry: "add",
    constants: { GROUP: 64, VECTOR: 1, REPEATS: 1 },
    dims: { count: a.shape[0]!, repeat: b.shape[0]! },
    bindings: { a: bind(a), b: bind(b), out: bind(out) },
    workgroups: [1, 1, 1],
  };
}

const ones = (count: number) => tensorOf([count], new Float32Array(count).fill(1));

gpuTest("GpuSession runs launches in order, over more than one submit", async (gpu) => {
  const one = gpu.upload(ones(4));
  const ping = gpu.upload(ones(4));
  const pong = gpu.alloc([4], "f32");
  const pairs = LAUNCHES_PER_SUBMIT_MAX + 3;
  for (let i = 0; i < pairs; i++) {
    gpu.dispatch([addLaunch(ping, one, pong), addLaunch(pong, one, ping)]);
  }
  assert.deepEqual([...(await gpu.read(ping)).data], new Array(4).fill(1 + 2 * pairs));
  [one, ping, pong].forEach((tensor) => gpu.free(tensor));
});

gpuTest("GpuSession writes a reused buffer only after the launches that read it", async (gpu) => {
  const a = gpu.upload(ones(8));
  const out = gpu.alloc([8], "f32");
  gpu.dispatch([addLaunch(a, a, out)]);
  gpu.free(a);
  const reused = gpu.upload(tensorOf([8], new Float32Array(8).fill(50)));
  assert.equal(reused.buffer.id, a.buffer.id, "the pool did not reuse the buffer");
  assert.deepEqual([...(await gpu.read(out)).data], new Array(8).fill(2));
  [out, reused].forEach((tensor) => gpu.free(tensor));
});

gpuTest("GpuSession fails the reads of what a broken launch should have written", async (gpu) => {
  const a = gpu.upload(ones(4));
  const out = gpu.alloc([4], "f32");
  const after = gpu.alloc([4], "f32");
  gpu.dispatch([{ ...addLaunch(a, a, out), entry: "no_such_entry" }]);
  gpu.dispatch([addLaunch(out, a, after)]);
  await assert.rejects(() => gpu.read(out), /no_such_entry/);
  await assert.rejects(() => gpu.read(after), /no_such_entry/);
  // What it only read is as it was, and its output is good again once it is written.
  assert.deepEqual([...(await gpu.read(a)).data], [1, 1, 1, 1]);
  gpu.dispatch([addLaunch(a, a, out)]);
  assert.deepEqual([...(await gpu.read(out)).data], [2, 2, 2, 2]);
  assert.equal(takeFaults().length, 1);
  [a, out, after].forEach((tensor) => gpu.free(tensor));
});

gpuTest(
  "GpuSession keeps at most BIND_GROUPS_MAX groups, and none of a freed buffer",
  async (gpu) => {
    const a = gpu.upload(ones(BIND_GROUPS_MAX + 2));
    const out = gpu.alloc([4], "f32");
    const launch = addLaunch(a, a, out);
    const bytesOfA = (count: number) => ({ buffer: a.buffer, bytes: 4 * count });
    for (let count = 1; count <= BIND_GROUPS_MAX + 2; count++) {
      const bindings = { ...launch.bindings, a: bytesOfA(count), b: bytesOfA(count) };
      gpu.dispatch([{ ...launch, dims: { count: Math.min(4, count), repeat: 1 }, bindings }]);
    }
    assert.deepEqual([...(await gpu.read(out)).data], [2, 2, 2, 2]);
    [a, out].forEach((tensor) => gpu.free(tensor));
    // The same ids in another role: a group that outlived its buffers would read the old one.
    const b = gpu.upload(tensorOf([4], new Float32Array(4).fill(3)));
    const sum = gpu.alloc([4], "f32");
    gpu.dispatch([addLaunch(b, b, sum)]);
    assert.deepEqual([...(await gpu.read(sum)).data], [6, 6, 6, 6]);
    [b, sum].forEach((tensor) => gpu.free(tensor));
  },
);

gpuTest("GpuSession names a missing shader, variable or size", async (gpu) => {
  const fails = async (change: (good: Launch) => Partial<Launch>, message: RegExp) => {
    const a = gpu.upload(ones(4));
    const out = gpu.alloc([4], "f32");
    const good = addLaunch(a, a, out);
    gpu.dispatch([{ ...good, ...change(good) }]);
    await assert.rejects(() => gpu.read(out), message);
    [a, out].forEach((tensor) => gpu.free(tensor));
  };
  await fails(() => ({ shader: "none" }), /none/);
  await fails(({ bindings }) => ({ bindings: { ...bindings, q: bindings.a! } }), /variable "q"/);
  await fails(() => ({ dims: { count: 4 } }), /wants size "repeat"/);
  takeFaults();
});

gpuTest("GpuSession reads and binds tensors of no elements", async (gpu) => {
  const empty = gpu.upload(tensorOf([0], new Float32Array(0)));
  const out = gpu.alloc([0], "f32");
  gpu.dispatch([{ ...addLaunch(empty, empty, out), workgroups: [0, 1, 1] }]);
  assert.equal((await gpu.read(out)).data.length, 0);
  [empty, out].forEach((tensor) => gpu.free(tensor));
});

gpuTest("GpuSession times launches on the GPU's clock", async (gpu) => {
  if (!gpu.info.timestamps) {
    await assert.rejects(() => gpu.time([], 1), TypeError);
    return;
  }
  const a = gpu.upload(ones(1024));
  const out = gpu.alloc([1024], "f32");
  const times = await gpu.time([addLaunch(a, a, out)], 5);
  assert.equal(times.length, 5);
  assert.ok(times.every((ms) => ms >= 0 && ms < 1000), `${times}`);
  await assert.rejects(gpu.time([addLaunch(a, a, out)], TIME_REPEATS_MAX + 1), {
    limitName: "TIME_REPEATS_MAX",
  });
  const most = await gpu.time([addLaunch(a, a, out)], TIME_REPEATS_MAX);
  assert.equal(most.length, TIME_REPEATS_MAX);
  [a, out].forEach((tensor) => gpu.free(tensor));
});
