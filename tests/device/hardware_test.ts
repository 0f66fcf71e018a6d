import assert from "node:assert/strict";
import { DeviceLostError } from "../../src/base/errors.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { Device } from "../../src/device/device.ts";
import { Hardware, openHardware } from "../../src/device/hardware.ts";
import type { WebGpuDevice } from "../../src/device/webgpu.ts";
import { add } from "../../src/ops/add.ts";
import { runOp } from "../../src/ops/run.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

/** A GPU that only has a name; `software` says of which kind. */
function namedGpu(software: boolean): WebGpuDevice {
  return { kind: "webgpu", info: { software }, gone: undefined } as unknown as WebGpuDevice;
}

const line = { fixedMs: 0, perWorkMs: 0 };
const crossovers = { matmul: { cpu: line, gpu: line, work: 1000 } };

Deno.test("Hardware.choose() takes the GPU from the measured crossover on", () => {
  const hardware = new Hardware(openCpu(), namedGpu(false), undefined, { crossovers });
  assert.equal(hardware.choose("matmul", 999).kind, "cpu");
  assert.equal(hardware.choose("matmul", 1000).kind, "webgpu");
  assert.equal(hardware.choose("conv1d", 1e12).kind, "cpu", "an op that was not measured");
  hardware.setCrossovers({});
  assert.equal(hardware.choose("matmul", 1000).kind, "cpu");
});

Deno.test("Hardware.choose() never takes a software adapter unless told to", () => {
  const automatic = new Hardware(openCpu(), namedGpu(true), undefined, { crossovers });
  assert.equal(automatic.choose("matmul", 1e12).kind, "cpu");
  const told = new Hardware(openCpu(), namedGpu(true), undefined, { mode: "webgpu" });
  assert.equal(told.choose("anything", 0).kind, "webgpu");
});

Deno.test("openHardware() in mode cpu opens no GPU and says so", async () => {
  const hardware = await openHardware({ mode: "cpu" });
  assert.equal(hardware.gpu, undefined);
  assert.match(hardware.gpuUnavailable!, /switched off/);
  assert.equal(hardware.choose("matmul", 1e12).kind, "cpu");
  await hardware.close();
});

async function two(device: Device): Promise<number[]> {
  const one = tensorOf([2], Float32Array.of(1, 1));
  const { out } = runOp(device, add, { a: one, b: one }, {});
  return [...(await device.read(out)).data];
}

gpuTest("Hardware.run() repeats a task on the reopened GPU, then on the CPU", async () => {
  const log: string[] = [];
  const hardware = await openHardware({ mode: "webgpu", log: (message) => log.push(message) });
  const used: string[] = [];
  const losing = (times: number) => {
    let left = times;
    return (device: Device) => {
      used.push(device.kind);
      const result = two(device);
      if (device.kind !== "webgpu" || left-- <= 0) return result;
      result.catch(() => {});
      (device as WebGpuDevice).simulateLoss();
      return two(device);
    };
  };
  assert.deepEqual(await hardware.run("add", 2, losing(1)), [2, 2]);
  assert.deepEqual(used.splice(0), ["webgpu", "webgpu"]);
  assert.deepEqual(await hardware.run("add", 2, losing(1)), [2, 2]);
  assert.deepEqual(used, ["webgpu", "cpu"]);
  assert.equal(hardware.gpu, undefined);
  assert.equal(hardware.choose("add", 2).kind, "cpu");
  assert.ok(log.some((message) => /opening it again/.test(message)));
  assert.ok(log.some((message) => /^No GPU/.test(message)));
  await hardware.close();
});

Deno.test("Hardware.run() passes other errors on", async () => {
  const hardware = new Hardware(openCpu(), undefined, "none", {});
  await assert.rejects(
    () => hardware.run("add", 1, () => Promise.reject(new RangeError("no"))),
    RangeError,
  );
  await assert.rejects(
    () => hardware.run("add", 1, () => Promise.reject(new DeviceLostError("odd"))),
    DeviceLostError,
  );
});
