import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { stepThrough, wideConvState } from "../../../src/cli/goldens/layer_steps.ts";
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
