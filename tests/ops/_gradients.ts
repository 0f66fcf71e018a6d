/** The backward of an op on a case: run on a device, and measured by finite differences. */
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { type AnyOp, gradientName, needsOf } from "../../src/ops/op.ts";
import { runBackward, runOp } from "../../src/ops/run.ts";
import { caseInputs } from "../../src/ops/self_check.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../../src/tensor/tensor.ts";

type Case = AnyOp["cases"][number];
const cpu = openCpu({ poison: true });
const SEED = 17;

/** Standard normal values of a shape, f32 numbers in f64. */
function drawn(shape: readonly number[], random: ReturnType<typeof seedRandom>): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: size }, () => Math.fround(nextNormal(random)));
  return { shape, dtype: "f64", data };
}

function shapesOf(tensors: Record<string, Tensor>): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
}

/** The loss's gradient with respect to each output: fixed random numbers. */
function seedsOf(op: AnyOp, inputs: Record<string, Tensor>, params: unknown) {
  const random = seedRandom(SEED);
  const shapes = op.outputShapes(shapesOf(inputs), params) as Record<string, readonly number[]>;
  return Object.fromEntries(op.outputs.map((name) => [name, drawn(shapes[name]!, random)]));
}

/** Gradients of all inputs on a device, on the host. */
export async function gradientsOn(
  device: Device,
  op: AnyOp,
  testCase: Case,
  dtype: Dtype,
): Promise<Record<string, FloatArray>> {
  const { params } = testCase;
  const inputs = caseInputs(testCase, dtype);
  const seeds = seedsOf(op, inputs, params);
  const scope = openScope(device);
  const outputs = runOp(scope, op, inputs, params);
  const values: Record<string, any> = { ...inputs, ...outputs };
  const given: Record<string, any> = {};
  for (const name of needsOf(op.backward!, params)) {
    if (values[name] !== undefined) given[name] = values[name];
  }
  for (const name of op.outputs) given[gradientName(name)] = asDtype(seeds[name]!, dtype);
  const gradients = runBackward(scope, op, given, shapesOf(inputs), params);
  const read: Record<string, FloatArray> = {};
  for (const name of Object.keys(inputs)) {
    read[name] = (await scope.read(gradients[gradientName(name)]!)).data;
  }
  scope.release();
  return read;
}

/** Σ seed·output in f64. */
function lossOf(op: AnyOp, inputs: Record<string, Tensor>, params: unknown): number {
  const seeds = seedsOf(op, inputs, params);
  const outputs = runOp(cpu, op, inputs, params);
  let loss = 0;
  for (const name of op.outputs) {
    const data = cpu.dataOf(outputs[name]!);
    for (let i = 0; i < data.length; i++) loss += seeds[name]!.data[i]! * data[i]!;
  }
  return loss;
}

/** Inputs that count samples: no loss depends on them smoothly, so their gradient must be 0. */
const COUNTS: ReadonlySet<string> = new Set(["seen0"]);

/** Step of the differences: the fourth-order rule is then off by rounding, about 1e-10. */
const STEP = 2e-5;

/**
 * Largest error of the twin's gradients in f64, each along a random direction, against central
 * differences of fourth order: |measured − gradient·direction| / (Σ|gradient·direction| + 1e-4·|loss|).
 */
export async function differenceError(op: AnyOp, testCase: Case): Promise<number> {
  const { params } = testCase;
  const inputs = caseInputs(testCase, "f64");
  const gradients = await gradientsOn(cpu, op, testCase, "f64");
  const random = seedRandom(SEED + 1);
  let worst = 0;
  for (const [name, tensor] of Object.entries(inputs)) {
    if (COUNTS.has(name)) {
      worst = Math.max(worst, ...gradients[name]!.map(Math.abs));
      continue;
    }
    const direction = drawn(tensor.shape, random).data;
    const along = (step: number) => {
      const data = tensor.data.map((value, i) => value + step * direction[i]!) as Float64Array;
      return lossOf(op, { ...inputs, [name]: { ...tensor, data } }, params);
    };
    const measured = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) /
      (12 * STEP);
    let expected = 0;
    let size = 0;
    gradients[name]!.forEach((value, i) => {
      expected += value * direction[i]!;
      size += Math.abs(value * direction[i]!);
    });
    const error = Math.abs(measured - expected);
    // The differences of a large loss round, however small the gradient is.
    const scale = size + 1e-4 * Math.abs(along(0));
    if (error !== 0) worst = Math.max(worst, Number.isNaN(error) ? Infinity : error / scale);
  }
  return worst;
}
