import assert from "node:assert/strict";
import { discretize } from "../../src/ops/discretize.ts";
import { distance, run, t } from "./_run.ts";

const inputs = {
  logDt: t([1], [Math.log(0.5)]),
  logDecay: t([1, 1], [Math.log(2)]),
  frequency: t([1, 1], [0]),
  B: t([1, 1, 2], [3, 0]),
};

Deno.test("discretize() holds the input over a step", async () => {
  const { Abar, Bbar } = await run(discretize, inputs, { method: "zoh" });
  // lambda = −2, dt = 0.5: exp(−1) and (exp(−1) − 1)/(−2)·3.
  assert.ok(distance(Abar!.data, [Math.exp(-1), 0]) < 1e-15);
  assert.ok(distance(Bbar!.data, [1.5 * (1 - Math.exp(-1)), 0]) < 1e-15);
});

Deno.test("discretize() takes the trapezoidal rule", async () => {
  const { Abar, Bbar } = await run(discretize, inputs, { method: "bilinear" });
  assert.ok(distance(Abar!.data, [0.5 / 1.5, 0]) < 1e-15);
  assert.ok(distance(Bbar!.data, [0.5 / 1.5 * 3, 0]) < 1e-15);
});

Deno.test("discretize() names what is wrong", async () => {
  await assert.rejects(() => run(discretize, inputs, { method: "euler" }), { field: "method" });
  const other = { ...inputs, logDt: t([2], [0, 0]) };
  await assert.rejects(() => run(discretize, other, { method: "zoh" }), /logDt/);
});
