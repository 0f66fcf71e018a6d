import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/mod.ts";
import { LONG_CONV_TAPS_MAX, longConv, longConvFilters } from "../../src/layers/long_conv.ts";
import type { LongConvConfig } from "../../src/layers/long_conv.ts";
import type { ForwardOptions, LayerState } from "../../src/layers/layer.ts";
import { s4d, s4dKernel } from "../../src/layers/s4d.ts";
import { asDtype, type Dtype, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { distance, filled, steps } from "../ops/_run.ts";
import { differenceErrors, tapeGradients } from "./_gradients.ts";

const cpu = openCpu({ poison: true });
const SHORT: LongConvConfig = {
  ...{ feature: 2, taps: 13, filter: "implicit", hidden: 4, bands: 2, scaleSize: 8 },
  ...{ order: 2, width: 3 },
};
/** Longer than a short convolution may be, so by FFT. */
const LONG: LongConvConfig = { ...SHORT, taps: 80 };
const LENGTH = 100;
const random = seedRandom(7);
const u = filled([2, LENGTH, 2], () => Math.fround(nextNormal(random)));

/** Transforms of 256 points and sums of 80 taps of values near 1. */
const CLOSE = 1e-12;

async function forward(
  config: LongConvConfig,
  input: Tensor,
  options: ForwardOptions = {},
  device: Device = cpu,
): Promise<{ y: Tensor; state: LayerState }> {
  const params = longConv.init(config, seedRandom(3));
  const result = longConv.forward(device, params, input, options);
  const state: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(result.state)) {
    state[name] = await device.read(tensor);
  }
  return { y: await device.read(result.y), state };
}

/** Rows of [batch, length, feature] convolved with [feature, taps] by plain loops. */
function convolved(x: Tensor, filter: (d: number, l: number) => number, taps: number): Tensor {
  const width = x.shape[2]!;
  return filled(x.shape, (at) => {
    const d = at % width;
    const k = Math.floor(at / width) % x.shape[1]!;
    let sum = 0;
    for (let l = 0; l <= Math.min(k, taps - 1); l++) sum += filter(d, l) * x.data[at - l * width]!;
    return sum;
  });
}

/** x·Wᵀ for rows of x. */
function linear(x: Tensor, W: Tensor): Tensor {
  const [out = 0, width = 0] = W.shape;
  return filled([...x.shape.slice(0, -1), out], (at) => {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      sum += x.data[Math.floor(at / out) * width + i]! * W.data[at % out * width + i]!;
    }
    return sum;
  });
}

Deno.test("longConv is Hyena's gates and Toeplitz matrices, at any length of filter", async () => {
  for (const config of [SHORT, LONG, { ...LONG, order: 3 }]) {
    const params = longConv.init(config, seedRandom(3));
    const tensors = params.tensors as Record<string, Tensor>;
    const { shortWeight: weight, shortBias: bias } = tensors;
    const filters = longConvFilters(params);
    const mixed = convolved(
      linear(u, tensors["inProj"]!),
      (d, l) => weight!.data[d * 3 + 2 - l]!,
      3,
    );
    const rows = (config.order + 1) * 2;
    const part = (n: number) =>
      filled(u.shape, (at) => {
        const d = n * 2 + at % 2;
        return mixed.data[Math.floor(at / 2) * rows + d]! + bias!.data[d]!;
      });
    let z = part(0);
    for (let n = 0; n < config.order; n++) {
      const row = (d: number) => (n * 2 + d) * config.taps;
      const y = convolved(z, (d, l) => filters.data[row(d) + l]!, config.taps);
      const open = part(n + 1);
      z = filled(u.shape, (at) => y.data[at]! * open.data[at]!);
    }
    const expected = linear(z, tensors["outProj"]!);
    const { y } = await forward(config, u);
    assert.ok(distance(y.data, expected.data) < CLOSE, `${config.taps} taps`);
  }
});

