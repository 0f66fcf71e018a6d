import assert from "node:assert/strict";
import fc from "fast-check";
import {
  applyTransform,
  invertTransform,
  type Transform,
  transformFor,
} from "../../src/models/transform.ts";

Deno.test("transformFor() takes the log above 0, the root from 0, else nothing", () => {
  assert.equal(transformFor(1e-300), "log");
  assert.equal(transformFor(0), "sqrt");
  assert.equal(transformFor(-1e-300), "none");
});

Deno.test("invertTransform() undoes applyTransform()", () => {
  const transforms: Transform[] = ["none", "log", "sqrt"];
  fc.assert(fc.property(
    fc.constantFrom(...transforms),
    fc.double({ min: 1e-12, max: 1e12, noNaN: true }),
    (transform, value) => {
      // The log of 1e12 is 28, whose last bit is 4e-15 of the value after exp.
      const back = invertTransform(transform, applyTransform(transform, value, 1));
      return Math.abs(back / value - 1) < 1e-13;
    },
  ));
});

Deno.test("applyTransform() takes values outside the domain at its edge", () => {
  assert.equal(applyTransform("log", -3, 0.5), Math.log(0.5));
  assert.equal(applyTransform("sqrt", -3, 0.5), 0);
  assert.equal(invertTransform("sqrt", -2), 0);
});
