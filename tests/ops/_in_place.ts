/**
 * A CPU device whose kernels find every tensor in their own memory, each between guards: a run
 * fails where it writes beside an output, or into an input.
 */
import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import type { CpuDevice, SimdUnit } from "../../src/device/device.ts";
import type { FloatArray } from "../../src/tensor/tensor.ts";

const outside = openCpu({ poison: true, simd: { workMin: 0 }, collected: true });
const unit = outside.simd!;

/** Elements before and after a tensor that nobody may write: a cache line, so that it is aligned. */
const GUARD = 16;
const GUARD_VALUE = 1.5e30;

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
  assert.ok(isDone);
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

/** The device. */
export const inPlace: CpuDevice = { ...outside, simd: { ...unit, run } };
