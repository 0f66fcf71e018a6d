import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
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
