import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { FAST_READBACK_RUNTIMES, STAGING_BYTES_MAX } from "../../src/device/readback.ts";
import { viewOf } from "../../src/device/device.ts";
import { openWebGpu } from "../../src/device/webgpu.ts";
import { type FloatArray, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const numbered = (count: number, turn: number) =>
  tensorOf([count], Float32Array.from({ length: count }, (_, i) => i + 1000 * turn));

gpuTest("Readback gives the right bytes a hundred times, sizes mixed", async (gpu) => {
  for (let turn = 0; turn < 100; turn++) {
    const source = numbered(1 + (turn * 37) % 5000, turn);
    const tensor = gpu.upload(source);
    assert.deepEqual((await gpu.read(tensor)).data, source.data);
    gpu.free(tensor);
  }
});

gpuTest("Readback serves many reads that wait together", async (gpu) => {
  const sources = Array.from({ length: 40 }, (_, i) => numbered(100 + i, i));
  const tensors = sources.map((source) => gpu.upload(source));
  const read = await Promise.all(tensors.map((tensor) => gpu.read(tensor)));
  read.forEach((tensor, i) => assert.deepEqual(tensor.data, sources[i]!.data));
  tensors.forEach((tensor) => gpu.free(tensor));
});

gpuTest("Readback of more than the largest staging buffer is right, in pieces", async (gpu) => {
  const count = 2 * STAGING_BYTES_MAX / 4 + 5;
  const source = numbered(count, 0);
  const tensor = gpu.upload(source);
  for (const start of [0, 64]) {
    const { data } = await gpu.read(viewOf(tensor, start, [count - start]));
    const expected = source.data.subarray(start);
    // Buffer's comparison, since deepEqual takes seconds for megabytes.
    const bytes = (array: FloatArray) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    assert.equal(Buffer.compare(bytes(data), bytes(expected)), 0);
  }
  gpu.free(tensor);
});

gpuTest("Readback skips the runtime's sleep where that was tested", async (gpu) => {
  const tested = FAST_READBACK_RUNTIMES.includes(Deno.version.deno);
  assert.equal(gpu.info.fastReadback, tested);
  if (!tested) return;
  const tensor = gpu.upload(numbered(1000, 1));
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    await gpu.read(tensor);
    times.push(performance.now() - start);
  }
  gpu.free(tensor);
  // An awaited map takes 11 ms whatever else happens; the fastest of twenty shows which it was.
  assert.ok(Math.min(...times) < 8, `fastest read took ${Math.min(...times)} ms`);
});

gpuTest("Readback works where it must await", async () => {
  const opened = await openWebGpu({ fastReadback: false });
  assert.ok("device" in opened);
  const { device } = opened;
  assert.equal(device.info.fastReadback, false);
  const source = numbered(50, 3);
  assert.deepEqual((await device.read(device.upload(source))).data, source.data);
  await device.close();
});
