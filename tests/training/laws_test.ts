/**
 * What a training does when something goes wrong under it: no memory at any allocation, a device
 * that goes away, a rate far too high; and that it goes on in the same bits on every kind of CPU
 * path.
 */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { DeviceLostError } from "../../src/base/errors.ts";
import type { CpuDevice, Device } from "../../src/device/device.ts";
import { openCpu, openScope } from "../../src/device/mod.ts";
import { openWebGpu } from "../../src/device/webgpu.ts";
import type { Dtype } from "../../src/tensor/tensor.ts";
import { train } from "../../src/training/trainer.ts";
import { openTraining, type TrainingState } from "../../src/training/training.ts";
import { gpuTest } from "../_gpu.ts";
import { initial, minibatch, OPTIONS } from "./_task.ts";

/** A device that has no memory at its n-th allocation. */
function failingAt(gpu: Device, n: number): Device {
  let count = 0;
  const countOne = () => {
    if (++count === n) throw new RangeError("no memory in this test");
  };
  return {
    ...openScope(gpu),
    alloc(shape, dtype) {
      countOne();
      return gpu.alloc(shape, dtype);
    },
    upload(tensor) {
      countOne();
      return gpu.upload(tensor);
    },
    free: (tensor) => gpu.free(tensor),
  };
}

/** Allocations of opening the training of these tests. */
const ALLOCATIONS_OF_OPENING = 20;

const WAYS = {
  plain: {},
  recomputed: { recompute: true },
  // Large enough that activations are packed.
  mixed: {
    precision: "mixed" as const,
    minibatch: (index: number) => minibatch(index, "f32", { batch: 16, length: 48 }),
  },
};

for (const [way, change] of Object.entries(WAYS)) {
  gpuTest(`no memory at any point of an iteration leaves none behind (${way})`, (gpu) => {
    const options = { ...OPTIONS, ...change };
    // Constants that a device keeps are made by the first training.
    const first = openTraining(gpu, initial(), options);
    first.iterate();
    first.release();
    const used = gpu.memory.used;
    let failures = 0;
    for (let at = ALLOCATIONS_OF_OPENING;; at += 13) {
      const training = openTraining(failingAt(gpu, at), initial(), options);
      try {
        training.iterate();
        training.iterate();
        training.release();
        break;
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        failures++;
      }
      training.release();
      assert.equal(gpu.memory.used, used, `allocation ${at}`);
    }
    assert.equal(gpu.memory.used, used);
    assert.ok(failures > 25, `${failures} points of failure`);
  });
}

gpuTest("a training whose device is lost fails by that name; a new one goes on", async () => {
  const opened = await openWebGpu();
  assert.ok("device" in opened);
  const { device } = opened;
  const training = openTraining(device, initial(), OPTIONS);
  for (let i = 0; i < 3; i++) training.iterate();
  const saved = await training.save();
  const clock = new ManualClock();
  const running = train(training, { steps: 1_000, logEvery: 4 }, {
    clock,
    onStep: (step) => step === 9 && device.simulateLoss(),
  });
  await assert.rejects(running, DeviceLostError);
  training.release();
  await device.opened();
  assert.equal(device.reopens, 1);
  assert.equal(device.memory.used, 0);
  // The same steps, from the last state that was saved.
  const expected = await goOn(openCpu(), saved, 6);
  const again = await goOn(device, saved, 6);
  for (const [name, { data }] of Object.entries(expected.tensors)) {
    const scale = Math.max(1e-3, ...Array.from(data, Math.abs));
    // f32 sums in another order, through three steps of a rate of 0.02.
    again.tensors[name]!.data.forEach((value, i) =>
      assert.ok(Math.abs(value - data[i]!) < 1e-2 * scale, name)
    );
  }
  assert.equal(device.memory.used, 0);
  await device.close();
});

async function goOn(
  device: Device,
  saved: TrainingState | undefined,
  steps: number,
  dtype?: Dtype,
) {
  const options = {
    ...OPTIONS,
    minibatch: (index: number) => minibatch(index, dtype),
  };
  const training = openTraining(device, initial(dtype), options, saved);
  while (training.step < steps) training.iterate();
  const state = await training.save();
  training.release();
  return state;
}

const CPUS: readonly (readonly [string, CpuDevice, Dtype])[] = [
  ["without SIMD", openCpu({ poison: true, simd: false }), "f32"],
  ["with SIMD at every size", openCpu({ poison: true, simd: { workMin: 0 } }), "f32"],
  ["with SIMD on three threads", openCpu({ simd: { workMin: 0, threads: 3 } }), "f32"],
  ["in f64", openCpu({ poison: true }), "f64"],
];

for (const [name, device, dtype] of CPUS) {
  Deno.test(`every cut of a training goes on in the same bits, ${name}`, async () => {
    const whole = await goOn(device, undefined, 8, dtype);
    for (let cut = 1; cut < 8; cut++) {
      const first = await goOn(device, undefined, cut, dtype);
      assert.deepEqual(await goOn(device, first, 8, dtype), whole, `cut at ${cut}`);
    }
    await device.close();
  });
}

Deno.test("a rate far too high ends with DivergenceError and saves healthy states only", async () => {
  const training = openTraining(openCpu(), initial(), {
    ...OPTIONS,
    schedule: { kind: "constant", rate: 1e3 },
  });
  const saved: TrainingState[] = [];
  const running = train(training, { steps: 200, logEvery: 1, saveEvery: 1 }, {
    clock: new ManualClock(),
    onSave: (state) => {
      saved.push(state);
      return Promise.resolve();
    },
  });
  await assert.rejects(running, {
    name: "DivergenceError",
    message: /rate of 1000\. Take a lower/,
  });
  for (const { tensors } of saved) {
    for (const { data } of Object.values(tensors)) assert.ok(data.every(Number.isFinite));
  }
});