Deno.test("longConvFilters() of a network are Hyena's, windowed", () => {
  const { tensors } = longConv.init(SHORT, seedRandom(3)) as { tensors: Record<string, Tensor> };
  const at = (name: string, i: number) => tensors[name]!.data[i]!;
  const silu = (x: number) => x / (1 + Math.exp(-x));
  const dense = (x: number[], weight: string, bias: string) =>
    Array.from(
      { length: 4 },
      (_, h) => silu(x.reduce((sum, v, i) => sum + v * at(weight, h * x.length + i), at(bias, h))),
    );
  const filters = longConvFilters(longConv.init(SHORT, seedRandom(3)));
  assert.deepEqual(filters.shape, [2, 2, 13]);
  for (let row = 0; row < 4; row++) {
    for (let l = 0; l < 13; l++) {
      const t = l / 13;
      const waves = [1, 2].flatMap((
        f,
      ) => [Math.cos(2 * Math.PI * f * t), Math.sin(2 * Math.PI * f * t)]);
      const hidden = dense(
        dense([t, ...waves], "positionProj", "positionBias"),
        "hiddenProj",
        "hiddenBias",
      );
      const raw = hidden.reduce((sum, v, h) => sum + v * at("filterProj", row * 4 + h), 0);
      // The slowest feature's window falls to 1/100 at one and a half filters, the fastest's at 0.3.
      const window = 0.01 ** (t / (row % 2 === 0 ? 1.5 : 0.3));
      const skip = l === 0 ? at("D", row) : 0;
      assert.ok(Math.abs(filters.data[row * 13 + l]! - raw * window - skip) < 1e-14);
    }
  }
});

Deno.test("longConvFilters() of several scales are SGConv's: each twice as wide, half as strong", () => {
  const config: LongConvConfig = {
    ...SHORT,
    filter: "multiscale",
    order: 0,
    taps: 16,
    scaleSize: 2,
  };
  const { tensors } = longConv.init(config, seedRandom(3));
  const scaleWeight = filled([2, 8], () => 1);
  const D = filled([2], () => 0);
  const filters = longConvFilters({ config, tensors: { ...tensors, scaleWeight, D } });
  // Of equal parameters interpolation leaves the steps of the scales: 2, 2, 4 and 8 taps.
  const expected = [[2, 1], [2, 0.5], [4, 0.25], [8, 0.125]]
    .flatMap(([size, height]) => Array(size).fill(height) as number[]);
  assert.ok(distance(filters.data, [...expected, ...expected]) < 1e-15);
  // At its start a filter has the norm 1.
  const first = longConvFilters({ config, tensors: { ...tensors, D } });
  assert.ok(Math.abs(Math.hypot(...first.data.subarray(0, 16)) - 1) < 1e-14);
});

Deno.test("longConv with S4D's kernel for a filter is S4D", () => {
  const system = s4d.init({
    ...{ feature: 2, state: 8, start: "lin", discretization: "zoh", dtMin: 0.01, dtMax: 0.1 },
    ...{ activation: "identity", mix: false },
  }, seedRandom(2));
  const kernel = cpu.dataOf(s4dKernel(cpu, system, LENGTH, "f64"));
  const config: LongConvConfig = {
    ...LONG,
    ...{ taps: LENGTH, scaleSize: LENGTH, filter: "multiscale", order: 0 },
  };
  const tensors = {
    scaleWeight: filled([2, LENGTH], (i) => kernel[i]!),
    D: system.tensors["D"]!,
    outProj: filled([2, 2], (i) => i % 3 === 0 ? 1 : 0),
  };
  const { y } = longConv.forward(cpu, { config, tensors }, u);
  const expected = s4d.forward(cpu, system, u).y;
  assert.ok(distance(cpu.dataOf(y), cpu.dataOf(expected)) < CLOSE);
});

