import assert from "node:assert/strict";
import { floorOf, measureCeilings } from "../../bench/ceilings.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

const ceilings = { bytes: 100, instructions: 10, special: 1 };

Deno.test("floorOf() is the longest of three times", () => {
  const cost = { bytes: 1000, fused: 30, single: 30, special: 5 };
  assert.deepEqual(floorOf(cost, ceilings), { ms: 10, bound: "bytes" });
  assert.deepEqual(floorOf({ ...cost, fused: 170 }, ceilings), { ms: 20, bound: "f32" });
  assert.deepEqual(floorOf({ ...cost, special: 40 }, ceilings), { ms: 40, bound: "special" });
});

gpuTest("measureCeilings() times copies, multiply-adds and powers", async (gpu) => {
  if (!gpu.info.timestamps) return;
  const { ceilings, spin } = await measureCeilings(gpu);
  for (const rate of Object.values(ceilings)) assert.ok(rate > 0 && Number.isFinite(rate));
  assert.equal(spin === undefined, gpu.info.software);
  assert.deepEqual(takeFaults(), []);
});
