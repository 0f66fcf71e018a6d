/**
 * The backward of an op on a case: run on a device, and measured by finite differences of the twin
 * in f64. The laws of ops and `driftline gradients` run it.
 */
import { nextNormal, seedRandom } from "../base/random.ts";
import type { Device } from "../device/device.ts";
import { openCpu } from "../device/cpu.ts";
import { openScope } from "../device/scope.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import { type AnyOp, gradientName, needsOf } from "./op.ts";
import { type Homes, runBackward, runOp } from "./run.ts";
import { caseInputs } from "./self_check.ts";

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
export function seedsOf(
  op: AnyOp,
  inputs: Record<string, Tensor>,
  params: unknown,
): Record<string, Tensor> {
  const random = seedRandom(SEED);
  const shapes = op.outputShapes(shapesOf(inputs), params) as Record<string, readonly number[]>;
  return Object.fromEntries(op.outputs.map((name) => [name, drawn(shapes[name]!, random)]));
}

/**
 * Gradients of all inputs on a device, on the host.
 *
 * @param homesIn  memory that gradients are wanted in, by gradient name, within the case's scope
 */
export async function gradientsOn(
  device: Device,
  op: AnyOp,
  testCase: Case,
  dtype: Dtype,
  homesIn: (scope: Device, inputs: Record<string, Tensor>) => Homes = () => ({}),
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
  const gradients = runBackward(
    scope,
    op,
    given,
    shapesOf(inputs),
    params,
    homesIn(scope, inputs),
  );
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
 * Largest error that a right gradient shows: rounding leaves 1e-9 of a gradient, more where the
 * gradient is a remainder (a mode that has decayed, a step of 1e-7).
 */
export const DIFFERENCE_TOLERANCE = 2e-6;

/**
 * Cases at a point where a difference cannot be taken: values of 1e-40 or 1e9, a weight of 0 (which
 * makes a row missing), equal logits (where another class is the largest on either side).
 */
const NOT_DIFFERENTIATED = /denormal|far apart|missing|equal logits/;

/** Whether a case lies where its op has differences. */
export function isDifferentiable({ name }: Case): boolean {
  return !NOT_DIFFERENTIATED.test(name);
}

/**
 * Error of the twin's gradient in f64 of each input, along a random direction, against central
 * differences of fourth order:
 *
 *   |measured − gradient·direction| / (Σ|gradient·direction| + 1e-4·|loss|)
 *
 * The loss is the sum of all outputs times fixed random numbers.
 *
 * @returns the error by input; Infinity where the gradient is not a number
 */
export async function differenceErrors(
  op: AnyOp,
  testCase: Case,
): Promise<Record<string, number>> {
  const inputs = caseInputs(testCase, "f64");
  const gradients = await gradientsOn(cpu, op, testCase, "f64");
  const random = seedRandom(SEED + 1);
  const errors: Record<string, number> = {};
  for (const [name, tensor] of Object.entries(inputs)) {
    const gradient = gradients[name]!;
    if (COUNTS.has(name)) {
      errors[name] = Math.max(0, ...gradient.map(Math.abs));
      continue;
    }
    const direction = drawn(tensor.shape, random).data;
    const along = (step: number) => {
      const data = tensor.data.map((value, i) => value + step * direction[i]!) as Float64Array;
      return lossOf(op, { ...inputs, [name]: { ...tensor, data } }, testCase.params);
    };
    const measured = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) /
      (12 * STEP);
    let expected = 0;
    let size = 0;
    gradient.forEach((value, i) => {
      expected += value * direction[i]!;
      size += Math.abs(value * direction[i]!);
    });
    const error = Math.abs(measured - expected);
    // The differences of a large loss round, however small the gradient is.
    const scale = size + 1e-4 * Math.abs(along(0));
    const relative = error / scale;
    errors[name] = error === 0 ? 0 : Number.isNaN(relative) ? Infinity : relative;
  }
  return errors;
}
