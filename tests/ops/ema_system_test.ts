import assert from "node:assert/strict";
import { emaSystem } from "../../src/ops/ema_system.ts";
import { distance, filled, run, t } from "./_run.ts";

const logit = (p: number) => Math.log(p / (1 - p));

Deno.test("emaSystem() keeps 1 − alpha·delta and takes in alpha·beta", async () => {
  const inputs = { alpha: t([1], [logit(0.3)]), delta: t([1], [logit(0.8)]), beta: t([1], [2]) };
  const { A, B } = await run(emaSystem, inputs, { form: "discrete" });
  assert.deepEqual(A!.shape, [1, 2]);
  assert.ok(distance(A!.data, [1 - 0.3 * 0.8, 0]) < 1e-15);
  assert.ok(distance(B!.data, [0.3 * 2, 0]) < 1e-15);
});

Deno.test("emaSystem() in continuous time is held to the discrete one", async () => {
  // Some roundings of numbers near 1, for averages that forget at once and that hardly do.
  const alpha = t([4], [-12, -1, 0.5, 6]);
  const delta = t([4], [-9, 0, 2, 5]);
  const inputs = { alpha, delta, beta: filled([4], (i) => i - 1.5) };
  const discrete = await run(emaSystem, inputs, { form: "discrete" });
  const { A, B } = await run(emaSystem, inputs, { form: "continuous" });
  for (let i = 0; i < 8; i += 2) {
    const lambda = A!.data[i]!;
    assert.ok(Math.abs(Math.exp(lambda) - discrete.A!.data[i]!) < 1e-15);
    const held = Math.expm1(lambda) / lambda * B!.data[i]!;
    assert.ok(Math.abs(held - discrete.B!.data[i]!) < 1e-14);
  }
});

Deno.test("emaSystem() names what is at fault", async () => {
  const inputs = (width: number) => ({
    alpha: filled([2, 3], () => 0),
    delta: filled([2, width], () => 0),
    beta: filled([2, 3], () => 0),
  });
  const wide = () => run(emaSystem, inputs(4), { form: "discrete" });
  await assert.rejects(wide, { axis: "delta.axis 1" });
  const odd = () => run(emaSystem, inputs(3), { form: "other" });
  await assert.rejects(odd, { field: "form" });
});
