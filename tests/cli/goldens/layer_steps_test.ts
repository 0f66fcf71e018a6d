import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { prefillBlock, prefillLength, stepBlock } from "../../../src/cli/goldens/layer_steps.ts";
import { stepThrough, wideConvState } from "../../../src/cli/goldens/layer_steps.ts";
import { parseGoldenGroup } from "../../../src/cli/goldens/golden_file.ts";
import { fileOf, manifestOf } from "./_files.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { mamba } from "../../../src/layers/mod.ts";
import type { MambaConfig } from "../../../src/layers/mod.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";

const device = openCpu({ poison: true });
const config = mamba.examples[0] as MambaConfig;
const params = mamba.init(config, seedRandom(1));
const u = tensorOf([1, 5, 4], Float64Array.from({ length: 20 }, (_, i) => Math.sin(i)));

Deno.test("stepThrough() gives the state after each sample and leaves the start alone", async () => {
  const start = mamba.initialState(config, 1);
  const { y, states } = await stepThrough(mamba, params, { device, dtype: "f64" }, u, start);
  assert.deepEqual(y.shape, [1, 5, 4]);
  assert.equal(states.length, 5);
  assert.ok(start["ssm"]!.data.every((value) => value === 0));
  assert.notDeepEqual(states[0]!["ssm"]!.data, states[4]!["ssm"]!.data);
  const whole = mamba.forward(device, params, u);
  const expected = device.dataOf(whole.y);
  // The same sums in another order.
  y.data.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) < 1e-13));
});

Deno.test("wideConvState() is the carried inputs and then the newest", () => {
  const before = tensorOf([1, 2, 2], Float64Array.from([1, 2, 5, 6]));
  const after = tensorOf([1, 2, 2], Float64Array.from([2, 3, 6, 7]));
  const wide = wideConvState(before, after);
  assert.deepEqual(wide.shape, [1, 2, 3]);
  assert.deepEqual([...wide.data], [1, 2, 3, 5, 6, 7]);
});

Deno.test("stepBlock() and prefillBlock() keep the inputs of a convolution of any width", async () => {
  const on = { device, dtype: "f64" } as const;
  for (const width of [1, 2, 4]) {
    const block = mamba.init({ ...config, width }, seedRandom(2));
    const { y, states } = await stepBlock(mamba, block, on, u);
    assert.equal(y.shape[1], 5);
    const inner = config.feature * config.expand;
    states.forEach(({ conv }) => assert.deepEqual(conv.shape, [1, inner, width]));
    // The newest input of one step is the one before the newest of the next.
    const newest = (k: number, back: number) => states[k]!.conv.data[width - 1 - back]!;
    if (width > 1) assert.equal(newest(4, 1), newest(3, 0));
    assert.notEqual(newest(4, 0), newest(3, 0));
    const after = await prefillBlock(mamba, block, on, u, 3);
    // The same sums in another order.
    after.conv.data.forEach((value, i) =>
      assert.ok(Math.abs(value - states[2]!.conv.data[i]!) < 1e-13)
    );
    after.ssm.data.forEach((value, i) =>
      assert.ok(Math.abs(value - states[2]!.ssm.data[i]!) < 1e-13)
    );
  }
});

Deno.test("prefillLength() is in the note, or half, and within the sequence", () => {
  const y = { role: "output", shape: [2], complex: false, rtol: { f64: 1, f32: 1 } };
  const lengthOf = (note: string, length: number) => {
    const group = parseGoldenGroup(manifestOf({ y: { ...y, note } }), fileOf());
    return prefillLength(group.cases[0]!, "y", length);
  };
  assert.equal(lengthOf("after a prefill of 7 steps", 12), 7);
  assert.equal(lengthOf("first 16 steps as one prefill, the rest one step at a time", 32), 16);
  assert.equal(lengthOf("", 9), 4);
  assert.equal(lengthOf("", 1), 1);
  assert.equal(lengthOf("after a prefill of 7 steps", 3), 3);
});
