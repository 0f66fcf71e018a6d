/**
 * The laws of ops, over every member of the hub and every case it names:
 *
 * - the twin in f64 is the naive loop; in f32 it is within the op's tolerance
 * - the GPU is the f64 twin within the op's tolerance
 * - every element of every output is written (memory is NaN before), no input is
 * - twice gives the same bits
 * - gradients are central differences of the f64 twin, along random directions; in f32, twin and
 *   GPU, they are those of the f64 twin within the backward's tolerance, poisoned and twice alike
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openCpu } from "../../src/device/cpu.ts";
import type { Device } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { OPS, runOp } from "../../src/ops/mod.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import type { Dtype, FloatArray } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { differenceError, gradientsOn } from "./_gradients.ts";
import { NAIVE } from "./_naive.ts";

const cpu = openCpu({ poison: true });

/**
 * Two f64 computations of one equation in different order: some hundred roundings of 1.1e-16 over
 * the lengths of the cases, and Simpson's rule for erf.
 */
const F64_TOLERANCE = 1e-12;

async function outputsOn(
  device: Device,
  op: AnyOp,
  testCase: AnyOp["cases"][number],
  dtype: Dtype,
): Promise<Record<string, FloatArray>> {
  const scope = openScope(device);
  const inputs = caseInputs(testCase, dtype);
  const before = Object.values(inputs).map((tensor) => tensor.data.slice());
  const outputs = runOp(scope, op, inputs, testCase.params);
  const read: Record<string, FloatArray> = {};
  for (const name of op.outputs) read[name] = (await scope.read(outputs[name]!)).data;
  scope.release();
  Object.values(inputs).forEach((tensor, i) => {
    assertSameBits(tensor.data, before[i]!, "an input");
  });
  return read;
}

function assertSameBits(a: FloatArray, b: FloatArray, what: string): void {
  const bytes = (array: FloatArray) =>
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  // Buffer's comparison, since deepEqual takes seconds for megabytes.
  assert.equal(Buffer.compare(bytes(a), bytes(b)), 0, `${what} has other bits than before`);
}

for (const op of OPS) {
  Deno.test(`${op.name}: the f64 twin is the naive loop`, async () => {
    const naive = NAIVE[op.name];
    assert.ok(naive, `tests/ops/_naive.ts has no ${op.name}`);
    for (const testCase of op.cases) {
      const twin = await outputsOn(cpu, op, testCase, "f64");
      const expected = naive(caseInputs(testCase, "f64"), testCase.params);
      for (const name of op.outputs) {
        assert.equal(twin[name]!.length, expected[name]!.length, `${testCase.name}: ${name}`);
        const error = relativeError(twin[name]!, new Float64Array(expected[name]!));
        assert.ok(error <= F64_TOLERANCE, `${testCase.name}: ${name} is off by ${error}`);
      }
    }
  });

  Deno.test(`${op.name}: the f32 twin is the f64 twin within ${op.tolerance}`, async () => {
    for (const testCase of op.cases) {
      const exact = await outputsOn(cpu, op, testCase, "f64");
      const single = await outputsOn(cpu, op, testCase, "f32");
      const again = await outputsOn(cpu, op, testCase, "f32");
      for (const name of op.outputs) {
        const error = relativeError(single[name]!, exact[name]!);
        assert.ok(error <= op.tolerance, `${testCase.name}: ${name} is off by ${error}`);
        assertSameBits(single[name]!, again[name]!, `${testCase.name}: ${name}`);
      }
    }
  });

  gpuTest(`${op.name}: the GPU is the f64 twin within ${op.tolerance}`, async (gpu) => {
    for (const testCase of op.cases) {
      const exact = await outputsOn(cpu, op, testCase, "f64");
      const onGpu = await outputsOn(gpu, op, testCase, "f32");
      const again = await outputsOn(gpu, op, testCase, "f32");
      for (const name of op.outputs) {
        const error = relativeError(onGpu[name]!, exact[name]!);
        assert.ok(error <= op.tolerance, `${testCase.name}: ${name} is off by ${error}`);
        assertSameBits(onGpu[name]!, again[name]!, `${testCase.name}: ${name}`);
      }
    }
    assert.deepEqual(takeFaults(), []);
  });

  gpuTest(`${op.name}: the GPU is the f64 twin at other sizes too`, async (gpu) => {
    for (const work of [1, 777, 5_003, 60_011]) {
      const sized = op.sized(work);
      const exact = await outputsOn(cpu, op, sized, "f64");
      const onGpu = await outputsOn(gpu, op, sized, "f32");
      for (const name of op.outputs) {
        const error = relativeError(onGpu[name]!, exact[name]!);
        assert.ok(error <= op.tolerance, `work ${work}: ${name} is off by ${error}`);
      }
    }
    assert.deepEqual(takeFaults(), []);
  });

  Deno.test(`${op.name}: cases cover a short list and sized work`, () => {
    assert.ok(op.cases.some((testCase) => testCase.quick), "no quick case for the self-check");
    const sized = op.sized(5000);
    const shapes = Object.fromEntries(
      Object.entries(caseInputs(sized, "f32")).map(([name, tensor]) => [name, tensor.shape]),
    );
    const work = op.work(shapes, sized.params);
    // Sizes are integers of some axis, so a factor of eight either way is what "about" means.
    assert.ok(work >= 5000 / 8 && work <= 5000 * 8, `sized(5000) gives ${work}`);
  });
}

