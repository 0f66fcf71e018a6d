import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { POOLED_BYTES_MIN } from "../../src/device/array_pool.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { type CpuDevice, type DeviceTensor, viewOf } from "../../src/device/device.ts";
import { SIMD_TENSOR_BYTES_MAX } from "../../src/device/simd.ts";
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

const LONG = [POOLED_BYTES_MIN / 4];

Deno.test("openCpu() uses freed memory again", () => {
  for (const cpu of [openCpu(), openCpu({ simd: false })]) {
    const first = cpu.alloc(LONG, "f32");
    const array = cpu.arrayOf(first);
    const view = viewOf(first, 0, [1]);
    // Views die with their tensor, not the other way round.
    cpu.free(view);
    assert.notEqual(cpu.arrayOf(cpu.alloc(LONG, "f32")), array);
    cpu.free(first);
    cpu.free(first);
    const second = cpu.alloc(LONG, "f32");
    assert.equal(cpu.arrayOf(second), array);
    assert.notEqual(cpu.arrayOf(cpu.alloc(LONG, "f32")), array);
    const given = new Float32Array(LONG[0]!);
    cpu.free(cpu.upload(tensorOf(LONG, given)));
    assert.notEqual(cpu.arrayOf(cpu.alloc(LONG, "f32")), given);
  }
});

/** Ways of being shown what a tensor holds. */
const SHOWS = [
  (cpu: CpuDevice, tensor: DeviceTensor) => cpu.dataOf(tensor),
  async (cpu: CpuDevice, tensor: DeviceTensor) => (await cpu.read(tensor)).data,
  (cpu: CpuDevice, tensor: DeviceTensor) => cpu.dataOf(viewOf(tensor, 64, [64])),
];

Deno.test("openCpu() leaves to the collector what somebody was shown", async () => {
  const cpu = openCpu({ simd: false });
  for (const show of SHOWS) {
    const tensor = cpu.alloc(LONG, "f32");
    const kept = cpu.arrayOf(tensor);
    assert.equal((await show(cpu, tensor)).buffer, kept.buffer);
    cpu.free(tensor);
    assert.notEqual(cpu.arrayOf(cpu.alloc(LONG, "f32")), kept);
  }
});

Deno.test("openCpu() shows copies of what lies in the kernels' memory", async () => {
  const cpu = openCpu({ poison: true });
  for (const show of SHOWS) {
    const tensor = cpu.alloc(LONG, "f32");
    const array = cpu.arrayOf(tensor).fill(3);
    assert.ok(cpu.simd!.holds(array));
    const shown = await show(cpu, tensor);
    assert.ok(shown.buffer instanceof ArrayBuffer);
    cpu.free(tensor);
    assert.ok(shown.every((value) => value === 3));
    assert.equal(cpu.arrayOf(cpu.alloc(LONG, "f32")), array);
    cpu.arrayOf(cpu.alloc(LONG, "f32"));
  }
});

Deno.test("openCpu() has tensors outside where the kernels' memory is full, or not wanted", () => {
  const cpu = openCpu();
  const most = cpu.alloc([SIMD_TENSOR_BYTES_MAX / 4], "f32");
  assert.ok(cpu.simd!.holds(cpu.arrayOf(most)));
  const beyond = cpu.alloc(LONG, "f32");
  assert.ok(!cpu.simd!.holds(cpu.arrayOf(beyond)));
  cpu.free(most);
  cpu.free(beyond);
  // Too large to be kept for reuse: its place is free at once.
  assert.ok(cpu.simd!.holds(cpu.arrayOf(cpu.alloc([LONG[0]! + 1], "f32"))));
  const collected = openCpu({ collected: true });
  assert.ok(!collected.simd!.holds(collected.arrayOf(collected.alloc(LONG, "f32"))));
});

Deno.test("openCpu() has the memory of tensors that nobody freed once they are collected", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const cpu = openCpu();
  const offsets = () => {
    const tensors = [0, 1].map(() => cpu.alloc(LONG, "f32"));
    const view = viewOf(tensors[0]!, 64, [1]);
    return { view, places: tensors.map((tensor) => cpu.arrayOf(tensor).byteOffset) };
  };
  const { view, places: [first, second] } = offsets();
  // What waits for the collector is looked for a while, since it says when.
  for (let turn = 0; turn < 100; turn++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 0));
    const { byteOffset } = cpu.arrayOf(cpu.alloc(LONG, "f32"));
    assert.notEqual(byteOffset, first, "a view keeps its tensor");
    if (byteOffset === second) break;
    assert.ok(turn < 99, "the other one is gone");
  }
  assert.equal(cpu.arrayOf(view).length, 1);
});

Deno.test("openCpu() spoils freed memory where fresh memory is spoilt", () => {
  const cpu = openCpu({ poison: true });
  const tensor = cpu.alloc([POOLED_BYTES_MIN / 4], "f32");
  const array = cpu.arrayOf(tensor).fill(1);
  cpu.free(tensor);
  assert.ok(array.every(Number.isNaN));
});
