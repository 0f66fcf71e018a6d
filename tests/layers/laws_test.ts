/**
 * The laws of layers, over every member of the hub and every example configuration:
 *
 * - forward = repeated step, outputs and state, also over irregular samples
 * - forward(a‖b) = forward(a), then forward(b) from the carried state
 * - causality: a changed sample leaves the outputs before it
 * - rows of the batch are independent
 * - two half steps under a held input are one whole step (zero-order hold)
 * - the state goes through the codec bit for bit, and has the size that is stated
 * - an elapsed time that is negative or not finite is refused by its name, the state left as it is
 * - the same seed gives the same weights; a broken configuration is refused by its field
 * - the GPU, and the CPU's SIMD kernels, are the CPU in f64 within f32's reach, forward and back
 * - gradients through a tape, of every parameter, the input and the carried state, over equal and
 *   irregular steps, are central differences of the loss in f64; the GPU's are those in f32
 */
import assert from "node:assert/strict";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { packTree, type Tree, unpackTree } from "../../src/base/tree.ts";
import type { Device } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/mod.ts";
import {
  type AnyLayer,
  type ForwardOptions,
  LAYERS,
  type LayerState,
} from "../../src/layers/mod.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { differenceErrors, type GradientPoint, tapeGradients, variablesOf } from "./_gradients.ts";

const cpu = openCpu({ poison: true });
/** SIMD kernels, whatever the size of an op. */
const simd = openCpu({ poison: true, simd: { workMin: 0 } });

/** Longer than one chunk of the scans (32), no multiple of anything. */
const LENGTH = 39;
const BATCH = 2;

/** Another order of the same f64 sums: some tens of roundings on values near 1. */
const F64_CLOSE = 1e-12;

/**
 * f32 forward through some matrix products and a scan: the tolerance of the scans. Software Vulkan
 * stays below 2e-6; the rest is room for the exponentials of other drivers.
 */
const F32_CLOSE = 2e-5;

function signal(width: number, seed = 3): Tensor {
  const random = seedRandom(seed);
  const data = Float64Array.from({ length: BATCH * LENGTH * width }, () => nextNormal(random));
  // Values that f32 holds, so that both precisions start from the same.
  return tensorOf([BATCH, LENGTH, width], data.map(Math.fround));
}

/** Elapsed times between a tenth of a period and three. */
function irregular(seed = 4): Tensor {
  const random = seedRandom(seed);
  const draw = () => Math.fround(0.1 + 2.9 * nextUniform(random));
  return tensorOf([BATCH, LENGTH], Float64Array.from({ length: BATCH * LENGTH }, draw));
}

/** Samples `from` to `to` of `[batch, length, rest]`. */
function part(tensor: Tensor, from: number, to: number): Tensor {
  const [batch = 0, length = 0, ...rest] = tensor.shape;
  const width = rest.reduce((a, b) => a * b, 1);
  const data = new Float64Array(batch * (to - from) * width);
  for (let b = 0; b < batch; b++) {
    const start = (b * length + from) * width;
    data.set(tensor.data.subarray(start, start + (to - from) * width), b * (to - from) * width);
  }
  return tensorOf([batch, to - from, ...rest], data);
}

async function runForward(
  device: Device,
  layer: AnyLayer,
  params: ReturnType<AnyLayer["init"]>,
  u: Tensor,
  options: ForwardOptions = {},
): Promise<{ y: Tensor; state: LayerState }> {
  const result = layer.forward(device, params, u, options);
  const y = await device.read(result.y);
  device.free(result.y);
  const state: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(result.state)) {
    state[name] = await device.read(tensor);
    device.free(tensor);
  }
  return { y, state };
}

/** Largest difference divided by the largest reference value. */
function apart(actual: Tensor, expected: Tensor): number {
  assert.deepEqual(actual.shape, expected.shape);
  let error = 0;
  let scale = 1e-300;
  expected.data.forEach((value, i) => {
    const difference = Math.abs(actual.data[i]! - value);
    error = difference <= error ? error : difference;
    scale = Math.max(scale, Math.abs(value));
  });
  return error / scale;
}

function assertClose(actual: Tensor, expected: Tensor, allowed: number, what: string): void {
  const distance = apart(actual, expected);
  assert.ok(distance <= allowed, `${what} is off by ${distance}, allowed ${allowed}`);
}

function assertStatesClose(actual: LayerState, expected: LayerState, allowed: number): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const name of Object.keys(expected)) {
    assertClose(actual[name]!, expected[name]!, allowed, `state ${name}`);
  }
}

/** Steps through a sequence of the same elapsed times in all rows. */
function runSteps(
  layer: AnyLayer,
  params: ReturnType<AnyLayer["init"]>,
  u: Tensor,
  scales?: Float64Array,
): { y: Tensor; state: LayerState } {
  const [batch = 0, length = 0, width = 0] = u.shape;
  const state = layer.initialState(params.config, batch, "f64");
  const y = new Float64Array(batch * length * width);
  for (let k = 0; k < length; k++) {
    const out = layer.step(params, part(u, k, k + 1).data, state, scales?.[k]);
    for (let b = 0; b < batch; b++) {
      y.set(out.subarray(b * width, (b + 1) * width), (b * length + k) * width);
    }
  }
  return { y: tensorOf(u.shape, y), state };
}

