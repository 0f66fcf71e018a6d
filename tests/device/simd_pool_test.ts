import assert from "node:assert/strict";
import { controlViews, entriesOf, SimdPool, takeTasks, WORD } from "../../src/device/simd_pool.ts";

const module = new WebAssembly.Module(
  Deno.readFileSync(new URL("../../src/device/simd.wasm", import.meta.url)),
);

function openMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: 4, maximum: 20_480, shared: true });
}

async function ready(pool: SimdPool, count: number): Promise<void> {
  for (let waited = 0; pool.ready < count && waited < 10_000; waited += 5) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(pool.ready, count);
}

/** A round of the ReLU kernel from address 64 to `to`. */
function round(memory: WebAssembly.Memory, count: number, to: number) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const kernel = exports["activation"] as (...args: number[]) => void;
  const place = { tasks: Math.ceil(count / 4), threadsAt: 0, threadBytes: 0 };
  return { entry: "activation", kernel, args: [64, to, count, 4, 7, 1], ...place };
}

Deno.test("takeTasks() covers every task once, in runs", () => {
  const { words } = controlViews(new SharedArrayBuffer(4096));
  words[WORD.tasks] = 10;
  words[WORD.chunk] = 4;
  words[WORD.threadsAt] = 1000;
  words[WORD.threadBytes] = 64;
  const calls: number[][] = [];
  takeTasks(words, 2, (...args) => void calls.push(args), [7]);
  assert.deepEqual(calls, [[0, 4, 1128, 7], [4, 8, 1128, 7], [8, 10, 1128, 7]]);
});

Deno.test("entriesOf() names the kernels", () => {
  assert.ok(entriesOf(module).includes("multiply"));
});

Deno.test("SimdPool.run() does all tasks before and after its threads are up", async () => {
  const memory = openMemory();
  const pool = new SimdPool(module, memory, 2);
  const count = 4001;
  const floats = new Float32Array(memory.buffer);
  const check = () => {
    floats.fill(NaN);
    for (let i = 0; i < count; i++) floats[16 + i] = i;
    pool.run(round(memory, count, 65_536));
    for (let i = 0; i < count; i++) assert.equal(floats[16_384 + i], i);
    assert.ok(Number.isNaN(floats[16_384 + count]));
  };
  check();
  await ready(pool, 2);
  for (let i = 0; i < 100; i++) check();
  pool.close();
});

Deno.test("SimdPool.run() raises what trapped and can be used again", async () => {
  const memory = openMemory();
  const pool = new SimdPool(module, memory, 1);
  await ready(pool, 1);
  // Stores beyond the memory trap, in the caller or in the thread.
  assert.throws(() => pool.run(round(memory, 4001, 2 ** 30)), Error);
  assert.equal(pool.ready, 1);
  const good = round(memory, 8, 65_536);
  new Float32Array(memory.buffer)[16] = 3;
  for (let i = 0; i < 20; i++) pool.run(good);
  assert.equal(new Float32Array(memory.buffer)[16_384], 3);
  pool.close();
});

const ROUNDS_MAX = 100;

Deno.test("SimdPool.run() raises what trapped in a thread alone", async () => {
  const memory = openMemory();
  const pool = new SimdPool(module, memory, 1);
  await ready(pool, 1);
  // The caller does nothing, for so long that the thread has its share.
  const kernel = () => {
    const until = performance.now() + 50;
    while (performance.now() < until);
  };
  const failing = { ...round(memory, 4001, 2 ** 30), kernel };
  const rounds = () => {
    // On a busy machine the thread may miss a round, whose tasks the caller then takes.
    for (let i = 0; i < ROUNDS_MAX; i++) pool.run(failing);
  };
  assert.throws(rounds, /activation failed in a thread/);
  pool.close();
});

Deno.test("SimdPool.close() ends threads that are still starting", () => {
  const pool = new SimdPool(module, openMemory(), 2);
  pool.close();
  assert.equal(pool.ready, 0);
});
