import assert from "node:assert/strict";
import fc from "fast-check";
import {
  asDtype,
  dtypeOf,
  floatArray,
  reshape,
  tensorOf,
  transpose,
  zeros,
} from "../../src/tensor/tensor.ts";

Deno.test("tensorOf() shares the array and refuses another count of elements", () => {
  const data = new Float32Array(6);
  assert.equal(tensorOf([2, 3], data).data, data);
  assert.equal(tensorOf([2, 3], data).dtype, "f32");
  assert.throws(() => tensorOf([2, 2], data), { axis: "elements", expected: 4, actual: 6 });
});

Deno.test("asDtype() converts, and gives the same tensor where nothing changes", () => {
  const double = tensorOf([1], Float64Array.of(0.1));
  assert.equal(asDtype(double, "f64"), double);
  const single = asDtype(double, "f32");
  assert.equal(single.data[0], Math.fround(0.1));
  assert.equal(dtypeOf(single.data), "f32");
});

Deno.test("zeros() and floatArray() have their dtype", () => {
  assert.ok(zeros([2], "f64").data instanceof Float64Array);
  assert.ok(floatArray("f32", 2) instanceof Float32Array);
});

Deno.test("reshape() keeps the elements and refuses another count", () => {
  const x = tensorOf([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  assert.equal(reshape(x, [3, 2]).data, x.data);
  assert.throws(() => reshape(x, [3, 3]), { axis: "elements" });
});

Deno.test("transpose() moves the element at [i, j, k] to [k, i, j]", () => {
  const x = tensorOf([2, 3, 4], Float64Array.from({ length: 24 }, (_, i) => i));
  const y = transpose(x, [2, 0, 1]);
  assert.deepEqual(y.shape, [4, 2, 3]);
  for (let i = 0; i < 2; i++) {
    for (let j = 0; j < 3; j++) {
      for (let k = 0; k < 4; k++) {
        assert.equal(y.data[(k * 2 + i) * 3 + j], x.data[(i * 3 + j) * 4 + k]);
      }
    }
  }
  assert.throws(() => transpose(x, [0, 1]), { axis: "order" });
});

Deno.test("transpose() twice by inverse orders gives the tensor back", () => {
  const shape = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(shape, fc.nat(), (sizes, turn) => {
    const count = sizes.reduce((a, b) => a * b, 1);
    const x = tensorOf(sizes, Float64Array.from({ length: count }, (_, i) => i));
    const order = sizes.map((_, i) => (i + turn) % sizes.length);
    const inverse = order.map((_, i) => order.indexOf(i));
    assert.deepEqual(transpose(transpose(x, order), inverse), x);
  }));
});
