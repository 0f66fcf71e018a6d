import assert from "node:assert/strict";
import { ShapeError } from "../../src/base/errors.ts";
import {
  expectAxis,
  expectRank,
  expectShape,
  lastAxis,
  rowsOf,
  sameShape,
  sizeOf,
} from "../../src/tensor/shape.ts";

Deno.test("sizeOf(), rowsOf() and lastAxis() count elements", () => {
  assert.equal(sizeOf([2, 3, 4]), 24);
  assert.equal(sizeOf([]), 1);
  assert.equal(sizeOf([2, 0]), 0);
  assert.equal(rowsOf([2, 3, 4]), 6);
  assert.equal(lastAxis("x", [2, 3, 4]), 4);
  assert.throws(() => lastAxis("x", []), { axis: "rank of x" });
});

Deno.test("expectShape() names the tensor, the axis and both sizes", () => {
  expectShape("u", ["batch", "length"], [2, 3], [2, 3]);
  assert.throws(() => expectShape("u", ["batch", "length"], [2, 3], [2, 4]), {
    name: "ShapeError",
    message: 'Axis "u.length" has size 4, expected 3',
  });
  assert.throws(() => expectShape("u", ["batch"], [2], [2, 4]), { axis: "rank of u" });
});

Deno.test("expectAxis() and expectRank() take what fits and refuse the rest", () => {
  expectAxis("feature", 3, 3);
  assert.throws(() => expectAxis("feature", 3, undefined), ShapeError);
  expectRank("u", 2, [1, 1]);
  assert.throws(() => expectRank("u", 2, [1]), { expected: 2, actual: 1 });
});

Deno.test("sameShape() compares axis by axis", () => {
  assert.ok(sameShape([2, 3], [2, 3]));
  assert.ok(!sameShape([2, 3], [3, 2]));
  assert.ok(!sameShape([2, 3], [2, 3, 1]));
});
