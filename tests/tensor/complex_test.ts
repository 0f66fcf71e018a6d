import assert from "node:assert/strict";
import {
  COMPLEX_PARTS,
  complexFromReal,
  complexShape,
  complexShapeOf,
  packComplex,
  unpackComplex,
} from "../../src/tensor/complex.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const re = tensorOf([2, 2], Float64Array.of(1, 2, 3, 4));
const im = tensorOf([2, 2], Float64Array.of(5, 6, 7, 8));

Deno.test("packComplex() lays the parts side by side", () => {
  const packed = packComplex(re, im);
  assert.deepEqual(packed.shape, [2, 2, COMPLEX_PARTS]);
  assert.deepEqual([...packed.data], [1, 5, 2, 6, 3, 7, 4, 8]);
});

Deno.test("unpackComplex() is the inverse of packComplex()", () => {
  assert.deepEqual(unpackComplex(packComplex(re, im)), { re, im });
  assert.throws(() => unpackComplex(tensorOf([3], new Float64Array(3))), {
    axis: "tensor.complex",
  });
});

Deno.test("complexFromReal() has imaginary parts 0", () => {
  assert.deepEqual([...complexFromReal(re).data], [1, 0, 2, 0, 3, 0, 4, 0]);
});

Deno.test("complexShape() and complexShapeOf() undo each other", () => {
  assert.deepEqual(complexShapeOf("A", complexShape([3, 4])), [3, 4]);
});
