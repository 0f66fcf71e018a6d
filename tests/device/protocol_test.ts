import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { VIEW_ELEMENTS, viewOf } from "../../src/device/device.ts";
import { wireBinding } from "../../src/device/protocol.ts";

Deno.test("wireBinding() names a view by its tensor's memory and its first byte", () => {
  const tensor = openCpu().alloc([4 * VIEW_ELEMENTS], "f32");
  const { id } = tensor.buffer;
  assert.deepEqual(wireBinding(tensor.buffer, 16), { id, offset: 0, bytes: 16 });
  const { buffer } = viewOf(viewOf(tensor, VIEW_ELEMENTS, [128]), VIEW_ELEMENTS, [4]);
  assert.deepEqual(wireBinding(buffer, 16), { id, offset: 8 * VIEW_ELEMENTS, bytes: 16 });
});
