import assert from "node:assert/strict";
import { type DeviceTensor, openCpu } from "../../src/device/mod.ts";
import { readerOf } from "../../src/models/serving_plan.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { withLimits } from "../ops/_run.ts";

/** Made anew, since a CPU uploads without a copy. */
const outputs = () => tensorOf([2, 2], Float32Array.of(1, 2, 3, 4));

Deno.test("readerOf() copies outputs, which the next step may overwrite", async () => {
  const cpu = openCpu();
  const y = cpu.upload(outputs());
  const first = await readerOf(cpu, y, false)();
  cpu.write(y, Float32Array.of(5, 6, 7, 8));
  assert.deepEqual([...first], [1, 2, 3, 4]);
  assert.deepEqual([...await readerOf(cpu, y, false)()], [5, 6, 7, 8]);
});

gpuTest("readerOf() frees outputs that are owned, and no others", async (gpu) => {
  const scope = withLimits(gpu, gpu.limits);
  const freed: number[] = [];
  const device = { ...scope, free: ({ buffer }: DeviceTensor) => void freed.push(buffer.id) };
  const y = scope.upload(outputs());
  assert.deepEqual([...await readerOf(device, y, false)()], [1, 2, 3, 4]);
  assert.deepEqual(freed, []);
  assert.deepEqual([...await readerOf(device, y, true)()], [1, 2, 3, 4]);
  assert.deepEqual(freed, [y.buffer.id]);
  scope.release();
});
