/** What every device does when it writes into a tensor that is there. */
import assert from "node:assert/strict";
import { ShapeError } from "../../src/base/errors.ts";
import { type Device, VIEW_ELEMENTS, viewOf } from "../../src/device/device.ts";

/** Overwrites a tensor, and a view of it, and refuses another count of elements. */
export async function checkWrite(device: Device): Promise<void> {
  const count = 2 * VIEW_ELEMENTS;
  const data = new Float32Array(count).fill(1);
  const tensor = device.upload({ shape: [count], dtype: "f32", data });
  const view = viewOf(tensor, VIEW_ELEMENTS, [3]);
  device.write(view, Float32Array.of(5, 6, 7));
  const expected = [...new Float32Array(count).fill(1)];
  expected.splice(VIEW_ELEMENTS, 3, 5, 6, 7);
  assert.deepEqual([...(await device.read(tensor)).data], expected);
  device.write(tensor, new Float32Array(count).fill(2));
  assert.deepEqual([...(await device.read(view)).data], [2, 2, 2]);
  assert.throws(
    () => device.write(tensor, new Float32Array(count - 1)),
    new ShapeError("elements", count, count - 1),
  );
  device.free(tensor);
}
