/**
 * The laws of kernels whose tensors lie in their own memory, over every case of every op that has
 * kernels: the bits are those of a run by copies, nothing is written beside an output, and no input
 * is written.
 */
import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import type { CpuDevice, SimdUnit } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { OPS, runOp } from "../../src/ops/mod.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { caseInputs } from "../../src/ops/self_check.ts";
import type { FloatArray } from "../../src/tensor/tensor.ts";

const outside = openCpu({ poison: true, simd: { workMin: 0 }, collected: true });
const unit = outside.simd!;

/** Elements before and after a tensor that nobody may write: a cache line, so that it is aligned. */
const GUARD = 16;
const GUARD_VALUE = 1.5e30;

/** Runs of kernels that met their tensors in place. */
let inPlace = 0;

/** An array of the kernels' memory with the same elements, between guards. */
function guarded(array: FloatArray) {
  const whole = unit.hold(array.length + 2 * GUARD, "tensor")!;
  whole.fill(GUARD_VALUE);
  const inner = whole.subarray(GUARD, GUARD + array.length);
  inner.set(array);
  return { array, whole, inner };
}

const run: SimdUnit["run"] = (plan, inputs, outputs) => {
  const moved = (arrays: Readonly<Record<string, FloatArray>>) =>
    Object.entries(arrays).map(([name, array]) => ({ name, ...guarded(array) }));
  const [given, filled] = [moved(inputs), moved(outputs)];
  const named = (places: typeof given) =>
    Object.fromEntries(places.map(({ name, inner }) => [name, inner]));
  const isDone = unit.run(plan, named(given), named(filled));
  if (isDone) inPlace++;
  for (const { name, array, inner } of given) {
    assert.ok(inner.every((value, i) => Object.is(value, array[i])), `${name} is written`);
  }
  for (const { name, array, whole, inner } of [...given, ...filled]) {
    const guards = [...whole.subarray(0, GUARD), ...whole.subarray(GUARD + array.length)];
    assert.ok(guards.every((value) => value === Math.fround(GUARD_VALUE)), `beside ${name}`);
    if (outputs[name] === array) array.set(inner);
    unit.release(whole);
  }
  return isDone;
};

/** The device whose kernels find every tensor in their memory. */
const inside: CpuDevice = { ...outside, simd: { ...unit, run } };

type Case = AnyOp["cases"][number];

function outputsOn(device: CpuDevice, op: AnyOp, testCase: Case): Record<string, FloatArray> {
  const scope = openScope(device) as CpuDevice & ReturnType<typeof openScope>;
  const outputs = runOp(scope, op, caseInputs(testCase, "f32"), testCase.params);
  const arrays = Object.fromEntries(op.outputs.map((name) => [name, scope.dataOf(outputs[name]!)]));
  scope.release();
  return arrays;
}

for (const op of OPS) {
  const { backward } = op;
  if (op.simd !== undefined) {
    Deno.test(`${op.name}: SIMD in place gives the bits of copies`, () => {
      const before = inPlace;
      for (const testCase of [...op.cases, op.sized(5003)]) {
        assert.deepEqual(outputsOn(inside, op, testCase), outputsOn(outside, op, testCase));
      }
      assert.ok(inPlace > before);
    });
  }
  if (backward?.simd !== undefined) {
    Deno.test(`${op.name}: SIMD gradients in place have the bits of copies`, async () => {
      const before = inPlace;
      for (const testCase of [...op.cases, op.sized(5003)]) {
        const actual = await gradientsOn(inside, op, testCase, "f32");
        assert.deepEqual(actual, await gradientsOn(outside, op, testCase, "f32"));
      }
      assert.ok(inPlace > before);
    });
  }
}
