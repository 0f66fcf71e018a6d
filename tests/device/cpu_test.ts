import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

Deno.test("openCpu() uploads without a copy and reads the same values", async () => {
  const cpu = openCpu();
  const tensor = tensorOf([3], Float64Array.of(1, 2, 3));
  const uploaded = cpu.upload(tensor);
  assert.equal(cpu.dataOf(uploaded), tensor.data);
  assert.deepEqual(await cpu.read(uploaded), tensor);
});

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
