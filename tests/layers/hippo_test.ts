import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import {
  hippo,
  hippoCoefficients,
  type HippoConfig,
  hippoReconstruct,
} from "../../src/layers/mod.ts";
import { projectLegs, projectLegt } from "../../src/ssm/projection.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });
const WINDOW = {
  feature: 2,
  state: 16,
  window: 100,
  discretization: "zoh",
  start: 0,
  delayMin: 0,
  delayMax: 1,
} as const;
const LENGTH = 400;

/** Two slow signals, [1, length, 2]. */
function slow(length = LENGTH): Tensor {
  const at = (k: number, d: number) => Math.sin(k / (d === 0 ? 20 : 33)) + d;
  return tensorOf(
    [1, length, 2],
    Float64Array.from({ length: 2 * length }, (_, i) => at(Math.floor(i / 2), i % 2)),
  );
}

async function coefficientsOf(config: HippoConfig, u: Tensor): Promise<Float64Array> {
  const { coefficients } = hippoCoefficients(cpu, config, u);
  return (await cpu.read(coefficients)).data as Float64Array;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => Math.max(x, y), 0);
}

Deno.test("hippoCoefficients() of legs from start 1 are the published code's", async () => {
  const u = slow(60);
  const expected = projectLegs(u.data as Float64Array, {
    method: "zoh",
    stateSize: 16,
    channels: 2,
  });
  const actual = await coefficientsOf({ ...WINDOW, measure: "legs", start: 1 }, u);
  assert.ok(distance(actual, expected) < 1e-12);
});

Deno.test("hippoCoefficients() of lmu are the window's of the published code", async () => {
  const u = slow(60);
  const expected = projectLegt(u.data as Float64Array, {
    method: "zoh",
    stateSize: 16,
    channels: 2,
    dt: 1 / 100,
  });
  const actual = await coefficientsOf({ ...WINDOW, measure: "lmu" }, u);
  assert.ok(distance(actual, expected) < 1e-12);
});

Deno.test("hippoReconstruct() draws the past again from a state", async () => {
  const u = slow();
  const configs: readonly HippoConfig[] = [
    { ...WINDOW, measure: "legs", start: 0 },
    { ...WINDOW, measure: "legt" },
    { ...WINDOW, measure: "lmu" },
  ];
  for (const config of configs) {
    const params = hippo.init(config, seedRandom(1));
    const { state } = hippo.forward(cpu, params, u);
    const x = await cpu.read(state["x"]!);
    const span = config.measure === "legs" ? LENGTH : config.window;
    const ages = [0.1, 0.35, 0.8];
    const drawn = hippoReconstruct(config, x, ages);
    assert.deepEqual(drawn.shape, [1, 2, 3]);
    for (let d = 0; d < 2; d++) {
      ages.forEach((age, i) => {
        // A held sample stands for the half period around its middle.
        const k = LENGTH - age * span - 0.5;
        const expected = Math.sin(k / (d === 0 ? 20 : 33)) + d;
        assert.ok(Math.abs(drawn.data[d * 3 + i]! - expected) < 0.02, `${config.measure} ${age}`);
      });
    }
  }
});

Deno.test("hippo's readout of a window delays by its share, the better the more states", async () => {
  const u = slow();
  for (const measure of ["legt", "lmu"] as const) {
    let before = Infinity;
    for (const state of [2, 4, 8]) {
      const config = { ...WINDOW, measure, state, delayMin: 0.5, delayMax: 0.5 };
      const { y } = hippo.forward(cpu, hippo.init(config, seedRandom(1)), u);
      const out = (await cpu.read(y)).data;
      let error = 0;
      for (let k = 250; k < LENGTH; k++) {
        for (let d = 0; d < 2; d++) {
          // Fifty periods ago, and half of one since a sample is held.
          const expected = Math.sin((k + 0.5 - 50) / (d === 0 ? 20 : 33)) + d;
          error = Math.max(error, Math.abs(out[k * 2 + d]! - expected));
        }
      }
      assert.ok(error < before, `${measure} ${state}: ${error} after ${before}`);
      before = error;
    }
    assert.ok(before < 0.03, `${measure}: ${before}`);
  }
});

Deno.test("hippo takes a gap as so many samples of the value after it", () => {
  const configs: readonly HippoConfig[] = [
    { ...WINDOW, measure: "legs", start: 0 },
    { ...WINDOW, measure: "fourier" },
    { ...WINDOW, measure: "lagt" },
  ];
  for (const config of configs) {
    const params = hippo.init(config, seedRandom(1));
    const [gap, steps] = [hippo.initialState(config, 1), hippo.initialState(config, 1)];
    for (const state of [gap, steps]) hippo.step(params, Float64Array.of(1, -2), state);
    hippo.step(params, Float64Array.of(3, 0.5), gap, 7);
    for (let i = 0; i < 7; i++) hippo.step(params, Float64Array.of(3, 0.5), steps);
    assert.ok(distance(gap["x"]!.data, steps["x"]!.data) < 1e-12, config.measure);
  }
});

Deno.test("hippo of legs remembers in proportion: twice as slow is the same memory", () => {
  const config: HippoConfig = { ...WINDOW, measure: "legs", start: 0 };
  const params = hippo.init(config, seedRandom(1));
  const [fast, slowly] = [hippo.initialState(config, 1), hippo.initialState(config, 1)];
  for (let k = 0; k < 30; k++) {
    const u = Float64Array.of(Math.sin(k), Math.cos(2 * k));
    hippo.step(params, u, fast);
    for (let i = 0; i < 2; i++) hippo.step(params, u, slowly);
  }
  assert.ok(distance(fast["x"]!.data, slowly["x"]!.data) < 1e-12);
});

Deno.test("hippo refuses what is no memory", () => {
  const broken = (change: object) => () =>
    hippo.validate({ ...WINDOW, measure: "legt", ...change } as HippoConfig);
  assert.throws(broken({ measure: "hippo" }), { field: "measure" });
  assert.throws(broken({ measure: "fourier", state: 3 }), { field: "state" });
  assert.throws(broken({ state: 257 }), { field: "state" });
  assert.throws(broken({ delayMin: 0.5, delayMax: 0.4 }), { field: "delayMax" });
  assert.throws(broken({ discretization: "euler" }), { field: "discretization" });
  assert.throws(broken({ measure: "legs", start: -1 }), { field: "start" });
  assert.throws(() => hippoReconstruct({ ...WINDOW, measure: "legt" }, slow(), [2]), {
    axis: "x.2",
  });
});
