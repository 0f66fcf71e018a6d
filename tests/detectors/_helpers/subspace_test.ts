import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { initialSubspace, stepSubspace } from "../../../src/detectors/_helpers/subspace.ts";

const SIZE = 6;

/** Vectors in a plane of six dimensions, with a little noise off it. */
function vector(a: number, b: number, off: readonly number[]): Float64Array {
  const plane = [a, b, a + b, a - b, 2 * a, -b];
  return Float64Array.from(plane, (x, i) => x + 0.05 * off[i]!);
}

Deno.test("stepSubspace() leaves the noise off a plane and sees a vector that leaves it", () => {
  const random = seedRandom(1);
  const draw = () => nextNormal(random);
  const state = initialSubspace(SIZE);
  let total = 0;
  for (let i = 0; i < 4000; i++) {
    const off = Array.from({ length: SIZE }, draw);
    const left = stepSubspace(state, vector(draw(), draw(), off));
    if (i >= 3000) total += left / 1000;
  }
  assert.ok(total < 0.1, `${total} left of vectors in the plane`);
  const inside = stepSubspace(state, vector(2, -2, [0, 0, 0, 0, 0, 0]));
  const outside = stepSubspace(state, vector(1, 1, [0, 0, -60, 60, 0, 0]));
  assert.ok(outside > 5 * inside, `${outside} against ${inside}`);
});

Deno.test("stepSubspace() gives 0 for features that never move", () => {
  const state = initialSubspace(SIZE);
  for (let i = 0; i < 100; i++) {
    assert.equal(stepSubspace(state, new Float64Array(SIZE).fill(3)), 0);
  }
});
