import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { LimitError } from "../../src/base/errors.ts";
import type { SimdPlan } from "../../src/device/device.ts";
import {
  openSimd,
  SIMD_BYTES_MAX,
  SIMD_RESIDENT_BYTES_MAX,
  SIMD_TENSOR_BYTES_MAX,
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

Deno.test("openSimd() reads the tables of a plan like inputs", () => {
  const simd = openSimd({ poison: true });
  const y = new Float32Array(5);
  assert.ok(
    simd.run({ ...relu(5, 64), tables: { x: Float32Array.of(-2, -1, 0, 1, 2) } }, {}, { y }),
  );
  assert.deepEqual(y, Float32Array.of(0, 0, 0, 1, 2));
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
  // The same where most of it is in place.
  const held = simd.hold(SIMD_TENSOR_BYTES_MAX / 4 - 64, "tensor")!;
  assert.equal(simd.run({ ...plan, scratch: { more: 64 } }, { x: held }, { y }), false);
  assert.ok(simd.run(plan, { x: held }, { y }));
});

Deno.test("openSimd() refuses too many threads and names an unknown kernel", () => {
  assert.throws(() => openSimd({ threads: SIMD_THREADS_MAX + 1 }), LimitError);
  const plan = { scratch: {}, passes: [{ entry: "nothing", args: [], tasks: 1 }], coreMs: 0 };
  assert.throws(() => openSimd().run(plan, {}, {}), /no SIMD kernel is called "nothing"/);
});

Deno.test("openSimd() works on held arrays in place, on others by copies", () => {
  const simd = openSimd({ poison: true });
  const count = 1000;
  const expected = ramp(count).map((value) => Math.max(0, value));
  for (const [heldX, heldY] of [[true, true], [true, false], [false, true]]) {
    const x = heldX ? simd.hold(count, "tensor")! : new Float32Array(count);
    const y = heldY ? simd.hold(count, "tensor")! : new Float32Array(count);
    x.set(ramp(count));
    y.fill(NaN);
    // Another array makes the memory grow: what was held stays where it is.
    const later = simd.hold(200_000, "resident")!;
    assert.ok(simd.run(relu(count, 64), { x }, { y }));
    assert.deepEqual(Float32Array.from(y), expected);
    assert.deepEqual(Float32Array.from(x), ramp(count));
    simd.release(later);
    if (heldX) simd.release(x);
    if (heldY) simd.release(y);
  }
});

Deno.test("openSimd() holds no more than its limits, one room beside the other", () => {
  const simd = openSimd();
  const limits = { tensor: SIMD_TENSOR_BYTES_MAX, resident: SIMD_RESIDENT_BYTES_MAX };
  for (const room of ["tensor", "resident"] as const) {
    const whole = limits[room] / 4;
    assert.equal(simd.hold(whole + 1, room), undefined);
    const small = simd.hold(16, room)!;
    assert.equal(simd.hold(whole, room), undefined);
    simd.release(small);
    assert.throws(() => simd.release(small));
  }
  const all = simd.hold(limits.tensor / 4, "tensor")!;
  const resident = simd.hold(16, "resident")!;
  assert.equal(resident.byteOffset, all.byteOffset + all.byteLength);
  assert.ok(simd.holds(all) && simd.holds(resident.subarray(4, 8)));
  assert.ok(!simd.holds(new Float32Array(16)));
});

Deno.test("openSimd() runs kernels at the end of its memory", () => {
  const simd = openSimd();
  const last = SIMD_RESIDENT_BYTES_MAX / 4;
  const y = simd.hold(last, "resident")!.subarray(last - 70);
  const x = ramp(70);
  assert.ok(simd.run(relu(70, 64), { x }, { y }));
  assert.deepEqual(Float32Array.from(y), x.map((value) => Math.max(0, value)));
});

/** The kernel that advances states: one row, four features of four states, no decay. */
function advance(): SimdPlan {
  const tensors = ["u", "delta", "A", "B", "C", "D", "z", "deltaBias", "slots", "y", "next"];
  const args = [...tensors, 1, 1, 4, 4, 1, 0];
  const passes = [{ entry: "selective_state_update", args, tasks: 1 }];
  return { scratch: {}, passes, coreMs: 0, resident: ["next"] };
}

Deno.test("openSimd() lets kernels go on from what a resident output holds", () => {
  const simd = openSimd({ poison: true });
  const ones = (length: number) => new Float32Array(length).fill(1);
  const inputs = { u: ones(4), delta: ones(4), A: new Float32Array(16), B: ones(4), C: ones(4) };
  for (const next of [new Float32Array(16), simd.hold(16, "resident")!]) {
    next.fill(2);
    const y = new Float32Array(4);
    assert.ok(simd.run(advance(), inputs, { y, next }));
    assert.ok(next.every((value) => value === 3), "exp(0)·2 + 1·1·1");
    assert.deepEqual(y, Float32Array.of(12, 12, 12, 12));
  }
});
