import assert from "node:assert/strict";
import {
  PACKED_AREA_BYTES,
  PACKED_AREAS_MAX,
  PACKED_SIZE_MIN,
  packedUnit,
} from "../../src/device/packed.ts";

Deno.test("packedUnit() lends areas that do not overlap, and none beyond its limit", () => {
  const unit = packedUnit();
  assert.ok(unit, "this machine has WebAssembly SIMD");
  const areas = Array.from({ length: PACKED_AREAS_MAX }, (_, i) => {
    const area = unit.borrow(30, 1 + i % 3, i % 2 === 1);
    assert.ok(area);
    for (const array of Object.values(area)) (array as Float64Array).fill(i);
    return area;
  });
  assert.equal(unit.borrow(30, 1), undefined);
  areas.forEach((area, i) => {
    const { cov, row, column, narrow } = area;
    assert.equal(cov.length, (1 + i % 3) * 465);
    assert.equal(narrow.length, i % 2 === 1 ? cov.length : 0);
    assert.deepEqual([row.length, column.length], [30, 30]);
    for (const array of [cov, row, column, narrow]) {
      assert.ok(array.every((value) => value === i));
    }
  });
  for (let i = 0; i < PACKED_AREAS_MAX; i++) unit.giveBack();
  assert.equal(unit.borrowed, 0);
  assert.throws(() => unit.giveBack());
});

Deno.test("packedUnit() lends nothing too small to pay or too large for an area", () => {
  const unit = packedUnit()!;
  assert.equal(unit.borrow(PACKED_SIZE_MIN - 1, 1), undefined);
  assert.equal(unit.borrow(60, PACKED_AREA_BYTES / 8 / 1830), undefined);
  assert.ok(unit.borrow(60, 3));
  unit.giveBack();
  assert.equal(unit.borrow(60, 3, true), undefined);
  assert.equal(unit.borrowed, 0);
  assert.ok(unit.borrow(PACKED_SIZE_MIN, 1));
  unit.giveBack();
});
