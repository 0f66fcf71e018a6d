import assert from "node:assert/strict";
import { limitsOf } from "../../src/device/adapter.ts";
import { gpuTest } from "../_gpu.ts";

Deno.test("limitsOf() takes the smaller of a binding and a buffer, and axes as long as all take", () => {
  const most = {
    maxComputeWorkgroupStorageSize: 32_768,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxStorageBuffersPerShaderStage: 8,
    maxStorageBufferBindingSize: 2 ** 31,
    maxBufferSize: 2 ** 30,
    maxComputeWorkgroupsPerDimension: 2 ** 31 - 1,
  } as GPUSupportedLimits;
  assert.deepEqual(limitsOf(most), {
    workgroupBytesMax: 32_768,
    invocationsMax: 1024,
    storageBuffersMax: 8,
    bindingBytesMax: 2 ** 30,
    workgroupsPerAxisMax: 65_535,
  });
});

gpuTest("openAdapter() tells who the adapter is and what launches may use", (gpu) => {
  const { info, limits } = gpu;
  assert.ok(info.description.length + info.device.length > 0);
  assert.equal(limits.isSoftware, info.software);
  assert.ok(limits.workgroupBytesMax >= 16_384 && limits.storageBuffersMax >= 8);
  assert.ok(limits.subgroupSize === 0 || Number.isInteger(Math.log2(limits.subgroupSize)));
});
