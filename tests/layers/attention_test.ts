import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { GOLDENS_FOLDER_DEFAULT } from "../../src/cli/goldens.ts";
import { numberOf, parseGoldenGroup } from "../../src/cli/goldens/golden_file.ts";
import { fileTensor } from "../../src/cli/goldens/tensors.ts";
import { openCpu } from "../../src/device/mod.ts";
import { attention, type AttentionConfig } from "../../src/layers/attention.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: AttentionConfig = {
  feature: 8,
  head: 4,
  group: 2,
  window: 16,
  rotary: true,
  rotaryBase: 10_000,
  bias: false,
};

const u = tensorOf([1, 12, 8], Float64Array.from({ length: 96 }, (_, i) => Math.sin(i * i)));

Deno.test("attention is torch's where it is causal", async () => {
  const group = parseGoldenGroup(
    await Deno.readTextFile(`${GOLDENS_FOLDER_DEFAULT}/layers.json`),
    await Deno.readFile(`${GOLDENS_FOLDER_DEFAULT}/layers.safetensors`),
  );
  const causal = group.cases.filter(({ tensors, scalars }) =>
    tensors.has("in_proj_weight") && scalars["causal"] === true
  );
  assert.ok(causal.length > 0);
  for (const golden of causal) {
    const x = fileTensor(golden, "x");
    const head = numberOf(golden, "heads");
    const [, window = 0, feature = 0] = x.shape;
    const config = { ...CONFIG, feature, head, group: head, window, rotary: false, bias: true };
    const tensors = {
      inProj: fileTensor(golden, "in_proj_weight"),
      inBias: fileTensor(golden, "in_proj_bias"),
      outProj: fileTensor(golden, "out_proj_weight"),
      outBias: fileTensor(golden, "out_proj_bias"),
    };
    const y = cpu.dataOf(attention.forward(cpu, { config, tensors }, x).y);
    // The manifest's tolerance, on values near 1.
    fileTensor(golden, "y").data.forEach((value, i) => {
      assert.ok(Math.abs(value - y[i]!) < 1e-11, `${golden.name} at ${i}`);
    });
  }
});

Deno.test("attention with rotary positions does not care where the count begins", () => {
  const params = attention.init({ ...CONFIG, window: 5 }, seedRandom(1));
  const whole = cpu.dataOf(attention.forward(cpu, params, u).y);
  const late = tensorOf([1, 8, 8], u.data.slice(4 * 8));
  const part = cpu.dataOf(attention.forward(cpu, params, late).y);
  // From the fifth sample on both see the same five.
  for (let i = 4 * 8; i < 8 * 8; i++) assert.ok(Math.abs(part[i]! - whole[i + 32]!) < 1e-14);
});

Deno.test("attention with rotary positions knows the order, without them it does not", () => {
  const swapped = tensorOf(u.shape, u.data.slice());
  swapped.data.set(u.data.subarray(0, 8), 8);
  swapped.data.set(u.data.subarray(8, 16), 0);
  for (const rotary of [false, true]) {
    const params = attention.init({ ...CONFIG, rotary }, seedRandom(1));
    const last = (x: typeof u) => cpu.dataOf(attention.forward(cpu, params, x).y).slice(-8);
    const [a, b] = [last(u), last(swapped)];
    const most = Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
    assert.equal(most > 1e-6, rotary, `rotary ${rotary}: ${most}`);
  }
});

Deno.test("attention keeps a bounded state", () => {
  const params = attention.init(CONFIG, seedRandom(1));
  const state = attention.initialState(CONFIG, 1);
  for (let k = 0; k < 40; k++) attention.step(params, u.data.slice(0, 8), state);
  assert.deepEqual(state["keys"]!.shape, [1, 15, 2, 2]);
  assert.equal(state["seen"]!.data[0], 15);
});

Deno.test("attention names what is out of range", () => {
  const refused = (change: Partial<AttentionConfig>, field: string) =>
    assert.throws(() => attention.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ head: 3 }, "head");
  refused({ group: 3 }, "group");
  refused({ window: 0 }, "window");
  refused({ rotaryBase: 1 }, "rotaryBase");
  refused({ head: 8, group: 8 }, "head");
});