/**
 * Fourth-order differences of step 2e-5 in f64: rounding leaves 1e-9 of a gradient, more where the
 * gradient is a remainder (a mode that has decayed, a step of 1e-7).
 */
const DIFFERENCE_TOLERANCE = 2e-6;

/**
 * Cases at a point where a difference cannot be taken: values of 1e-40 or 1e9, a weight of 0 (which
 * makes a row missing), equal logits (where another class is the largest on either side).
 */
const NOT_DIFFERENTIATED = /denormal|far apart|missing|equal logits/;

for (const op of OPS) {
  const { backward } = op;
  if (backward === undefined) continue;

  Deno.test(`${op.name}: gradients are central differences of the f64 twin`, async () => {
    for (const testCase of [...op.cases, op.sized(777)]) {
      if (NOT_DIFFERENTIATED.test(testCase.name)) continue;
      const error = await differenceError(op, testCase);
      assert.ok(error <= DIFFERENCE_TOLERANCE, `${testCase.name}: off by ${error}`);
    }
  });

  const tolerance = backward.tolerance;
  const compare = async (device: Device, testCase: AnyOp["cases"][number]) => {
    const exact = await gradientsOn(cpu, op, testCase, "f64");
    const single = await gradientsOn(device, op, testCase, "f32");
    const again = await gradientsOn(device, op, testCase, "f32");
    for (const [name, gradient] of Object.entries(exact)) {
      // A gradient that is zero by cancellation has no size of its own to be measured against.
      const isZero = gradient.every((value) => value === 0);
      const error = isZero
        ? Math.max(...single[name]!.map(Math.abs))
        : relativeError(single[name]!, gradient);
      assert.ok(error <= tolerance, `${testCase.name}: gradient of ${name} is off by ${error}`);
      assertSameBits(single[name]!, again[name]!, `${testCase.name}: gradient of ${name}`);
    }
  };

  /** A GPU may flush denormals to zero, where slopes jump (relu) and factors lift the rest. */
  const expectFinite = async (device: Device, testCase: AnyOp["cases"][number]) => {
    const single = await gradientsOn(device, op, testCase, "f32");
    const again = await gradientsOn(device, op, testCase, "f32");
    for (const [name, gradient] of Object.entries(single)) {
      const place = `${testCase.name}: gradient of ${name}`;
      assert.ok(gradient.every(Number.isFinite), `${place} is not finite`);
      assertSameBits(gradient, again[name]!, place);
    }
  };

  Deno.test(`${op.name}: f32 gradients are the f64 twin's within ${tolerance}`, async () => {
    for (const testCase of op.cases) await compare(cpu, testCase);
  });

  gpuTest(`${op.name}: GPU gradients are the f64 twin's within ${tolerance}`, async (gpu) => {
    const sized = [1, 777, 5_003, 60_011].map((work) => op.sized(work));
    for (const testCase of [...op.cases, ...sized]) {
      if (testCase.name.includes("denormal")) await expectFinite(gpu, testCase);
      else await compare(gpu, testCase);
    }
    assert.deepEqual(takeFaults(), []);
  });
}
