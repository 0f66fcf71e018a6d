/**
 * The laws of ops, over every member of the hub and every case it names:
 *
 * - the twin in f64 is the naive loop; in f32 it is within the op's tolerance
 * - the GPU is the f64 twin within the op's tolerance
 * - the SIMD kernels are the f64 twin within the op's tolerance, on any number of threads the same
 *   bits; cut in time or in the batch the pieces have the bits of the whole; where tensors lie in
 *   the kernels' memory the bits are the same, and nothing is written beside an output
 * - every element of every output is written (memory is NaN before), no input is
 * - twice gives the same bits
 * - gradients are central differences of the f64 twin, along random directions; in f32, twin and
 *   SIMD and GPU, they are those of the f64 twin within the backward's tolerance, poisoned and
 *   twice alike
 * - where an output goes on from an input, a run in its place gives the bits of one that copies
 * - gradients that are wanted in views of one tensor have the same bits
 * - on a GPU with WebGPU's default limits so are outputs and gradients of the quick cases, and of
 *   those that it plans otherwise
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { openCpu } from "../../src/device/cpu.ts";
import { type Device, type GpuLimits, viewOf } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import {
  DIFFERENCE_TOLERANCE,
  differenceErrors,
  gradientsOn,
  isDifferentiable,
  seedsOf,
} from "../../src/ops/difference_check.ts";
import { OPS, runInto, runOp } from "../../src/ops/mod.ts";
import { type AnyOp, gradientName } from "../../src/ops/op.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import {
  asDtype,
  type Dtype,
  type FloatArray,
  type Tensor,
  tensorOf,
} from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { inPlace } from "./_in_place.ts";
import { NAIVE } from "./_naive.ts";
import { DEFAULT_LIMITS, withLimits } from "./_run.ts";

const cpu = openCpu({ poison: true, simd: false });
/** Kernels for every size; on one thread and on three. */
const simd = openCpu({ poison: true, simd: { workMin: 0 } });
const threaded = openCpu({ poison: true, simd: { workMin: 0, threads: 3, threadsFromMs: 0 } });

Deno.test.afterAll(() => threaded.close());

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

/** Sizes between the cases: odd, and large enough for several tasks. */
const SIZES = [1, 777, 5_003, 60_011];

/** A test over the cases that an op has SIMD kernels for. */
function simdTest(
  op: AnyOp,
  planOf: AnyOp["simd"],
  name: string,
  body: (cases: readonly AnyOp["cases"][number][]) => Promise<void>,
): void {
  if (planOf === undefined) return;
  Deno.test(`${op.name}: SIMD ${name}`, async () => {
    const cases = [...op.cases, ...SIZES.map((work) => op.sized(work))];
    const planned = cases.filter((testCase) => {
      const shapes = shapesOf(caseInputs(testCase, "f32"));
      return planOf(shapes, testCase.params) !== undefined;
    });
    assert.ok(planned.length > op.cases.length / 3, "kernels for less than a third of the cases");
    await body(planned);
  });
}

