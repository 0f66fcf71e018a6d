import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import type { CpuDevice, DeviceTensor } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";

function watched() {
  const freed: number[] = [];
  const cpu = openCpu();
  const device: CpuDevice = {
    ...cpu,
    free: (tensor: DeviceTensor) => void freed.push(tensor.buffer.id),
  };
  return { device, freed };
}

Deno.test("openScope() frees on release what was allocated and not kept", () => {
  const { device, freed } = watched();
  const scope = openScope(device);
  const a = scope.alloc([1], "f32");
  const b = scope.alloc([1], "f32");
  const c = scope.upload({ shape: [1], dtype: "f32", data: new Float32Array(1) });
  scope.keep(b);
  scope.free(c);
  assert.deepEqual(freed, [c.buffer.id]);
  scope.release();
  scope.release();
  assert.deepEqual(freed, [c.buffer.id, a.buffer.id]);
});

Deno.test("openScope() leaves another scope's tensors alone", () => {
  const { device, freed } = watched();
  const first = openScope(device);
  const second = openScope(device);
  const mine = first.alloc([1], "f32");
  second.alloc([1], "f32");
  first.release();
  assert.deepEqual(freed, [mine.buffer.id]);
});
