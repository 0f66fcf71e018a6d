import assert from "node:assert/strict";
import { skip } from "../../src/ops/skip.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("skip() adds each feature of the input by its own number, and takes the activation", async () => {
  const inputs = {
    a: t([2, 2], [1, 2, 3, 4]),
    u: t([2, 2], [10, -1, 1, 2]),
    weight: t([2], [0.1, 2]),
  };
  const { y, g } = await run(skip, inputs, { activation: "silu" });
  assert.deepEqual([...y!.data], [2, 0, 3.1, 8]);
  assert.ok(distance(g!.data, [2, 0, 3.1, 8].map((v) => v / (1 + Math.exp(-v)))) < 1e-15);
});

Deno.test("skip() names what is at fault", async () => {
  const inputs = { a: filled([2, 2], () => 1), u: filled([2, 2], () => 1), weight: t([1], [1]) };
  await assert.rejects(() => run(skip, inputs, { activation: "silu" }), { axis: "weight.feature" });
  const short = { ...inputs, u: filled([1, 2], () => 1), weight: t([2], [1, 1]) };
  await assert.rejects(() => run(skip, short, { activation: "silu" }), { axis: "u.0" });
  const right = { ...short, u: inputs.u };
  await assert.rejects(() => run(skip, right, { activation: "sign" }), { field: "activation" });
});
