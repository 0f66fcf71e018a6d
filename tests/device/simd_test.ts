import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { LimitError } from "../../src/base/errors.ts";
import type { SimdPlan } from "../../src/device/device.ts";
import {
  openSimd,
  SIMD_BYTES_MAX,
  SIMD_THREAD_BYTES_MAX,
  SIMD_THREADS_MAX,
} from "../../src/device/simd.ts";
import { buildSimd } from "../../simd/build.ts";

/** The kernel of ReLU over `count` elements, `block` to a task. */
function relu(count: number, block: number): SimdPlan {
  const args = ["x", "y", count, block, 7, 1];
  const passes = [{ entry: "activation", args, tasks: Math.ceil(count / block) }];
  return { scratch: {}, passes, coreMs: 1 };
}

function ramp(count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => i - count / 2);
}

Deno.test("simd.wasm is what its sources compile to, byte for byte", async () => {
  const committed = Deno.readFileSync(new URL("../../src/device/simd.wasm", import.meta.url));
  const built = await buildSimd();
  assert.equal(Buffer.compare(built, committed), 0, "run `deno task simd:build` and commit it");
});

Deno.test("openSimd() runs a plan over arrays of any length, again and again", () => {
  const simd = openSimd({ poison: true });
  assert.equal(simd.unavailable, undefined);
  // The memory grows from run to run; what was read before stays.
  for (const count of [1, 3, 4, 5, 100, 70_001, 17]) {
    const x = ramp(count);
    const y = new Float32Array(count);
    assert.ok(simd.run(relu(count, 64), { x }, { y }));
    assert.deepEqual(y, x.map((value) => Math.max(0, value)));
    assert.deepEqual(x, ramp(count));
  }
  assert.equal(simd.threadsReady, 1);
});

Deno.test("openSimd() gives the same on several threads, and goes on alone after close()", async () => {
  const simd = openSimd({ threads: 3, threadsFromMs: 0, poison: true });
  const count = 10_007;
  const x = ramp(count);
  const expected = x.map((value) => Math.max(0, value));
  const run = () => {
    const y = new Float32Array(count);
    assert.ok(simd.run(relu(count, 64), { x }, { y }));
    assert.deepEqual(y, expected);
  };
  run();
  for (let waited = 0; simd.threadsReady < 3 && waited < 10_000; waited += 5) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(simd.threadsReady, 3);
  for (let i = 0; i < 50; i++) run();
  simd.close();
  assert.equal(simd.threadsReady, 1);
  run();
});

Deno.test("openSimd() leaves to the twin what does not fit into its memory", () => {
  const simd = openSimd();
  const x = ramp(4);
  const y = new Float32Array(4);
  const plan = relu(4, 64);
  assert.equal(simd.run({ ...plan, scratch: { more: SIMD_BYTES_MAX / 4 } }, { x }, { y }), false);
  const [pass] = plan.passes;
  const threadFloats = SIMD_THREAD_BYTES_MAX / 4;
  const large = { ...plan, passes: [{ ...pass!, threadFloats: threadFloats + 1 }] };
  assert.equal(simd.run(large, { x }, { y }), false);
  assert.deepEqual(y, new Float32Array(4));
  assert.ok(simd.run({ ...plan, passes: [{ ...pass!, threadFloats }] }, { x }, { y }));
  assert.deepEqual(y, Float32Array.of(0, 0, 0, 1));
});

Deno.test("openSimd() refuses too many threads and names an unknown kernel", () => {
  assert.throws(() => openSimd({ threads: SIMD_THREADS_MAX + 1 }), LimitError);
  const plan = { scratch: {}, passes: [{ entry: "nothing", args: [], tasks: 1 }], coreMs: 0 };
  assert.throws(() => openSimd().run(plan, {}, {}), /no SIMD kernel is called "nothing"/);
});
