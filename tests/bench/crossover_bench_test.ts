import assert from "node:assert/strict";
import { crossingOf } from "../../bench/crossover_bench.ts";

const point = (work: number, cpuMs: number | null, gpuMs: number | null) => ({
  op: "add",
  work,
  cpuMs,
  gpuMs,
});

Deno.test("crossingOf() lies between the sizes where the faster device changes", () => {
  // 1:10 behind, then 10:1 ahead: half way in logarithms.
  const work = crossingOf([point(100, 1, 10), point(10_000, 100, 10)])!;
  assert.ok(Math.abs(work - 1000) < 1e-6);
});

Deno.test("crossingOf() is the first size, or none, where one device is always faster", () => {
  assert.equal(crossingOf([point(8, 3, 2), point(16, 6, 2)]), 8);
  assert.equal(crossingOf([point(8, 1, 2), point(16, 2, 3)]), null);
  assert.equal(crossingOf([point(8, 1, null)]), null);
});
