import assert from "node:assert/strict";
import type { GpuLimits } from "../../src/device/device.ts";
import { matmul, OPS, slice } from "../../src/ops/mod.ts";
import { defineOp } from "../../src/ops/op.ts";
import { planOf, PLANS_MAX, textOf } from "../../src/ops/plan_cache.ts";
import { DEFAULT_LIMITS } from "./_run.ts";

const limitsOf = (change: Partial<GpuLimits> = {}): GpuLimits => ({ ...DEFAULT_LIMITS, ...change });

Deno.test("planOf() gives a plan again for equal shapes and params on the same device", () => {
  const limits = limitsOf();
  const plan = planOf(slice, "forward", { x: [2, 5] }, { start: 1, count: 3 }, limits);
  assert.equal(planOf(slice, "forward", { x: [2, 5] }, { start: 1, count: 3 }, limits), plan);
  for (const [x, count] of [[[2, 6], 3], [[5, 5], 3], [[2, 5], 2]] as const) {
    assert.notEqual(planOf(slice, "forward", { x }, { start: 1, count }, limits), plan);
  }
  assert.notEqual(planOf(slice, "backward", { x: [2, 5] }, { start: 1, count: 3 }, limits), plan);
  const other = limitsOf();
  assert.notEqual(planOf(slice, "forward", { x: [2, 5] }, { start: 1, count: 3 }, other), plan);
});

Deno.test("planOf() plans by the device's limits", () => {
  const byLimits = defineOp({
    ...slice,
    launch: (shapes, params, limits) => {
      const { scratch, passes } = slice.launch(shapes, params, limits);
      const constants = { GROUP: limits.invocationsMax };
      return { scratch, passes: passes.map((pass) => ({ ...pass, constants })) };
    },
  });
  for (const invocationsMax of [64, 256]) {
    const limits = limitsOf({ invocationsMax });
    const { passes } = planOf(byLimits, "forward", { x: [2, 5] }, { start: 1, count: 3 }, limits);
    assert.equal(passes[0]!.launch.constants["GROUP"], invocationsMax);
  }
});

Deno.test("planOf() refuses more workgroups than the device takes", () => {
  const limits = limitsOf({ workgroupsPerAxisMax: 1 });
  const plan = () => planOf(matmul, "forward", { a: [512, 64], b: [64, 512] }, {}, limits);
  assert.throws(plan, { limitName: "workgroupsPerAxisMax" });
  assert.throws(plan, { limitName: "workgroupsPerAxisMax" });
});

Deno.test("planOf() keeps PLANS_MAX plans at most", () => {
  const limits = limitsOf();
  const planFor = (count: number) =>
    planOf(slice, "forward", { x: [1, 2 * PLANS_MAX] }, { start: 0, count }, limits);
  const first = planFor(1);
  for (let count = 2; count <= PLANS_MAX; count++) planFor(count);
  assert.equal(planFor(1), first);
  planFor(PLANS_MAX + 1);
  assert.notEqual(planFor(1), first);
});

Deno.test("textOf() takes the params of every op, and tells apart what JSON does not", () => {
  for (const { cases } of OPS) {
    for (const { params } of cases) assert.doesNotThrow(() => textOf(params));
  }
  const values = [NaN, Infinity, -Infinity, null, undefined, "null", "1", 1, [1, 2], [[1], 2], {}];
  const texts = [...values, { a: 1, b: 2 }, { a: 1 }, { a: { b: 2 } }, true].map(textOf);
  assert.equal(new Set(texts).size, texts.length);
  assert.throws(() => textOf({ make: () => 1 }), TypeError);
});
