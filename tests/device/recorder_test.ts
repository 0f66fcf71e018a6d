import assert from "node:assert/strict";
import { openRecorder, recordLaunches } from "../../src/device/recorder.ts";
import { add, runOp } from "../../src/ops/mod.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { WEBGPU_LIMITS } from "../../src/cli/family/planner.ts";

const ones = tensorOf([4], new Float32Array(4).fill(1));

Deno.test("recordLaunches() notes what would be launched, in order", async () => {
  const launches = await recordLaunches(WEBGPU_LIMITS, (device) => {
    const { out } = runOp(device, add, { a: ones, b: ones }, {});
    runOp(device, add, { a: out, b: ones }, {});
  });
  assert.deepEqual(launches.map(({ shader, entry }) => `${shader}.${entry}`), [
    "add.add",
    "add.add",
  ]);
  assert.equal(launches[1]!.bindings["a"]!.buffer.id, launches[0]!.bindings["out"]!.buffer.id);
});

Deno.test("openRecorder() gives tensors of shapes without values, and a table once", async () => {
  const device = openRecorder(WEBGPU_LIMITS, () => {});
  const tensor = device.upload(ones);
  assert.deepEqual([...(await device.read(tensor)).data], [0, 0, 0, 0]);
  const table = device.table("key", () => new Float32Array(3));
  assert.deepEqual(table.shape, [3]);
  assert.equal(device.table("key", () => new Float32Array(5)), table);
});