function shapesOf(tensors: Record<string, Tensor>): Record<string, Shape> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
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

  simdTest(op, op.simd, `is the f64 twin within ${op.tolerance}`, async (cases) => {
    for (const testCase of cases) {
      const exact = await outputsOn(cpu, op, testCase, "f64");
      const single = await outputsOn(simd, op, testCase, "f32");
      const again = await outputsOn(threaded, op, testCase, "f32");
      const there = await outputsOn(inPlace, op, testCase, "f32");
      for (const name of op.outputs) {
        const error = relativeError(single[name]!, exact[name]!);
        assert.ok(error <= op.tolerance, `${testCase.name}: ${name} is off by ${error}`);
        assertSameBits(single[name]!, again[name]!, `${testCase.name}: ${name} on threads`);
        assertSameBits(single[name]!, there[name]!, `${testCase.name}: ${name} in place`);
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
    for (const work of SIZES) {
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
    const shapes = shapesOf(caseInputs(sized, "f32"));
    const work = op.work(shapes, sized.params);
    // Sizes are integers of some axis, so a factor of eight either way is what "about" means.
    assert.ok(work >= 5000 / 8 && work <= 5000 * 8, `sized(5000) gives ${work}`);
  });
}

/** The outputs of an op that advances its resident inputs where they are. */
async function inPlaceOn(
  device: Device,
  op: AnyOp,
  testCase: AnyOp["cases"][number],
  dtype: Dtype,
): Promise<Record<string, FloatArray>> {
  const scope = openScope(device);
  const inputs = Object.fromEntries(
    // A CPU device does not copy what is uploaded.
    Object.entries(caseInputs(testCase, dtype)).map(([name, x]) => [name, scope.upload(x)]),
  );
  const targets = Object.fromEntries(
    Object.entries(op.resident!).map(([output, input]) => [output, inputs[input as string]!]),
  );
  const outputs = runInto(scope, op, inputs, testCase.params, targets);
  const read: Record<string, FloatArray> = {};
  for (const name of op.outputs) read[name] = (await scope.read(outputs[name]!)).data;
  scope.release();
  return read;
}

for (const op of OPS) {
  if (op.resident === undefined) continue;
  const check = async (device: Device, dtype: Dtype) => {
    for (const testCase of op.cases) {
      const copied = await outputsOn(device, op, testCase, dtype);
      const inPlace = await inPlaceOn(device, op, testCase, dtype);
      for (const name of op.outputs) {
        assertSameBits(inPlace[name]!, copied[name]!, `${testCase.name}: ${name} in place`);
      }
    }
  };

  Deno.test(`${op.name}: a run in place gives the same bits`, async () => {
    for (const dtype of ["f64", "f32"] as const) await check(cpu, dtype);
    await check(simd, "f32");
  });

  gpuTest(`${op.name}: a run in place on the GPU gives the same bits`, async (gpu) => {
    await check(gpu, "f32");
    assert.deepEqual(takeFaults(), []);
  });
}

/** Gradients in f32 are those of the f64 twin, and twice the same bits. */
async function compareGradients(
  device: Device,
  op: AnyOp,
  tolerance: number,
  testCase: AnyOp["cases"][number],
): Promise<void> {
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
}

for (const op of OPS) {
  const { backward } = op;
  if (backward === undefined) continue;

  Deno.test(`${op.name}: gradients are central differences of the f64 twin`, async () => {
    for (const testCase of [...op.cases, op.sized(777)]) {
      if (!isDifferentiable(testCase)) continue;
      for (const [name, error] of Object.entries(await differenceErrors(op, testCase))) {
        assert.ok(error <= DIFFERENCE_TOLERANCE, `${testCase.name}: ${name} is off by ${error}`);
      }
    }
  });

  const tolerance = backward.tolerance;
  const compare = (device: Device, testCase: AnyOp["cases"][number]) =>
    compareGradients(device, op, tolerance, testCase);

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

  if (backward.handsOn !== undefined) {
    Deno.test(`${op.name}: what it hands on is the gradient of its first output`, async () => {
      for (const testCase of op.cases) {
        const inputs = caseInputs(testCase, "f32");
        const gradients = await gradientsOn(cpu, op, testCase, "f32");
        const seed = asDtype(seedsOf(op, inputs, testCase.params)[op.outputs[0]]!, "f32");
        for (const name of backward.handsOn!(shapesOf(inputs))) {
          assertSameBits(gradients[name]!, seed.data, `${testCase.name}: ${name}`);
        }
      }
    });
  }

  Deno.test(`${op.name}: f32 gradients are the f64 twin's within ${tolerance}`, async () => {
    for (const testCase of op.cases) await compare(cpu, testCase);
  });

  simdTest(op, backward.simd, `gradients are the f64 twin's within ${tolerance}`, async (cases) => {
    for (const testCase of cases) {
      await compare(simd, testCase);
      const one = await gradientsOn(simd, op, testCase, "f32");
      const three = await gradientsOn(threaded, op, testCase, "f32");
      const there = await gradientsOn(inPlace, op, testCase, "f32");
      for (const [name, gradient] of Object.entries(one)) {
        assertSameBits(gradient, three[name]!, `${testCase.name}: gradient of ${name} on threads`);
        assertSameBits(gradient, there[name]!, `${testCase.name}: gradient of ${name} in place`);
      }
    }
  });

  gpuTest(`${op.name}: GPU gradients in views of one tensor have the same bits`, async (gpu) => {
    const testCase = op.cases.find(({ quick }) => quick)!;
    const inView = await gradientsOn(gpu, op, testCase, "f32", (scope, inputs) => {
      const places = Object.entries(inputs).map(([name, { shape }]) => [name, shape] as const);
      const sizeOf = (shape: Shape) => 64 * Math.ceil(shape.reduce((a, b) => a * b, 1) / 64);
      const whole = scope.alloc([places.reduce((sum, [, shape]) => sum + sizeOf(shape), 0)], "f32");
      let start = 0;
      return Object.fromEntries(places.map(([name, shape]) => {
        const view = viewOf(whole, start, shape);
        start += sizeOf(shape);
        return [gradientName(name), view];
      }));
    });
    for (const [name, gradient] of Object.entries(await gradientsOn(gpu, op, testCase, "f32"))) {
      assertSameBits(inView[name]!, gradient, `gradient of ${name}`);
    }
    assert.deepEqual(takeFaults(), []);
  });

  gpuTest(`${op.name}: GPU gradients are the f64 twin's within ${tolerance}`, async (gpu) => {
    const sized = SIZES.map((work) => op.sized(work));
    for (const testCase of [...op.cases, ...sized]) {
      if (testCase.name.includes("denormal")) await expectFinite(gpu, testCase);
      else await compare(gpu, testCase);
    }
    assert.deepEqual(takeFaults(), []);
  });
}

/** Whether the plans of a case, its backward's too, are others where limits are WebGPU's own. */
function isPlannedOtherwise(
  op: AnyOp,
  testCase: AnyOp["cases"][number],
  limits: GpuLimits,
): boolean {
  const shapes = shapesOf(caseInputs(testCase, "f32"));
  const plansFor = (most: GpuLimits) =>
    JSON.stringify([op, op.backward].map((way) => way?.launch(shapes, testCase.params, most)));
  return plansFor(limits) !== plansFor(DEFAULT_LIMITS);
}

for (const op of OPS) {
  gpuTest(`${op.name}: the GPU is the f64 twin within WebGPU's default limits`, async (gpu) => {
    const narrow = withLimits(gpu, DEFAULT_LIMITS);
    const cases = op.cases.filter((testCase) =>
      testCase.quick || isPlannedOtherwise(op, testCase, gpu.limits)
    );
    for (const testCase of cases) {
      const exact = await outputsOn(cpu, op, testCase, "f64");
      const onGpu = await outputsOn(narrow, op, testCase, "f32");
      for (const name of op.outputs) {
        const error = relativeError(onGpu[name]!, exact[name]!);
        assert.ok(error <= op.tolerance, `${testCase.name}: ${name} is off by ${error}`);
      }
      const isExact = !testCase.name.includes("denormal");
      if (op.backward && isExact) {
        await compareGradients(narrow, op, op.backward.tolerance, testCase);
      }
    }
    narrow.release();
    assert.deepEqual(takeFaults(), []);
  });
}

/**
 * Inputs of the scans that have a row for each sample, each with the axes that it has then at least:
 * some may be given once for all samples instead. The state goes in as x0.
 */
const SAMPLED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  conv1d: { u: 3 },
  dense_scan: { u: 3, A: 5, B: 4 },
  diagonal_scan: { v: 4, dt: 3, A: 4 },
  dplr_scan: { u: 3, dt: 3 },
  linear_scan: { u: 3, dt: 3 },
  selective_scan: { u: 3, delta: 3, z: 3, B: 4, C: 4 },
  ssd: { u: 4, delta: 3, B: 4, C: 4 },
};

/** Rows `from` to `to` of an axis. */
function cut(tensor: Tensor, axis: number, from: number, to: number): Tensor {
  const outer = tensor.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const count = tensor.shape[axis]!;
  const inner = tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const data = new Float32Array(outer * (to - from) * inner);
  for (let i = 0; i < outer; i++) {
    const start = (i * count + from) * inner;
    data.set(tensor.data.subarray(start, start + (to - from) * inner), i * (to - from) * inner);
  }
  return tensorOf(
    [...tensor.shape.slice(0, axis), to - from, ...tensor.shape.slice(axis + 1)],
    data,
  );
}

/** The inputs of one range of an axis; axis 1 leaves alone what is not sampled. */
function cutInputs(
  inputs: Record<string, Tensor>,
  sampled: Readonly<Record<string, number>>,
  axis: number,
  range: readonly [number, number],
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => {
      const isCut = tensor.shape.length >= (sampled[name] ?? Infinity);
      return [name, isCut ? cut(tensor, axis, ...range) : tensor];
    }),
  );
}

