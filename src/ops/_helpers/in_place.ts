/**
 * What changes a tensor where it lies. Ops never do; this is for their caller's own sums, such as
 * the gradients of a tape.
 */
import type { Device, DeviceTensor, Launch } from "../../device/device.ts";
import { expectShape, sizeOf } from "../../tensor/shape.ts";
import { DTYPE_BYTES } from "../../tensor/tensor.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups, vectorOf, WIDE_GROUP } from "./plan.ts";

function bind(tensor: DeviceTensor): Launch["bindings"][string] {
  return { buffer: tensor.buffer, bytes: sizeOf(tensor.shape) * DTYPE_BYTES.f32 };
}

/** @throws {ShapeError} the tensors differ in their number of elements */
function expectSameSize(name: string, target: DeviceTensor, x: DeviceTensor): number {
  const count = sizeOf(target.shape);
  expectShape(name, ["elements"], [count], [sizeOf(x.shape)]);
  return count;
}

/**
 * sum ← sum + x, element by element whatever the shapes.
 *
 * @throws {ShapeError} the tensors differ in their number of elements
 */
export function addInto(device: Device, sum: DeviceTensor, x: DeviceTensor): void {
  const size = expectSameSize("x", sum, x);
  if (device.kind === "cpu") {
    const into = device.arrayOf(sum);
    const from = device.arrayOf(x);
    for (let i = 0; i < size; i++) into[i]! += from[i]!;
    return;
  }
  const vector = vectorOf(size);
  const count = size / vector;
  device.dispatch([{
    shader: "shared/add_into",
    entry: "add_into",
    constants: { GROUP: WIDE_GROUP, VECTOR: vector },
    dims: { count },
    bindings: { sum: bind(sum), x: bind(x) },
    workgroups: spreadGroups(groupsFor(count, WIDE_GROUP), device.limits),
  }]);
}

/**
 * target ← x, element by element whatever the shapes.
 *
 * @throws {ShapeError} the tensors differ in their number of elements
 */
export function copyInto(device: Device, target: DeviceTensor, x: DeviceTensor): void {
  const count = expectSameSize("x", target, x);
  if (device.kind === "cpu") {
    device.arrayOf(target).set(device.arrayOf(x));
    return;
  }
  device.dispatch([{
    shader: "shared/copy_words",
    entry: "copy_words",
    constants: { GROUP: POINTWISE_GROUP },
    dims: { count, wordsAt: 0, copiedAt: 0 },
    bindings: { words: bind(x), copied: bind(target) },
    workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), device.limits),
  }]);
}
