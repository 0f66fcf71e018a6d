import assert from "node:assert/strict";
import { activation } from "../../src/ops/activation.ts";
import { run, t } from "./_run.ts";

async function at(kind: string, x: number, beta?: number): Promise<number> {
  const params = beta === undefined ? { kind } : { kind, beta };
  return (await run(activation, { x: t([1], [x]) }, params)).y!.data[0]!;
}

Deno.test("activation() has the values of the tables", async () => {
  // Abramowitz and Stegun table 7.1: erf(1/sqrt 2) = 0.682689492137.
  assert.ok(Math.abs(await at("gelu", 1) - 0.5 * (1 + 0.682689492137086)) < 1e-14);
  assert.equal(await at("silu", 0), 0);
  assert.ok(Math.abs(await at("softplus", 0) - Math.LN2) < 1e-16);
  assert.equal(await at("relu", -2), 0);
  assert.equal(await at("sigmoid", 0), 0.5);
  assert.ok(Math.abs(await at("log_sigmoid", 0) + Math.LN2) < 1e-16);
});

Deno.test("activation() neither overflows nor loses the far tails", async () => {
  assert.equal(await at("softplus", 700), 700);
  assert.equal(await at("softplus", 8.1, 2.5), 8.1);
  assert.equal(await at("sigmoid", -800), 0);
  assert.equal(await at("log_sigmoid", -800), -800);
  // x Phi(x) with Phi(-10) = 7.619853024160527e-24.
  assert.ok(Math.abs(await at("gelu", -10) / -7.619853024160527e-23 - 1) < 1e-13);
});

Deno.test("activation() refuses an unknown function and a sharpness of 0", async () => {
  await assert.rejects(() => at("swish-9", 1), { field: "activation" });
  await assert.rejects(() => at("softplus", 1, 0), { field: "beta" });
});