async function simdOutputs(op: AnyOp, inputs: Record<string, Tensor>, params: unknown) {
  const outputs = runOp(simd, op, inputs, params);
  const read: Record<string, Tensor> = {};
  for (const name of op.outputs) read[name] = await simd.read(outputs[name]!);
  return read;
}

for (const [name, sampled] of Object.entries(SAMPLED)) {
  const op = OPS.find((candidate) => candidate.name === name)!;
  const [main] = op.inputs;
  const [y] = op.outputs;

  simdTest(
    op,
    op.simd,
    "continues from a carried state with the bits of the whole",
    async (cases) => {
      for (const { name: caseName, params, ...testCase } of cases) {
        // Backwards in time, the second half comes first; the other cases cover it.
        if (params.reverse) continue;
        const inputs = caseInputs({ name: caseName, params, ...testCase }, "f32");
        const length = inputs[main]!.shape[1]!;
        const at = Math.ceil(length / 3);
        const whole = await simdOutputs(op, inputs, params);
        const head = await simdOutputs(op, cutInputs(inputs, sampled, 1, [0, at]), params);
        const rest = cutInputs(inputs, sampled, 1, [at, length]);
        const tail = await simdOutputs(op, { ...rest, x0: head["state"]! }, params);
        assertSameBits(head[y]!.data, cut(whole[y]!, 1, 0, at).data, `${caseName}: ${y}, first`);
        assertSameBits(
          tail[y]!.data,
          cut(whole[y]!, 1, at, length).data,
          `${caseName}: ${y}, rest`,
        );
        assertSameBits(tail["state"]!.data, whole["state"]!.data, `${caseName}: state`);
      }
    },
  );

  simdTest(op, op.simd, "gives each row of a batch the bits it has alone", async (cases) => {
    for (const testCase of cases) {
      const inputs = caseInputs(testCase, "f32");
      const batch = inputs[main]!.shape[0]!;
      const whole = await simdOutputs(op, inputs, testCase.params);
      for (let b = 0; b < batch; b++) {
        const alone = cutInputs(inputs, { ...sampled, x0: 3 }, 0, [b, b + 1]);
        const row = await simdOutputs(op, alone, testCase.params);
        for (const output of op.outputs) {
          const place = `${testCase.name}: ${output} of row ${b}`;
          assertSameBits(row[output]!.data, cut(whole[output]!, 0, b, b + 1).data, place);
        }
      }
    }
  });
}
