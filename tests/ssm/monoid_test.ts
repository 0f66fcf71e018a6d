import assert from "node:assert/strict";
import fc from "fast-check";
import { affine, complexAffine, covarianceMap, type Monoid } from "../../src/ssm/monoid.ts";
import { scanChunked, scanSequential } from "../../src/ssm/monoid.ts";

const number = fc.integer({ min: -3, max: 3 });
const affineElement = fc.record({ a: number, b: number });
const complexElement = fc.record({ aRe: number, aIm: number, bRe: number, bIm: number });

/** Small integers make every product and sum exact, so equality needs no tolerance. */
function checkLaws<E>(monoid: Monoid<E>, element: fc.Arbitrary<E>): void {
  const { combine, identity } = monoid;
  // Adding 0 turns −0 into 0.
  const clean = (value: E) => JSON.parse(JSON.stringify(value));
  fc.assert(fc.property(element, element, element, (a, b, c) => {
    assert.deepEqual(clean(combine(combine(a, b), c)), clean(combine(a, combine(b, c))));
    assert.deepEqual(clean(combine(identity, a)), clean(a));
    assert.deepEqual(clean(combine(a, identity)), clean(a));
  }));
}

Deno.test("affine is associative with its identity", () => checkLaws(affine, affineElement));

Deno.test("complexAffine is associative with its identity", () => {
  checkLaws(complexAffine, complexElement);
});

Deno.test("affine composes like the maps it stands for", () => {
  const { a, b } = affine.combine({ a: 2, b: 1 }, { a: 3, b: -5 });
  const x = 7;
  assert.equal(a * x + b, 3 * (2 * x + 1) - 5);
});

Deno.test("covarianceMap() doubles steps", () => {
  const { combine } = covarianceMap(2);
  const step = { A: Float64Array.of(1, 1, 0, 1), cov: Float64Array.of(1, 0, 0, 2) };
  const two = combine(step, step);
  assert.deepEqual(two.A, Float64Array.of(1, 2, 0, 1));
  // A·Q·Aᵀ + Q by hand.
  assert.deepEqual(two.cov, Float64Array.of(4, 2, 2, 4));
});

Deno.test("scanChunked() gives the prefixes of scanSequential() for every chunk length", () => {
  fc.assert(fc.property(
    fc.array(affineElement.map(({ a, b }) => ({ a: Math.sign(a), b })), { maxLength: 40 }),
    fc.integer({ min: 1, max: 45 }),
    (elements, chunk) => {
      const expected = scanSequential(affine, elements).map(({ a, b }) => [a + 0, b + 0]);
      const actual = scanChunked(affine, elements, chunk).map(({ a, b }) => [a + 0, b + 0]);
      assert.deepEqual(actual, expected);
    },
  ));
});

Deno.test("scanChunked() refuses a chunk of nothing", () => {
  assert.throws(() => scanChunked(affine, [], 0), /chunk is 0/);
});
