import assert from "node:assert/strict";
import { needTensor } from "../../../src/models/neural/fast_mixer.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";

Deno.test("needTensor() names what is missing", () => {
  const tensors = { D: tensorOf([1], Float64Array.of(2)) };
  assert.equal(needTensor(tensors, "D"), tensors.D);
  assert.throws(() => needTensor(tensors, "B"), /B is missing, expected a tensor/);
});
