import assert from "node:assert/strict";
import { subgroupSizeOf } from "../../src/device/features.ts";
import { gpuTest } from "../_gpu.ts";

/** What the probe writes where subgroups are `size` consecutive invocations. */
function rowsOf(size: number, invocations = 64): Uint32Array {
  return Uint32Array.from(
    Array.from({ length: invocations }, (_, i) => {
      const members = Array.from({ length: size }, (_, lane) => i - i % size + lane);
      return [size, i % size, members.reduce((a, b) => a + b, 0), i ^ 1];
    }).flat(),
  );
}

Deno.test("subgroupSizeOf() reads the size of consecutive subgroups", () => {
  for (const size of [4, 8, 16, 32, 64]) assert.equal(subgroupSizeOf(rowsOf(size)), size);
});

Deno.test("subgroupSizeOf() is 0 for what no shader can count on", () => {
  assert.equal(subgroupSizeOf(rowsOf(2)), 0, "too small to be of use");
  assert.equal(subgroupSizeOf(rowsOf(32, 48)), 0, "a subgroup that is not full");
  assert.equal(subgroupSizeOf(new Uint32Array(256)), 0, "nothing was written");
  for (let part = 0; part < 4; part++) {
    const rows = rowsOf(8);
    rows[4 * 13 + part]!++;
    assert.equal(subgroupSizeOf(rows), 0, `word ${part} of one row is another`);
  }
  const reversed = rowsOf(8);
  for (let i = 0; i < 64; i++) reversed[4 * i + 1] = 7 - i % 8;
  assert.equal(subgroupSizeOf(reversed), 0, "lanes in another order");
});

gpuTest("limits say whether shaders have subgroups and f16", (gpu) => {
  const { subgroupSize, f16 } = gpu.limits;
  assert.equal(typeof f16, "boolean");
  assert.ok(subgroupSize === 0 || [4, 8, 16, 32, 64, 128].includes(subgroupSize));
  // Mesa's software Vulkan has both: a probe that fails there is a fault of ours.
  if (/llvmpipe/.test(gpu.info.description)) {
    assert.ok(subgroupSize >= 4, `llvmpipe's subgroups were not recognised: ${subgroupSize}`);
    assert.ok(f16);
  }
});
