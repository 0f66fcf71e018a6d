import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { mamba2, type Mamba2Config } from "../../src/layers/mamba2.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: Mamba2Config = {
  feature: 4,
  state: 3,
  width: 4,
  expand: 2,
  headSize: 2,
  group: 2,
  chunk: 8,
  normBeforeGate: false,
  eps: 1e-5,
  dtMin: 0.001,
  dtMax: 0.1,
};

Deno.test("mamba2 init starts -A between 1 and 16 and the step sizes in their range", () => {
  const { tensors } = mamba2.init(CONFIG, seedRandom(1));
  for (const value of tensors["logA"]!.data) {
    assert.ok(Math.exp(value) >= 1 && Math.exp(value) <= 16);
  }
  for (const value of tensors["dtBias"]!.data) {
    const dt = Math.log1p(Math.exp(value));
    assert.ok(dt >= 0.001 * (1 - 1e-9) && dt <= 0.1 * (1 + 1e-9), `dt ${dt}`);
  }
});

Deno.test("mamba2 gives the same whatever the chunk", () => {
  const params = mamba2.init(CONFIG, seedRandom(1));
  const u = tensorOf([1, 21, 4], Float64Array.from({ length: 84 }, (_, i) => Math.sin(i)));
  const of = (chunk: number) =>
    cpu.dataOf(mamba2.forward(cpu, { ...params, config: { ...CONFIG, chunk } }, u).y);
  const recurrence = of(1);
  for (const chunk of [4, 21, 100]) {
    // The same sums in another order, on values near 1.
    of(chunk).forEach((value, i) => assert.ok(Math.abs(value - recurrence[i]!) < 1e-13));
  }
});

Deno.test("mamba2 names what is out of range", () => {
  const refused = (change: Partial<Mamba2Config>, field: string) =>
    assert.throws(() => mamba2.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ headSize: 3 }, "headSize");
  refused({ group: 3 }, "group");
  refused({ eps: 0 }, "eps");
  refused({ chunk: 0 }, "chunk");
});
