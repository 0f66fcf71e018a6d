import assert from "node:assert/strict";
import { COMPONENTS, dependenceAt } from "../../src/models/dependence.ts";
import { latentPaths, PATH_KNOTS, probabilityBeyond, shapePaths } from "../../src/models/paths.ts";

const COUNT = 4000;

function mixture(weights: Readonly<Record<number, number>>, season = 0) {
  const all = new Float64Array(COMPONENTS.length);
  for (const [k, weight] of Object.entries(weights)) all[Number(k)] = weight;
  return { weights: all, season, sizeDeviation: 0 };
}

/** Correlation of two columns of paths. */
function correlation(paths: Float64Array, times: number, a: number, b: number): number {
  let sum = 0;
  for (let start = 0; start < paths.length; start += times) {
    sum += paths[start + a]! * paths[start + b]!;
  }
  return sum * times / paths.length;
}

Deno.test("latentPaths() has the correlation of each component, at irregular times too", () => {
  const leads = Float64Array.of(0.5, 1, 2, 3.5, 7, 9, 40);
  COMPONENTS.forEach((component, k) => {
    const dependence = mixture({ [k]: 1 }, 7);
    const paths = latentPaths(dependence, leads, COUNT, 3);
    for (const [a, b] of [[0, 0], [1, 2], [2, 5], [3, 6], [1, 4], [6, 6]] as const) {
      const expected = dependenceAt(dependence, leads[a]!, leads[b]!);
      const seen = correlation(paths, leads.length, a, b);
      // The standard error of a product's mean is at most √2/√count.
      assert.ok(Math.abs(seen - expected) < 0.09, `${component.form} ${a} ${b}: ${seen}`);
    }
  });
});

Deno.test("latentPaths() gives all times of a path what they have in common", () => {
  const paths = latentPaths(mixture({ 0: 1 }), Float64Array.of(1, 2, 7), COUNT, 3, 0.3);
  for (const [a, b, wanted] of [[0, 0, 1], [0, 1, 0.3], [0, 2, 0.3], [1, 2, 0.3]] as const) {
    const seen = correlation(paths, 3, a, b);
    assert.ok(Math.abs(seen - wanted) < 0.08, `${a}, ${b}: ${seen}`);
  }
});

Deno.test("latentPaths() mixes components, and is the same for the same seed", () => {
  const leads = Float64Array.from({ length: 12 }, (_, i) => i + 1);
  const dependence = mixture({ 0: 0.4, 4: 0.6 });
  const paths = latentPaths(dependence, leads, COUNT, 1);
  assert.ok(Math.abs(correlation(paths, 12, 2, 11) - 0.6 * 0.5) < 0.07);
  assert.deepEqual(latentPaths(dependence, leads, COUNT, 1), paths);
  assert.notDeepEqual(latentPaths(dependence, leads, COUNT, 2), paths);
});

Deno.test("latentPaths() gives quick components one size a path, and leaves slow ones", () => {
  const leads = Float64Array.from({ length: 12 }, (_, i) => i + 1);
  const sizeDeviation = 0.6;
  for (
    const [weights, isQuick] of [[{ 0: 1 }, true], [{ 5: 1 }, true], [{ 4: 1 }, false]] as const
  ) {
    const dependence = { ...mixture(weights), sizeDeviation };
    const paths = latentPaths(dependence, leads, 4 * COUNT, 9);
    const expected = dependenceAt(dependence, leads[3]!, leads[9]!);
    assert.ok(Math.abs(correlation(paths, 12, 3, 9) - expected) < 0.1);
    assert.ok(Math.abs(correlation(paths, 12, 5, 5) - 1) < 0.1);
    let [products, mean] = [0, 0];
    for (let start = 0; start < paths.length; start += 12) {
      const [near, far] = [Math.abs(paths[start]!), Math.abs(paths[start + 11]!)];
      products += near * far / (4 * COUNT);
      mean += (near + far) / (8 * COUNT);
    }
    // Beyond what a walk's correlation of 0.29 explains: √(1 − ρ²) + ρ·asin ρ = 1.04.
    const ratio = products / mean ** 2;
    const exact = isQuick ? Math.exp(sizeDeviation ** 2) : 1.04;
    assert.ok(Math.abs(ratio - exact) < 0.1, `${JSON.stringify(weights)}: ${ratio} for ${exact}`);
  }
});

/** Quantiles at the knots of an exponential distribution, times the row's factor. */
function exponentialRows(factors: readonly number[]): Float64Array {
  return Float64Array.from(
    factors.flatMap((factor) => Array.from(PATH_KNOTS, (knot) => -factor * Math.log(1 - knot))),
  );
}

Deno.test("shapePaths() gives each time its own distribution, and keeps the order", () => {
  const leads = Float64Array.of(1, 2, 3);
  const paths = latentPaths(mixture({ 4: 1 }), leads, 1000, 5);
  const order = (values: Float64Array, t: number) =>
    Array.from({ length: 1000 }, (_, i) => i).sort((a, b) =>
      values[a * 3 + t]! - values[b * 3 + t]!
    );
  const before = order(paths, 1);
  shapePaths(paths, exponentialRows([1, 2, 3]), 3);
  assert.deepEqual(order(paths, 1), before);
  for (let t = 0; t < 3; t++) {
    const column = Float64Array.from({ length: 1000 }, (_, i) => paths[i * 3 + t]!).sort();
    for (const rank of [10, 100, 500, 900, 990]) {
      const exact = -(t + 1) * Math.log(1 - (rank + 0.5) / 1000);
      assert.ok(Math.abs(column[rank]! / exact - 1) < 0.02);
    }
  }
});

Deno.test("probabilityBeyond() inverts the quantiles, to both sides", () => {
  const rows = exponentialRows([1, 2]);
  for (const threshold of [0.05, 0.3, 1, 4]) {
    const exact = Math.exp(-threshold / 2);
    assert.ok(Math.abs(probabilityBeyond(rows, 1, threshold, "up") - exact) < 0.005);
    assert.ok(Math.abs(probabilityBeyond(rows, 1, threshold, "down") - (1 - exact)) < 0.005);
  }
  assert.equal(probabilityBeyond(rows, 0, -1, "up"), 1);
  assert.equal(probabilityBeyond(rows, 0, 99, "up"), 0);
  assert.equal(probabilityBeyond(rows, 0, 99, "down"), 1);
});

Deno.test("probabilityBeyond() counts values at a bound on neither side", () => {
  // Cut at 1 from below: 63 % of the values lie there, and the knots about it are 5 % apart.
  const rows = exponentialRows([1]).map((value) => Math.max(1, value));
  assert.ok(Math.abs(probabilityBeyond(rows, 0, 1, "up") - Math.exp(-1)) < 0.05);
  assert.equal(probabilityBeyond(rows, 0, 1, "down"), 0);
  assert.equal(probabilityBeyond(rows, 0, 0.99, "up"), 1);
});
