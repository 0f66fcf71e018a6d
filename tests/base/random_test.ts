import assert from "node:assert/strict";
import { nextNormal, nextUint32, nextUniform, seedRandom } from "../../src/base/random.ts";

Deno.test("nextUint32() follows xoshiro128** from the state (1, 2, 3, 4)", () => {
  // Worked by hand from the published update: result = rotl(s1 * 5, 7) * 9.
  const state = new Uint32Array([1, 2, 3, 4]);
  assert.equal(nextUint32(state), 11520);
  assert.equal(nextUint32(state), 0);
  assert.equal(nextUint32(state), 5927040);
});

Deno.test("seedRandom() gives the same sequence for the same seed and another for another", () => {
  const draw = (seed: number) => {
    const state = seedRandom(seed);
    return Array.from({ length: 8 }, () => nextUint32(state));
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

Deno.test("nextUniform() and nextNormal() have the moments of their laws", () => {
  const state = seedRandom(1);
  const count = 20_000;
  let uniform = 0;
  let normal = 0;
  let square = 0;
  for (let i = 0; i < count; i++) {
    const u = nextUniform(state);
    assert.ok(u >= 0 && u < 1);
    uniform += u;
    const z = nextNormal(state);
    normal += z;
    square += z * z;
  }
  // Four standard errors of each mean.
  assert.ok(Math.abs(uniform / count - 0.5) < 4 / Math.sqrt(12 * count));
  assert.ok(Math.abs(normal / count) < 4 / Math.sqrt(count));
  assert.ok(Math.abs(square / count - 1) < 4 * Math.sqrt(2 / count));
});
