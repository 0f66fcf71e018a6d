import assert from "node:assert/strict";
import { costOf, flopOf, sumCosts } from "../../bench/costs.ts";
import { opNamed } from "../../bench/scenario.ts";

Deno.test("costOf() counts a product's multiply-adds and moves each matrix once", () => {
  const shapes = { a: [5, 3], b: [3, 7] };
  const cost = costOf(opNamed("matmul"), shapes, {}, "forward");
  assert.equal(cost.fused, 5 * 3 * 7);
  assert.equal(flopOf(cost), 2 * 5 * 3 * 7);
  assert.equal(cost.bytes, 4 * (15 + 21 + 35));
  const back = costOf(opNamed("matmul"), shapes, {}, "backward");
  assert.equal(back.fused, 2 * cost.fused);
  // Both operands and the product's gradient in, two gradients out.
  assert.equal(back.bytes, 4 * (15 + 21 + 35 + 15 + 21));
});

Deno.test("costOf() counts batched and transposed products", () => {
  const batched = { a: [4, 5, 3], b: [4, 3, 7] };
  assert.equal(costOf(opNamed("matmul"), batched, {}, "forward").fused, 4 * 5 * 3 * 7);
  const turned = { a: [3, 5], b: [3, 7] };
  const cost = costOf(opNamed("matmul"), turned, { transposeA: true }, "forward");
  assert.equal(cost.fused, 5 * 3 * 7);
});

Deno.test("costOf() counts a selective scan as the design does", () => {
  const rows = [8, 2048, 2048];
  const shapes = {
    ...{ u: rows, delta: rows, z: rows, A: [2048, 16] },
    ...{ B: [8, 2048, 1, 16], C: [8, 2048, 1, 16] },
  };
  const cost = costOf(opNamed("selective_scan"), shapes, { softplus: true }, "forward");
  const samples = 8 * 2048 * 2048;
  // 16 bytes a sample and feature; B, C, A and the last state are little beside.
  assert.ok(cost.bytes > 16 * samples && cost.bytes < 1.01 * 16 * samples);
  assert.equal(cost.special, samples * (16 + 4));
});

Deno.test("costOf() counts the keys that causal attention sees", () => {
  const rows = [1, 4, 1, 8];
  const shapes = { q: rows, k: rows, v: rows };
  const whole = costOf(opNamed("attention"), shapes, { window: 4 }, "forward");
  assert.equal(whole.special, 1 + 2 + 3 + 4);
  const windowed = costOf(opNamed("attention"), shapes, { window: 2 }, "forward");
  assert.equal(windowed.special, 1 + 2 + 2 + 2);
});

Deno.test("sumCosts() adds each part", () => {
  const one = { bytes: 1, fused: 2, single: 3, special: 4 };
  assert.deepEqual(sumCosts([one, one]), { bytes: 2, fused: 4, single: 6, special: 8 });
});
