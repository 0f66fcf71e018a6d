import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  initialMahalanobis,
  stepMahalanobis,
} from "../../../src/detectors/_helpers/mahalanobis.ts";

Deno.test("stepMahalanobis() is near 1 on average for Gaussian vectors, however correlated", () => {
  const random = seedRandom(1);
  const state = initialMahalanobis(3);
  let total = 0;
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const [a, b, c] = [nextNormal(random), nextNormal(random), nextNormal(random)];
    const features = Float64Array.of(1e3 * a!, a! + b!, 5 + c!);
    const distance = stepMahalanobis(state, features);
    if (i >= 1000) total += distance * distance;
  }
  // E[z' R^-1 z] = size; the ridge and the weights of outliers leave it within a tenth.
  assert.ok(Math.abs(total / (count - 1000) - 1) < 0.1, `${total / (count - 1000)}`);
});

Deno.test("stepMahalanobis() sees a broken correlation that no single feature shows", () => {
  const random = seedRandom(2);
  const state = initialMahalanobis(2);
  for (let i = 0; i < 2000; i++) {
    const a = nextNormal(random);
    stepMahalanobis(state, Float64Array.of(a, a + 0.05 * nextNormal(random)));
  }
  const along = stepMahalanobis(state, Float64Array.of(1.5, 1.5));
  const across = stepMahalanobis(state, Float64Array.of(1.5, -1.5));
  assert.ok(across > 10 * along, `${across} against ${along}`);
});

Deno.test("stepMahalanobis() gives 0 for features that never move", () => {
  const state = initialMahalanobis(2);
  for (let i = 0; i < 100; i++) {
    assert.equal(stepMahalanobis(state, Float64Array.of(0, 7)), 0);
  }
  assert.ok(stepMahalanobis(state, Float64Array.of(0, 8)) > 10);
});
