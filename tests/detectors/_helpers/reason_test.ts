import assert from "node:assert/strict";
import { FLAG_FEATURES } from "../../../src/detectors/_helpers/bank.ts";
import { finalReason, reasonOf } from "../../../src/detectors/_helpers/reason.ts";

function deviationsAt(index: number): Float64Array {
  return new Float64Array(FLAG_FEATURES).fill(0.5).with(index, -9);
}

Deno.test("reasonOf() goes by the features that deviate most, and by the patterns", () => {
  const parts = [3, 1, 1];
  const reason = (index: number) =>
    reasonOf({ parts, deviations: deviationsAt(index), isSeasonal: false });
  assert.deepEqual([0, 1, 2, 5, 6, 8, 9, 10].map(reason), [
    "spike",
    "spike",
    "level",
    "level",
    "drift",
    "drift",
    "variance",
    "variance",
  ]);
  const seasonal = { parts: [3, 0, 2], deviations: deviationsAt(3), isSeasonal: true };
  assert.equal(reasonOf(seasonal), "season");
  assert.equal(reasonOf({ ...seasonal, parts: [1, 0, 2] }), "shape");
});

Deno.test("finalReason() calls a spike that stayed a level, one to both sides a variance", () => {
  const seen = (samples: number, above: number, below: number) => ({ samples, above, below });
  assert.equal(finalReason("spike", seen(41, 30, 0)), "level");
  assert.equal(finalReason("spike", seen(41, 0, 30)), "level");
  assert.equal(finalReason("spike", seen(41, 3, 0)), "spike");
  assert.equal(finalReason("spike", seen(41, 12, 10)), "variance");
  assert.equal(finalReason("spike", seen(4, 4, 0)), "spike");
  assert.equal(finalReason("shape", seen(41, 41, 0)), "shape");
});
