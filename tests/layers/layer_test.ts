import assert from "node:assert/strict";
import { bytesOfState, checkElapsed } from "../../src/layers/layer.ts";
import { tensorOf, zeros } from "../../src/tensor/tensor.ts";

Deno.test("bytesOfState() counts every tensor in its own dtype", () => {
  assert.equal(bytesOfState({ a: zeros([2, 3], "f64"), b: zeros([5], "f32") }), 48 + 20);
  assert.equal(bytesOfState({}), 0);
});

Deno.test("checkElapsed() names the row and the sample at fault", () => {
  const u = zeros([2, 3, 4], "f32");
  const elapsed = (...values: number[]) => ({
    dtScale: tensorOf([2, 3], Float64Array.from(values)),
  });
  checkElapsed(u, {});
  checkElapsed(u, elapsed(1, 0, 2.5, 1e300, 1, 5e-324));
  assert.throws(() => checkElapsed(u, elapsed(1, 1, 1, 1, 1, -1e-9)), {
    message: 'dtScale[1, 2] is "-1e-9", expected a finite number of at least 0',
  });
  assert.throws(() => checkElapsed(zeros([2, 4, 4], "f32"), elapsed(1, 1, 1, 1, 1, 1)), {
    axis: "dtScale.length",
  });
});
