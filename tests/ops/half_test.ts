import assert from "node:assert/strict";
import { openCpu } from "../../src/device/mod.ts";
import type { Device } from "../../src/device/device.ts";
import { half } from "../../src/ops/half.ts";
import { packHalf, unpackHalf } from "../../src/ops/_helpers/half_storage.ts";
import { runOp } from "../../src/ops/run.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { run, t } from "./_run.ts";

Deno.test("half() rounds to eleven binary digits, ties to even, within the range", async () => {
  const x = t([7], [1, 1 + 2 ** -10, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -1e9, 2 ** -25, 3e-8]);
  const { out } = await run(half, { x }, {});
  assert.deepEqual([...out!.data], [1, 1 + 2 ** -10, 1, 1 + 2 ** -9, -65504, 0, 2 ** -25 * 2]);
});

/** An odd number of values over many magnitudes. */
const VALUES = tensorOf(
  [5, 33],
  Float32Array.from({ length: 165 }, (_, i) => Math.cos(i) * 10 ** (i % 9 - 4)),
);

async function storedOn(device: Device): Promise<[stored: Tensor, rounded: Tensor, bytes: number]> {
  const x = device.upload(VALUES);
  const packed = packHalf(device, x);
  const whole = unpackHalf(device, packed, VALUES.shape);
  const { out } = runOp(device, half, { x }, {});
  const read = [await device.read(whole), await device.read(out)] as const;
  for (const tensor of [x, packed, whole, out]) device.free(tensor);
  return [...read, packed.shape.reduce((a, b) => a * b, 4)];
}

Deno.test("what packHalf() packs, unpackHalf() gives back rounded", async () => {
  const [stored, rounded] = await storedOn(openCpu({ poison: true }));
  assert.deepEqual(stored, rounded);
});

gpuTest("packHalf() on the GPU is the op half, in half the memory", async (gpu) => {
  const [stored, rounded, bytes] = await storedOn(gpu);
  assert.deepEqual(stored, rounded);
  assert.equal(bytes, 4 * 83);
});

gpuTest("half() on the GPU is the twin bit for bit where numbers are normal", async (gpu) => {
  const [, rounded] = await storedOn(gpu);
  const [, twin] = await storedOn(openCpu({ poison: true }));
  const isNormal = (_: number, i: number) => Math.abs(VALUES.data[i]!) >= 2 ** -14;
  assert.deepEqual(rounded.data.filter(isNormal), twin.data.filter(isNormal));
});