Deno.test("longConv by FFT is repeated step and goes on from a carried state", async () => {
  const params = longConv.init(LONG, seedRandom(3));
  const whole = await forward(LONG, u);
  const state = longConv.initialState(LONG, 2);
  for (let k = 0; k < LENGTH; k++) {
    const y = longConv.step(params, steps(u, k, k + 1).data, state);
    assert.ok(distance(y, steps(whole.y, k, k + 1).data) < CLOSE, `sample ${k}`);
  }
  for (const name of Object.keys(state)) {
    assert.ok(distance(state[name]!.data, whole.state[name]!.data) < CLOSE, name);
  }
  for (const cut of [1, 30, 90]) {
    const first = await forward(LONG, steps(u, 0, cut));
    const rest = await forward(LONG, steps(u, cut, LENGTH), { state: first.state });
    assert.ok(distance(first.y.data, steps(whole.y, 0, cut).data) < CLOSE);
    assert.ok(distance(rest.y.data, steps(whole.y, cut, LENGTH).data) < CLOSE);
    for (const name of Object.keys(state)) {
      assert.ok(distance(rest.state[name]!.data, whole.state[name]!.data) < CLOSE, name);
    }
  }
});

Deno.test("longConv by FFT sees no later sample but by rounding", async () => {
  const changed = filled(u.shape, (i) => Math.floor(i / 2) % LENGTH === 60 ? 5 : u.data[i]!);
  const [before, after] = [await forward(LONG, u), await forward(LONG, changed)];
  const upTo = (k: number, { y }: { y: Tensor }) => steps(y, 0, k).data;
  assert.ok(distance(upTo(60, before), upTo(60, after)) < CLOSE);
  assert.ok(distance(upTo(61, before), upTo(61, after)) > 0.01);
});

/** A point from a carried state. */
async function point() {
  const params = longConv.init(LONG, seedRandom(3));
  const { state } = await forward(LONG, steps(u, 0, 20));
  return { params, u: steps(u, 20, 50), state };
}

Deno.test("longConv by FFT passes gradients to everything, as differences have them", async () => {
  // As in the laws of layers: fourth-order differences of step 1e-4.
  for (const [name, error] of Object.entries(await differenceErrors(longConv, await point()))) {
    assert.ok(error <= 1e-8, `${name} is off by ${error}`);
  }
});

gpuTest("longConv by FFT on the GPU is the CPU within 2e-5, gradients within 1e-4", async (gpu) => {
  // The laws' bounds for layers in f32.
  const at = await point();
  const single = (tensor: Tensor, dtype: Dtype = "f32") => asDtype(tensor, dtype);
  const expected = await forward(LONG, at.u, { state: at.state });
  const actual = await forward(LONG, single(at.u), { state: at.state }, gpu);
  const far = (a: Tensor, b: Tensor) =>
    distance(a.data, b.data) / Math.max(1e-300, ...Array.from(b.data, Math.abs));
  assert.ok(far(actual.y, expected.y) < 2e-5);
  const ours = await tapeGradients(gpu, longConv, at, "f32");
  for (const [name, gradient] of Object.entries(await tapeGradients(cpu, longConv, at, "f64"))) {
    assert.ok(far(ours[name]!, gradient) < 1e-4, name);
  }
});

Deno.test("longConv keeps a window of a stated size and names what is out of range", () => {
  assert.equal(longConv.stateBytes(LONG, 1, "f32"), 4 * (2 * 2 * 79 + 6 * 2));
  const refused = (change: object, field: string) =>
    assert.throws(() => longConv.init({ ...SHORT, ...change }, seedRandom(1)), { field });
  refused({ taps: LONG_CONV_TAPS_MAX + 1 }, "taps");
  refused({ order: 5 }, "order");
  refused({ order: 0.5 }, "order");
  refused({ filter: "other" }, "filter");
  refused({ width: 65 }, "width");
  refused({ bands: 0 }, "bands");
});
