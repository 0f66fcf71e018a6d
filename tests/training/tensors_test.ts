import assert from "node:assert/strict";
import { type DeviceTensor, openCpu } from "../../src/device/mod.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { freeAll, readAll, uploadAll } from "../../src/training/tensors.ts";

const cpu = openCpu({ poison: true });
const host = { a: tensorOf([2], Float32Array.of(1, 2)), b: tensorOf([1], Float32Array.of(3)) };

Deno.test("readAll() copies what uploadAll() took", async () => {
  const tensors = uploadAll(cpu, host);
  const read = await readAll(cpu, tensors);
  assert.deepEqual(read, host);
  read["a"]!.data[0] = 9;
  assert.deepEqual([...cpu.dataOf(tensors["a"]!)], [1, 2]);
});

Deno.test("readAll() asks for every tensor before it awaits one", async () => {
  const asked: DeviceTensor[] = [];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => answer = resolve);
  const slow = {
    ...cpu,
    async read(tensor: DeviceTensor) {
      asked.push(tensor);
      await answered;
      return cpu.read(tensor);
    },
  };
  const reading = readAll(slow, uploadAll(cpu, host));
  assert.equal(asked.length, 2);
  answer();
  assert.deepEqual(await reading, host);
});

Deno.test("freeAll() frees each tensor", () => {
  const freed: DeviceTensor[] = [];
  const tensors = uploadAll(cpu, host);
  freeAll({ ...cpu, free: (tensor) => freed.push(tensor) }, tensors);
  assert.deepEqual(freed, Object.values(tensors));
});
