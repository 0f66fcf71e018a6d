import assert from "node:assert/strict";
import { POOLED_BYTES_MIN } from "../../src/device/array_pool.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { type DeviceTensor, viewOf } from "../../src/device/device.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { checkWrite } from "./_write.ts";

Deno.test("openCpu() uploads without a copy and reads the same values", async () => {
  const cpu = openCpu();
  const tensor = tensorOf([3], Float64Array.of(1, 2, 3));
  const uploaded = cpu.upload(tensor);
  assert.equal(cpu.dataOf(uploaded), tensor.data);
  assert.deepEqual(await cpu.read(uploaded), tensor);
});

Deno.test("openCpu() writes into a tensor and into a view of it", () => checkWrite(openCpu()));

Deno.test("openCpu() fills fresh memory with NaN where asked to", () => {
  const poisoned = openCpu({ poison: true });
  assert.ok(Number.isNaN(poisoned.dataOf(poisoned.alloc([2], "f32"))[1]));
  const plain = openCpu();
  assert.equal(plain.dataOf(plain.alloc([2], "f32"))[1], 0);
});

Deno.test("openCpu() refuses tensors of another device", () => {
  const foreign = { shape: [1], dtype: "f32", buffer: { id: 1, bytes: 4, generation: 0 } } as const;
  assert.throws(() => openCpu().dataOf(foreign), TypeError);
});

Deno.test("openCpu() has SIMD kernels unless they are switched off", async () => {
  const cpu = openCpu({ simd: { workMin: 5 } });
  assert.equal(cpu.simd?.workMin, 5);
  assert.equal(cpu.simd?.threads, 1);
  assert.equal(openCpu({ simd: false }).simd, undefined);
  await cpu.close();
});

Deno.test("openCpu() keeps resident f32 tensors where its kernels run, until they are freed", () => {
  const cpu = openCpu({ poison: true });
  const resident = cpu.alloc([3, 2], "f32", "resident");
  const shared = cpu.dataOf(resident).buffer;
  assert.ok(shared instanceof SharedArrayBuffer);
  assert.ok(cpu.dataOf(resident).every(Number.isNaN));
  const other = cpu.alloc([5], "f32", "resident");
  cpu.dataOf(resident).fill(1);
  cpu.dataOf(other).fill(2);
  assert.ok(cpu.dataOf(resident).every((value) => value === 1));
  const { byteOffset } = cpu.dataOf(resident);
  cpu.free(resident);
  cpu.free(resident);
  const next = cpu.alloc([4], "f32", "resident");
  assert.equal(cpu.dataOf(next).byteOffset, byteOffset);
  assert.ok(cpu.dataOf(other).every((value) => value === 2));
});

Deno.test("openCpu() gives residents of f64, or without kernels, memory like any other", () => {
  const wide = openCpu().alloc([2], "f64", "resident");
  assert.ok(openCpu().dataOf(wide) instanceof Float64Array);
  const plain = openCpu({ simd: false });
  const tensor = plain.alloc([2], "f32", "resident");
  assert.ok(plain.dataOf(tensor).buffer instanceof ArrayBuffer);
  plain.free(tensor);
});

Deno.test("openCpu() uses freed memory again, but none that somebody was shown", async () => {
  const cpu = openCpu();
  const shape = [POOLED_BYTES_MIN / 4];
  const first = cpu.alloc(shape, "f32");
  const array = cpu.arrayOf(first);
  const view = viewOf(first, 0, [1]);
  // Views die with their tensor, not the other way round.
  cpu.free(view);
  assert.notEqual(cpu.arrayOf(cpu.alloc(shape, "f32")), array);
  cpu.free(first);
  cpu.free(first);
  const second = cpu.alloc(shape, "f32");
  assert.equal(cpu.arrayOf(second), array);
  assert.notEqual(cpu.arrayOf(cpu.alloc(shape, "f32")), array);
  for (
    const show of [
      cpu.dataOf,
      cpu.read,
      (tensor: DeviceTensor) => cpu.dataOf(viewOf(tensor, 0, [1])),
    ]
  ) {
    const shown = cpu.alloc(shape, "f32");
    const kept = cpu.arrayOf(shown);
    await show(shown);
    cpu.free(shown);
    assert.notEqual(cpu.arrayOf(cpu.alloc(shape, "f32")), kept);
  }
  const given = new Float32Array(shape[0]!);
  cpu.free(cpu.upload(tensorOf(shape, given)));
  assert.notEqual(cpu.arrayOf(cpu.alloc(shape, "f32")), given);
});

Deno.test("openCpu() spoils freed memory where fresh memory is spoilt", () => {
  const cpu = openCpu({ poison: true });
  const tensor = cpu.alloc([POOLED_BYTES_MIN / 4], "f32");
  const array = cpu.arrayOf(tensor).fill(1);
  cpu.free(tensor);
  assert.ok(array.every(Number.isNaN));
});
