import assert from "node:assert/strict";
import { discretizeDense } from "../../src/ops/discretize_dense.ts";
import { distance, filled, run, t } from "./_run.ts";

const A = t([2, 2], [0, 1, 0, 0]);
const B = t([2], [0, 1]);
const dt = t([1, 2], [1, 0.5]);

Deno.test("discretizeDense() holds the input of a double integrator exactly", async () => {
  const { Abar, Bbar } = await run(discretizeDense, { A, B, dt }, { method: "zoh", alpha: 0.5 });
  assert.deepEqual(Abar!.shape, [1, 2, 2, 2]);
  assert.deepEqual(Bbar!.shape, [1, 2, 2]);
  assert.ok(distance(Abar!.data, [1, 1, 0, 1, 1, 0.5, 0, 1]) < 1e-15);
  assert.ok(distance(Bbar!.data, [0.5, 1, 0.125, 0.5]) < 1e-15);
});

Deno.test("discretizeDense() takes Euler's rules at the ends of alpha", async () => {
  const scalar = { A: t([1, 1], [-2]), B: t([1], [3]), dt: t([1], [0.5]) };
  const forward = await run(discretizeDense, scalar, { method: "gbt", alpha: 0 });
  assert.deepEqual([...forward.Abar!.data, ...forward.Bbar!.data], [0, 1.5]);
  const backward = await run(discretizeDense, scalar, { method: "gbt", alpha: 1 });
  assert.deepEqual([...backward.Abar!.data, ...backward.Bbar!.data], [0.5, 0.75]);
});

Deno.test("discretizeDense() refuses what has no discrete system", async () => {
  const gbt = { method: "gbt", alpha: 1 };
  const singular = { A: t([1, 1], [2]), B: t([1], [1]), dt: t([1], [0.5]) };
  await assert.rejects(() => run(discretizeDense, singular, gbt), RangeError);
  const negative = { A, B, dt: t([1], [-1]) };
  await assert.rejects(() => run(discretizeDense, negative, gbt), { field: "dt" });
});

Deno.test("discretizeDense() names the axis or the parameter at fault", async () => {
  const fails = (change: object, params: object, error: object) =>
    assert.rejects(() => run(discretizeDense, { A, B, dt, ...change }, params), error);
  await fails({ B: filled([3], () => 1) }, { method: "gbt", alpha: 1 }, { axis: "B.state" });
  await fails({}, { method: "euler", alpha: 1 }, { field: "method" });
  await fails({}, { method: "gbt", alpha: 2 }, { field: "alpha" });
});
