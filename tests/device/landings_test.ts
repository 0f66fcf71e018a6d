import assert from "node:assert/strict";
import {
  LANDING_BYTES_MAX,
  LANDING_BYTES_MIN,
  Landings,
  LANDINGS_MAX,
} from "../../src/device/landings.ts";
import { gpuTest } from "../_gpu.ts";

Deno.test("Landings gives back a buffer that is large enough and not twice too large", () => {
  const landings = new Landings();
  const bytes = LANDING_BYTES_MIN;
  const first = landings.take(2 * bytes)!;
  landings.give(first);
  assert.notEqual(landings.take(bytes - 1), first);
  assert.notEqual(landings.take(3 * bytes), first);
  assert.equal(landings.take(bytes), first);
  assert.notEqual(landings.take(bytes), first);
});

Deno.test("Landings leaves small and huge reads alone and keeps LANDINGS_MAX buffers", () => {
  const landings = new Landings();
  assert.equal(landings.take(LANDING_BYTES_MIN - 1), undefined);
  assert.equal(landings.take(LANDING_BYTES_MAX + 1), undefined);
  const buffers = Array.from({ length: LANDINGS_MAX + 1 }, () => landings.take(LANDING_BYTES_MIN)!);
  for (const buffer of buffers) landings.give(buffer);
  const again = buffers.map(() => landings.take(LANDING_BYTES_MIN)!);
  assert.equal(again.filter((buffer) => buffers.includes(buffer)).length, LANDINGS_MAX);
  assert.ok(!again.includes(buffers[0]!));
});

gpuTest("a large read keeps its values when the next one lands", async (gpu) => {
  const count = LANDING_BYTES_MIN / 4 + 3;
  const tensors = [1, 2, 3].map((value) => {
    const data = new Float32Array(count).fill(value);
    data[count - 1] = -value;
    return gpu.upload({ shape: [count], dtype: "f32", data });
  });
  for (let turn = 0; turn < 3; turn++) {
    const reads = await Promise.all(tensors.map((tensor) => gpu.read(tensor)));
    reads.forEach(({ data }, i) => {
      assert.equal(data.length, count);
      assert.ok(data.subarray(0, count - 1).every((value) => value === i + 1));
      assert.equal(data[count - 1], -(i + 1));
    });
  }
  for (const tensor of tensors) gpu.free(tensor);
});
