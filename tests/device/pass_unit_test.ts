import assert from "node:assert/strict";
import {
  PASS_SAMPLES_MAX,
  PASS_WIDTH_MAX,
  passCovLength,
  passUnit,
} from "../../src/device/pass_unit.ts";

Deno.test("passUnit() lends arrays that do not overlap, one set at a time", () => {
  const unit = passUnit();
  assert.ok(unit, "this machine has WebAssembly SIMD");
  const arrays = unit.arrays(PASS_SAMPLES_MAX, PASS_WIDTH_MAX)!;
  const all = Object.values(arrays) as (Float64Array | Float32Array)[];
  all.forEach((array, i) => array.fill(i + 1));
  all.forEach((array, i) => assert.ok(array.every((value: number) => value === i + 1)));
  assert.equal(arrays.cov.length, passCovLength(PASS_WIDTH_MAX));
  unit.arrays(10, 4);
  assert.throws(() => unit.run(arrays, 0, 1), /asked for last/);
});

Deno.test("passUnit() lends nothing beyond its limits", () => {
  const unit = passUnit()!;
  assert.equal(unit.arrays(PASS_SAMPLES_MAX + 1, 4), undefined);
  assert.equal(unit.arrays(10, PASS_WIDTH_MAX + 4), undefined);
});
