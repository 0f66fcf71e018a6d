import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { eigenHermitian } from "../../src/ssm/eigen_hermitian.ts";

function randomHermitian(size: number, seed: number) {
  const random = seedRandom(seed);
  const re = new Float64Array(size * size);
  const im = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      re[i * size + j] = re[j * size + i] = nextNormal(random);
      const value = i === j ? 0 : nextNormal(random);
      im[i * size + j] = value;
      im[j * size + i] = -value;
    }
  }
  return { re, im };
}

Deno.test("eigenHermitian() gives V·diag·V* back, with ascending values", () => {
  for (const size of [1, 2, 3, 8, 33]) {
    const { re, im } = randomHermitian(size, size);
    const { values, vectorsRe, vectorsIm } = eigenHermitian(re, im, size);
    let worst = 0;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sumRe = 0;
        let sumIm = 0;
        for (let k = 0; k < size; k++) {
          const a = vectorsRe[i * size + k]!, b = vectorsIm[i * size + k]!;
          const c = vectorsRe[j * size + k]!, d = vectorsIm[j * size + k]!;
          sumRe += values[k]! * (a * c + b * d);
          sumIm += values[k]! * (b * c - a * d);
        }
        worst = Math.max(
          worst,
          Math.abs(sumRe - re[i * size + j]!),
          Math.abs(sumIm - im[i * size + j]!),
        );
      }
    }
    // Jacobi is backward stable: a few units of rounding per sweep and size.
    assert.ok(worst < 1e-14 * size * 10, `size ${size}: ${worst}`);
    assert.deepEqual(values, values.slice().sort());
  }
});

Deno.test("eigenHermitian() of a rotation generator gives its two frequencies", () => {
  const { values } = eigenHermitian(new Float64Array(4), Float64Array.of(0, 3, -3, 0), 2);
  assert.ok(Math.abs(values[0]! + 3) < 1e-15 * 10 && Math.abs(values[1]! - 3) < 1e-15 * 10);
});

Deno.test("eigenHermitian() refuses values that are not finite", () => {
  const re = Float64Array.of(1, Infinity, Infinity, 1);
  assert.throws(() => eigenHermitian(re, new Float64Array(4), 2), /finite values/);
});
