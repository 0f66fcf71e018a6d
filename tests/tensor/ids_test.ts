import assert from "node:assert/strict";
import { expectIds, nearestId } from "../../src/tensor/ids.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

Deno.test("expectIds() names the element that is no id", () => {
  const ids = (last: number) => tensorOf([2], Float64Array.of(0, last));
  assert.doesNotThrow(() => expectIds("targets", ids(15), 16));
  for (const wrong of [-1, 16, 1.5, NaN]) {
    assert.throws(() => expectIds("targets", ids(wrong), 16), { field: "targets[1]" });
  }
});

Deno.test("nearestId() rounds a half up and stays in range", () => {
  assert.deepEqual([-7, 0.49, 0.5, 2.5, 9, NaN].map((value) => nearestId(value, 3)), [
    0,
    0,
    1,
    2,
    2,
    0,
  ]);
});
