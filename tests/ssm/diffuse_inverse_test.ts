import assert from "node:assert/strict";
import fc from "fast-check";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { addScaled, congruence, identity, invertCov, maxAbs } from "../../src/ssm/dense.ts";
import { expandInverse } from "../../src/ssm/diffuse_inverse.ts";
import { farthest } from "./_gaussian.ts";

/** F∞ of a rank, F* positive definite with eigenvalues of at least ½. */
function pair(seed: number, size: number, rank: number) {
  const random = seedRandom(seed);
  const draws = (count: number) => Float64Array.from({ length: count }, () => nextNormal(random));
  return {
    diffuse: congruence(draws(size * rank), identity(rank), size, rank),
    finite: addScaled(
      congruence(draws(size * size), identity(size), size, size),
      identity(size),
      0.5,
    ),
  };
}

const scalesOf = (size: number) => new Float64Array(size).fill(1);

Deno.test("expandInverse() is the inverse of a large variance up to its third term", () => {
  const sizes = fc.integer({ min: 1, max: 4 })
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size }), fc.nat(1000)));
  fc.assert(
    fc.property(sizes, ([size, rank, seed]) => {
      const { diffuse, finite } = pair(seed, size, rank);
      const { rank: found, F0, F1, F2, logDet } = expandInverse(
        diffuse,
        finite,
        size,
        scalesOf(size),
      );
      assert.equal(found, rank);
      assert.equal(F0 === null, rank === size);
      // (κ·F∞ + F*)·(F0 + F1/κ + F2/κ²) = I term by term: κ¹ and κ⁰.
      const zero = new Float64Array(size * size);
      const by = (left: Float64Array, right: Float64Array) => product(left, right, size);
      const scale = 1 + maxAbs(F0 ?? zero) + maxAbs(F1) + maxAbs(F2);
      const close = 1e-9 * scale * (1 + maxAbs(diffuse) + maxAbs(finite));
      assert.ok(farthest(by(diffuse, F0 ?? zero), zero) < close);
      const one = addScaled(by(diffuse, F1), by(finite, F0 ?? zero));
      assert.ok(farthest(one, identity(size)) < close);
      const none = addScaled(by(diffuse, F2), by(finite, F1));
      assert.ok(farthest(none, zero) < close * scale);
      // log|κ·F∞ + F*| − rank·log κ approaches logDet like 1/κ.
      const kappa = 1e6 * scale;
      const large = invertCov(addScaled(finite, diffuse, kappa), size).logDet;
      assert.ok(Math.abs(large - rank * Math.log(kappa) - logDet) < 1e-4);
    }),
    { numRuns: 60 },
  );
});

function product(left: Float64Array, right: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    let sum = 0;
    for (let k = 0; k < size; k++) sum += left[i * size + k]! * right[k * size + j]!;
    return sum;
  });
}

Deno.test("expandInverse() counts what rounding left of an infinite part as nothing", () => {
  const { finite } = pair(1, 2, 1);
  // Two rows that see the same, but for a rounding; and the units of a row count for nothing.
  for (const unit of [1, 1e-8]) {
    const diffuse = Float64Array.of(1, unit, unit, unit ** 2 * (1 + 1e-15));
    const scales = Float64Array.of(1, unit ** 2);
    assert.equal(expandInverse(diffuse, finite, 2, scales).rank, 1);
  }
});

Deno.test("expandInverse() names rows that know everything before they see it", () => {
  const diffuse = Float64Array.of(1, 1, 1, 1);
  // Both rows are the same, and so is their noise.
  assert.throws(
    () => expandInverse(diffuse, Float64Array.of(1, 1, 1, 1), 2, scalesOf(2)),
    /not positive definite/,
  );
});