/** Differences of step 1e-4: their fourth order and the rounding of the loss stay below. */
const DIFFERENCE_CLOSE = 1e-8;

/**
 * f32 gradients norm-wise: sums over the length of products of what forward and its adjoint leave,
 * each within the tolerance of a scan.
 */
const F32_GRADIENT_CLOSE = 1e-4;

for (const layer of LAYERS) {
  layer.examples.forEach((config, index) => {
    const params = layer.init(config, seedRandom(index + 1));
    const width: number = config.feature;
    const u = signal(width);
    const law = (name: string, body: () => void | Promise<void>) =>
      Deno.test(`${layer.name} ${index}: ${name}`, body);

    law("forward is repeated step", async () => {
      const forward = await runForward(cpu, layer, params, u);
      const steps = runSteps(layer, params, u);
      assertClose(forward.y, steps.y, F64_CLOSE, "y");
      assertStatesClose(forward.state, steps.state, F64_CLOSE);
    });

    law("forward is repeated step over irregular samples", async () => {
      const row = part(irregular(), 0, LENGTH).data.slice(0, LENGTH) as Float64Array;
      const both = Float64Array.from({ length: BATCH * LENGTH }, (_, i) => row[i % LENGTH]!);
      const dtScale = tensorOf([BATCH, LENGTH], both);
      const forward = await runForward(cpu, layer, params, u, { dtScale });
      const steps = runSteps(layer, params, u, row);
      assertClose(forward.y, steps.y, F64_CLOSE, "y");
      assertStatesClose(forward.state, steps.state, F64_CLOSE);
    });

    law("equal elapsed times of one period are the regular case", async () => {
      const ones = tensorOf([BATCH, LENGTH], new Float64Array(BATCH * LENGTH).fill(1));
      const plain = await runForward(cpu, layer, params, u);
      const timed = await runForward(cpu, layer, params, u, { dtScale: ones });
      assertClose(timed.y, plain.y, F64_CLOSE, "y");
    });

    law("forward goes on from a carried state", async () => {
      const dtScale = irregular();
      const whole = await runForward(cpu, layer, params, u, { dtScale });
      for (const cut of [1, 7, 33]) {
        const first = await runForward(cpu, layer, params, part(u, 0, cut), {
          dtScale: part(dtScale, 0, cut),
        });
        const second = await runForward(cpu, layer, params, part(u, cut, LENGTH), {
          state: first.state,
          dtScale: part(dtScale, cut, LENGTH),
        });
        assertClose(first.y, part(whole.y, 0, cut), F64_CLOSE, `y before ${cut}`);
        assertClose(second.y, part(whole.y, cut, LENGTH), F64_CLOSE, `y after ${cut}`);
        assertStatesClose(second.state, whole.state, F64_CLOSE);
      }
    });

    law("no output sees a later sample", async () => {
      const before = await runForward(cpu, layer, params, u);
      const at = 20;
      const changed = tensorOf(u.shape, Float64Array.from(u.data));
      for (let i = 0; i < width; i++) changed.data[at * width + i] = 5 + i;
      const after = await runForward(cpu, layer, params, changed);
      assert.deepEqual(part(after.y, 0, at).data, part(before.y, 0, at).data);
      assert.notDeepEqual(part(after.y, at, LENGTH).data, part(before.y, at, LENGTH).data);
    });

    law("rows of the batch do not see each other", async () => {
      const both = await runForward(cpu, layer, params, u);
      const size = LENGTH * width;
      for (let b = 0; b < BATCH; b++) {
        const row = tensorOf([1, LENGTH, width], u.data.slice(b * size, (b + 1) * size));
        const alone = await runForward(cpu, layer, params, row);
        assert.deepEqual(alone.y.data, both.y.data.slice(b * size, (b + 1) * size));
      }
    });

    const exact = layer.halfStepsExact(config);
    const halves = "two half steps under a held input are one whole step";
    law(exact === true ? halves : `not: ${halves} (${exact})`, () => {
      const warm = part(u, 0, 5);
      const held = part(u, 5, 6).data;
      const whole = runSteps(layer, params, warm).state;
      const split = runSteps(layer, params, warm).state;
      const y = layer.step(params, held, whole);
      layer.step(params, held, split, 0.5);
      const last = layer.step(params, held, split, 0.5);
      const distance = apart(tensorOf([y.length], last), tensorOf([y.length], y));
      if (exact === true) {
        assert.ok(distance <= F64_CLOSE, `off by ${distance}`);
        assertStatesClose(split, whole, F64_CLOSE);
      } else {
        // The reason stands only as long as it is true.
        assert.ok(distance > F64_CLOSE, "the half steps are exact after all");
      }
    });

    law("the state goes through its codec bit for bit, at its stated size", () => {
      const { state } = runSteps(layer, params, u);
      const bytes = packTree(state as unknown as Tree);
      const back = unpackTree(bytes) as unknown as LayerState;
      assert.deepEqual(back, state);
      const sample = part(u, 0, 1).data;
      assert.deepEqual(layer.step(params, sample, back), layer.step(params, sample, state));
      assert.deepEqual(packTree(back as unknown as Tree), packTree(state as unknown as Tree));
      const stored = Object.values(state).reduce((sum, { data }) => sum + data.byteLength, 0);
      assert.equal(layer.stateBytes(config, BATCH), stored);
      assert.equal(layer.stateBytes(config, BATCH, "f32"), stored / 2);
    });

    law("the same seed gives the same weights, another seed others", () => {
      const again = layer.init(config, seedRandom(index + 1));
      assert.deepEqual(again, params);
      assert.notDeepEqual(layer.init(config, seedRandom(99)), params);
    });

    law("a number of the configuration that is none is refused by its field", () => {
      layer.validate(config);
      for (const field of Object.keys(config).filter((key) => typeof config[key] === "number")) {
        const broken = { ...config, [field]: NaN };
        const refused = { name: "InvalidValueError", field };
        assert.throws(() => layer.validate(broken), refused, field);
        assert.throws(() => layer.init(broken, seedRandom(1)), refused, field);
      }
    });

    law("an elapsed time that is none is refused", () => {
      const { state } = runSteps(layer, params, part(u, 0, 3));
      const before = packTree(state as unknown as Tree);
      for (const wrong of [-0.5, NaN, Infinity, -Infinity]) {
        const refused = { name: "InvalidValueError", value: String(wrong) };
        const dtScale = irregular();
        dtScale.data[LENGTH + 7] = wrong;
        const forward = () => layer.forward(cpu, params, u, { state, dtScale });
        assert.throws(forward, { ...refused, field: "dtScale[1, 7]" });
        const step = () => layer.step(params, part(u, 3, 4).data, state, wrong);
        assert.throws(step, { ...refused, field: "dtScale" });
      }
      assert.deepEqual(packTree(state as unknown as Tree), before);
    });

    law("every initial weight is finite", () => {
      for (const [name, { data }] of Object.entries(params.tensors)) {
        assert.ok(data.every(Number.isFinite), name);
      }
    });

    /** Equal steps and irregular ones, from a carried state. */
    const points = (): GradientPoint[] => {
      const { state } = runSteps(layer, params, part(u, 0, 3));
      return [{ params, u, state }, { params, u, state, dtScale: irregular() }];
    };

    law("gradients of all parameters, u and x0 are central differences", async () => {
      for (const point of points()) {
        const errors = await differenceErrors(layer, point);
        for (const [name, error] of Object.entries(errors)) {
          const kind = point.dtScale ? "irregular" : "regular";
          assert.ok(error <= DIFFERENCE_CLOSE, `${kind}: ${name} is off by ${error}`);
        }
      }
    });

    const close = `${layer.name} ${index}: gradients on the GPU are the CPU's`;
    const gradientsClose = async (device: Device) => {
      for (const point of points()) {
        const expected = await tapeGradients(cpu, layer, point, "f64");
        const actual = await tapeGradients(device, layer, point, "f32");
        for (const name of Object.keys(variablesOf(point))) {
          assertClose(actual[name]!, expected[name]!, F32_GRADIENT_CLOSE, `gradient of ${name}`);
        }
      }
    };
    Deno.test(
      `${layer.name} ${index}: SIMD gradients are the CPU's within ${F32_GRADIENT_CLOSE}`,
      () => gradientsClose(simd),
    );
    gpuTest(`${close} within ${F32_GRADIENT_CLOSE}`, gradientsClose);

    const single = (tensor: Tensor, dtype: Dtype = "f32") => asDtype(tensor, dtype);
    const forwardClose = async (device: Device) => {
      const state = runSteps(layer, params, part(u, 0, 3)).state;
      for (const dtScale of [undefined, irregular()]) {
        const expected = await runForward(cpu, layer, params, u, {
          state,
          ...(dtScale && { dtScale }),
        });
        const actual = await runForward(device, layer, params, single(u), {
          state,
          ...(dtScale && { dtScale: single(dtScale) }),
        });
        assertClose(actual.y, expected.y, F32_CLOSE, "y");
        assertStatesClose(actual.state, expected.state, F32_CLOSE);
      }
    };
    const within = `the CPU within ${F32_CLOSE}`;
    Deno.test(`${layer.name} ${index}: SIMD is ${within}`, () => forwardClose(simd));
    gpuTest(`${layer.name} ${index}: the GPU is ${within}`, forwardClose);

    const stateKept = async (device: Device) => {
      const { state } = await runForward(cpu, layer, params, u);
      const carried = Object.fromEntries(
        Object.entries(state).map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
      );
      const none = asDtype(part(u, 0, 0), "f32");
      const after = await runForward(device, layer, params, none, { state: carried });
      assert.deepEqual(after.y.shape, none.shape);
      assertStatesClose(after.state, carried, 0);
    };
    law("no samples leave the carried state as it is", () => stateKept(cpu));
    gpuTest(`${layer.name} ${index}: no samples leave the state as it is on the GPU`, stateKept);
  });
}
