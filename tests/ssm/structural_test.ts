import assert from "node:assert/strict";
import { isTrend, structuralSystem, varianceCount } from "../../src/ssm/structural.ts";

Deno.test("structuralSystem() of a local level is one random walk", () => {
  const model = structuralSystem({ trend: "llevel", seasons: [] }, Float64Array.of(3, 2));
  assert.deepEqual(model.sizes, { state: 1, observed: 1, noise: 1 });
  assert.deepEqual(model.observationCov, Float64Array.of(3));
  assert.deepEqual(model.processCov, Float64Array.of(2));
});

Deno.test("structuralSystem() orders irregular, level, slope, seasons", () => {
  const spec = { trend: "lltrend", seasons: [{ period: 4, harmonics: 1 }] };
  const model = structuralSystem(spec, Float64Array.of(1, 2, 3, 4));
  assert.equal(varianceCount(spec), 4);
  assert.deepEqual(Array.from({ length: 4 }, (_, i) => model.processCov[5 * i]), [2, 3, 4, 4]);
  assert.deepEqual(model.C, Float64Array.of(1, 0, 1, 0));
  // A quarter turn a sample.
  assert.ok(Math.abs(model.A[4 * 2 + 3]! - 1) < 1e-15);
  assert.ok(Math.abs(model.A[4 * 3 + 2]! + 1) < 1e-15);
});

Deno.test("structuralSystem() gives noise only to the states that have it", () => {
  const smooth = structuralSystem({ trend: "strend", seasons: [] }, Float64Array.of(1, 5));
  assert.deepEqual(smooth.sizes, { state: 2, observed: 1, noise: 1 });
  assert.deepEqual(smooth.G, Float64Array.of(0, 1));
  const constant = structuralSystem({ trend: "dconstant", seasons: [] }, Float64Array.of(1));
  assert.equal(constant.sizes.noise, 0);
});

Deno.test("structuralSystem() names what is out of range", () => {
  const none = Float64Array.of(1);
  assert.throws(() => structuralSystem({ trend: "toString", seasons: [] }, none), /trend is/);
  assert.throws(() => structuralSystem({ trend: "llevel", seasons: [] }, none), /variances is "1"/);
  assert.ok(isTrend("lltrend") && !isTrend("hasOwnProperty"));
});
