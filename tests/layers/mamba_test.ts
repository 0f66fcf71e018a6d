import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { mamba, type MambaConfig } from "../../src/layers/mamba.ts";
import { tensorOf, zeros } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: MambaConfig = {
  feature: 3,
  state: 2,
  width: 3,
  expand: 2,
  dtRank: 1,
  bias: false,
  dtMin: 0.001,
  dtMax: 0.1,
};

Deno.test("mamba init starts A at -1, -2 and the step sizes in their range", () => {
  const { tensors } = mamba.init(CONFIG, seedRandom(1));
  tensors["logA"]!.data.forEach((value, i) => {
    assert.ok(Math.abs(Math.exp(value) - (1 + i % 2)) < 1e-15);
  });
  for (const value of tensors["dtBias"]!.data) {
    const dt = Math.log1p(Math.exp(value));
    assert.ok(dt >= 0.001 * (1 - 1e-9) && dt <= 0.1 * (1 + 1e-9), `dt ${dt}`);
  }
});

Deno.test("mamba has projection biases only where the configuration says", () => {
  assert.equal(mamba.init(CONFIG, seedRandom(1)).tensors["inBias"], undefined);
  const biased = mamba.init({ ...CONFIG, bias: true }, seedRandom(1)).tensors;
  assert.deepEqual(biased["inBias"]!.shape, [12]);
  assert.deepEqual(biased["outBias"]!.shape, [3]);
});

Deno.test("mamba carries the last inputs of its convolution, oldest first", () => {
  const params = mamba.init(CONFIG, seedRandom(1));
  // With the identity as projection the convolution sees the features themselves.
  const inProj = zeros([12, 3], "f64");
  for (let i = 0; i < 3; i++) inProj.data[i * 3 + i] = 1;
  const plain = { config: CONFIG, tensors: { ...params.tensors, inProj } };
  const u = tensorOf([1, 4, 3], Float64Array.from({ length: 12 }, (_, i) => i));
  const { state } = mamba.forward(cpu, plain, u);
  const conv = cpu.dataOf(state["conv"]!);
  assert.deepEqual(Array.from(conv.slice(0, 6)), [6, 9, 7, 10, 8, 11]);
});

Deno.test("mamba passes nothing where its gate is closed", () => {
  const params = mamba.init(CONFIG, seedRandom(1));
  const inProj = tensorOf([12, 3], Float64Array.from(params.tensors["inProj"]!.data));
  inProj.data.fill(0, 6 * 3);
  const closed = { config: CONFIG, tensors: { ...params.tensors, inProj } };
  const u = tensorOf([1, 5, 3], Float64Array.from({ length: 15 }, (_, i) => Math.sin(i)));
  assert.ok(cpu.dataOf(mamba.forward(cpu, closed, u).y).every((value) => value === 0));
});

Deno.test("mamba names what is out of range", () => {
  for (const field of ["feature", "state", "width", "expand", "dtRank"] as const) {
    const broken = { ...CONFIG, [field]: 0 };
    assert.throws(() => mamba.init(broken, seedRandom(1)), { field });
  }
});
