import assert from "node:assert/strict";
import { bytesOfState } from "../../src/layers/layer.ts";
import { zeros } from "../../src/tensor/tensor.ts";

Deno.test("bytesOfState() counts every tensor in its own dtype", () => {
  assert.equal(bytesOfState({ a: zeros([2, 3], "f64"), b: zeros([5], "f32") }), 48 + 20);
  assert.equal(bytesOfState({}), 0);
});
