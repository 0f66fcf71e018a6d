import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import {
  HIERARCHY_NODES_MAX,
  readHierarchy,
  reconcile,
  RECONCILIATIONS,
  sumUp,
} from "../../src/service/hierarchy.ts";

const sums = (given: Record<string, string[]>) => new Map(Object.entries(given));

const TREE = readHierarchy(sums({ total: ["north", "c"], north: ["a", "b"] }));

Deno.test("readHierarchy() counts parts of parts, and parts of several sums", () => {
  assert.deepEqual(TREE.bottoms, ["c", "a", "b"]);
  assert.deepEqual(TREE.nodes, ["total", "north", "c", "a", "b"]);
  assert.deepEqual([...TREE.summing.subarray(0, 6)], [1, 1, 1, 0, 1, 1]);
  const crossed = readHierarchy(sums({ all: ["x", "y"], x: ["a", "b"], y: ["b", "c"] }));
  assert.deepEqual([...crossed.summing.subarray(0, 3)], [1, 2, 1]);
});

Deno.test("readHierarchy() names what cannot be", () => {
  const wrong: [Record<string, string[]>, string][] = [
    [{}, "sums"],
    [{ t: [] }, "sums.t"],
    [{ t: ["a", "a"] }, "sums.t[1]"],
    [{ t: ["t"] }, "sums.t"],
    [{ t: ["u"], u: ["t", "a"] }, "sums.t"],
  ];
  for (const [given, field] of wrong) {
    assert.throws(
      () => readHierarchy(sums(given)),
      (error: unknown) => error instanceof InvalidValueError && error.field === field,
    );
  }
  const parts = Array.from({ length: HIERARCHY_NODES_MAX }, (_, i) => `p${i}`);
  assert.throws(() => readHierarchy(sums({ t: parts })), LimitError);
  assert.equal(readHierarchy(sums({ t: parts.slice(1) })).nodes.length, HIERARCHY_NODES_MAX);
});

Deno.test("reconcile() leaves points that add up as they are, whatever the method", () => {
  const numbers = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), {
    minLength: 6,
    maxLength: 6,
  });
  fc.assert(fc.property(numbers, (given) => {
    const bottoms = Float64Array.from(given);
    const points = sumUp(TREE, bottoms);
    const variances = Float64Array.of(5, 2, 1, 3, 0.5);
    for (const method of RECONCILIATIONS) {
      const own = reconcile(TREE, points, variances, method);
      own.forEach((value, i) => assert.ok(Math.abs(value - bottoms[i]!) < 1e-9 * 1000));
    }
  }));
});

Deno.test("reconcile() shares what is missing by the method", () => {
  const pair = readHierarchy(sums({ t: ["a", "b"] }));
  // The total says 12, the parts 4 and 5.
  const points = Float64Array.of(12, 4, 5);
  const variances = Float64Array.of(2, 1, 3);
  const near = (own: Float64Array, exact: number[]) =>
    own.forEach((value, i) => assert.ok(Math.abs(value - exact[i]!) < 1e-12, `${own}`));
  near(reconcile(pair, points, variances, "bottom-up"), [4, 5]);
  // By hand: each takes a third of the 3 that are missing, the total gives a third.
  near(reconcile(pair, points, variances, "ols"), [5, 6]);
  // In proportion to the variances: 3 · 1/6, 3 · 3/6.
  near(reconcile(pair, points, variances, "mint-diagonal"), [4.5, 6.5]);
  // A sum without a forecast of its own has no say.
  near(reconcile(pair, points.with(0, NaN), variances, "ols"), [4, 5]);
});

Deno.test("reconcile() takes a forecast without variance as certain", () => {
  const pair = readHierarchy(sums({ t: ["a", "b"] }));
  const points = Float64Array.of(12, 4, 5);
  const near = (variances: number[], exact: number[]) => {
    const own = reconcile(pair, points, Float64Array.from(variances), "mint-diagonal");
    own.forEach((value, i) => assert.ok(Math.abs(value - exact[i]!) < 1e-6, `${own}`));
  };
  near([0, 1, 1], [5.5, 6.5]);
  near([1e200, 0, 1e200], [4, 6.5]);
  near([1, 0, 0], [4, 5]);
  near([0, 0, 0], [5, 6]);
});
