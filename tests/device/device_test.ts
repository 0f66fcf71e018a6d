import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { type Device, VIEW_ELEMENTS, viewOf } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { activation, runOp } from "../../src/ops/mod.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

const COUNT = 5 * VIEW_ELEMENTS;
const numbers = () => tensorOf([COUNT], Float32Array.from({ length: COUNT }, (_, i) => i));
const from = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i);

async function readsViews(device: Device) {
  const scope = openScope(device);
  const whole = scope.upload(numbers());
  const view = viewOf(whole, VIEW_ELEMENTS, [2, 70]);
  const inner = viewOf(view, VIEW_ELEMENTS, [3]);
  assert.deepEqual([...(await scope.read(view)).data], from(VIEW_ELEMENTS, 140));
  assert.deepEqual([...(await scope.read(inner)).data], from(2 * VIEW_ELEMENTS, 3));
  const { y } = runOp(scope, activation, { x: inner }, { kind: "relu" });
  assert.deepEqual([...(await scope.read(y)).data], from(2 * VIEW_ELEMENTS, 3));
  scope.release();
}

Deno.test("viewOf() gives some elements of a tensor, and views of views", async () => {
  await readsViews(openCpu());
});

gpuTest("a launch and a read see a view's elements on the GPU", async (gpu) => {
  await readsViews(gpu);
  assert.deepEqual(takeFaults(), []);
});

gpuTest("freeing a view frees nothing; it dies with its tensor", (gpu) => {
  const { used } = gpu.memory;
  const scope = openScope(gpu);
  const whole = scope.upload(numbers());
  const held = gpu.memory.used;
  scope.free(viewOf(whole, 0, [1]));
  assert.equal(gpu.memory.used, held);
  scope.release();
  assert.equal(gpu.memory.used, used);
  return Promise.resolve();
});

Deno.test("viewOf() refuses a start between its steps and what reaches past the tensor", () => {
  const whole = openCpu().upload(numbers());
  assert.throws(() => viewOf(whole, 1, [1]), { field: "start" });
  assert.throws(() => viewOf(whole, -VIEW_ELEMENTS, [1]), { field: "start" });
  assert.throws(() => viewOf(whole, VIEW_ELEMENTS, [COUNT]), { field: "shape" });
});
