import assert from "node:assert/strict";
import { mimoSystem } from "../../src/ops/mimo_system.ts";
import { distance, run, t } from "./_run.ts";

const inputs = {
  logDt: t([1], [Math.log(0.5)]),
  lambdaRe: t([1], [-2]),
  lambdaIm: t([1], [0]),
  B: t([1, 2, 2], [3, 1, 5, 0]),
};

Deno.test("mimoSystem() holds the inputs over a step, real parts before imaginary ones", async () => {
  const { Abar, Bbar } = await run(mimoSystem, inputs, { method: "zoh" });
  // lambda = −2, dt = 0.5: exp(−1), and the factor (exp(−1) − 1)/(−2).
  const factor = (1 - Math.exp(-1)) / 2;
  assert.ok(distance(Abar!.data, [Math.exp(-1), 0]) < 1e-15);
  assert.deepEqual(Bbar!.shape, [1, 2, 2]);
  assert.ok(distance(Bbar!.data, [3 * factor, 5 * factor, factor, 0]) < 1e-15);
});

Deno.test("mimoSystem() leaves a continuous system as it is", async () => {
  const { Abar, Bbar } = await run(mimoSystem, inputs, { method: "continuous" });
  assert.deepEqual([...Abar!.data], [-2, 0]);
  assert.deepEqual([...Bbar!.data], [3, 5, 1, 0]);
});

Deno.test("mimoSystem() keeps the decay at a minimum", async () => {
  const params = { method: "continuous", decayMin: 3 };
  assert.equal((await run(mimoSystem, inputs, params)).Abar!.data[0], -3);
  const slow = { ...inputs, lambdaRe: t([1], [-4]) };
  assert.equal((await run(mimoSystem, slow, params)).Abar!.data[0], -4);
});

Deno.test("mimoSystem() names what is wrong", async () => {
  const fails = (given: object, params: object, error: object) =>
    assert.rejects(() => run(mimoSystem, { ...inputs, ...given }, params), error);
  await fails({}, { method: "euler" }, { field: "method" });
  await fails({}, { method: "zoh", decayMin: -1 }, { field: "decayMin" });
  await fails({ logDt: t([2], [0, 0]) }, { method: "zoh" }, { axis: "logDt.mode" });
});
